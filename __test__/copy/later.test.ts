import * as fs from 'node:fs'
import test from 'ava'
import { type Host, makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences } from '../helpers/compare.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { sh, tempDir } from '../helpers/temp.js'
import { closes, drivePrompt, ended, events, makeSource, names, onTerminal, put } from './kit.js'

const size = 12 * MiB
const whole = (path: string) => fingerprint(path, { ignore: ['lost+found'] })

/** A backed-up folder: ten files in two directories. */
async function backedUp(
  t: Parameters<typeof ended>[0],
): Promise<{ host: Host; source: string; out: string }> {
  const host = makeHost()
  const source = makeSource(
    Object.fromEntries(
      [...'abcdefghij'].map((name, k) => [`${k < 5 ? 'one' : 'two'}/${name}`, 500 + k]),
    ),
  )
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  return { host, source, out }
}

rootTest('a second run with nothing to do asks for no drive and writes nothing', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 4 * MiB, b: 4 * MiB, c: 4 * MiB, d: 4 * MiB })
  const drives = [makeDrive({ size }), makeDrive({ size })] as const
  const args = [source, ...drives.flatMap((drive) => ['-o', drive.path])]
  ended(t, await host.run(args), 0)
  const before = drives.map((drive) => whole(drive.path))
  const again = await host.run([...args, '--json'])
  ended(t, again, 0)
  t.deepEqual(
    events(again).map(({ type }) => type),
    ['plan', 'summary'],
  )
  t.like(events(again, 'plan')[0], { files: 0, unchanged: 4, gone: 0 })
  for (const [k, drive] of drives.entries()) {
    assertUnchanged(t, before[k] ?? [], whole(drive.path))
  }
  // Not even when no drive is in.
  for (const drive of drives) drive.unmount()
  ended(t, await host.run(args), 0)
})

rootTest(
  'only the drives that are needed are asked for, and what is unchanged stays',
  async (t) => {
    const host = makeHost()
    const source = makeSource({ a: 4 * MiB, b: 4 * MiB, c: 4 * MiB, d: 3 * MiB })
    const drives = [makeDrive({ size }), makeDrive({ size })] as [Drive, Drive]
    ended(t, await host.run([source, ...drives.flatMap((drive) => ['-o', drive.path])]), 0)
    const [first, second] = drives
    const done = whole(first.path)
    first.unmount()
    // d lies on the second drive and is changed there.
    put(source, 'd', 2 * MiB, 1_700_000_100)
    second.unmount()
    const terminal = onTerminal(t, host, [source, '-o', second.path])
    await terminal.expect(/Please insert drive 2 \(/)
    await drivePrompt(terminal)
    second.remount()
    terminal.send('c\r')
    await closes(t, terminal, 0)
    t.regex(terminal.transcript(), /1 file \(2.1 MB\) written/)
    first.remount()
    assertUnchanged(t, done, whole(first.path))
    assertUnionEquals(t, source, drives)
  },
)

rootTest(
  'a drive that comes in only for what is to be renamed or removed is served, named before, and asked for by nobody',
  async (t) => {
    const host = makeHost()
    const source = makeSource({ a: 4 * MiB, b: 4 * MiB, c: 4 * MiB, d: 3 * MiB })
    const drives = [makeDrive({ size }), makeDrive({ size })] as [Drive, Drive]
    ended(t, await host.run([source, ...drives.flatMap((drive) => ['-o', drive.path])]), 0)
    const [first, second] = drives
    first.unmount()
    fs.rmSync(`${source}/a`)
    fs.renameSync(`${source}/b`, `${source}/bb`)
    const away = await host.run([source, '-o', second.path, '--delete'])
    ended(t, away, 0)
    t.regex(
      away.stderr,
      /when drive 1 \(src-\w+-1\) is next in: 1 file to be renamed, 1 file to be removed$/m,
    )
    const { stdout } = await host.run(['status'])
    t.regex(stdout, /^removed from source +1 file \(4.19 MB\) on drive 1 /m)
    t.regex(stdout, /^not backed up +nothing$/m)
    t.regex(stdout, /^to be renamed +1 file \(4.19 MB\) on drive 1 /m)
    const plan = await host.run(['plan', source, '-o', second.path, '--delete'])
    ended(t, plan, 0)
    t.regex(
      plan.stderr + plan.stdout,
      /when drive 1 .* is next in: 1 file to be renamed, 1 file to be/,
    )
    // Now something is wanted of drive 2, and the user brings drive 1 first.
    put(source, 'd', 2 * MiB, 1_700_000_100)
    second.unmount()
    const terminal = onTerminal(t, host, [source, '-o', second.path, '--delete'])
    await terminal.expect(/Please insert drive 2 \(/)
    await drivePrompt(terminal)
    first.remount()
    terminal.send(`${first.path}\r`)
    await terminal.expect(/has been done \(1 file renamed, 1 file\s+removed\)/)
    await drivePrompt(terminal)
    first.unmount()
    second.remount()
    terminal.send('c\r')
    await closes(t, terminal, 0)
    t.notRegex(terminal.transcript(), /is next in/)
    first.remount()
    assertUnionEquals(t, source, drives)
  },
)

test('new and changed files are written, the others keep their inode', async (t) => {
  const { host, source, out } = await backedUp(t)
  const inode = fs.statSync(`${out}/one/a`).ino
  put(source, 'one/b', 'changed', 1_700_000_200)
  put(source, 'three/new', 'new')
  const run = await host.run([source, '-o', out, '--json'])
  ended(t, run, 0)
  t.like(events(run, 'plan')[0], { files: 2, changed: 1, unchanged: 9 })
  t.is(fs.statSync(`${out}/one/a`).ino, inode)
  t.deepEqual(differences(source, out), [])
})

test('what is gone stays without a yes: nobody to ask, --keep, no at the terminal; yes removes it', async (t) => {
  const { host, source, out } = await backedUp(t)
  fs.rmSync(`${source}/one/a`)
  fs.rmSync(`${source}/two/j`)
  const silent = await host.run([source, '-o', out])
  ended(t, silent, 0)
  t.regex(silent.stderr, /2 files gone from the source.*kept \(--delete removes them\)/)
  ended(t, await host.run([source, '-o', out, '--keep']), 0)
  const no = onTerminal(t, host, [source, '-o', out])
  await no.expect(/one\/a \(drive 1\)\s+two\/j \(drive 1\)\s+Remove them.*\[y\/N\]> $/)
  no.send('\r')
  await closes(t, no, 0)
  t.true(fs.existsSync(`${out}/one/a`))
  const yes = onTerminal(t, host, [source, '-o', out])
  await yes.expect(/\[y\/N\]> $/)
  yes.send('y\r')
  await closes(t, yes, 0)
  t.is(yes.transcript().match(/\[y\/N\]/g)?.length, 1)
  t.deepEqual(differences(source, out), [])
  const after = await host.run([source, '-o', out])
  ended(t, after, 0)
  t.notRegex(after.stderr, /gone from/)
})

test('--delete removes without a question, and --max-delete stops before that', async (t) => {
  const { host, source, out } = await backedUp(t)
  fs.rmSync(`${source}/one/a`)
  fs.rmSync(`${source}/two`, { recursive: true })
  put(source, 'two/new', 'x')
  fs.rmSync(`${source}/two/new`)
  for (const name of [...'fgh']) put(source, `two/${name}`, 500 + 'abcdefghij'.indexOf(name))
  put(out, 'two/mine', 'foreign')
  const before = whole(out)
  const stopped = await host.run([source, '-o', out, '--delete', '--max-delete', '2'])
  ended(t, stopped, 25)
  t.regex(stopped.stderr, /3 files would be removed.*--max-delete allows 2/)
  assertUnchanged(t, before, whole(out))
  const run = await host.run([source, '-o', out, '--delete', '--max-delete', '3'])
  ended(t, run, 0)
  t.deepEqual(names(`${out}/one`), ['b', 'c', 'd', 'e'])
  t.deepEqual(names(`${out}/two`), ['f', 'g', 'h', 'mine'])
})

for (const [what, lost] of [
  ['empty', ['one', 'two']],
  ['without more than half of its files', ['one', 'two/f']],
] as const) {
  test(`a source that is ${what} is taken as not mounted`, async (t) => {
    const { host, source, out } = await backedUp(t)
    const before = whole(out)
    for (const name of lost) fs.rmSync(`${source}/${name}`, { recursive: true })
    const run = await host.run([source, '-o', out, '--delete'])
    ended(t, run, 25)
    t.regex(run.stderr, /looks as if it were not mounted/)
    assertUnchanged(t, before, whole(out))
    const no = onTerminal(t, host, [source, '-o', out, '--delete'])
    await no.expect(/Is it as it should be\? \[y\/N\]> $/)
    no.send('n\r')
    await closes(t, no, 25)
    assertUnchanged(t, before, whole(out))
    const yes = onTerminal(t, host, [source, '-o', out, '--delete'])
    await yes.expect(/Is it as it should be\? \[y\/N\]> $/)
    yes.send('y\r')
    await closes(t, yes, 0)
    t.deepEqual(differences(source, out), [])
  })
}

rootTest('a source on another file system than before is taken as not mounted', async (t) => {
  const host = makeHost()
  const [one, two] = [makeDrive({ size }), makeDrive({ size })]
  for (const name of [...'abc']) put(one.path, name, name)
  const source = one.path
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  const before = whole(out)
  one.unmount()
  two.remount({ path: tempDir('x') })
  two.unmount()
  two.remount({ path: source })
  for (const name of [...'abc']) put(two.path, name, `other ${name}`)
  const run = await host.run([source, '-o', out])
  ended(t, run, 25)
  t.regex(run.stderr, /on another file system than before/)
  assertUnchanged(t, before, whole(out))
})

rootTest('nothing below a directory that cannot be read counts as gone', async (t) => {
  const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
  const host = makeHost()
  const source = makeSource({ 'open/a': 'a', 'open/b': 'b', 'shut/c': 'c', 'shut/d': 'd' })
  const out = tempDir('out')
  for (const path of [host.home, host.state, host.cwd, out, source])
    sh('chown', '-R', '65534', path)
  for (const path of [source, out, host.cwd]) {
    for (let up = `${path}/..`; fs.realpathSync(up) !== '/tmp'; up += '/..') fs.chmodSync(up, 0o755)
  }
  ended(t, await host.run([source, '-o', out], { under: nobody }), 0)
  fs.chmodSync(`${source}/shut`, 0)
  fs.rmSync(`${source}/open/b`)
  const run = await host.run([source, '-o', out, '--delete'], { under: nobody })
  ended(t, run, 23)
  t.regex(run.stderr, /shut.*(EACCES|ermission)/)
  t.deepEqual(
    [names(`${out}/open`), names(`${out}/shut`)],
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  )
  fs.chmodSync(`${source}/shut`, 0o755)
  ended(t, await host.run([source, '-o', out, '--delete'], { under: nobody }), 0)
  t.deepEqual([names(`${out}/open`), names(`${out}/shut`)], [['a'], ['c', 'd']])
})

test('what is excluded, not listed or left out of a run is not gone', async (t) => {
  const host = makeHost()
  const top = makeSource({ 'one/a': 'a', 'one/b': 'b', 'two/c': 'c', list: 'a\n' })
  const out = tempDir('out')
  const both = [`${top}/one`, `${top}/two`, '-o', out]
  ended(t, await host.run(both), 0)
  const before = whole(out)
  for (const args of [
    [...both, '--exclude', 'b'],
    [`${top}/one`, '-o', out],
    [`${top}/one`, '-o', out, '--files-from', `${top}/list`],
  ]) {
    const run = await host.run([...args, '--delete'])
    ended(t, run, 0)
    t.notRegex(run.stderr, /gone from/, args.join(' '))
    assertUnchanged(t, before, whole(out))
  }
})

rootTest('what lies on another mount is not gone with -x', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a', 'inner/.keep': '' })
  fs.rmSync(`${source}/inner/.keep`)
  const inner = makeDrive({ size })
  inner.unmount()
  inner.remount({ path: `${source}/inner` })
  put(inner.path, 'x', 'x')
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  t.deepEqual(names(`${out}/inner`), ['x'])
  ended(t, await host.run([source, '-o', out, '-x', '--delete']), 0)
  t.deepEqual(names(`${out}/inner`), ['x'])
})

test('a foreign file in the way is not replaced, and said so; --adopt replaces it', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'ours', b: 'b' })
  const out = tempDir('out')
  put(out, 'a', 'theirs', 1_600_000_000)
  const run = await host.run([source, '-o', out, '-y'])
  ended(t, run, 23)
  t.regex(run.stderr, /\ba: /)
  t.is(fs.readFileSync(`${out}/a`, 'utf8'), 'theirs')
  ended(t, await host.run([source, '-o', out, '--adopt']), 0)
  t.deepEqual(differences(source, out), [])
})

test('--adopt takes over equal files without copying them', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 100_000, 'd/b': 50_000, 'd/c': 'differs' })
  const out = tempDir('out')
  sh('cp', '-a', `${source}/.`, out)
  put(out, 'd/c', 'DIFFERS', 1_600_000_000)
  const inode = fs.statSync(`${out}/a`).ino
  const run = await host.run([source, '-o', out, '--adopt', '--json'])
  ended(t, run, 0)
  t.is(fs.statSync(`${out}/a`).ino, inode)
  t.deepEqual(
    events(run, 'volume-closed').map(({ written }) => written.files),
    [1],
  )
  t.deepEqual(differences(source, out), [])
  t.is(events(await host.run([source, '-o', out, '--json']), 'plan')[0]?.files, 0)
})

test('a change of mode alone is mended when the drive is in, and asks for none', async (t) => {
  const { host, source, out } = await backedUp(t)
  fs.chmodSync(`${source}/one/a`, 0o600)
  const inode = fs.statSync(`${out}/one/a`).ino
  const run = await host.run([source, '-o', out])
  ended(t, run, 0)
  t.is(fs.statSync(`${out}/one/a`).mode & 0o7777, 0o600)
  t.is(fs.statSync(`${out}/one/a`).ino, inode)
  t.deepEqual(differences(source, out), [])
})

test('a directory that is gone goes too, also when nothing was in it', async (t) => {
  const { host, source, out } = await backedUp(t)
  fs.mkdirSync(`${source}/hollow`)
  fs.symlinkSync('one/a', `${source}/link`)
  ended(t, await host.run([source, '-o', out]), 0)
  t.deepEqual(differences(source, out), [])
  fs.rmdirSync(`${source}/hollow`)
  const kept = await host.run([source, '-o', out])
  t.regex(kept.stderr, /1 entry gone from the source/)
  ended(t, await host.run([source, '-o', out, '--delete']), 0)
  t.deepEqual(differences(source, out), [])
  fs.rmSync(`${source}/link`)
  ended(t, await host.run([source, '-o', out, '--delete']), 0)
  t.deepEqual(differences(source, out), [])
})

rootTest(
  'a place where a drive was once mounted is no folder, wherever the drive was since',
  async (t) => {
    const host = makeHost()
    const source = makeSource({ a: 1000 })
    const drive = makeDrive({ size })
    const bay = drive.path
    ended(t, await host.run([source, '-o', bay]), 0)
    drive.unmount()
    drive.remount({ path: tempDir('elsewhere') })
    put(source, 'b', 1000)
    ended(t, await host.run([source, '-o', drive.path]), 0)
    drive.unmount()
    put(source, 'c', 1000)
    const run = await host.run([source, '-o', bay])
    ended(t, run, 4)
    t.regex(run.stderr, /had a drive there before, and nothing is mounted now/)
    t.deepEqual(fs.readdirSync(bay), [])
  },
)

/** A drive of the set with files that are none of its own, beside litter; the arguments of the next run. */
async function withForeign(
  t: Parameters<typeof ended>[0],
): Promise<{ host: Host; out: string; args: string[] }> {
  const { host, source, out } = await backedUp(t)
  fs.mkdirSync(`${out}/theirs/deep/er`, { recursive: true })
  fs.mkdirSync(`${out}/System Volume Information`)
  for (const name of ['theirs/deep/x', 'one/beside', 'one/A', 'System Volume Information/y']) {
    fs.writeFileSync(`${out}/${name}`, 'not ours')
  }
  fs.symlinkSync('/etc/passwd', `${out}/theirs/link`)
  return { host, out, args: [source, '-o', out] }
}

test('what is foreign stays, but for --delete-foreign, which spares litter and other spellings of our names', async (t) => {
  const { host, out, args } = await withForeign(t)
  const before = whole(out)
  ended(t, await host.run([...args, '--delete']), 0)
  assertUnchanged(t, before, whole(out))
  const guarded = await host.run([...args, '--delete-foreign', '--max-delete', '2'])
  ended(t, guarded, 25)
  t.regex(guarded.stderr, /3 foreign files .* would be removed .*--max-delete allows 2/)
  for (const name of ['theirs/deep/x', 'theirs/link', 'one/beside']) {
    t.true(fs.lstatSync(`${out}/${name}`).size > 0)
  }
  const run = await host.run([...args, '--delete-foreign'])
  ended(t, run, 0)
  t.regex(run.stderr, /3 foreign files \(16 B\) and 3 directories on drive 1 .* are removed/)
  t.regex(run.stderr, /^ {2}one\/beside$/m)
  t.false(fs.existsSync(`${out}/theirs`))
  t.deepEqual(
    fs.readdirSync(`${out}/one`).filter((name) => /beside|^A$/.test(name)),
    ['A'],
  )
  t.true(fs.existsSync(`${out}/System Volume Information/y`))
  t.true(fs.existsSync('/etc/passwd'))
  const [source = ''] = args
  t.deepEqual(
    differences(source, out).filter((line) => !/one\/A|System Volume/.test(JSON.stringify(line))),
    [],
  )
})

test('--delete-foreign removes nothing from a drive that is new to the set', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a' })
  const out = tempDir('out')
  fs.writeFileSync(`${out}/theirs`, 'theirs')
  ended(t, await host.run([source, '-o', out, '--delete-foreign']), 4)
  ended(t, await host.run([source, '-o', out, '--delete-foreign', '-y']), 0)
  t.is(fs.readFileSync(`${out}/theirs`, 'utf8'), 'theirs')
  const both = await host.run([source, '-o', out, '--delete-foreign', '--adopt'])
  ended(t, both, 2)
})
