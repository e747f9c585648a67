/**
 * restore on real drives: what comes back is what was backed up, only the drives that are needed are asked
 * for, and nothing that exists is replaced unasked.
 */

import * as fs from 'node:fs'
import * as path from 'node:path'
import { closes, drivePrompt, ended, events, makeSource, onTerminal, put } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { MiB } from '../helpers/drives.js'
import { rootTest as test } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { sh, tempDir } from '../helpers/temp.js'
import { everything, fiveDrives, listing, makeShelf, newPlace, rsyncDiff } from './kit.js'

test('one of everything comes back as it was, and the second time nothing is done', async (t) => {
  const source = everything()
  const shelf = await makeShelf(t, source, [{}])
  // A copy does not bring the ACLs of directories to the drive; where the drive has one, it comes back.
  for (const root of [source, shelf.drives[0]?.path ?? '']) {
    sh('setfacl', '-d', '-m', 'g:5678:rx', path.join(root, 'a/deep'))
  }
  const before = shelf.drives.flatMap((drive) => fingerprint(drive.path))
  const to = newPlace()
  const result = await shelf.restore(to)
  ended(t, result, 0)
  t.deepEqual(rsyncDiff(source, to), [])
  t.true(fs.statSync(path.join(to, 'a/hole')).blocks * 512 < 1_000_000, 'the hole is kept')
  t.deepEqual(listing(to), listing(source), 'nothing of ours is left')
  const again = await shelf.restore(to, '--json')
  ended(t, again, 0)
  const [summary] = events(again, 'summary')
  t.deepEqual([summary?.restored.files, summary?.restored.others, summary?.equal], [0, 0, 15])
  t.deepEqual(rsyncDiff(source, to), [])
  const now = shelf.drives.flatMap((drive) => fingerprint(drive.path))
  assertUnchanged(t, before, now)
})

test('paths on drives 2 and 4 of 5 take two questions, and nothing else comes', async (t) => {
  const shelf = await fiveDrives(t)
  const [, second, , fourth] = shelf.drives
  if (!second || !fourth) throw new Error('five drives')
  const bay = tempDir('bay')
  for (const drive of shelf.drives) drive.unmount()
  const to = newPlace()
  const terminal = onTerminal(t, shelf.host, ['restore', '-o', bay, '--to', to, 'd2', 'd4/large'])
  await terminal.expect(/Please insert drive 2 .* for 2 files .* mount it at/)
  await drivePrompt(terminal)
  second.remount({ path: bay })
  terminal.send('c\r')
  await terminal.expect(/drive 2 .* is done: 2 files/)
  await terminal.expect(/Please insert drive 4 .* for 1 file /)
  await drivePrompt(terminal)
  second.unmount()
  fourth.remount({ path: bay })
  terminal.send('c\r')
  await closes(t, terminal, 0)
  t.is(terminal.transcript().match(/Please insert/g)?.length, 2)
  t.deepEqual(rsyncDiff(shelf.source, to, 'd2', 'd4/large'), [])
  t.deepEqual(listing(to), ['d2', 'd2/large', 'd2/small', 'd4', 'd4/large'])
})

test('the drives come in any order, a wrong one is named, one is done without', async (t) => {
  const shelf = await fiveDrives(t)
  const [first, , third] = shelf.drives
  if (!first || !third) throw new Error('five drives')
  const bay = tempDir('bay')
  for (const drive of shelf.drives) drive.unmount()
  const to = newPlace()
  const args = ['restore', '-o', bay, '--to', to, '*large', '--json']
  const wanted = ['d1', 'd3', 'd5'].map((one) => `${one}/large`)
  const terminal = onTerminal(t, shelf.host, ['restore', '-o', bay, '--to', to, ...wanted])
  await drivePrompt(terminal)
  third.remount({ path: bay })
  terminal.send('c\r')
  await terminal.expect(/drive 3 .* is done/)
  await terminal.expect(/Please insert drive 1/)
  await drivePrompt(terminal)
  terminal.send('c\r')
  await terminal.expect(/is drive 3 .*: nothing more is wanted of it; drive 1 .* is/)
  await drivePrompt(terminal)
  third.unmount()
  const elsewhere = tempDir('elsewhere')
  first.remount({ path: elsewhere })
  terminal.send(`${elsewhere}\r`)
  await terminal.expect(/drive 1 .* is done/)
  await terminal.expect(/Please insert drive 5/)
  await drivePrompt(terminal)
  terminal.send('s\r')
  await terminal.expect(/Not restored:\s+.*d5\/large/)
  await closes(t, terminal, 23)
  t.deepEqual(listing(to), ['d1', 'd1/large', 'd3', 'd3/large'])
  first.unmount()
  // Without a terminal nothing is asked.
  const alone = await shelf.host.run(args)
  t.is(alone.code, 4)
  t.regex(alone.stderr, /Needed: drive 1 .*; drive 2 .*; drive 3 .*; drive 4 .*; drive 5 /)
})

test('q stops, and the same command goes on', async (t) => {
  const shelf = await fiveDrives(t)
  for (const drive of shelf.drives.slice(1)) drive.unmount()
  const [first] = shelf.drives
  const bay = tempDir('bay')
  const to = newPlace()
  const args = ['restore', '-o', first?.path ?? '', '-o', bay, '--to', to, 'd1', 'd2']
  const terminal = onTerminal(t, shelf.host, args)
  await terminal.expect(/Please insert drive 2/)
  await drivePrompt(terminal)
  terminal.send('q\r')
  await closes(t, terminal, 130)
  t.deepEqual(rsyncDiff(shelf.source, to, 'd1'), [])
  shelf.drives[1]?.remount({ path: bay, readOnly: true })
  const again = await shelf.host.run([...args, '--json'])
  ended(t, again, 0)
  const [summary] = events(again, 'summary')
  t.is(summary?.restored.files, 2)
  t.deepEqual(rsyncDiff(shelf.source, to, 'd1', 'd2'), [])
})

test('a host that knows nothing restores from one drive, and asks for the others by its list', async (t) => {
  const shelf = await fiveDrives(t)
  const stranger = makeHost()
  const [, , third, fourth] = shelf.drives
  if (!third || !fourth) throw new Error('five drives')
  for (const drive of shelf.drives) drive.unmount()
  // The last drive has the newest list.
  const last = shelf.drives[4]
  last?.remount({ readOnly: true })
  const bay = tempDir('bay')
  const to = newPlace()
  const args = ['restore', '-o', bay, '-o', last?.path ?? '', '--to', to, 'd3', 'd4', 'd5']
  const dry = await stranger.run([...args, '-n', '--json'])
  ended(t, dry, 0)
  t.false(fs.existsSync(to), 'nothing is made')
  const [plan] = events(dry, 'plan')
  t.deepEqual(
    plan?.volumes.map((one: { number: number; files: number; mounted: boolean }) => [
      one.number,
      one.files,
      one.mounted,
    ]),
    [
      [5, 2, true],
      [3, 2, false],
      [4, 2, false],
    ],
  )
  const terminal = onTerminal(t, stranger, args)
  await terminal.expect(/Please insert drive 3/)
  await drivePrompt(terminal)
  fourth.remount({ path: bay })
  terminal.send('c\r')
  await terminal.expect(/Please insert drive 3/)
  await drivePrompt(terminal)
  fourth.unmount()
  third.remount({ path: bay })
  terminal.send('c\r')
  await closes(t, terminal, 0)
  t.deepEqual(rsyncDiff(shelf.source, to, 'd3', 'd4', 'd5'), [])
  t.deepEqual(fs.readdirSync(stranger.state), [], 'nothing is kept of it')
})

test('what exists is left alone and named; --overwrite, --update and --keep-both', async (t) => {
  const source = makeSource({ same: 'same', differs: 'from the drive', older: 'newer', 'd/x': 'x' })
  const shelf = await makeShelf(t, source, [{ fs: 'tmpfs', size: 4 * MiB }])
  const place = (): string => {
    const to = tempDir('back')
    put(to, 'same', 'same')
    put(to, 'differs', 'the user has this', 1_800_000_000)
    put(to, 'older', 'old', 1_600_000_000)
    fs.symlinkSync(tempDir('outside'), path.join(to, 'd'))
    return to
  }
  const read = (to: string, name: string): string => fs.readFileSync(path.join(to, name), 'utf8')

  const kept = place()
  const plain = await shelf.restore(kept, '--json')
  t.is(plain.code, 23, 'the directory could not be made')
  t.deepEqual(
    events(plain, 'file-error').map((one) => path.relative(kept, one.path)),
    ['d', 'd/x', 'differs', 'older'],
  )
  t.deepEqual([read(kept, 'differs'), read(kept, 'older')], ['the user has this', 'old'])
  t.deepEqual(fs.readdirSync(path.join(kept, 'd')), [], 'no link is followed')
  fs.unlinkSync(path.join(kept, 'd'))
  t.is((await shelf.restore(kept)).code, 1)

  const over = place()
  t.is((await shelf.restore(over, '--overwrite', 'differs', 'older', 'same')).code, 0)
  t.deepEqual([read(over, 'differs'), read(over, 'older')], ['from the drive', 'newer'])

  const update = place()
  t.is((await shelf.restore(update, '--update', 'differs', 'older')).code, 0)
  t.deepEqual([read(update, 'differs'), read(update, 'older')], ['the user has this', 'newer'])

  const both = place()
  for (const _ of ['once', 'and again']) {
    t.is((await shelf.restore(both, '--keep-both', 'differs')).code, 0)
    t.deepEqual(
      fs.readdirSync(both).filter((name) => name.startsWith('differs')),
      ['differs', 'differs.restored-1'],
    )
  }
  t.is(read(both, 'differs.restored-1'), 'from the drive')
  t.is((await shelf.restore(both, '--keep-both', '--update')).code, 2)
})

test('a bad copy is never delivered; one on another drive is', async (t) => {
  const source = makeSource({ 'a/one': 'one', 'a/two': 400_000, b: 'b' })
  const shelf = await makeShelf(
    t,
    source,
    [
      { fs: 'tmpfs', size: 8 * MiB },
      { fs: 'tmpfs', size: 8 * MiB },
    ],
    '--copies',
    '2',
  )
  const [first, second] = shelf.drives
  if (!first || !second) throw new Error('two drives')
  const spoil = (drive: { path: string }, name: string): void => {
    const file = path.join(drive.path, name)
    const { atime, mtime } = fs.statSync(file)
    const bytes = fs.readFileSync(file)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    fs.writeFileSync(file, bytes)
    fs.utimesSync(file, atime, mtime)
  }
  spoil(first, 'a/two')
  fs.unlinkSync(path.join(first.path, 'b'))
  const to = newPlace()
  const healed = await shelf.restore(to, '--json')
  t.is(healed.code, 1, healed.stderr)
  t.deepEqual(
    // Several files are read at a time.
    events(healed, 'file-error')
      .map((one) => path.relative(first.path, one.path))
      .sort(),
    ['a/two', 'b'],
  )
  t.deepEqual(rsyncDiff(source, to), [])

  spoil(second, 'a/two')
  const without = newPlace()
  const bad = await shelf.restore(without)
  t.is(bad.code, 23)
  t.regex(bad.stderr, /a\/two: checking: its content is not what was recorded/)
  t.deepEqual(listing(without), ['a', 'a/one', 'b'])
  const keeping = newPlace()
  t.is((await shelf.restore(keeping, '--keep-bad')).code, 23)
  t.deepEqual(listing(keeping), ['a', 'a/one', 'a/two.mvcopy-corrupt', 'b'])
})

test('what has gone from the source comes back from its drive; what matches nothing is exit 1', async (t) => {
  const source = makeSource({ kept: 'kept', gone: 'gone' })
  const shelf = await makeShelf(t, source, [{ fs: 'tmpfs', size: 4 * MiB }])
  fs.unlinkSync(path.join(source, 'gone'))
  await shelf.back(t)
  const to = newPlace()
  ended(t, await shelf.restore(to, 'gone'), 0)
  t.deepEqual(listing(to), ['gone'])
  const nothing = await shelf.restore(to, 'no such thing')
  t.is(nothing.code, 1)
  t.regex(nothing.stderr, /Nothing matches/)
})

test('a destination that is a drive, lies on one, or is an empty place for one is refused', async (t) => {
  const source = makeSource({ a: 'a' })
  const shelf = await makeShelf(t, source, [{ fs: 'tmpfs', size: 4 * MiB }])
  const [drive] = shelf.drives
  if (!drive) throw new Error('a drive')
  const before = fingerprint(drive.path)
  const onto = await shelf.restore(drive.path)
  t.is(onto.code, 2)
  t.regex(onto.stderr, /nothing is restored onto a drive/)
  fs.mkdirSync(path.join(drive.path, 'theirs'))
  t.is((await shelf.restore(path.join(drive.path, 'theirs'))).code, 2)
  fs.rmdirSync(path.join(drive.path, 'theirs'))
  assertUnchanged(t, before.slice(1), fingerprint(drive.path).slice(1))
  for (const args of [
    ['restore', '--to', 'x'],
    ['restore', '-o', drive.path],
    ['restore', '-o', drive.path, '--to', '/no/such/place'],
    ['restore', '-o', drive.path, '--to', '/etc/passwd'],
  ]) {
    const refused = await shelf.host.run(args)
    t.is(refused.code, 2, refused.stderr)
    t.notRegex(refused.stderr, /internal/)
  }
})
