/**
 * where, status, volumes and lost on real drives: what they say is what stands on the drives, names of any
 * bytes come out whole, and a drive that was declared lost is not written.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ExecutionContext } from 'ava'
import { closes, ended, events, lines, makeSource, onTerminal, put } from '../copy/kit.js'
import { type Host, makeHost } from '../helpers/cli.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest as test } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { tempDir } from '../helpers/temp.js'

/** No UTF-8, a newline, an escape sequence and a backslash. */
const hostile = Buffer.from([...Buffer.from('h\\'), 0xe9, 0x0a, 0x1b, ...Buffer.from('[31mX')])

interface Scene {
  host: Host
  source: string
  one: Drive
  two: Drive
  /** Backs up to these drives. */
  run(t: ExecutionContext, drives: Drive[], ...more: string[]): Promise<void>
}

/** Four files of 2 MB and small ones, which need two drives of 7 MiB. */
async function scene(t: ExecutionContext): Promise<Scene> {
  const source = makeSource({
    'a/f1.ogg': 2_000_000,
    'a/f2.ogg': 2_000_000,
    'b/f3.ogg': 2_000_000,
    'b/f4.ogg': 2_000_000,
    'b/note': 'text',
  })
  fs.writeFileSync(Buffer.concat([Buffer.from(`${source}/b/`), hostile]), 'odd')
  const host = makeHost()
  const one = makeDrive({ fs: 'tmpfs', size: 7 * MiB })
  const two = makeDrive({ fs: 'tmpfs', size: 7 * MiB })
  const run = async (t: ExecutionContext, drives: Drive[], ...more: string[]): Promise<void> => {
    const outputs = drives.flatMap((drive) => ['-o', drive.path])
    ended(t, await host.run([source, ...outputs, '--hide-progress', '--keep', ...more]), 0)
  }
  await run(t, [one, two])
  return { host, source, one, two, run }
}

/** Which drive holds a path, by looking. */
function holders(scene: Scene, name: string): number[] {
  return [scene.one, scene.two].flatMap((drive, n) =>
    fs.existsSync(path.join(drive.path, name)) ? [n + 1] : [],
  )
}

test('where tells which drive holds each file, and has no more to say', async (t) => {
  const s = await scene(t)
  const found = await s.host.run(['where', '--json', '*.ogg'])
  ended(t, found, 0)
  const objects = events(found, 'where')
  t.deepEqual(
    objects.map(({ path, volume }) => [path, volume.number]),
    ['a/f1.ogg', 'a/f2.ogg', 'b/f3.ogg', 'b/f4.ogg'].map((name) => [name, ...holders(s, name)]),
  )
  const sums = fs.readFileSync(path.join(s.one.path, '.mvcopy/SHA256SUMS'), 'latin1')
  const [first] = objects
  t.true(sums.includes(`${String(first?.digest).slice('sha256:'.length)}  a/f1.ogg`))
  t.is(first?.size, 2_000_000)
  t.is(first?.mtime, '1700000000.250000000')
  const text = await s.host.run(['where', 'f1'])
  t.regex(
    text.stdout,
    /^drive 1 \(\S+-1\) +2 MB {2}2023-11-14 22:13 {2}[0-9a-f]{16} {2}a\/f1\.ogg\n$/,
  )
  const none = await s.host.run(['where', 'nothing of the kind'])
  t.deepEqual([none.code, none.stdout], [1, ''])
  t.regex(none.stderr, /Nothing matches/)
})

test('where takes globs, regular expressions and any case', async (t) => {
  const { host } = await scene(t)
  const paths = async (...args: string[]): Promise<string[]> =>
    events(await host.run(['where', '--json', ...args])).map(({ path }) => path)
  t.deepEqual(await paths('b/*.ogg'), ['b/f3.ogg', 'b/f4.ogg'])
  t.deepEqual(await paths('--regex', '^a/f[12]'), ['a/f1.ogg', 'a/f2.ogg'])
  t.deepEqual(await paths('F1'), [])
  t.deepEqual(await paths('-i', 'F1', 'NOTE'), ['a/f1.ogg', 'b/note'])
  for (const args of [[], [''], ['--regex', '('], ['['], ['-0', '--json', 'x']]) {
    const refused = await host.run(['where', ...args])
    t.is(refused.code, 2, refused.stderr)
    t.notRegex(refused.stderr, /internal/)
  }
})

test('a name of any bytes comes out whole, and never acts on a terminal', async (t) => {
  const { host } = await scene(t)
  const nul = await host.run(['where', '-0', Buffer.from([0xe9])])
  t.deepEqual(nul.stdoutBytes, Buffer.concat([Buffer.from('b/'), hostile, Buffer.of(0)]))
  const text = await host.run(['where', Buffer.from([0xe9])])
  t.regex(text.stdout, /b\/h\\\\\\xe9\\n\\x1b\[31mX\n$/)
  t.is(lines(text.stdout).length, 1)
  const [object] = events(await host.run(['where', '--json', '[31m'.slice(1)]))
  t.is(object?.path, 'b/h\\\udce9\n\u001b[31mX')
})

test('a drive alone answers on a host that knows nothing, and nothing is written anywhere', async (t) => {
  const s = await scene(t)
  // The list on the first drive is brought up to date when it is in again.
  put(s.source, 'b/more', 'more')
  await s.run(t, [s.one, s.two])
  const stranger = makeHost()
  const ask = (drive: Drive): Promise<string[]> =>
    stranger
      .run(['where', '-o', drive.path, '--json', '*.ogg'])
      .then((result) => events(result).map(({ path, volume }) => `${path} ${volume.number}`))
  const before = [s.one, s.two].flatMap((drive) => fingerprint(drive.path))
  const known = events(await s.host.run(['where', '--json', '*.ogg'])).map(
    ({ path, volume }) => `${path} ${volume.number}`,
  )
  const answers = [await ask(s.one), await ask(s.two)].map((list) => list.sort())
  t.true(
    answers.some((list) => list.join() === known.join()),
    JSON.stringify({ answers, known }),
  )
  const text = await stranger.run(['where', '-o', s.two.path, 'f1'])
  t.regex(text.stderr, /Answered from drive 2 \(.*\) alone: its list of the set .* is of \d{4}-/)
  assertUnchanged(
    t,
    before,
    [s.one, s.two].flatMap((drive) => fingerprint(drive.path)),
  )
  t.deepEqual(fs.readdirSync(stranger.state), [])
  const status = await stranger.run(['status', '-o', s.one.path])
  t.is(status.code, 2)
  t.regex(status.stderr, /no catalog[\s\S]*adopt -o/)
})

test('the first drive alone tells where the rest of the set was to go', async (t) => {
  const s = await scene(t)
  const first = makeDrive({ fs: 'tmpfs', size: 7 * MiB })
  // A set of its own, of which only drive 1 was ever in.
  const host = makeHost()
  ended(t, await host.run([s.source, '-o', first.path, '--hide-progress']), 4)
  const stranger = makeHost()
  const found = events(await stranger.run(['where', '-o', first.path, '--json', '*.ogg']))
  t.deepEqual(found.map(({ path: name }) => name).sort(), [
    'a/f1.ogg',
    'a/f2.ogg',
    'b/f3.ogg',
    'b/f4.ogg',
  ])
  for (const { path: name, volume, standing, size } of found) {
    const here = fs.existsSync(path.join(first.path, String(name)))
    t.like({ standing, size }, { standing: here ? 'current' : 'planned', size: 2_000_000 })
    t.is((volume as { number: number }).number, here ? 1 : 2)
  }
  t.true(found.some(({ standing }) => standing === 'planned'))
  const text = await stranger.run(['where', '-o', first.path, 'f4.ogg'])
  t.regex(
    text.stdout,
    /^drive 2 .*b\/f4\.ogg {2}\(planned for this drive when the list was written\)\n$/,
  )
  const list = fs.readFileSync(path.join(first.path, '.mvcopy/catalog.jsonl'), 'utf8')
  t.is(list.split('\n').filter((line) => line.includes('.ogg"')).length, 4)
  // Hearsay of a plan is nothing that is backed up.
  ended(t, await stranger.run(['adopt', '-o', first.path]), 0)
  const known = events(await stranger.run(['where', '--json', '*.ogg']))
  t.deepEqual(
    known.map(({ path: name }) => name),
    found.flatMap(({ path: name, standing }) => (standing === 'current' ? [name] : [])),
  )
})

test('the set is found by name, catalog or drive, and never guessed', async (t) => {
  const s = await scene(t)
  const other = makeSource({ x: 'y' })
  const third = makeDrive({ fs: 'tmpfs', size: 4 * MiB })
  ended(t, await s.host.run([other, '-o', third.path, '--set', 'other']), 0)
  const lost = await s.host.run(['status'])
  t.is(lost.code, 2)
  t.regex(lost.stderr, /more than one set[\s\S]*other/i)
  const name = async (...args: string[]): Promise<string> => {
    const result = await s.host.run(['status', '--json', ...args])
    ended(t, result, 0)
    return events(result, 'set')[0]?.name
  }
  const first = await name('-o', s.one.path)
  t.is(await name('--set', 'other'), 'other')
  t.is(await name('--catalog', path.join(s.host.state, 'multivolumecopy/other.sqlite')), 'other')
  t.is(await name('--set', first), first)
  for (const args of [
    ['--set', 'none such'],
    ['--catalog', '/nowhere'],
    ['--set', 'other', '-o', s.one.path],
    ['-o', '/nowhere'],
  ]) {
    t.is((await s.host.run(['status', ...args])).code, 2, args.join(' '))
  }
  t.is((await s.host.run(['status', '-o', tempDir('empty')])).code, 4)
})

test('status tells what waits, what could be reclaimed, and how full the drives are', async (t) => {
  const s = await scene(t)
  fs.rmSync(path.join(s.source, 'a/f1.ogg'))
  await s.run(t, [s.one, s.two])
  const result = await s.host.run(['status', '--json'])
  ended(t, result, 0)
  const [sums] = events(result, 'status')
  t.deepEqual(sums?.waiting, { files: 0, bytes: 0 })
  t.is(sums?.source.files, 5)
  t.is(sums?.lastRun.outcome, 'exit 0')
  const [first] = events(result, 'volume')
  t.deepEqual(first?.gone, { files: 1, bytes: 2_000_000 })
  t.is(first?.capacity, 7 * MiB)
  t.is(first?.verified, null)
  const text = await s.host.run(['status'], { env: { LANG: 'C' } })
  t.regex(text.stdout, /removed from source +1 file \(2 MB\) on drive 1/)
  t.regex(text.stdout, /\[?#+\.+ +\d+%/)
  t.regex((await s.host.run(['status'])).stdout, /█+░* +\d+%/)
  t.regex(text.stdout, /never verified/)
  t.notRegex(text.stdout, /undefined|NaN/)
})

test('a lost drive: its files are copied anew, what cannot be had again is listed, it is not written', async (t) => {
  const s = await scene(t)
  fs.rmSync(path.join(s.source, 'a/f1.ogg'))
  await s.run(t, [s.one, s.two])
  const declared = await s.host.run(['lost', '1', '--json'])
  ended(t, declared, 0)
  t.deepEqual(
    events(declared).map(({ type, path, size }) => [type, path, size]),
    [['lost', 'a/f1.ogg', 2_000_000]],
  )
  t.regex(declared.stderr, /the next run copies them/)
  const waiting = events(await s.host.run(['status', '--json']), 'status')[0]?.waiting
  t.true(waiting.files > 0)
  // It turns up at the side of a new drive: it is named, and nothing on it changes.
  const three = makeDrive({ fs: 'tmpfs', size: 8 * MiB })
  const before = fingerprint(s.one.path)
  const outputs = [s.one, s.two, three].flatMap((drive) => ['-o', drive.path])
  const run = await s.host.run([s.source, ...outputs, '--keep', '--hide-progress'])
  ended(t, run, 0)
  t.regex(run.stderr, /drive 1 .*declared lost[\s\S]*adopt -o/)
  assertUnchanged(t, before, fingerprint(s.one.path))
  t.is(events(await s.host.run(['status', '--json']), 'status')[0]?.waiting.files, 0)
  t.deepEqual(
    events(await s.host.run(['where', '--json', '*.ogg']))
      .map(({ path, standing, volume }) => `${path} ${standing} ${volume.number === 1}`)
      .filter((line) => line.startsWith('a/f1')),
    ['a/f1.ogg lost true'],
  )
  const list = await s.host.run(['lost', '--list'])
  t.is(lines(list.stdout).length, 1)
  t.regex(list.stdout, /a\/f1\.ogg/)
  t.regex((await s.host.run(['status'])).stdout, /lost for good +1 file/)
  // What it holds counts again when it is taken back.
  ended(t, await s.host.run(['adopt', '-o', s.one.path]), 0)
  t.is((await s.host.run(['lost', '--list'])).stdout, '')
  const [back] = events(await s.host.run(['where', '--json', 'f1']))
  t.is(back?.volume.number, 1)
})

test('a lost drive is asked about once at a terminal, and -y answers', async (t) => {
  const { host } = await scene(t)
  const no = onTerminal(t, host, ['lost', '1'])
  await no.expect(/Is it gone for good\? \[y\/N\]> $/)
  no.send('\r')
  await closes(t, no, 0)
  t.is(events(await host.run(['volumes', '--json']))[0]?.fate, '')
  const yes = onTerminal(t, host, ['lost', '1', '-y'])
  await closes(t, yes, 0)
  t.is(events(await host.run(['volumes', '--json']))[0]?.fate, 'lost')
})

test('a retired drive gets nothing new, its files go to others, nothing on it is deleted', async (t) => {
  const s = await scene(t)
  const retired = await s.host.run(['volumes', 'retire', '2'])
  ended(t, retired, 0)
  t.regex(retired.stderr, /copied to other drives by the next run/)
  const three = makeDrive({ fs: 'tmpfs', size: 8 * MiB })
  const before = holders(s, 'b/f4.ogg')
  t.deepEqual(before, [2])
  put(s.source, 'new', 'new')
  await s.run(t, [s.two, s.one, three])
  t.false(fs.existsSync(path.join(s.two.path, 'new')))
  t.true(fs.existsSync(path.join(s.two.path, 'b/f4.ogg')))
  t.true(fs.existsSync(path.join(three.path, 'b/f4.ogg')))
  t.is(events(await s.host.run(['status', '--json']), 'status')[0]?.waiting.files, 0)
  t.regex((await s.host.run(['volumes'])).stdout, /drive 2 .*retired/)
  ended(t, await s.host.run(['volumes', 'retire', '2', '--undo']), 0)
  t.is((await s.host.run(['volumes', 'retire', '2', '--undo'])).code, 2)
})

test('a drive has its new label at once in the set, and on itself when it is next written', async (t) => {
  const s = await scene(t)
  ended(t, await s.host.run(['volumes', 'relabel', '2', 'blue WD']), 0)
  t.regex((await s.host.run(['where', 'f4'])).stdout, /^drive 2 \(blue WD\)/)
  const label = (): string =>
    JSON.parse(fs.readFileSync(path.join(s.two.path, '.mvcopy/volume.json'), 'utf8')).volume.label
  t.not(label(), 'blue WD')
  put(s.source, 'b/note', 'changed', 1_700_000_500)
  fs.rmSync(path.join(s.source, 'a/f1.ogg'))
  ended(
    t,
    await s.host.run([s.source, '-o', s.one.path, '-o', s.two.path, '--delete', '--hide-progress']),
    0,
  )
  t.is(label(), 'blue WD')
  ended(t, await s.host.run(['volumes', 'retire', 'blue WD']), 0)
  for (const args of [
    ['relabel', '1', '7'],
    ['relabel', '1', 'blue WD'],
    ['relabel', '9', 'x'],
    ['relabel', '1'],
    ['retire'],
    ['explode'],
  ]) {
    t.is((await s.host.run(['volumes', ...args])).code, 2, args.join(' '))
  }
})

test('questions are answered while a run holds the catalog, changes are refused', async (t) => {
  const { host } = await scene(t)
  const [file = ''] = fs
    .readdirSync(path.join(host.state, 'multivolumecopy'))
    .filter((name) => name.endsWith('.lock'))
  const lock = path.join(host.state, 'multivolumecopy', file)
  const holder = spawn('flock', [lock, 'sh', '-c', 'echo held; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  t.teardown(() => process.kill(-(holder.pid ?? 0), 'SIGKILL'))
  await once(holder.stdout, 'data')
  for (const args of [['where', 'f1'], ['status'], ['volumes'], ['lost', '--list']]) {
    ended(t, await host.run(args), 0)
  }
  for (const args of [
    ['lost', '1'],
    ['volumes', 'retire', '1'],
    ['volumes', 'relabel', '1', 'x'],
  ]) {
    const refused = await host.run(args)
    t.is(refused.code, 5, refused.stderr)
    t.regex(refused.stderr, /in use by/)
  }
})

test('a reader that has seen enough ends it quietly', async (t) => {
  const { host } = await scene(t)
  const result = await host.run(['where', '*'], {
    under: ['sh', '-c', '"$@" | head -1', 'sh'],
  })
  t.is(lines(result.stdout).length, 1)
  t.is(result.stderr, '')
})
