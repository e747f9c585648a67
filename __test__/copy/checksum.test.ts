/** What counts as changed: by time, by size alone, within a window, by content; and what becomes of old versions. */

import * as fs from 'node:fs'
import test from 'ava'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences, rsyncDiff } from '../helpers/compare.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { ended, events, makeSource, names, put, wrongSums } from './kit.js'

const size = 12 * MiB

/** Gives a file another time and leaves its content. */
function touch(file: string, time = 1_700_000_900): void {
  fs.utimesSync(file, time, time)
}

/** Changes a file's content and nothing that can be seen of it. */
function changeBehindItsTime(file: string): void {
  const { atime, mtime } = fs.statSync(file)
  const bytes = fs.readFileSync(file)
  bytes[0] = (bytes[0] ?? 0) ^ 1
  fs.writeFileSync(file, bytes)
  fs.utimesSync(file, atime, mtime)
}

rootTest('-c: a touched file asks for no drive and is mended later, not copied', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 4 * MiB, b: 4 * MiB, c: 4 * MiB, d: 4 * MiB })
  fs.linkSync(`${source}/a`, `${source}/a-too`)
  const drives = [makeDrive({ size }), makeDrive({ size })] as const
  const args = [source, ...drives.flatMap((drive) => ['-o', drive.path]), '--json']
  ended(t, await host.run(args), 0)
  for (const drive of drives) drive.unmount()
  touch(`${source}/a`)
  touch(`${source}/d`)
  const away = await host.run([...args, '-c'])
  ended(t, away, 0)
  t.like(events(away, 'plan')[0], { files: 0, changed: 0, unchanged: 5, volumes: [] })
  // What -c has found holds for runs without it.
  t.like(events(await host.run(args), 'plan')[0], { files: 0, changed: 0 })
  for (const drive of drives) drive.remount()
  const run = await host.run(args)
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 0, bytes: 0 } })
  assertUnionEquals(t, source, drives)
  t.deepEqual(rsyncDiff(source, drives), [])
  for (const drive of drives) {
    t.is(wrongSums(drive), '')
    const manifest = fs.readFileSync(`${drive.path}/.mvcopy/manifest.jsonl`, 'utf8')
    for (const name of names(drive.path)) {
      const { mtimeMs } = fs.statSync(`${source}/${name}`)
      const line = manifest.split('\n').find((each) => each.includes(`{"path":"${name}"`)) ?? ''
      t.is(JSON.parse(line).mtime, `${(mtimeMs / 1000).toFixed(9)}`)
    }
  }
  t.deepEqual(
    events(await host.run([...args, '-c'])).map(({ type }) => type),
    ['plan', 'summary'],
  )
})

test('-c finds what changed behind its time, also in a hard-linked file', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 5000, b: 300_000, c: 10, d: 2 * MiB })
  fs.linkSync(`${source}/c`, `${source}/c-too`)
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  for (const name of 'bcd') changeBehindItsTime(`${source}/${name}`)
  t.like(events(await host.run([source, '-o', out, '--json']), 'plan')[0], { files: 0 })
  const run = await host.run([source, '-o', out, '-c', '--json'])
  ended(t, run, 0)
  t.like(events(run, 'plan')[0], { files: 4, changed: 4, unchanged: 1 })
  t.deepEqual(differences(source, out), [])
  t.is(wrongSums(out), '')
  t.like(events(await host.run([source, '-o', out, '-c', '--json']), 'plan')[0], { files: 0 })
})

test('what -c found is not forgotten when nobody could write it', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 5000, b: 6000 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  changeBehindItsTime(`${source}/b`)
  fs.renameSync(`${out}/.mvcopy`, `${out}-aside`)
  t.not((await host.run([source, '-o', out, '-c'])).code, 0)
  fs.renameSync(`${out}-aside`, `${out}/.mvcopy`)
  ended(t, await host.run([source, '-o', out]), 0)
  t.deepEqual(differences(source, out), [])
})

test('-c knows a file again by its content where the inode tells nothing', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'old/a': 5000, 'old/b': 6000, 'old/twin': 6000, c: 10 })
  fs.copyFileSync(`${source}/old/b`, `${source}/old/twin`)
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  const inode = fs.statSync(`${out}/old/a`).ino
  // As on a server that gives new numbers: all are other files now, and later ones.
  fs.cpSync(`${source}/old`, `${source}/new`, { recursive: true })
  fs.rmSync(`${source}/old`, { recursive: true })
  const run = await host.run([source, '-o', out, '-c', '--max-delete', '0', '--json'])
  ended(t, run, 0)
  t.like(events(run, 'plan')[0], { files: 0, renamed: 3, gone: 0 })
  t.like(events(run, 'summary')[0], { written: { files: 0, bytes: 0 }, renamed: 3, removed: 0 })
  t.is(fs.statSync(`${out}/new/a`).ino, inode)
  t.deepEqual(differences(source, out), [])
  t.is(wrongSums(out), '')
})

test('-c after a rename compares that content too', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 5000, b: 6000 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  fs.renameSync(`${source}/a`, `${source}/new`)
  changeBehindItsTime(`${source}/new`)
  const run = await host.run([source, '-o', out, '-c', '--json'])
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 1 } })
  const after = await host.run([source, '-o', out, '--json'])
  ended(t, after, 0)
  t.deepEqual(differences(source, out), [])
})

test('--size-only and --modify-window: what they take for unchanged keeps the known time', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 5000, b: 6000, c: 10 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  touch(`${source}/a`, 1_700_000_002.25)
  touch(`${source}/b`, 1_800_000_000)
  const plan = async (...args: string[]) => {
    const run = await host.run([source, '-o', out, '--json', ...args])
    ended(t, run, 0)
    return events(run, 'plan')[0]
  }
  t.like(await plan('--size-only'), { files: 0, changed: 0, unchanged: 3 })
  put(source, 'c', 11)
  t.like(await plan('--size-only'), { files: 1, changed: 1 })
  // 1_700_000_000.25 is what is known: two seconds apart, and a hundred million.
  t.like(await plan('--modify-window', '2'), { files: 1, changed: 1, unchanged: 2 })
  t.is(fs.statSync(`${out}/a`).mtimeMs, 1_700_000_000_250)
  t.is(fs.statSync(`${out}/b`).mtimeMs, 1_800_000_000_000)
  t.like(await plan('--modify-window', '1'), { files: 1, changed: 1 })
  t.deepEqual(differences(source, out), [])
})

test('options that contradict each other are refused', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1 })
  for (const args of [
    ['--size-only', '-c'],
    ['--size-only', '--modify-window', '2'],
    ['--modify-window', '-1'],
    ['--modify-window', '0.5'],
  ]) {
    const run = await host.run([source, '-o', tempDir('out'), ...args])
    ended(t, run, 2)
  }
})

test('a same-size edit with a new time is found', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'one text', b: 'another' })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  put(source, 'a', 'two text', 1_700_000_000.2501)
  const run = await host.run([source, '-o', out, '--json'])
  t.like(events(run, 'plan')[0], { files: 1, changed: 1 })
  t.deepEqual(differences(source, out), [])
})

rootTest(
  'on a full drive the old version stays until the new one is durable elsewhere',
  async (t) => {
    const host = makeHost()
    const source = makeSource({ a: 4 * MiB, b: 4 * MiB })
    const [drive, other] = [makeDrive({ size }), makeDrive({ size })] as const
    ended(t, await host.run([source, '-o', drive.path]), 0)
    const old = fs.readFileSync(`${source}/a`)
    put(source, 'a', 4 * MiB + 1, 1_700_000_700)
    // There is no room beside the old one, and nobody to bring another drive: it stays.
    ended(t, await host.run([source, '-o', drive.path]), 4)
    t.true(fs.readFileSync(`${drive.path}/a`).equals(old))
    t.is(wrongSums(drive), '')
    // The other drive alone: the new version is there, the old one where it was.
    drive.unmount()
    ended(t, await host.run([source, '-o', other.path]), 0)
    drive.remount()
    t.true(fs.readFileSync(`${drive.path}/a`).equals(old))
    t.deepEqual(names(other.path), ['a'])
    // It goes without a question when its drive is in.
    const run = await host.run([source, '-o', drive.path, '--json'])
    ended(t, run, 0)
    t.like(events(run, 'summary')[0], { written: { files: 0 }, removed: 1 })
    assertUnionEquals(t, source, [drive, other])
    t.is(wrongSums(drive), '')
  },
)

rootTest('with both drives in, the old version goes in the same run', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 4 * MiB, b: 4 * MiB })
  const [drive, other] = [makeDrive({ size }), makeDrive({ size })] as const
  const args = [source, '-o', drive.path, '-o', other.path]
  ended(t, await host.run(args), 0)
  put(source, 'a', 4 * MiB + 1, 1_700_000_700)
  ended(t, await host.run(args), 0)
  assertUnionEquals(t, source, [drive, other])
  t.deepEqual(names(other.path), ['a'])
  for (const one of [drive, other]) t.is(wrongSums(one), '')
})
