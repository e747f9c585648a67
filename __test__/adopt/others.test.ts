/** Drives that somebody else has filled are taken over by comparing them with the sources. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { ended, events, makeSource, put, wrongSums } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { sh, tempDir } from '../helpers/temp.js'

/** All but directories and links: these get the times of the source. */
const content = (at: string) =>
  fingerprint(at, { ignore: ['lost+found', '.mvcopy', 'START-HERE.html'] }).filter(
    (line) => !/ (directory|symlink) /.test(line),
  )

/** A source and two drives onto which rsync has copied a part each. */
function copied(): { source: string; one: string; two: string } {
  const source = makeSource({
    'a/1': 300_000,
    'a/2': 200_000,
    'b/3': 100_000,
    'b/4': 50_000,
    'c/5': 1000,
  })
  fs.symlinkSync('../a/1', path.join(source, 'b/link'))
  fs.mkdirSync(path.join(source, 'a/empty'))
  fs.linkSync(path.join(source, 'b/3'), path.join(source, 'b/three'))
  const [one, two] = [makeDrive({ size: 8 * MiB }).path, makeDrive({ size: 8 * MiB }).path]
  sh('rsync', '-aH', `${source}/a`, one)
  sh('rsync', '-aH', `${source}/b`, two)
  return { source, one, two }
}

rootTest('two drives in a row; the later copy takes only what is missing', async (t) => {
  const { source, one, two } = copied()
  const host = makeHost()
  const before = [content(one), content(two)] as const
  const first = await host.run(['adopt', '-o', one, source, '--json'])
  ended(t, first, 0)
  t.like(events(first, 'adopted')[0], {
    fresh: true,
    files: 2,
    bytes: 500_000,
    differing: 0,
    foreign: 0,
  })
  t.regex(first.stderr, /4 files .* are on no drive yet/)
  // The set is known by now: its sources need not be named again.
  const second = await host.run(['adopt', '-o', two, '--json'])
  ended(t, second, 0)
  t.like(events(second, 'adopted')[0], { files: 3, bytes: 250_000 })
  t.regex(second.stderr, /1 file .* on no drive yet/)
  assertUnchanged(t, before[0], content(one))
  assertUnchanged(t, before[1], content(two))
  t.is(wrongSums(one), '')
  t.is(wrongSums(two), '')
  const copy = await host.run([source, '-o', one, '-o', two, '--json'])
  ended(t, copy, 0)
  t.like(events(copy, 'summary')[0], { written: { files: 1, bytes: 1000 } })
  assertUnionEquals(t, source, [one, two])
})

rootTest('what differs and what is foreign is told, and stays', async (t) => {
  const { source, one } = copied()
  fs.writeFileSync(path.join(one, 'mine.txt'), 'mine')
  put(one, 'a/2', 'another', 1_700_000_500)
  const host = makeHost()
  const before = content(one)
  const run = await host.run(['adopt', '-o', one, source, '--label', 'blue WD', '--json'])
  ended(t, run, 0)
  t.like(events(run, 'adopted')[0], {
    volume: { number: 1, label: 'blue WD' },
    files: 1,
    bytes: 300_000,
    differing: 1,
    foreign: 1,
  })
  t.regex(run.stderr, / {2}a\/2\n/)
  t.regex(run.stderr, /Unknown to the set on drive 1 \(blue WD\): 1 file,/)
  assertUnchanged(t, before, content(one))
})

rootTest('a drive that the seed has written is compared with its job file', async (t) => {
  const source = makeSource({ a: 1000, 'b/c': 2000, d: 3000 })
  const out = tempDir('seed')
  // What the seed does: regular files with their times, no directories' owners, no links.
  sh('cp', '-a', `${source}/a`, `${source}/b`, out)
  const job = path.join(tempDir('job'), 'jobdata.json')
  const rows = ['a', 'b/c', 'd'].map((name, index) => [
    `${source}/${name}`,
    `${out}/${name}`,
    name,
    fs.statSync(`${source}/${name}`).size,
    index,
  ])
  fs.writeFileSync(job, JSON.stringify(rows, undefined, 2))
  const host = makeHost()
  const run = await host.run(['adopt', '-o', out, '-f', job, '--json'])
  ended(t, run, 0)
  t.like(events(run, 'adopted')[0], { files: 2, bytes: 3000 })
  t.is(wrongSums(out), '')
  const copy = await host.run(['-f', job, '-o', out, '--json'])
  ended(t, copy, 0)
  t.like(events(copy, 'summary')[0], { written: { files: 1, bytes: 3000 } })
})

rootTest('a drive on which nothing is equal, or that is full, is left as it is', async (t) => {
  const source = makeSource({ a: 1000, b: 2000 })
  const wrong = makeDrive({ size: 4 * MiB }).path
  fs.writeFileSync(path.join(wrong, 'x'), 'x')
  const host = makeHost()
  const before = fingerprint(wrong, { ignore: ['lost+found'] })
  const run = await host.run(['adopt', '-o', wrong, source])
  ended(t, run, 1)
  t.regex(run.stderr, /Nothing on .* is equal/)
  assertUnchanged(t, before, fingerprint(wrong, { ignore: ['lost+found'] }))
  sh('rsync', '-a', `${source}/`, wrong)
  const room = fs.statfsSync(wrong)
  spawnSync('fallocate', ['-l', String(room.bavail * room.bsize), path.join(wrong, 'ballast')])
  const full = await host.run(['adopt', '-o', wrong, source])
  ended(t, full, 4)
  t.false(fs.existsSync(path.join(wrong, '.mvcopy')))
})

rootTest('a drive without room keeps its old list, and that is said', async (t) => {
  const source = makeSource({ a: 1000 })
  const drive = makeDrive({ size: 4 * MiB })
  const other = tempDir('other')
  const host = makeHost()
  ended(t, await host.run([source, '-o', drive.path]), 0)
  const list = path.join(drive.path, '.mvcopy/catalog.jsonl')
  const old = fs.readFileSync(list)
  // The set grows on another drive, by a list of more than what is left here.
  for (let n = 0; n < 3000; n += 1) put(source, `${'long'.repeat(40)}/${n}`, '')
  drive.unmount()
  ended(t, await host.run([source, '-o', other]), 0)
  drive.remount()
  const room = fs.statfsSync(drive.path)
  const spare = room.bavail * room.bsize - 600_000
  sh('fallocate', '-l', String(spare), path.join(drive.path, 'ballast'))
  // Something to do on it: the file that it holds has another owner's mode now.
  fs.chmodSync(path.join(source, 'a'), 0o600)
  const run = await host.run([source, '-o', drive.path])
  ended(t, run, 0)
  t.regex(
    run.stderr,
    /no room on drive 1 .* for the list of the whole set: the one on it is from 20/,
  )
  t.deepEqual(fs.readFileSync(list), old)
  t.false(fs.existsSync(path.join(drive.path, '.mvcopy/tmp')))
  t.is(wrongSums(drive), '')
  // With room again the next run brings it up to date, although there is nothing else to do.
  fs.rmSync(path.join(drive.path, 'ballast'))
  ended(t, await host.run([source, '-o', drive.path]), 0)
  t.true(fs.statSync(list).size > 600_000)
})
