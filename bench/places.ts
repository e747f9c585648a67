/** Where a contender works: drives, hosts that nobody has used, and how our own program is called. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FileSystem, makeDrive } from '../__test__/helpers/drives.js'
import { isRoot, tempDir } from '../__test__/helpers/temp.js'
import type { Contender, Prepared } from './measure.js'

/** Where a copy goes. */
export type Place = FileSystem | 'directory'

export const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))
export const node = quote(process.execPath)
/** Our program, for sh. */
export const us = `${node} ${quote(program)}`
export const MiB = 1 << 20

/** Our plain run. */
export const ours = (from: string, to: string): string =>
  `${us} ${from} -o ${to} --hide-progress -y`

/** An empty drive, or directory, with this much room in bytes; `inodes`: for so many entries, where that has to be said. */
export function emptyPlace(
  place: Place,
  room: number,
  inodes?: number,
): { at: string; dispose: () => void } {
  if (place === 'directory') {
    const at = tempDir('out')
    return { at, dispose: () => remove(at) }
  }
  // Else a drive would be kept in memory twice, and its data would lie there until much of it has come together.
  const drive = makeDrive({
    fs: place,
    size: Math.ceil(room / MiB) * MiB,
    directIo: true,
    ...(inodes === undefined ? {} : { inodes }),
  })
  return { at: drive.path, dispose: () => drive.dispose() }
}

/** A home, a state directory and a working directory that nobody has used. */
export function freshHost(env: Record<string, string>): Prepared {
  const home = tempDir('home')
  const [state, cwd] = [path.join(home, 'state'), path.join(home, 'cwd')]
  for (const directory of [state, cwd]) fs.mkdirSync(directory)
  return { env: { ...env, HOME: home, XDG_STATE_HOME: state, NO_COLOR: '1' }, cwd }
}

/** The place where the drive itself costs least. */
export function fastPlace(): Place {
  return isRoot ? 'tmpfs' : 'directory'
}

/** The contender, where its tool is there. */
export function installed(tool: string, contender: Contender): Contender[] {
  return spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0 ? [contender] : []
}

/** Whether so many bytes of memory are free. */
export function hasMemory(bytes: number): boolean {
  const kilobytes = /^MemAvailable:\s+(\d+)/m.exec(fs.readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return Number(kilobytes ?? 0) * 1024 > bytes
}

export function remove(directory: string): void {
  fs.rmSync(directory, { recursive: true, force: true })
}

/** A word for sh. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** What {@link madeOnce} made. */
const kept: (() => void)[] = []

/** Takes away what {@link madeOnce} made: on tmpfs it is memory that the next suite needs. */
export function disposeKept(): void {
  for (const dispose of kept.splice(0)) dispose()
}

/** Makes a place ready with a command that runs once, unmeasured; it stays until {@link disposeKept}. */
export function madeOnce(place: Place, room: number, first: string): () => Prepared {
  let made: Prepared | undefined
  return () => {
    if (made) return made
    const { at, dispose } = emptyPlace(place, room)
    kept.push(dispose)
    made = freshHost({ OUT: at })
    const run = spawnSync('/bin/sh', ['-c', first], {
      env: { ...process.env, ...made.env },
      cwd: made.cwd,
      encoding: 'utf8',
    })
    if (run.status !== 0) made.check = () => `what was to be made ready failed: ${run.stderr}`
    return made
  }
}
