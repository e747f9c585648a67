/**
 * How each command grows with the number of entries: time, processor time and memory, one run each, without peers.
 *
 * Empty files, a hundred to a directory, since an entry is what is counted. Up to two million of them source and drive
 * are in memory; beyond, the drive is an ext4 on a loop device, and takes part in what is measured.
 */

import { makeDrive } from '../__test__/helpers/drives.js'
import { isRoot, tempDir } from '../__test__/helpers/temp.js'
import { type Took, timed } from './measure.js'
import { emptyPlace, fastPlace, freshHost, MiB, ours, quote, remove, us } from './places.js'
import { manyEmptyFiles } from './trees.js'

/** From here on the drive is no memory any more. */
const MANY = 2_000_000

/** Runs every command on trees of so many entries and gives the table. */
export async function growthTable(
  counts: readonly number[],
  log: (text: string) => void,
): Promise<string> {
  const rows: string[] = []
  for (const count of counts) {
    log(`growth: ${count.toLocaleString('en')} entries`)
    for (const [name, { seconds, cpu, peak }] of await measure(count, log)) {
      const memory = peak === undefined ? '–' : `${(peak / 1e6).toFixed(0)} MB`
      rows.push(
        `| ${count.toLocaleString('en')} | ${name} | ${seconds.toFixed(2)} | ${cpu?.toFixed(2) ?? '–'} | ` +
          `${((seconds / count) * 1e6).toFixed(1)} | ${memory} |`,
      )
    }
  }
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

async function measure(count: number, log: (text: string) => void): Promise<[string, Took][]> {
  const took: [string, Took][] = []
  const room = 256 * MiB + count * 2048
  const source = growSource(count)
  const drive = growDrive(count, room)
  const host = freshHost({ OUT: drive.at })
  const run = async (name: string, command: string): Promise<void> => {
    const done = await timed(command, host)
    if (done.failure !== undefined) throw new Error(`${name}: ${done.failure}`)
    took.push([name, done.took])
    log(`  ${name}: ${took.at(-1)?.[1].seconds.toFixed(2)} s`)
  }
  try {
    const from = quote(source.at)
    await run('plan', `${us} plan ${from} -o "$OUT"`)
    await run('first copy', ours(from, '"$OUT"'))
    await run('nothing to do', ours(from, '"$OUT"'))
    await run('status', `${us} status`)
    await run('where', `${us} where directory-7/file-number-7.txt`)
    // What has been copied is not needed any more, and takes memory.
    source.dispose()
    await run('verify', `${us} verify -o "$OUT"`)
    await run('report', `${us} report --html "$HOME/report.html"`)
    await run('adopt', `XDG_STATE_HOME="$HOME/other" ${us} adopt -o "$OUT"`)
    const to = growDrive(count, room)
    try {
      await run('restore', `${us} restore -o "$OUT" --to ${quote(to.at)} --hide-progress`)
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
    ? makeDrive({ fs: 'tmpfs', size: 512 * MiB, inodes: inodesFor(count) })
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
  return emptyPlace('ext4', room, inodesFor(count))
}

/** The files, their directories, and some to spare. */
function inodesFor(count: number): number {
  return Math.ceil(count * 1.02) + 1000
}
