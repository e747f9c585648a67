// What a release must be able to do on its platform, run from outside as a user runs it: back a tree up, verify
// the drives, bring everything back, and find nothing different; then once more with nothing to do.
//
//   node scripts/release/smoke.mjs [--drives] [-- PROGRAM ARG...]     (default: this Node.js with dist/main.js)
//
// `--drives`: onto two small ext4 drives on loop devices (root, Linux), so that a file ends on the second one because
// the first is full; otherwise into two directories. Needs nothing but Node.js, so it runs where no test runner does.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from '../setup.mjs'

/** How large the drives are, in bytes; what is copied fits on none of them alone. */
const DRIVES = [24_000_000, 48_000_000]

/**
 * Runs all of it. `program` is what is run, with its first arguments; `options` go to its process. Throws where
 * anything is not as it has to be.
 */
export function smoke(program, { drives = false, cwd, env = process.env } = {}) {
  const top = fs.mkdtempSync(path.join(os.tmpdir(), 'mvcopy-smoke-'))
  const mounted = []
  try {
    const outputs = DRIVES.map((size, n) => {
      const place = path.join(top, `drive${n + 1}`)
      fs.mkdirSync(place)
      if (drives) {
        makeDrive(path.join(top, `${n + 1}.img`), size, place)
        mounted.push(place)
      }
      return place
    })
    const source = makeTree(path.join(top, 'source'))
    const host = { ...env, XDG_STATE_HOME: path.join(top, 'state'), NO_COLOR: '1' }
    const run = (...args) => {
      process.stderr.write(`$ multivolumecopy ${args.join(' ').replaceAll(`${top}/`, '')}\n`)
      const [command, ...first] = program
      const options = {
        cwd: cwd ?? top,
        env: host,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }
      const { status, stdout, stderr, error } = spawnSync(command, [...first, ...args], options)
      if (error) throw error
      if (status !== 0) throw new Error(`exit code ${status}\n${stdout}${stderr}`)
      return stdout + stderr
    }
    const at = outputs.flatMap((place) => ['-o', place])
    const jobFile = path.join(top, 'job.json')
    run(source, ...at, '--jobfile', jobFile, '-q')
    const entries = JSON.parse(fs.readFileSync(jobFile, 'utf8'))
    if (entries.length < 60) throw new Error(`the job file has ${entries.length} entries`)
    for (const place of outputs) run('verify', '-o', place, '-q')
    const back = path.join(top, 'back')
    fs.mkdirSync(back)
    run('restore', ...at, '--to', back, '-q')
    const [was, is] = [describe(source), describe(back)]
    if (was !== is) throw new Error(`what came back is not what was there:\n${was}\nand now\n${is}`)
    const held = outputs.map((place) => describe(place).match(/\.bin /g)?.length ?? 0)
    if (drives && held.includes(0)) throw new Error(`files on the drives: ${held.join(' and ')}`)
    run(source, ...at, '-q')
    process.stderr.write(
      `files on the drives: ${held.join(' and ')}; what came back is what was there\n`,
    )
  } finally {
    for (const place of mounted.reverse()) spawnSync('umount', [place], { stdio: 'inherit' })
    fs.rmSync(top, { recursive: true, force: true })
  }
}

/** Some 30 MB, with what is easily lost: links of both kinds, modes, times, holes, names. */
function makeTree(source) {
  for (let n = 0; n < 60; n += 1) {
    const dir = path.join(source, `d${n % 6}`, 'deeper')
    fs.mkdirSync(dir, { recursive: true })
    fs.writeFileSync(path.join(dir, `${n}.bin`), Buffer.alloc(500_000, n))
    fs.utimesSync(path.join(dir, `${n}.bin`), 1e9 + n, 1e9 + n + 0.5)
  }
  fs.symlinkSync('d0/deeper/0.bin', path.join(source, 'link'))
  fs.linkSync(path.join(source, 'd1/deeper/1.bin'), path.join(source, 'd1/second-name.bin'))
  fs.writeFileSync(path.join(source, 'Übung \n "quoted".txt'), 'x', { mode: 0o640 })
  const hole = fs.openSync(path.join(source, 'hole'), 'w')
  fs.ftruncateSync(hole, 5_000_000)
  fs.closeSync(hole)
  fs.mkdirSync(path.join(source, 'empty'))
  return source
}

/** Everything below a directory, a line an entry; our own files are left out. */
function describe(top) {
  const names = fs.readdirSync(top, { recursive: true }).sort()
  const lines = names
    .filter((name) => !/^(\.mvcopy|lost\+found)|^[A-Z-]+\.(txt|html)$/.test(name))
    .map((name) => {
      const file = path.join(top, name)
      const facts = fs.lstatSync(file)
      const mode = facts.mode.toString(8)
      if (facts.isSymbolicLink()) return `${name} -> ${fs.readlinkSync(file)}`
      if (facts.isDirectory()) return `${name} ${mode}`
      const sum = createHash('sha256').update(fs.readFileSync(file)).digest('hex')
      return `${name} ${mode} ${facts.nlink} ${facts.mtimeMs} ${facts.size} ${sum}`
    })
  return lines.join('\n')
}

function makeDrive(image, size, place) {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
  fs.closeSync(fs.openSync(image, 'w'))
  fs.truncateSync(image, size)
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image], { env })
  execFileSync('mount', ['-o', 'loop', image, place], { env })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    options: { drives: { type: 'boolean', default: false } },
    allowPositionals: true,
  })
  const program =
    positionals.length > 0 ? positionals : [process.execPath, path.join(root, 'dist/main.js')]
  smoke(program, values)
}
