/** What the tests of `repair` have in common: making files bad, and finding it out. */

import * as fs from 'node:fs'
import type { ExecutionContext } from 'ava'
import { events } from '../copy/kit.js'
import type { Host } from '../helpers/cli.js'

/** Checks a drive, and fails unless exactly these findings come of it: `path` → word. */
export async function find(
  t: ExecutionContext,
  host: Host,
  drive: string,
  found: Readonly<Record<string, string>>,
): Promise<void> {
  const run = await host.run(['verify', '-o', drive, '--restart', '--json'])
  t.is(run.code, Object.keys(found).length > 0 ? 1 : 0, run.stderr)
  const told = events(run, 'verify-result').map(({ path, result }) => [path, result])
  t.deepEqual(Object.fromEntries(told), found)
}

/** Flips a bit and leaves size and times. */
export function rot(file: string, at = 0): void {
  const { atime, mtime } = fs.statSync(file)
  const open = fs.openSync(file, 'r+')
  const byte = Buffer.alloc(1)
  fs.readSync(open, byte, 0, 1, at)
  byte[0] = (byte[0] ?? 0) ^ 1
  fs.writeSync(open, byte, 0, 1, at)
  fs.closeSync(open)
  fs.utimesSync(file, atime, mtime)
}
