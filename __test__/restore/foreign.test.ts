/**
 * restore from file systems that keep less than the source had, by what the manifest says; and from drives
 * whose last copy was broken off.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ended, events, makeSource } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { MiB } from '../helpers/drives.js'
import { rootTest as test } from '../helpers/root.js'
import { makeShelf, newPlace, rsyncDiff } from './kit.js'

/** Modes, owners, times, symlinks, fifos, names: all that the manifest has. */
function portable(): string {
  const source = makeSource({
    'd/a': 'a',
    'd/setuid': 'setuid',
    'd/large': 600_000,
    plain: 'p',
    'a:b/c?': 'odd',
    'd/A': 'A',
  })
  const at = (name: string): string => path.join(source, name)
  fs.chownSync(at('d/setuid'), 1234, 5678)
  fs.chmodSync(at('d/setuid'), 0o4750)
  fs.chmodSync(at('d/a'), 0o400)
  fs.symlinkSync('../else where', at('d/link'))
  fs.mkdirSync(at('empty'), { mode: 0o1777 })
  fs.chmodSync(at('empty'), 0o1777)
  spawnSync('mkfifo', ['-m', '604', at('fifo')])
  fs.writeFileSync(at('zeros'), Buffer.alloc(1_000_000))
  fs.truncateSync(at('zeros'), 3_000_000)
  for (const name of ['d', 'empty', 'zeros']) fs.utimesSync(at(name), 1.4e9, 1_400_000_000.25)
  fs.lutimesSync(at('d/link'), 1.4e9, 1_400_000_000.75)
  fs.utimesSync(at('fifo'), 1.4e9, 1_400_000_000.125)
  return source
}

for (const kind of ['exfat', 'ntfs'] as const) {
  test(`from ${kind} modes, owners, times and symlinks come back by the manifest`, async (t) => {
    const source = portable()
    const shelf = await makeShelf(t, source, [{ fs: kind, size: 32 * MiB }])
    const stranger = makeHost()
    const to = newPlace()
    const drive = shelf.drives[0]?.path ?? ''
    ended(t, await stranger.run(['restore', '-o', drive, '--to', to]), 0)
    t.deepEqual(rsyncDiff(source, to), [])
    t.true(fs.statSync(path.join(to, 'zeros')).blocks === 0, 'long runs of zeros are holes')
  })
}

test('to exfat files come whole; what it cannot hold is named', async (t) => {
  const source = makeSource({ 'd/a': 'a', 'd/b': 300_000 })
  fs.symlinkSync('a', path.join(source, 'd/link'))
  const shelf = await makeShelf(t, source, [{ fs: 'tmpfs', size: 4 * MiB }])
  const other = await makeShelf(t, makeSource({ x: 'x' }), [{ fs: 'exfat', size: 16 * MiB }])
  const stick = other.drives[0]?.path ?? ''
  fs.rmSync(path.join(stick, '.mvcopy'), { recursive: true })
  const result = await shelf.restore(stick, '--json')
  t.is(result.code, 23)
  const [error] = events(result, 'file-error')
  t.is(error?.path, path.join(stick, 'd/link'))
  t.deepEqual(fs.readFileSync(path.join(stick, 'd/b')), fs.readFileSync(path.join(source, 'd/b')))
  const again = await shelf.restore(stick, '--json')
  const [summary] = events(again, 'summary')
  t.is(summary?.equal, 2, 'coarser times are equal times')
  t.deepEqual(fs.readdirSync(stick).sort(), ['START-HERE.html', 'd', 'x'])
})

test('from a drive whose copy was broken off comes what it has confirmed', async (t) => {
  const source = makeSource({ 'a/one': 'one', 'b/two': 'two' })
  const shelf = await makeShelf(t, source, [{ fs: 'tmpfs', size: 8 * MiB }])
  const drive = shelf.drives[0]?.path ?? ''
  for (let n = 0; n < 6; n += 1) {
    fs.writeFileSync(path.join(source, `a/new${n}`), Buffer.alloc(200_000, n))
  }
  // Killed in the middle of the first group: nothing of it is promised.
  const inject = 'inject=renameat2:signal=SIGKILL:when=3'
  const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=renameat2', '-e', inject]
  await shelf.host.run([source, '-o', drive, '-w', '1', '--keep'], { under })
  t.true(fs.existsSync(path.join(drive, '.mvcopy/journal.log')), 'it was cut off')
  const to = newPlace()
  const result = await makeHost().run(['restore', '-o', drive, '--to', to])
  t.true(result.code === 0 || result.code === 1, result.stderr)
  t.regex(result.stderr, /was broken off/)
  t.deepEqual(rsyncDiff(source, to, 'b'), [])
  t.is(fs.readFileSync(path.join(to, 'a/one'), 'utf8'), 'one')
  for (const name of fs.readdirSync(path.join(to, 'a'))) {
    const same = fs.readFileSync(path.join(source, 'a', name))
    t.deepEqual(fs.readFileSync(path.join(to, 'a', name)), same)
  }
})

test('the ways by hand that README.txt tells give the same, and its sums agree', async (t) => {
  const source = makeSource({
    'folder/file': 300_000,
    'folder/large': 5 * MiB,
    other: 'other',
    'z/large': 5 * MiB,
  })
  // To rsync times within one second are the same: a directory that is made in that of its source keeps its own.
  for (const dir of ['folder', 'z']) {
    fs.utimesSync(path.join(source, dir), 1_600_000_000, 1_600_000_000)
  }
  const drives = [{ fs: 'tmpfs', size: 8 * MiB } as const, { fs: 'tmpfs', size: 8 * MiB } as const]
  const shelf = await makeShelf(t, source, drives)
  const paths = shelf.drives.map((drive) => drive.path)
  const texts = paths.map((drive) =>
    fs.readFileSync(path.join(drive, '.mvcopy/README.txt'), 'utf8'),
  )
  // A line that ends with a backslash goes on.
  const commands = texts.map((text) =>
    text
      .replaceAll(/ \\\n +/g, ' ')
      .split('\n')
      .filter((line) => /^ {4}(?:cp|rm|rsync|cd|sha256sum) /.test(line)),
  )
  const of = (form: RegExp): string[][] =>
    commands.map((lines) => lines.filter((line) => form.test(line)))
  const [copies, syncs, checks] = [
    of(/cp -a DRIVE\/\.|rm -r/),
    of(/rsync/),
    of(/cd DRIVE|-c --quiet/),
  ]
  const single = commands[0]?.filter((line) => /folder\/file|belongs\/file/.test(line)) ?? []
  for (const [n, text] of texts.entries()) {
    const counts = [copies, syncs, checks].map((lines) => lines[n]?.length)
    t.deepEqual(counts, [2, 1, 2], text)
    t.true(text.includes('multivolumecopy restore -o DRIVE --to'))
  }
  t.is(single.length, 2)
  const by = (lines: readonly (readonly string[])[]): [string, string] => {
    const to = newPlace()
    fs.mkdirSync(to)
    const script = lines
      .map((some, n) => some.join('\n').replaceAll('DRIVE', paths[n] ?? ''))
      .join('\n')
      .replaceAll(/\/where\/(?:they|it)\/belongs?/g, to)
    const run = spawnSync('sh', ['-e', '-c', script], { encoding: 'utf8' })
    t.is(run.status, 0, run.stderr)
    return [to, run.stdout]
  }
  t.deepEqual(rsyncDiff(source, by(copies)[0]), [])
  t.deepEqual(rsyncDiff(source, by(syncs)[0]), [])
  t.is(by(checks)[1], '')
  const [, sum] = by([single])
  const manifest = fs.readFileSync(path.join(paths[0] ?? '', '.mvcopy/manifest.jsonl'), 'utf8')
  const line = manifest.split('\n').find((one) => one.includes('"folder/file"')) ?? ''
  t.true(line.includes(`sha256:${sum.slice(0, 64)}`), sum)
  const script = fileURLToPath(new URL('../../docs/mvcopy_find.py', import.meta.url))
  const python = (...args: string[]) =>
    spawnSync('python3', [script, ...args], { encoding: 'utf8' })
  for (const drive of paths) {
    t.is(python('check', drive).status, 0)
    // Either drive tells where each file is.
    t.regex(python('find', drive, 'folder/file').stdout, /drive 1 /)
    t.regex(python('find', drive, 'z/large').stdout, /drive 2 /)
  }
})
