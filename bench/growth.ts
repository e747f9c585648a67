/**
 * How each command grows with the number of entries: time, processor time and memory, one run each, without peers.
 *
 * Empty files, a hundred to a directory, since an entry is what is counted. Up to two million of them source and drive
 * are in memory; beyond, the drive is an ext4 on a loop device, and takes part in what is measured.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { makeDrive } from '../__test__/helpers/drives.js'
import { isRoot, tempDir } from '../__test__/helpers/temp.js'
import { emptyPlace, fastPlace, freshHost, MiB, ours, quote, remove, us } from './places.js'
import { manyEmptyFiles } from './trees.js'

/** From here on the drive is no memory any more. */
const MANY = 2_000_000

/** What a run took. */
interface Took {
  readonly seconds: number
  /** Seconds of processor time, the kernel's included. */
  readonly cpu: number
  /** Bytes. */
  readonly peak: number
}

/** Runs every command on trees of so many entries and gives the table. */
export function growthTable(counts: readonly number[], log: (text: string) => void): string {
  const rows = counts.flatMap((count) => {
    log(`growth: ${count.toLocaleString('en')} entries`)
    return measure(count, log).map(
      ([name, { seconds, cpu, peak }]) =>
        `| ${count.toLocaleString('en')} | ${name} | ${seconds.toFixed(2)} | ${cpu.toFixed(2)} | ` +
        `${((seconds / count) * 1e6).toFixed(1)} | ${(peak / 1e6).toFixed(0)} MB |`,
    )
  })
  return [
    '## How it grows',
    '',
    'One run each. Entries are empty files, a hundred to a directory; the memory that the program takes is to stay under 250 MB.',
    '',
    '| entries | command | s | s of processor time | µs an entry | peak memory |',
    '| ---: | --- | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
  ].join('\n')
}

function measure(count: number, log: (text: string) => void): [string, Took][] {
  const took: [string, Took][] = []
  const room = 256 * MiB + count * 2048
  const source = growSource(count)
  const drive = growDrive(count, room)
  const { env, cwd } = freshHost({ OUT: drive.at })
  const run = (name: string, command: string): void => {
    took.push([name, timed(command, { ...process.env, ...env }, cwd)])
    log(`  ${name}: ${took.at(-1)?.[1].seconds.toFixed(2)} s`)
  }
  try {
    const from = quote(source.at)
    run('plan', `${us} plan ${from} -o "$OUT"`)
    run('first copy', ours(from, '"$OUT"'))
    run('nothing to do', ours(from, '"$OUT"'))
    run('status', `${us} status`)
    run('where', `${us} where directory-7/file-number-7.txt`)
    // What has been copied is not needed any more, and takes memory.
    source.dispose()
    run('verify', `${us} verify -o "$OUT"`)
    run('report', `${us} report --html "$HOME/report.html"`)
    run('adopt', `XDG_STATE_HOME="$HOME/other" ${us} adopt -o "$OUT"`)
    const to = growDrive(count, room)
    try {
      run('restore', `${us} restore -o "$OUT" --to ${quote(to.at)} --hide-progress`)
    } finally {
      to.dispose()
    }
  } finally {
    source.dispose()
    drive.dispose()
  }
  return took
}

interface Ground {
  readonly at: string
  dispose(): void
}

function growSource(count: number): Ground {
  const at = isRoot
    ? makeDrive({ fs: 'tmpfs', size: 512 * MiB, inodes: Math.ceil(count * 1.02) + 1000 })
    : undefined
  const root = at?.path ?? tempDir('tree')
  manyEmptyFiles(root, Math.ceil(count / 100), 100)
  let gone = false
  const dispose = (): void => {
    if (gone) return
    gone = true
    if (at === undefined) remove(root)
    else at.dispose()
  }
  return { at: root, dispose }
}

function growDrive(count: number, room: number): Ground {
  if (!isRoot || count <= MANY) return emptyPlace(fastPlace(), room)
  const drive = makeDrive({ fs: 'ext4', size: room, inodes: Math.ceil(count * 1.02) + 1000 })
  return { at: drive.path, dispose: () => drive.dispose() }
}

function timed(command: string, env: NodeJS.ProcessEnv, cwd: string | undefined): Took {
  const report = path.join(tempDir('time'), 'took')
  const shell = ['-f', '%e %U %S %M', '-o', report, '/bin/sh', '-c', command]
  const run = spawnSync('/usr/bin/time', shell, {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    maxBuffer: 64 * MiB,
  })
  if (run.status !== 0) throw new Error(`${command}: exit code ${run.status}: ${run.stderr}`)
  const last = fs.readFileSync(report, 'utf8').trim().split('\n').at(-1) ?? ''
  const [seconds = 0, user = 0, system = 0, kilobytes = 0] = last.split(' ').map(Number)
  return { seconds, cpu: user + system, peak: kilobytes * 1024 }
}
