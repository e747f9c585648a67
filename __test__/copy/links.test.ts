/** Hard-link groups that no drive takes as one: too many names for its file system, or no links at all. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { planLines } from '../../src/report/plan.js'
import type { PlanEvent } from '../../src/report/reporter.js'
import { makeHost } from '../helpers/cli.js'
import { differences } from '../helpers/compare.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest as test } from '../helpers/root.js'
import { newPlace } from '../restore/kit.js'
import { ended, events, makeSource, names, wrongSums } from './kit.js'

/** How many names each file has that the names in a directory are of, the most first. */
function groups(directory: string): number[] {
  const counts = new Map<number, number>()
  for (const name of names(directory)) {
    const { ino } = fs.statSync(path.join(directory, name))
    counts.set(ino, (counts.get(ino) ?? 0) + 1)
  }
  return [...counts.values()].sort((a, b) => b - a)
}

test('65,100 names of one file: ext4 gives a file 65,000, so it stands there twice', async (t) => {
  const source = makeDrive({ fs: 'tmpfs', size: 64 * MiB, inodes: 100_000 }).path
  fs.writeFileSync(`${source}/0`, 'the one content')
  fs.utimesSync(`${source}/0`, 1_700_000_000, 1_700_000_000)
  for (let n = 1; n < 65_100; n += 1) fs.linkSync(`${source}/0`, `${source}/${n}`)
  const drive = makeDrive({ size: 256 * MiB })
  const host = makeHost()
  const run = await host.run([source, '-o', drive.path, '--json'])
  ended(t, run, 0)
  const plan = events(run, 'plan')[0] as unknown as PlanEvent
  t.is(plan.volumes[0]?.copiedNames, 1)
  t.true(
    planLines(plan, String).some(({ text }) =>
      /: 1 further name of hard-linked files is written as a file of its own/.test(text),
    ),
  )
  t.deepEqual(events(run, 'summary')[0]?.written, { files: 65_100, bytes: 30 })
  t.regex(run.stderr, /hard links beyond what a file can have/)
  t.deepEqual(groups(drive.path), [65_000, 100])
  t.is(wrongSums(drive), '')
  // A few more, which go to the copy that can have them.
  for (let n = 65_100; n < 65_110; n += 1) fs.linkSync(`${source}/0`, `${source}/${n}`)
  const later = await host.run([source, '-o', drive.path, '--json'])
  ended(t, later, 0)
  t.is(events(later, 'summary')[0]?.written.files, 10)
  t.deepEqual(groups(drive.path), [65_000, 110])
  const again = await host.run([source, '-o', drive.path, '--json'])
  ended(t, again, 0)
  t.is(events(again, 'summary')[0]?.written.files, 0)
  ended(t, await host.run(['verify', '-o', drive.path]), 0)
  // One file again where the destination takes so many names.
  const takes = makeDrive({ fs: 'tmpfs', size: 64 * MiB, inodes: 100_000 }).path
  const back = ['restore', '-o', drive.path, '--hide-progress', '--to']
  const all = await makeHost().run([...back, takes])
  ended(t, all, 0)
  t.deepEqual(groups(takes), [65_110])
  t.notRegex(all.stderr, /of its own/)
  const fewer = makeDrive({ size: 256 * MiB }).path
  const some = await makeHost().run([...back, fewer])
  ended(t, some, 0)
  t.deepEqual(groups(fewer), [65_000, 110])
  t.regex(some.stderr, /1 further name of a file is a file of its own: the file system here takes/)
})

test('names of one file that two drives without hard links take only one by one', async (t) => {
  const source = makeSource({ a: 9_000_000, other: 'small' })
  fs.linkSync(`${source}/a`, `${source}/b`)
  const drives = [0, 1].map(() => makeDrive({ fs: 'exfat', size: 14 * MiB }))
  const outputs = drives.flatMap((drive) => ['-o', drive.path])
  const host = makeHost()
  const run = await host.run([source, ...outputs, '--json'])
  ended(t, run, 0)
  t.regex(run.stderr, /each name of a file stands there as a file of its own/)
  // Both are written at once, and either may be the one that still finds room.
  const held = drives.map((drive) => names(drive.path).filter((name) => name !== 'other'))
  t.deepEqual(held.sort(), [['a'], ['b']])
  const again = await host.run([source, ...outputs, '--json'])
  ended(t, again, 0)
  t.is(events(again, 'summary')[0]?.written.files, 0)
  const to = newPlace()
  ended(t, await makeHost().run(['restore', ...outputs, '--to', to]), 0)
  t.deepEqual(differences(source, to), [])
})
