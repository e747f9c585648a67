// Makes man/multivolumecopy.1 from the table of commands and options, out of the build in dist/.
// `--check` only says whether it is current (exit code 1: it is not).

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { manual } from '../dist/program.js'

const file = fileURLToPath(new URL('../man/multivolumecopy.1', import.meta.url))
const page = await manual()

if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== page) {
    console.error('man/multivolumecopy.1 is out of date: node scripts/man.mjs')
    process.exitCode = 1
  }
} else {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, page)
}
