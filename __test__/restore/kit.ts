/** What the tests of restore have in common: a set that is on some drives, and what came back of it. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ExecutionContext } from 'ava'
import { ended, makeSource } from '../copy/kit.js'
import { type Host, makeHost, type RunResult } from '../helpers/cli.js'
import { type Drive, type DriveOptions, MiB, makeDrive } from '../helpers/drives.js'
import { tempDir } from '../helpers/temp.js'

/** A set on drives that are mounted. */
export interface Shelf {
  readonly host: Host
  readonly source: string
  readonly drives: readonly Drive[]
  /** Backs up to all drives. */
  back(t: ExecutionContext, ...more: string[]): Promise<void>
  /** Restores from the drives that are mounted. */
  restore(to: string, ...more: string[]): Promise<RunResult>
}

/** Makes drives and backs a source up to them; `files` of the test's own, or a source that is there. */
export async function makeShelf(
  t: ExecutionContext,
  source: string,
  drives: readonly DriveOptions[],
  ...more: string[]
): Promise<Shelf> {
  const host = makeHost()
  const made = drives.map((one) => makeDrive(one))
  const outputs = (): string[] =>
    made.filter(({ mounted }) => mounted).flatMap((drive) => ['-o', drive.path])
  const back = async (t: ExecutionContext, ...more: string[]): Promise<void> => {
    ended(t, await host.run([source, ...outputs(), '--hide-progress', '--keep', ...more]), 0)
  }
  await back(t, ...more)
  return {
    host,
    source,
    drives: made,
    back,
    restore: (to, ...more) =>
      host.run(['restore', ...outputs(), '--to', to, '--hide-progress', ...more]),
  }
}

/** Five directories of files, each of which fills a drive of 4 MiB by half and more. */
export function fiveDrives(t: ExecutionContext): Promise<Shelf> {
  const files: Record<string, number | string> = {}
  for (const n of [1, 2, 3, 4, 5]) {
    files[`d${n}/large`] = 2_200_000 + n
    files[`d${n}/small`] = `small ${n}`
  }
  const source = makeSource(files)
  const drive = { size: 4 * MiB }
  return makeShelf(t, source, [drive, drive, drive, drive, drive], '--keep-together', '1')
}

/** A source with one of everything, owners and odd modes included. Needs root. */
export function everything(): string {
  const source = makeSource({
    'a/file': 'file',
    'a/large': 700_000,
    'a/deep/er/still': 'deep',
    'b/setuid': 'setuid',
    'b/read-only/file': 'in a directory that can not be written',
    'b/linked': 300_000,
  })
  const at = (name: string): string => path.join(source, name)
  fs.chownSync(at('b/setuid'), 1234, 5678)
  fs.chmodSync(at('b/setuid'), 0o6711)
  fs.chownSync(at('a/deep'), 1000, 100)
  fs.linkSync(at('b/linked'), at('a/linked-first'))
  fs.linkSync(at('b/linked'), at('b/read-only/linked-too'))
  fs.symlinkSync('../nowhere', at('a/symlink'))
  fs.symlinkSync('/etc/passwd', at('b/absolute'))
  spawnSync('mkfifo', ['-m', '640', at('a/fifo')])
  spawnSync('mknod', [at('b/null'), 'c', '1', '3'])
  fs.mkdirSync(at('b/empty'), { mode: 0o1770 })
  const hole = fs.openSync(at('a/hole'), 'w')
  fs.writeSync(hole, 'data', 5_000_000)
  fs.ftruncateSync(hole, 9_000_000)
  fs.closeSync(hole)
  fs.writeFileSync(Buffer.concat([Buffer.from(`${source}/a/caf`), Buffer.of(0xe9, 0x0a)]), 'odd')
  spawnSync('setfattr', ['-n', 'user.colour', '-v', 'blue', at('a/file')])
  spawnSync('setfacl', ['-m', 'u:1234:rw', at('a/file')])
  fs.chmodSync(at('b/read-only'), 0o555)
  for (const name of ['a/symlink', 'b/absolute']) fs.lutimesSync(at(name), 1_500_000_000.125, 1.5e9)
  for (const name of [
    'a/hole',
    'a/fifo',
    'b/empty',
    'b/read-only',
    'a/deep/er',
    'a/deep',
    'a',
    'b',
  ])
    fs.utimesSync(at(name), 1_400_000_000.5, 1_400_000_000.5)
  return source
}

/** What rsync would still have to do to make `to` what `source` is, the root itself left out. */
export function rsyncDiff(source: string, to: string, ...only: string[]): string[] {
  const flags = ['-aHAXSnc', '--modify-window=-1', '--delete', '-i']
  const from = only.length === 0 ? [`${source}/`] : only.map((one) => `${source}/./${one}`)
  const relative = only.length === 0 ? [] : ['-R']
  const run = spawnSync('rsync', [...flags, ...relative, ...from, `${to}/`], { encoding: 'latin1' })
  if (run.status !== 0) throw new Error(run.stderr)
  return run.stdout.split('\n').filter((line) => line !== '' && !/^\S+ \.\/$/.test(line))
}

/** A directory that is not there yet. */
export function newPlace(): string {
  return path.join(tempDir('back'), 'to')
}

/** What lies in a directory, names only, our own private place included. */
export function listing(directory: string): string[] {
  return (fs.readdirSync(directory, { recursive: true }) as string[]).sort()
}
