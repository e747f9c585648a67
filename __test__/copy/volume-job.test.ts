/** Drives of one plan are written by several hosts at once, and come together on another one. */

import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Host, makeHost, type RunResult } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { type Drive, KiB, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { tempDir } from '../helpers/temp.js'
import { ended, events, makeSource, names, put, slowed, wrongSums } from './kit.js'

const size = 16 * MiB
const outputs = (drives: readonly Drive[]) => drives.flatMap((drive) => ['-o', drive.path])
const hash = (file: string) => createHash('sha256').update(fs.readFileSync(file)).digest('hex')

/** A source for three drives of `size`: small files, large ones, links, odd names. */
function bigSource(): string {
  const files: Record<string, number> = {}
  for (let n = 0; n < 300; n += 1) files[`a/d${n % 7}/f${n}`] = 8 * KiB
  for (let n = 0; n < 12; n += 1) files[`b/large${n}`] = 2 * MiB
  for (let n = 0; n < 100; n += 1) files[`c/nl\n${n}`] = 4 * KiB
  const source = makeSource(files)
  fs.linkSync(path.join(source, 'a/d0/f0'), path.join(source, 'a/d0/other name'))
  fs.symlinkSync('../b', path.join(source, 'a/link'))
  fs.mkdirSync(path.join(source, 'empty'))
  return source
}

/** Makes a plan on a host of its own and gives the saved file. */
async function saved(
  t: ExecutionContext,
  source: string,
  sizes: readonly string[] = ['14M'],
): Promise<{ file: string; run: RunResult; drives: number }> {
  const file = path.join(tempDir('shared'), 'plan')
  const caps = sizes.flatMap((one) => ['--volume-size', one])
  const run = await makeHost().run(['plan', source, ...caps, '--save', file, '--json'])
  ended(t, run, 0)
  return { file, run, drives: events(run, 'plan')[0]?.volumes.length }
}

const job = (volume: number, file: string, drive: Drive) => [
  ...['copy', '--volume', String(volume), '--catalog', file, '-o', drive.path],
]

/** Asserts that a copy on this host finds everything on these drives. */
async function nothingToCopy(
  t: ExecutionContext,
  host: Host,
  source: string,
  drives: readonly Drive[],
): Promise<void> {
  const run = await host.run([source, ...outputs(drives), '--json'])
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 0, bytes: 0 }, left: { files: 0 } })
}

rootTest('two hosts at once, one killed and continued, come together on a third', async (t) => {
  const source = bigSource()
  const { file, drives: count } = await saved(t, source)
  t.is(count, 3)
  const before = hash(file)
  const [one, two, three] = [makeDrive({ size }), makeDrive({ size }), makeDrive({ size })] as const
  const [a, b, keeper] = [makeHost(), makeHost(), makeHost()] as const
  const first = a.start(job(1, file, one), { under: slowed })
  const second = b.start([...job(2, file, two), '--json'], { under: slowed })
  await Promise.all([first.said(/, new, at/), new Promise((done) => setTimeout(done, 1500))])
  // strace stands between: what was started is a group of its own.
  process.kill(-(first.child.pid ?? 0), 'SIGKILL')
  t.is((await first.done).signal, 'SIGKILL')
  const wrote = await second.done
  ended(t, wrote, 0)
  t.like(events(wrote, 'summary')[0], { complete: true, left: { files: 0 } })
  t.true(fs.existsSync(path.join(one.path, '.mvcopy/journal.log')), 'it was killed too late')
  // Somewhere else, where nothing is known of the attempt.
  ended(t, await b.run(job(1, file, one)), 0)
  const again = await a.run([...job(1, file, one), '--json'])
  ended(t, again, 0)
  t.like(events(again, 'summary')[0], { written: { files: 0 }, complete: true })
  for (const drive of [one, two]) t.is(wrongSums(drive), '')
  for (const host of [a, b]) {
    t.deepEqual(names(path.join(host.state, 'multivolumecopy')), ['jobs'])
    t.deepEqual(fs.readdirSync(path.join(host.state, 'multivolumecopy/jobs')), [])
  }
  t.is(hash(file), before)
  t.deepEqual(fs.readdirSync(path.dirname(file)), ['plan'])

  // In this order and in the other, with the third one missing: its files are what is left.
  const rest = events((await saved(t, source)).run, 'plan')[0]?.volumes[2]
  for (const [host, order] of [
    [keeper, [two, one]],
    [makeHost(), [one, two]],
  ] as const) {
    for (const drive of order) ended(t, await host.run(['adopt', '-o', drive.path]), 0)
    const plan = await host.run(['plan', source, '--volume-size', '14M', '--json'])
    ended(t, plan, 0)
    const [planned] = events(plan, 'plan')
    t.is(planned?.files, rest?.files)
    t.deepEqual(
      planned?.volumes.map((volume: { number: number }) => volume.number),
      [3],
    )
  }
  ended(t, await a.run(job(3, file, three)), 0)
  ended(t, await keeper.run(['adopt', '-o', three.path]), 0)
  await nothingToCopy(t, keeper, source, [one, two, three])
  assertUnionEquals(t, source, [one, two, three])
  // Now each knows of all: the lists were brought up to date.
  const lists = [one, two, three].map((drive) => {
    const list = fs.readFileSync(path.join(drive.path, '.mvcopy/catalog.jsonl'), 'utf8')
    const entries = list.split('\n').filter((line) => line.startsWith('{"path"'))
    return entries.map((line) => JSON.parse(line).volume as number)
  })
  for (const volumes of lists) {
    t.deepEqual([...new Set(volumes)].sort(), [1, 2, 3])
    t.is(volumes.length, lists[0]?.length ?? 0)
  }
})

rootTest('any other drive is refused, and nothing on it is touched', async (t) => {
  const source = bigSource()
  const { file } = await saved(t, source)
  const [two, strange, full] = [makeDrive({ size }), makeDrive({ size }), makeDrive({ size })]
  const host = makeHost()
  ended(t, await host.run(job(2, file, two)), 0)
  ended(t, await makeHost().run([makeSource({ x: 10 }), '-o', strange.path]), 0)
  fs.writeFileSync(path.join(full.path, 'mine'), 'mine')
  const whole = (drive: Drive) => fingerprint(drive.path, { ignore: ['lost+found'] })
  for (const [drive, why] of [
    [two, /drive 2 .*a new drive \(number 1\) is wanted/s],
    [strange, /belongs to|another set/],
    [full, /With -y/],
  ] as const) {
    const before = whole(drive)
    const run = await host.run(job(1, file, drive))
    ended(t, run, 4)
    t.regex(run.stderr, why)
    assertUnchanged(t, before, whole(drive))
  }
  ended(t, await host.run([...job(1, file, full), '-y', '--label', 'shelf 7']), 0)
  t.is(fs.readFileSync(path.join(full.path, 'mine'), 'utf8'), 'mine')
  const identity = JSON.parse(fs.readFileSync(`${full.path}/.mvcopy/volume.json`, 'utf8'))
  t.like(identity.volume, { number: 1, label: 'shelf 7' })
})

rootTest('what finds no room is named, and the next copy brings it elsewhere', async (t) => {
  const source = bigSource()
  const { file } = await saved(t, source, ['30M'])
  const [small, more] = [makeDrive({ size: 20 * MiB }), makeDrive({ size: 64 * MiB })] as const
  const run = await makeHost().run([...job(1, file, small), '--json'])
  ended(t, run, 23)
  const [summary] = events(run, 'summary')
  t.true(summary?.unplaced.files > 0 && summary?.unplaced.bytes > 0)
  t.true(events(run, 'file-error').length > 0)
  for (const error of events(run, 'file-error')) t.is(error.code, 'no-room')
  t.is(wrongSums(small), '')
  const keeper = makeHost()
  ended(t, await keeper.run(['adopt', '-o', small.path]), 0)
  const rest = await keeper.run([source, ...outputs([small, more]), '--json'])
  ended(t, rest, 0)
  // Of two names of one file one may have found room on the full drive and the other not.
  assertUnionEquals(t, source, [small, more], { without: ['links'] })
})

rootTest('the source is looked at as it is now', async (t) => {
  const source = bigSource()
  const { file } = await saved(t, source, ['40M'])
  const drive = makeDrive({ size: 48 * MiB })
  fs.rmSync(path.join(source, 'a/d1/f1'))
  put(source, 'a/d2/f2', 'changed since', 1_700_000_100)
  put(source, 'new since', 'not of the plan')
  const run = await makeHost().run([...job(1, file, drive), '--json'])
  ended(t, run, 24)
  t.like(events(run, 'file-error')[0], { path: path.join(source, 'a/d1/f1') })
  t.is(fs.readFileSync(path.join(drive.path, 'a/d2/f2'), 'utf8'), 'changed since')
  const keeper = makeHost()
  ended(t, await keeper.run(['adopt', '-o', drive.path]), 0)
  const rest = await keeper.run([source, '-o', drive.path, '--json'])
  ended(t, rest, 0)
  t.like(events(rest, 'summary')[0], { written: { files: 1 } })
  assertUnionEquals(t, source, [drive])
  // A source that is not mounted on that host.
  fs.renameSync(source, `${source}.away`)
  fs.mkdirSync(source)
  const other = makeDrive({ size: 48 * MiB })
  const before = fingerprint(other.path)
  const empty = await makeHost().run(job(1, file, other))
  ended(t, empty, 25)
  fs.rmdirSync(source)
  ended(t, await makeHost().run(job(1, file, other)), 2)
  assertUnchanged(t, before, fingerprint(other.path))
})

rootTest('a set that exists: a known drive gets more, and a new one is added', async (t) => {
  const source = makeSource({ a: 5 * MiB, b: 3 * MiB })
  const [one, two] = [makeDrive({ size: 24 * MiB }), makeDrive({ size: 24 * MiB })] as const
  const keeper = makeHost()
  ended(t, await keeper.run([source, '-o', one.path]), 0)
  for (const n of [1, 2, 3, 4, 5, 6]) put(source, `new${n}`, 4 * MiB)
  const file = path.join(tempDir('shared'), 'plan')
  const plan = await keeper.run(['plan', source, '-o', one.path, '--save', file, '--json'])
  ended(t, plan, 0)
  t.is(events(plan, 'plan')[0]?.volumes.length, 2)
  const blank = makeDrive({ size: 24 * MiB })
  const wrong = await makeHost().run(job(1, file, blank))
  ended(t, wrong, 4)
  t.regex(wrong.stderr, /Drive 1 .* is wanted/)
  const runs = [makeHost().run(job(1, file, one)), makeHost().run(job(2, file, two))]
  for (const run of await Promise.all(runs)) ended(t, run, 0)
  ended(t, await keeper.run(['adopt', ...outputs([two, one])]), 0)
  await nothingToCopy(t, keeper, source, [one, two])
  assertUnionEquals(t, source, [one, two])
})

test('what can be refused is refused at once', async (t) => {
  const source = makeSource({ a: 2 * MiB, b: 2 * MiB })
  const { file } = await saved(t, source, ['3M'])
  const out = tempDir('out')
  const host = makeHost()
  const refused = async (args: readonly string[], why: RegExp, code = 2) => {
    const run = await host.run(args)
    ended(t, run, code)
    t.regex(run.stderr, why)
  }
  const rest = ['--catalog', file, '-o', out]
  await refused(['copy', '--volume', '3', ...rest], /has no drive 3\.\s+It has: 1 to 2/)
  await refused(['copy', '--volume', '0', ...rest], /--volume/)
  await refused(['copy', source, '--volume', '1', ...rest], /takes no sources/)
  await refused(['copy', '--volume', '1', '-o', out], /needs a saved plan/)
  await refused(['copy', '--volume', '1', '--catalog', file], /no output/)
  await refused(['copy', '--volume', '1', ...rest, '-o', tempDir('out')], /writes one drive/)
  for (const option of ['--delete', '--exclude=x', '--pack', '-c', '-n', '--adopt', '--set=x']) {
    await refused(['copy', '--volume', '1', ...rest, option], /has no meaning with --volume/)
  }
  await refused(['plan', source, '--volume', '1'], /plan only tells/)
  await refused(['plan', source, '--volume-size', '3M', '--save', file], /is there already/)
  const nowhere = path.join(out, 'no/where')
  await refused(['plan', source, '--volume-size', '3M', '--save', nowhere], /no directory/)
  await refused(['plan', source, '--save', path.join(out, 'plan')], /unknown size/)
  t.deepEqual(fs.readdirSync(out), [])
  const other = path.join(tempDir('x'), 'text')
  await refused(['copy', '--volume', '1', '--catalog', other, '-o', out], /No such file/)
  fs.writeFileSync(other, 'no catalog at all, and longer than nothing')
  await refused(['copy', '--volume', '1', '--catalog', other, '-o', out], /text/, 5)
  // A catalog in use is none.
  const own = path.join(tempDir('x'), 'own')
  ended(t, await host.run([source, '--catalog', own, '-o', tempDir('drive')]), 0)
  await refused(['copy', '--volume', '1', '--catalog', own, '-o', out], /without a saved plan/)
})
