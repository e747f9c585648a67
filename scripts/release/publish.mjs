// Publishes what pack.mjs has packed, in its order: the platforms' packages first, and the one that people
// install when all of those are there. May be run again after a break: what is there already is passed over.
//
//   node scripts/release/publish.mjs [--registry URL] [--provenance] [--tag TAG]
//
// A package that is there under this version with other content is an error: nothing is ever replaced.

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../setup.mjs'

/** How often, and how long apart, it is looked whether the registry shows what it has taken. */
const LOOKS = 60
const PAUSE_MS = 5000

const { values } = parseArgs({
  options: {
    registry: { type: 'string' },
    provenance: { type: 'boolean', default: false },
    tag: { type: 'string', default: 'latest' },
  },
})

const out = path.join(root, 'release')
const packages = JSON.parse(fs.readFileSync(path.join(out, 'packages.json'), 'utf8'))
const common = values.registry === undefined ? [] : ['--registry', values.registry]

const last = packages.at(-1)
for (const item of packages) {
  if (item === last) for (const before of packages.slice(0, -1)) await shown(before)
  if (isThere(item)) {
    process.stdout.write(`${item.name}@${item.version} is there already\n`)
    continue
  }
  const args = ['publish', `./${item.filename}`, '--access', 'public', '--tag', values.tag]
  if (values.provenance) args.push('--provenance')
  const run = npm([...args, ...common], { cwd: out, stdio: ['ignore', 2, 'inherit'] })
  if (run.status !== 0) throw new Error(`${item.name} could not be published`)
  process.stdout.write(`${item.name}@${item.version} is published\n`)
}

/** Whether the registry has this very package. */
function isThere({ name, version, integrity }) {
  const args = ['view', `${name}@${version}`, 'dist.integrity', '--json', '--prefer-online']
  const { stdout, status } = npm([...args, ...common], { encoding: 'utf8' })
  let answer
  try {
    answer = stdout === '' ? undefined : JSON.parse(stdout)
  } catch {
    answer = undefined
  }
  if (status !== 0) {
    if (answer?.error?.code === 'E404') return false
    throw new Error(
      `the registry could not be asked about ${name}: ${answer?.error?.summary ?? stdout}`,
    )
  }
  if (answer === undefined) return false
  if (answer === integrity) return true
  throw new Error(`${name}@${version} is published with other content; a new version is needed`)
}

async function shown(item) {
  for (let look = 0; look < LOOKS; look += 1) {
    if (isThere(item)) return
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  throw new Error(`the registry does not show ${item.name}@${item.version}; run this again later`)
}

function npm(args, options) {
  return spawnSync('npm', args, options)
}
