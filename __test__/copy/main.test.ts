import * as fs from 'node:fs'
import * as path from 'node:path'
import test from 'ava'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences, rsyncDiff } from '../helpers/compare.js'
import { type FileSystem, KiB, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { makeTree } from '../helpers/tree.js'
import {
  closes,
  drivePrompt,
  ended,
  events,
  makeSource,
  names,
  onTerminal,
  put,
  shelf,
  swap,
  wrongSums,
} from './kit.js'

rootTest('a tree goes onto three unequal drives, changed at the prompt', async (t) => {
  const source = tempDir('src')
  const tree = makeTree(t, source, { entries: 500, medianSize: 20_000, largest: 3 * MiB })
  // More than the first two drives hold, whatever the tree is.
  for (let n = 0; n < 10; n += 1) put(source, `filler/${n}`, 3 * MiB)
  const drives = [
    makeDrive({ size: 24 * MiB }),
    makeDrive({ size: 17 * MiB }),
    makeDrive(),
  ] as const
  const bay = shelf(drives)
  const host = makeHost()
  drives[0].remount({ path: bay })
  const terminal = onTerminal(t, host, [source, '-o', bay])
  for (const [k, drive] of drives.slice(1).entries()) {
    await terminal.expect(/Drive \d .* is done/)
    await drivePrompt(terminal)
    t.deepEqual(wrongSums(bay), '')
    swap(drives[k] as (typeof drives)[0], drive)
    terminal.send('c\r')
  }
  await closes(t, terminal, 0)
  t.log(terminal.transcript())
  t.notRegex(terminal.transcript(), /full before the plan|could not be/)
  t.is(wrongSums(bay), '')
  for (const drive of drives.slice(0, 2)) drive.remount({ path: tempDir('drive') })
  assertUnionEquals(t, source, drives)
  t.deepEqual(rsyncDiff(source, drives), [])
  t.true(tree.entries > 400)
})

rootTest(
  'the plan and what is placed agree, drive by drive, and nothing runs out of room',
  async (t) => {
    const source = tempDir('src')
    makeTree(t, source, { entries: 400, medianSize: 20_000, largest: 3 * MiB })
    const drives = [makeDrive({ size: 20 * MiB }), makeDrive({ size: 14 * MiB }), makeDrive()]
    const host = makeHost()
    const outputs = drives.flatMap((drive) => ['-o', drive.path])
    const run = await host.run([source, ...outputs, '--json', '-v'])
    ended(t, run, 0)
    const [plan] = events(run, 'plan')
    const closed = events(run, 'volume-closed')
    t.true(closed.length > 1, 'more than one drive is needed')
    t.deepEqual(
      closed.map(({ volume, written }) => ({ number: volume.number, ...written })),
      plan?.volumes.map(({ number, files, bytes }: Record<string, number>) => ({
        number,
        files,
        bytes,
      })),
    )
    t.true(closed.every(({ complete }) => complete))
    t.deepEqual(events(run, 'volume-needed'), [])
    t.notRegex(run.stderr, /full before the plan|no-room/)
    assertUnionEquals(t, source, drives)
    t.deepEqual(rsyncDiff(source, drives), [])
    for (const drive of drives) {
      if (fs.existsSync(path.join(drive.path, '.mvcopy'))) t.is(wrongSums(drive), '')
    }
  },
)

for (const kind of ['xfs', 'btrfs', 'tmpfs'] as const satisfies FileSystem[]) {
  rootTest(`drives of ${kind} hold the tree together`, async (t) => {
    const source = tempDir('src')
    makeTree(t, source, { entries: 150, medianSize: 100_000, largest: 4 * MiB })
    const size = { xfs: 64, btrfs: 48, tmpfs: 16 }[kind] * MiB
    const drives = [makeDrive({ fs: kind, size }), makeDrive({ fs: kind, size: 64 * MiB })]
    const run = await makeHost().run([
      source,
      ...drives.flatMap((drive) => ['-o', drive.path]),
      '--json',
      '-v',
    ])
    ended(t, run, 0)
    const [plan] = events(run, 'plan')
    t.deepEqual(
      events(run, 'volume-closed').map(({ written }) => written),
      plan?.volumes.map(({ files, bytes }: Record<string, number>) => ({ files, bytes })),
    )
    assertUnionEquals(t, source, drives)
    t.deepEqual(rsyncDiff(source, drives), [])
  })
}

rootTest(
  'hard links stay together on one drive, however much lies between their names',
  async (t) => {
    const source = makeSource({ 'a/one': 3 * MiB, 'b/filler': 9 * MiB, 'c/filler': 4 * MiB })
    fs.linkSync(`${source}/a/one`, `${source}/z-last`)
    fs.linkSync(`${source}/a/one`, `${source}/b/two`)
    const drives = [makeDrive({ size: 16 * MiB }), makeDrive({ size: 16 * MiB })]
    const run = await makeHost().run([source, ...drives.flatMap((drive) => ['-o', drive.path])])
    ended(t, run, 0)
    assertUnionEquals(t, source, drives)
    const holding = drives.filter((drive) => fs.existsSync(`${drive.path}/a/one`))
    t.is(holding.length, 1)
    t.is(fs.statSync(`${holding[0]?.path}/z-last`).nlink, 3)
  },
)

test('a source that is a file lies at the root', async (t) => {
  const source = makeSource({ 'one.txt': 'one', 'two.txt': 'two' })
  const out = tempDir('out')
  const run = await makeHost().run([`${source}/one.txt`, '-o', out])
  ended(t, run, 0)
  t.deepEqual(names(out), ['one.txt'])
  t.deepEqual(differences(source, out), ['missing: two.txt (file)'])
})

test('several sources stand under their names, a file among them at the root', async (t) => {
  const top = makeSource({ 'books/x': 'x', 'radio/x': 'y', 'alone.txt': 'alone' })
  const out = tempDir('out')
  const run = await makeHost().run([`${top}/books`, `${top}/radio/`, `${top}/alone.txt`, '-o', out])
  ended(t, run, 0)
  t.deepEqual(differences(top, out), [])
})

test('two sources of one name are refused before anything is written', async (t) => {
  const top = makeSource({ 'one/books/x': 'x', 'two/books/y': 'y' })
  const host = makeHost()
  const out = tempDir('out')
  const run = await host.run([`${top}/one/books`, `${top}/two/books`, '-o', out])
  ended(t, run, 2)
  t.regex(run.stderr, /one\/books and .*two\/books have the same name/)
  t.deepEqual(fs.readdirSync(out), [])
  // A set that never began is not there the next time either.
  ended(t, await host.run([`${top}/one/books`, '-o', out]), 0)
  t.deepEqual(names(out), ['x'])
})

test('--flatten joins the sources at the root, and refuses collisions before anything is written', async (t) => {
  const top = makeSource({
    'one/x': 'x',
    'one/d/a': 'a',
    'two/y': 'y',
    'two/d/b': 'b',
    'bad/x': 'z',
  })
  const out = tempDir('out')
  ended(t, await makeHost().run([`${top}/one`, `${top}/two`, '--flatten', '-o', out]), 0)
  t.deepEqual(names(out), ['d', 'x', 'y'])
  t.deepEqual(names(`${out}/d`), ['a', 'b'])
  const other = tempDir('out')
  const run = await makeHost().run([`${top}/one`, `${top}/bad`, '--flatten', '-o', other])
  ended(t, run, 2)
  t.regex(run.stderr, /\bx\b/)
  t.deepEqual(fs.readdirSync(other), [])
})

test('--volume-size caps each drive, and the last size is repeated', async (t) => {
  const source = makeSource({
    a: 900 * KiB,
    b: 900 * KiB,
    c: 900 * KiB,
    d: 900 * KiB,
    e: 900 * KiB,
  })
  const outs = [tempDir('out'), tempDir('out'), tempDir('out')]
  const run = await makeHost().run([
    source,
    ...outs.flatMap((out) => ['-o', out]),
    '--volume-size',
    '1.5M',
    '--volume-size',
    '2.5M',
    '--json',
  ])
  ended(t, run, 0)
  t.deepEqual(outs.map(names), [['a'], ['b', 'c'], ['d', 'e']])
  assertUnionEquals(t, source, outs)
})

rootTest('--reserve leaves that much of each drive free', async (t) => {
  const source = makeSource(Object.fromEntries([...'abcdefghijklmno'].map((name) => [name, MiB])))
  const drives = [makeDrive({ size: 16 * MiB }), makeDrive({ size: 32 * MiB })]
  const run = await makeHost().run([
    source,
    '--reserve',
    '25%',
    ...drives.flatMap((drive) => ['-o', drive.path]),
  ])
  ended(t, run, 0)
  for (const drive of drives) {
    const { blocks, bsize } = fs.statfsSync(drive.path)
    t.true(drive.free() >= (blocks * bsize) / 4, `${drive.free()} of ${blocks * bsize} are free`)
  }
  t.true(names(drives[0]?.path ?? '').length >= 6, 'and no more than that')
  assertUnionEquals(t, source, drives)
})

rootTest(
  'a file that no drive can hold is named before, the rest is done, and nothing is asked',
  async (t) => {
    const source = makeSource({ 'a/small': 'small', huge: 20 * MiB, 'z/other': 'other' })
    const drive = makeDrive({ size: 16 * MiB })
    const run = await makeHost().run([source, '-o', drive.path])
    ended(t, run, 23)
    const huge = run.stderr.indexOf('huge')
    t.true(huge >= 0 && huge < run.stderr.indexOf(', new, at'), run.stderr)
    t.notRegex(run.stderr, /needed for|insert/)
    t.deepEqual(differences(source, drive.path), ['missing: huge (file)'])
    const terminal = onTerminal(t, makeHost(), [source, '-o', makeDrive({ size: 16 * MiB }).path])
    await closes(t, terminal, 23)
  },
)

test('drives that are in together are filled one after the other without a question', async (t) => {
  const source = makeSource({ a: MiB, b: MiB, c: MiB })
  const outs = [tempDir('out'), tempDir('out')]
  const host = makeHost()
  const args = [source, ...outs.flatMap((out) => ['-o', out]), '--volume-size', '1500K']
  const terminal = onTerminal(t, host, args)
  await terminal.expect(/drive 2 .* is complete/)
  await drivePrompt(terminal)
  const third = tempDir('out')
  terminal.send(`${third}\r`)
  await closes(t, terminal, 0)
  t.is(terminal.transcript().match(/Please insert/g)?.length, 1)
  assertUnionEquals(t, source, [...outs, third])
})

test('a label is given with --label, and made of the set and the number without', async (t) => {
  const source = makeSource({ a: MiB, b: MiB })
  const outs = [tempDir('out'), tempDir('out')]
  const args = [...outs.flatMap((out) => ['-o', out]), '--volume-size', '1500K', '--json']
  const run = await makeHost().run([source, ...args, '--label', 'blue box', '--set', 'films'])
  ended(t, run, 0)
  t.deepEqual(
    outs.map(
      (out) => JSON.parse(fs.readFileSync(`${out}/.mvcopy/volume.json`, 'utf8')).volume.label,
    ),
    ['blue box', 'films-2'],
  )
  t.deepEqual(
    events(run, 'plan')[0]?.volumes.map(({ label }: { label: string }) => label),
    ['blue box', 'films-2'],
  )
})
