/** Renames on real drives: nothing is copied again, no drive is asked for, and the drive has the new names. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import test from 'ava'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences, rsyncDiff } from '../helpers/compare.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { ended, events, makeSource, names, put, wrongSums } from './kit.js'

const size = 12 * MiB

/** A directory of 300 files that needs two drives, with one of everything. */
function bigSource(): string {
  const files: Record<string, number> = {}
  for (let n = 0; n < 300; n += 1) files[`photos/${n % 7}/${n}.jpg`] = 40_000 + n
  const source = makeSource({ ...files, 'letters/one': 100 })
  fs.linkSync(`${source}/photos/0/0.jpg`, `${source}/photos/again.jpg`)
  fs.symlinkSync('0/0.jpg', `${source}/photos/first`)
  fs.mkdirSync(`${source}/photos/empty/inner`, { recursive: true })
  fs.writeFileSync(Buffer.from(`${source}/photos/caf\xe9\n`, 'latin1'), 'odd')
  fs.writeFileSync(`${source}/photos/nothing`, '')
  return source
}

function inodes(root: string): Set<number> {
  const all = fs.readdirSync(root, { recursive: true, encoding: 'latin1' }) as string[]
  const found = all.flatMap((name) => {
    const at = fs.lstatSync(Buffer.from(`${root}/${name}`, 'latin1'))
    return at.isFile() && !/^(\.mvcopy|START-HERE)/.test(name) ? [at.ino] : []
  })
  return new Set(found)
}

function holds(t: Parameters<typeof ended>[0], source: string, drives: readonly Drive[]): void {
  assertUnionEquals(t, source, drives)
  t.deepEqual(rsyncDiff(source, drives), [])
  for (const drive of drives) t.is(wrongSums(drive), '')
}

rootTest('a renamed directory: no drive is asked for, and later nothing is copied', async (t) => {
  const host = makeHost()
  const source = bigSource()
  const drives = [makeDrive({ size }), makeDrive({ size })] as const
  const args = [source, ...drives.flatMap((drive) => ['-o', drive.path]), '--json']
  ended(t, await host.run(args), 0)
  const before = drives.map((drive) => inodes(drive.path))
  for (const drive of drives) drive.unmount()
  fs.mkdirSync(`${source}/archive`)
  fs.renameSync(`${source}/photos`, `${source}/archive/pictures`)
  // More than half of all names are gone, and nothing may be removed: it is neither.
  const away = await host.run([...args, '--max-delete', '0'])
  ended(t, away, 0)
  t.like(events(away, 'plan')[0], { files: 0, renamed: 303, gone: 0, unchanged: 1, volumes: [] })
  t.notRegex(away.stderr, /gone from/)
  const again = await host.run(args)
  ended(t, again, 0)
  t.like(events(again, 'plan')[0], { files: 0, renamed: 0, gone: 0 })
  for (const drive of drives) drive.remount()
  const run = await host.run(args)
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 0, bytes: 0 }, renamed: 303, removed: 0 })
  const closed = events(run, 'volume-closed')
  t.is(
    closed.reduce((sum, { renamed }) => sum + renamed, 0),
    303,
  )
  t.true(closed.every(({ complete }) => complete))
  t.deepEqual(
    drives.map((drive) => inodes(drive.path)),
    before,
  )
  holds(t, source, drives)
  const last = await host.run([...args, '--delete'])
  t.deepEqual(
    events(last).map(({ type }) => type),
    ['plan', 'summary'],
  )
})

rootTest('one drive in, one away: each is renamed when it is in', async (t) => {
  const host = makeHost()
  const source = bigSource()
  const drives = [makeDrive({ size }), makeDrive({ size })] as const
  const args = [source, ...drives.flatMap((drive) => ['-o', drive.path]), '--json']
  ended(t, await host.run(args), 0)
  drives[1].unmount()
  fs.renameSync(`${source}/photos`, `${source}/pictures`)
  ended(t, await host.run(args), 0)
  t.deepEqual(names(drives[0].path), ['letters', 'pictures'])
  drives[1].remount()
  t.deepEqual(names(drives[1].path), ['photos'])
  ended(t, await host.run(args), 0)
  holds(t, source, drives)
})

rootTest('renamed, changed and renamed again while the drive is away', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 5000, b: 6000, 'c/d': 7000, e: 'eeee' })
  fs.linkSync(`${source}/e`, `${source}/f`)
  const drive = makeDrive({ size })
  const other = makeDrive({ size })
  const bay = [source, '-o', drive.path, '--json']
  ended(t, await host.run(bay), 0)
  drive.unmount()
  fs.renameSync(`${source}/a`, `${source}/a2`)
  fs.renameSync(`${source}/b`, `${source}/b2`)
  fs.renameSync(`${source}/f`, `${source}/g`)
  ended(t, await host.run(bay), 0)
  put(source, 'a2', 5000, 1_700_000_500)
  fs.renameSync(`${source}/b2`, `${source}/c/b3`)
  fs.renameSync(`${source}/c`, `${source}/h`)
  const elsewhere = await host.run([source, '-o', other.path, '--json'])
  ended(t, elsewhere, 0)
  t.like(events(elsewhere, 'summary')[0], { written: { files: 1, bytes: 5000 } })
  drive.remount()
  // The old version of what was changed goes without a question: the new one is durable.
  const run = await host.run(bay)
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 0 }, renamed: 3, removed: 1 })
  holds(t, source, [drive, other])
})

rootTest('a foreign file in the way: not replaced, told, and nothing is lost', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 5000, b: 6000 })
  const drive = makeDrive({ size })
  ended(t, await host.run([source, '-o', drive.path]), 0)
  fs.writeFileSync(`${drive.path}/new`, 'mine')
  fs.renameSync(`${source}/a`, `${source}/new`)
  const run = await host.run([source, '-o', drive.path, '-y', '--delete', '--json'])
  ended(t, run, 23)
  t.regex(JSON.stringify(events(run, 'file-error')), /foreign-in-the-way/)
  t.is(fs.readFileSync(`${drive.path}/new`, 'utf8'), 'mine')
  t.is(fs.statSync(`${drive.path}/a`).size, 5000)
  fs.rmSync(`${drive.path}/new`)
  ended(t, await host.run([source, '-o', drive.path]), 0)
  holds(t, source, [drive])
})

rootTest('on exFAT, where a name has no case', async (t) => {
  const host = makeHost()
  const source = makeSource({
    'dir/a': 5000,
    'dir/b': 6000,
    Case: 700,
    'x/deep/er': 800,
    'Spelt/a': 9,
  })
  fs.mkdirSync(`${source}/Spelt/Empty`)
  const drive = makeDrive({ fs: 'exfat', size: 16 * MiB })
  ended(t, await host.run([source, '-o', drive.path]), 0)
  fs.renameSync(`${source}/dir`, `${source}/other`)
  fs.renameSync(`${source}/Case`, `${source}/case`)
  fs.renameSync(`${source}/Spelt`, `${source}/spelt`)
  fs.renameSync(`${source}/spelt/Empty`, `${source}/spelt/empty`)
  fs.renameSync(`${source}/x/deep/er`, `${source}/other/er`)
  fs.rmSync(`${source}/x`, { recursive: true })
  const run = await host.run([source, '-o', drive.path, '--json'])
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 0 }, renamed: 5 })
  t.deepEqual(names(drive.path), ['case', 'other', 'spelt'])
  t.is(wrongSums(drive), '')
  // An empty directory that stands under its old spelling may have another name there for now; it comes back right.
  const to = tempDir('to')
  ended(t, await host.run(['restore', '-o', drive.path, '--to', to]), 0)
  t.deepEqual(differences(source, to), [])
})

rootTest('what was not looked at is not gone, so nothing of it is renamed', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'kept/a': 5000, 'hidden/b': 6000 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  fs.renameSync(`${source}/hidden/b`, `${source}/kept/b`)
  const run = await host.run([source, '-o', out, '--exclude', '/hidden/', '--json'])
  ended(t, run, 0)
  t.like(events(run, 'plan')[0], { files: 1, renamed: 0, gone: 0 })
  t.true(fs.existsSync(`${out}/hidden/b`))
})

rootTest('a guard that stops the run takes no rename back, and the next run goes on', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, b: 1001, c: 1002, d: 1003, e: 1004 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  const aside = tempDir('aside')
  for (const name of 'cde') fs.renameSync(`${source}/${name}`, `${aside}/${name}`)
  fs.renameSync(`${source}/a`, `${source}/a2`)
  ended(t, await host.run([source, '-o', out, '--delete']), 25)
  t.deepEqual(names(out), ['a', 'b', 'c', 'd', 'e'])
  for (const name of 'cde') fs.renameSync(`${aside}/${name}`, `${source}/${name}`)
  const run = await host.run([source, '-o', out, '--json'])
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 0 }, renamed: 1 })
  t.deepEqual(differences(source, out), [])
})

rootTest('a full drive is renamed on all the same', async (t) => {
  const host = makeHost()
  const source = makeSource(
    Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`some/where/${n}`, 20_000])),
  )
  const drive = makeDrive({ size: 8 * MiB, fs: 'ext4' })
  const next = makeDrive({ size })
  const args = [source, '-o', drive.path, '-o', next.path, '--json']
  ended(t, await host.run(args), 0)
  fs.writeFileSync(path.join(tempDir('log'), 'df'), spawnSync('df', [drive.path]).stdout)
  fs.renameSync(`${source}/some`, `${source}/any`)
  const run = await host.run(args)
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 0 }, renamed: 400 })
  holds(t, source, [drive, next])
})

test('several sources: what moves from one to the other is renamed', async (t) => {
  const host = makeHost()
  const top = makeSource({ 'one/a': 5000, 'one/b': 100, 'two/c': 6000 })
  const out = tempDir('out')
  const args = [`${top}/one`, `${top}/two`, '-o', out, '--json']
  ended(t, await host.run(args), 0)
  fs.renameSync(`${top}/one/a`, `${top}/two/a`)
  const run = await host.run(args)
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: { files: 0 }, renamed: 1 })
  t.deepEqual(differences(top, out), [])
})
