// `npm test`: sets the checkout up if need be, then runs all tests, Rust's and then TypeScript's.
//
// Both suites always run and print their own reports; the exit code is 1 if either fails. Arguments
// go to ava (`npm test -- --tap`, `npm test -- __test__/size.test.ts`); words of MVCOPY_CARGO_TEST go to
// `cargo test`, with a blank between two.

import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { explained, root, setUp, toolEnv } from './setup.mjs'

await explained(async () => {
  setUp()
  const place = memory()
  const inMemory = place !== undefined && !process.env.TMPDIR && keepsAttributes()
  const forCargo = process.env.MVCOPY_CARGO_TEST?.split(' ').filter((word) => word !== '') ?? []
  const suites = [
    [
      'cargo',
      ['test', '--workspace', '--no-fail-fast', ...forCargo],
      inMemory ? { TMPDIR: place } : {},
    ],
    [
      process.execPath,
      [
        path.join(root, 'node_modules/ava/entrypoints/cli.mjs'),
        // One more than there are processors: somebody is always waiting for a drive.
        `--concurrency=${os.availableParallelism() + 1}`,
        ...process.argv.slice(2),
      ],
      place === undefined ? {} : { MVCOPY_TEST_MEMORY: place },
    ],
  ]
  for (const [command, args, env] of suites) {
    if (!(await passes(command, args, env))) process.exitCode = 1
  }
})

/**
 * A place in memory with much room, if there is one: Rust's tests kill and begin again thousands of runs on whatever
 * file system their directory is on; ava's make their own file systems, and need a place for the images.
 */
function memory() {
  const place = '/dev/shm'
  if (os.platform() !== 'linux') return undefined
  try {
    const TMPFS = 0x01021994
    const { type, bavail, bsize } = fs.statfsSync(place)
    fs.accessSync(place, fs.constants.W_OK)
    const much = Math.min(bavail * bsize, os.freemem()) > 4e9
    return type === TMPFS && much ? place : undefined
  } catch {
    return undefined
  }
}

/** Whether a file system in memory takes the attributes of users (since Linux 6.6). */
function keepsAttributes() {
  const [major = 0, minor = 0] = os.release().split('.').map(Number)
  return major > 6 || (major === 6 && minor >= 6)
}

function passes(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...toolEnv(), ...env },
      stdio: 'inherit',
    })
    child.on('error', (error) => {
      process.stderr.write(`${command} could not be run: ${error.message}\n`)
      resolve(false)
    })
    child.on('exit', (code, signal) => {
      if (signal) process.stderr.write(`${command} was ended by ${signal}\n`)
      resolve(code === 0)
    })
  })
}
