import * as fs from 'node:fs'
import test from 'ava'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { type Drive, KiB, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { sh, tempDir, undo } from '../helpers/temp.js'
import {
  closes,
  drivePrompt,
  ended,
  events,
  lines,
  makeSource,
  names,
  onTerminal,
  put,
  shelf,
  slowed,
  wrongSums,
} from './kit.js'

const size = 12 * MiB
/** Two files a drive. */
const six = Object.fromEntries([...'abcdef'].map((name) => [name, 4 * MiB]))

/** Everything on a drive, our own files included. */
const whole = (drive: { path: string } | string) =>
  fingerprint(typeof drive === 'string' ? drive : drive.path, { ignore: ['lost+found'] })

/** What the program said from the last answer to the question after it. */
async function answered(terminal: ReturnType<typeof onTerminal>, answer: string): Promise<string> {
  const before = terminal.transcript().length
  terminal.send(`${answer}\r`)
  await drivePrompt(terminal)
  return terminal.transcript().slice(before)
}

/** Takes the drive that is offered at this path, and none that another test has mounted. */
async function accept(terminal: ReturnType<typeof onTerminal>, path: string): Promise<void> {
  for (;;) {
    const [, offered] = await terminal.expect(/mounted at (\S+)\. Use it\? \[Y\/n\]> $/)
    terminal.send(offered === path ? '\r' : 'n\r')
    if (offered === path) return
  }
}

rootTest('no wrong drive is touched, each is named, and the right one is taken', async (t) => {
  const host = makeHost()
  const source = makeSource(six)
  const [first, second, third] = [1, 2, 3].map(() => makeDrive({ size })) as [Drive, Drive, Drive]
  const [other, full, frozen] = [1, 2, 3].map(() => makeDrive({ size })) as [Drive, Drive, Drive]
  const elsewhere = makeSource({ film: 'film' })
  ended(t, await makeHost().run([elsewhere, '-o', other.path, '--set', 'films']), 0)
  put(full.path, 'holiday.txt', 'mine')
  put(full.path, 'photos/1', 'mine too')
  const bay = shelf([first, second, third, other, full, frozen])
  first.remount({ path: bay })
  const terminal = onTerminal(t, host, [source, '-o', bay])
  await terminal.expect(/Drive 1 .* is done/)
  await drivePrompt(terminal)

  const refuse = async (drive: Drive, says: RegExp, readOnly = false) => {
    drive.remount({ path: bay, readOnly })
    const before = whole(bay)
    const said = await answered(terminal, 'c')
    t.regex(said, says)
    t.is(said.match(/Please insert/g)?.length, 1, said)
    assertUnchanged(t, before, whole(bay))
    drive.unmount()
  }

  // The drive that has just been filled, twice: it is still in.
  t.regex(await answered(terminal, 'c'), /drive 1 \(src.*just been filled/)
  first.unmount()
  await refuse(first, /drive 1 \(src.*just been filled/)
  await refuse(other, /drive 1 \(films-1\) of another set, "films"/)
  await refuse(frozen, /read-only/, true)

  // Nothing is mounted: the place had a drive.
  t.regex(await answered(terminal, 'c'), /not mounted: this set had a drive there before/)
  t.deepEqual(fs.readdirSync(bay), [])

  // Foreign files: asked about, and no is no.
  full.remount({ path: bay })
  const foreign = whole(bay)
  terminal.send('c\r')
  await terminal.expect(/2 files or directories \("holiday.txt", "photos"\)/)
  await terminal.expect(/\[y\/N\]> $/)
  terminal.send('n\r')
  await drivePrompt(terminal)
  assertUnchanged(t, foreign, whole(bay))
  full.unmount()

  // A file, and what is nothing at all.
  const file = `${tempDir('x')}/file`
  fs.writeFileSync(file, 'a file')
  t.regex(await answered(terminal, file), /is not a directory/)
  t.is(fs.readFileSync(file, 'utf8'), 'a file')
  t.regex(await answered(terminal, '/no/such/place'), /does not exist|nothing is there|no such/i)

  // A slip of the keyboard makes no folder.
  const slip = `${tempDir('x')}/usbb`
  terminal.send(`${slip}\r`)
  await terminal.expect(/usbb does not exist\.\s+Make this folder and use it\? \[y\/N\]> $/)
  terminal.send('\r')
  await drivePrompt(terminal)
  t.false(fs.existsSync(slip))

  second.remount({ path: bay })
  terminal.send('c\r')
  await terminal.expect(/Drive 2 .* is done/)
  await drivePrompt(terminal)
  second.unmount()
  // An older drive of the set.
  await refuse(first, /drive 1 \(src.*done with it/s)
  third.remount({ path: bay })
  terminal.send('c\r')
  await closes(t, terminal, 0)
  for (const drive of [first, second]) drive.remount({ path: tempDir('drive') })
  assertUnionEquals(t, source, [first, second, third])
  for (const drive of [first, second, third]) t.is(wrongSums(drive), '')
})

rootTest(
  'the list, the help, a slip of the finger; q stops, and the same command goes on',
  async (t) => {
    const host = makeHost()
    const source = makeSource(six)
    const [first, second, third] = [1, 2, 3].map(() => makeDrive({ size })) as [Drive, Drive, Drive]
    const bay = shelf([first, second, third])
    first.remount({ path: bay })
    const terminal = onTerminal(t, host, [source, '-o', bay])
    await drivePrompt(terminal)
    t.regex(await answered(terminal, 'l'), /drive 1 \(src.*\): 2 files, 8.39 MB.*complete/)
    t.regex(await answered(terminal, '?'), /Nothing is held open: drives can be unplugged/)
    t.regex(await answered(terminal, 'x'), /"x" is not one of the answers/)
    terminal.send('q\r')
    await closes(t, terminal, 130)
    t.is(
      terminal.transcript().match(/goes on from (here|there)/g)?.length,
      1,
      terminal.transcript(),
    )
    const done = whole(bay)
    first.unmount()
    second.remount({ path: bay })
    const again = onTerminal(t, host, [source, '-o', bay])
    await again.expect(/Drive 2 .* is done/)
    await drivePrompt(again)
    second.unmount()
    third.remount({ path: bay })
    again.send('c\r')
    await closes(t, again, 0)
    for (const drive of [first, second]) drive.remount({ path: tempDir('drive') })
    assertUnchanged(t, done, whole(first))
    assertUnionEquals(t, source, [first, second, third])
  },
)

rootTest(
  'at the end of input, and with no terminal, the run ends with 4 and can be resumed',
  async (t) => {
    const host = makeHost()
    const source = makeSource(six)
    const [first, second] = [makeDrive({ size }), makeDrive({ size: 40 * MiB })]
    const bay = shelf([first, second])
    first.remount({ path: bay })
    const terminal = onTerminal(t, host, [source, '-o', bay])
    await drivePrompt(terminal)
    terminal.send('\x04')
    await closes(t, terminal, 4)
    const done = whole(bay)
    const run = await host.run([source, '-o', bay, '--json'])
    ended(t, run, 4)
    assertUnchanged(t, done, whole(bay))
    t.regex(run.stderr, /new drive \(number 2\) is needed for 2 files .* nobody can be asked/)
    t.deepEqual(
      events(run, 'volume-needed').map(({ wanted, files }) => [wanted.number, wanted.known, files]),
      [[2, false, 2]],
    )
    first.unmount()
    second.remount({ path: bay })
    ended(t, await host.run([source, '-o', bay]), 0)
    first.remount({ path: tempDir('drive') })
    assertUnionEquals(t, source, [first, second])
  },
)

rootTest(
  'a drive that comes back at another path is offered, and a typed path is taken',
  async (t) => {
    const host = makeHost()
    const source = makeSource(six)
    const [first, second, third] = [1, 2, 3].map(() => makeDrive({ size })) as [Drive, Drive, Drive]
    const bay = shelf([first, second, third])
    first.remount({ path: bay })
    const terminal = onTerminal(t, host, [source, '-o', bay])
    await drivePrompt(terminal)
    first.unmount()
    second.remount({ path: tempDir('media') })
    terminal.send('c\r')
    await accept(terminal, second.path)
    await terminal.expect(/Drive 2 .* is done/)
    await drivePrompt(terminal)
    second.unmount()
    third.remount({ path: tempDir('media') })
    terminal.send(`${third.path}\r`)
    await closes(t, terminal, 0)
    for (const drive of [first, second]) drive.remount({ path: tempDir('drive') })
    assertUnionEquals(t, source, [first, second, third])
  },
)

rootTest(
  'foreign files are left alone after a yes, with -y, and not without anybody to ask',
  async (t) => {
    const source = makeSource({ a: 'a', 'photos/ours': 'ours' })
    const drive = makeDrive({ size })
    put(drive.path, 'photos/1', 'mine')
    put(drive.path, '.Trash-1000/x', 'litter')
    const mine = whole(drive)
    const refused = await makeHost().run([source, '-o', drive.path])
    ended(t, refused, 4)
    t.regex(refused.stderr, /"photos".*knows nothing about/)
    t.notRegex(refused.stderr, /Trash/)
    assertUnchanged(t, mine, whole(drive))
    const host = makeHost()
    const terminal = onTerminal(t, host, [source, '-o', drive.path])
    await terminal.expect(/leave what is there alone\? \[y\/N\]> $/)
    terminal.send('n\r')
    // What was just said is not said again.
    const [more = ''] = await terminal.expect(/.*or type a path> $/s)
    t.regex(more, /Mount another drive\./)
    t.notRegex(more, /knows nothing|With -y/)
    terminal.send('c\r')
    await terminal.expect(/leave what is there alone\? \[y\/N\]> $/)
    terminal.send('y\r')
    await closes(t, terminal, 0)
    t.is(terminal.transcript().match(/leave what is there alone\?/g)?.length, 2)
    t.is(fs.readFileSync(`${drive.path}/photos/1`, 'utf8'), 'mine')
    t.is(fs.readFileSync(`${drive.path}/photos/ours`, 'utf8'), 'ours')
    const second = makeDrive({ size })
    put(second.path, 'mine', 'mine')
    ended(t, await makeHost().run([source, '-o', second.path, '-y']), 0)
    t.deepEqual(names(second.path), ['a', 'mine', 'photos'])
  },
)

rootTest('an empty mount point never fills the root disk', async (t) => {
  const source = makeSource({ a: 'a' })
  const bay = fs.mkdtempSync('/mnt/mvcopy-test-')
  undo(() => fs.rmSync(bay, { recursive: true, force: true }))
  t.teardown(() => fs.rmSync(bay, { recursive: true, force: true }))
  const run = await makeHost().run([source, '-o', bay])
  ended(t, run, 4)
  t.regex(run.stderr, /not mounted: drives are mounted there, and nothing is/)
  t.deepEqual(fs.readdirSync(bay), [])
  // Where this set had a drive before, wherever that is.
  const drive = makeDrive({ size })
  const host = makeHost()
  ended(t, await host.run([source, '-o', drive.path]), 0)
  put(source, 'b', 'b')
  drive.unmount()
  const later = await host.run([source, '-o', drive.path])
  ended(t, later, 4)
  t.deepEqual(fs.readdirSync(drive.path), [])
})

rootTest(
  'a drive that is unmounted while it is written ends the run with 11, the root disk untouched',
  async (t) => {
    const source = makeSource(
      Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`d${n % 50}/f${n}`, 2 * KiB])),
    )
    const drive = makeDrive({ size: 64 * MiB })
    const host = makeHost()
    const run = host.start([source, '-o', drive.path], { under: slowed })
    await run.said(/, new, at/)
    sh('umount', '-l', drive.path)
    const result = await run.done
    ended(t, result, 11)
    t.deepEqual(fs.readdirSync(drive.path), [])
    t.true(result.stderr.includes(drive.path), result.stderr)
    drive.remount()
    ended(t, await host.run([source, '-o', drive.path]), 0)
    assertUnionEquals(t, source, [drive])
    t.is(wrongSums(drive), '')
  },
)

rootTest(
  'a drive on which nothing of what is left fits is refused, and not made a volume',
  async (t) => {
    const source = makeSource(six)
    const [first, small, large] = [
      makeDrive({ size }),
      makeDrive({ size: 4 * MiB }),
      makeDrive({ size: 40 * MiB }),
    ] as const
    const bay = shelf([first, small, large])
    first.remount({ path: bay })
    const terminal = onTerminal(t, makeHost(), [source, '-o', bay])
    await drivePrompt(terminal)
    first.unmount()
    small.remount({ path: bay })
    const before = whole(bay)
    t.regex(await answered(terminal, 'c'), /Nothing of what is left fits on/)
    assertUnchanged(t, before, whole(bay))
    small.unmount()
    large.remount({ path: bay })
    terminal.send('c\r')
    await closes(t, terminal, 0)
    t.regex(terminal.transcript(), /drive 2 .* is complete: 4 files/)
  },
)

test('a plain folder is allowed, made when its parent is there, and said to be no drive', async (t) => {
  const source = makeSource({ a: 'a' })
  const out = `${tempDir('out')}/new`
  const run = await makeHost().run([source, '-o', out])
  ended(t, run, 0)
  t.deepEqual(names(out), ['a'])
  t.is(lines(run.stderr).filter((line) => /plain folder/.test(line)).length, 1)
})
