/** What the tests of `repair` have in common: making files bad, and findings about them. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Host } from '../helpers/cli.js'

/** The word of a finding about an entry. */
export type Found = Readonly<Record<string, 'corrupt' | 'changed' | 'missing' | 'unreadable'>>

/** Notes findings in the host's catalog, as a check of the drive would. */
export function find(host: Host, volume: number, found: Found): void {
  const state = path.join(host.state, 'multivolumecopy')
  const [file] = fs.readdirSync(state).filter((name) => name.endsWith('.sqlite'))
  if (file === undefined) throw new Error('no catalog')
  const run = spawnSync(
    'python3',
    ['-c', SCRIPT, path.join(state, file), String(volume), JSON.stringify(found)],
    { encoding: 'utf8' },
  )
  if (run.status !== 0) throw new Error(run.stderr)
}

const SCRIPT = `
import json, os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for path, word in json.loads(sys.argv[3]).items():
    *dirs, name = os.fsencode(path).split(b"/")
    at = 1
    for one in dirs:
        at = db.execute("SELECT id FROM dir WHERE parent = ? AND name = ?", (at, one + b"/")).fetchone()[0]
    db.execute("INSERT OR REPLACE INTO finding VALUES(?, ?, ?, ?, 0, 1)", (int(sys.argv[2]), at, name, word))
db.commit()
`

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
