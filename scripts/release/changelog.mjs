// The part of CHANGELOG.md about one version, as release notes: `node scripts/release/changelog.mjs VERSION [FILE]`.

import * as fs from 'node:fs'
import * as path from 'node:path'
import { root } from '../setup.mjs'

const [version = '', file = path.join(root, 'CHANGELOG.md')] = process.argv.slice(2)
const part = fs
  .readFileSync(file, 'utf8')
  .split(/^## (?=\[)/m)
  .find((section) => section.startsWith(`[${version}]`))
const notes = part?.slice(part.indexOf('\n') + 1).trim()
if (notes) {
  process.stdout.write(`${notes}\n`)
} else {
  process.stderr.write(`CHANGELOG.md has nothing about ${version}\n`)
  process.exitCode = 1
}
