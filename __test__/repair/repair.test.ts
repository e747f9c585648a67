/** `repair` on real drives: from the sources, from another drive, on a full drive; and what it leaves alone. */

import * as fs from 'node:fs'
import test from 'ava'
import {
  closes,
  drivePrompt,
  ended,
  events,
  lines,
  makeSource,
  onTerminal,
  put,
  wrongSums,
} from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences } from '../helpers/compare.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { find, rot } from './kit.js'

const size = 12 * MiB

rootTest('what is corrupt or missing comes back from the source, and is right', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 3 * MiB, 'd/b': 100, 'd/c': 5000, e: 2 * MiB })
  fs.linkSync(`${source}/a`, `${source}/d/a-too`)
  fs.symlinkSync('a', `${source}/link`)
  const drive = makeDrive({ size })
  ended(t, await host.run([source, '-o', drive.path]), 0)
  const at = (name: string) => `${drive.path}/${name}`
  rot(at('a'), 2 * MiB)
  rot(at('d/b'), 99)
  fs.rmSync(at('d/c'))
  fs.rmSync(at('link'))
  await find(t, host, drive.path, {
    a: 'corrupt',
    'd/a-too': 'corrupt',
    'd/b': 'corrupt',
    'd/c': 'missing',
    link: 'missing',
  })
  const tried = await host.run(['repair', '-o', drive.path, '-n'])
  ended(t, tried, 0)
  t.regex(tried.stdout, /^from the source +d\/b$/m)
  t.regex(tried.stderr, /5 entries .* would be brought back from the sources\. Nothing was written/)
  t.not(wrongSums(drive), '')
  const run = await host.run(['repair', '-o', drive.path, '--json'])
  ended(t, run, 0)
  const results = events(run, 'repair-result').map(({ result, path }) => [path, result])
  t.deepEqual(Object.fromEntries(results), {
    a: 'repaired',
    'd/a-too': 'repaired',
    'd/b': 'repaired',
    'd/c': 'repaired',
    link: 'repaired',
  })
  t.like(events(run, 'summary')[0], { exit: 0, good: 0 })
  assertUnionEquals(t, source, [drive])
  t.is(wrongSums(drive), '')
  const again = await host.run(['repair', '-o', drive.path])
  ended(t, again, 0)
  t.regex(again.stderr, /Nothing is known to be wrong with drive 1/)
  t.regex(again.stderr, /multivolumecopy verify checks it again/)
  // A check finds it so, too, and takes nothing back.
  await find(t, host, drive.path, {})
  // The drive is complete as before, and the next copy has nothing to do.
  const copy = await host.run([source, '-o', drive.path, '--json'])
  ended(t, copy, 0)
  t.like(events(copy, 'summary')[0], { written: { files: 0, bytes: 0 } })
})

rootTest('on a drive without room for a second version the bad one goes first', async (t) => {
  const host = makeHost()
  const source = makeSource({ large: 5 * MiB, small: 100 })
  const drive = makeDrive({ size })
  ended(t, await host.run([source, '-o', drive.path]), 0)
  // Somebody else's file takes what is left, but for what our own lists need.
  const { bavail, bsize } = fs.statfsSync(drive.path)
  fs.writeFileSync(`${drive.path}/theirs`, Buffer.alloc(bavail * bsize - 2 * MiB))
  rot(`${drive.path}/large`, 4 * MiB)
  await find(t, host, drive.path, { large: 'corrupt', theirs: 'extra' })
  // Not unless what is to come in its place is good.
  const original = fs.readFileSync(`${source}/large`)
  rot(`${source}/large`, 1)
  const refused = await host.run(['repair', '-o', drive.path])
  ended(t, refused, 23)
  t.true(fs.existsSync(`${drive.path}/large`))
  fs.writeFileSync(`${source}/large`, original)
  fs.utimesSync(`${source}/large`, 1_700_000_000.25, 1_700_000_000.25)
  ended(t, await host.run(['repair', '-o', drive.path]), 0)
  t.is(wrongSums(drive), '')
  t.true(fs.readFileSync(`${drive.path}/large`).equals(original))
})

rootTest('from another drive: given, where it was mounted last, or asked for', async (t) => {
  for (const way of ['given', 'mounted', 'asked', 'nobody'] as const) {
    const host = makeHost()
    const source = makeSource({ a: 2 * MiB, b: 100, c: 3000 })
    const drives = [makeDrive({ size }), makeDrive({ size })] as const
    const outputs = drives.flatMap((one) => ['-o', one.path])
    ended(t, await host.run([source, ...outputs, '--copies', '2', '--digest', 'blake3']), 0)
    rot(`${drives[0].path}/a`, MiB)
    fs.rmSync(`${drives[0].path}/b`)
    await find(t, host, drives[0].path, { a: 'corrupt', b: 'missing' })
    // The source has lost them as well.
    fs.rmSync(`${source}/a`)
    put(source, 'b', 'newer')
    const first = drives[0].path
    const elsewhere = tempDir('elsewhere')
    if (way !== 'mounted') {
      drives[1].unmount()
      if (way !== 'nobody') drives[1].remount({ path: elsewhere })
    }
    const args = ['repair', '-o', first]
    if (way === 'asked') {
      const terminal = onTerminal(t, host, args)
      await drivePrompt(terminal)
      t.regex(terminal.transcript(), /Please insert drive 2/)
      terminal.send(`${first}\r`)
      await drivePrompt(terminal)
      terminal.send(`${elsewhere}/\r`)
      await closes(t, terminal, 0)
    } else {
      const run = await host.run(way === 'given' ? [...args, '--from', elsewhere] : args)
      ended(t, run, way === 'nobody' ? 4 : 0)
      if (way === 'nobody') {
        t.regex(run.stderr, /drive 2 .* has 2 files .* that are needed, and nobody can be asked/)
        t.regex(run.stderr, /--from/)
        continue
      }
    }
    const second =
      drives[1].path === first ? elsewhere : way === 'mounted' ? drives[1].path : elsewhere
    t.deepEqual(differences(second, first), [], way)
  }
})

test('what was changed on the drive is left alone, or kept beside by agreement', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, b: 2000 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  fs.writeFileSync(`${out}/a`, 'mine')
  await find(t, host, out, { a: 'changed' })
  const left = await host.run(['repair', '-o', out])
  ended(t, left, 1)
  t.regex(left.stdout, /^changed on the drive +a$/m)
  t.regex(left.stderr, /--set-aside/)
  t.is(fs.readFileSync(`${out}/a`, 'utf8'), 'mine')
  const asked = onTerminal(t, host, ['repair', '-o', out])
  await asked.expect(/keep the changed version beside it as NAME\.mvcopy-changed\? \[y\/N\]> $/)
  asked.send('n\r')
  await closes(t, asked, 1)
  t.is(fs.readFileSync(`${out}/a`, 'utf8'), 'mine')
  const run = await host.run(['repair', '-o', out, '--set-aside'])
  ended(t, run, 0)
  t.regex(run.stdout, /^kept beside +a as a\.mvcopy-changed$/m)
  await find(t, host, out, { 'a.mvcopy-changed': 'extra' })
  t.is(fs.readFileSync(`${out}/a.mvcopy-changed`, 'utf8'), 'mine')
  t.is(wrongSums(out), '')
  // It is the user's from then on: no copy touches it.
  ended(t, await host.run([source, '-o', out, '-y']), 0)
  t.is(fs.readFileSync(`${out}/a.mvcopy-changed`, 'utf8'), 'mine')
})

test('what nobody has any more is named, listed as lost, and left as it is', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, b: 2000, c: 3000 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  for (const name of ['a', 'b']) rot(`${out}/${name}`, 5)
  const bad = fs.readFileSync(`${out}/a`)
  await find(t, host, out, { a: 'corrupt', b: 'corrupt' })
  fs.rmSync(`${source}/a`)
  put(source, 'b', 'another version', 1_700_000_500)
  const run = await host.run(['repair', '-o', out])
  ended(t, run, 23)
  t.deepEqual(
    lines(run.stdout).map((line) => line.replace(/ {2,}/, ': ')),
    ['newer in the source: b', 'lost: a'],
  )
  t.regex(run.stderr, /1 file cannot be had again/)
  t.true(fs.readFileSync(`${out}/a`).equals(bad))
  const list = await host.run(['lost', '--list', '--json'])
  ended(t, list, 0)
  t.like(events(list, 'lost')[0], { path: 'a', size: 1000 })
  // The next copy brings what the source has now; what is lost stays listed.
  ended(t, await host.run([source, '-o', out]), 0)
  t.is(fs.readFileSync(`${out}/b`, 'utf8'), 'another version')
  const later = await host.run(['repair', '-o', out])
  ended(t, later, 23)
  t.regex(later.stdout, /^good after all +b$/m)
  // A source that is not mounted makes nothing lost.
  fs.renameSync(source, `${source}-away`)
  rot(`${out}/c`, 5)
  await find(t, host, out, { a: 'corrupt', c: 'corrupt' })
  const away = await host.run(['repair', '-o', out])
  ended(t, away, 23)
  t.regex(away.stdout, /^source not there +c$/m)
})

test('our own files that are damaged are written anew', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, b: 2000 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out, '--digest', 'blake3']), 0)
  const own = (name: string) => `${out}/.mvcopy/${name}`
  fs.rmSync(own('B3SUMS'))
  rot(`${out}/b`, 5)
  await find(t, host, out, { '.mvcopy/B3SUMS': 'missing', b: 'corrupt' })
  ended(t, await host.run(['repair', '-o', out]), 0)
  await find(t, host, out, {})
  // In the seal: what the lines say is as it was.
  rot(own('manifest.jsonl'), fs.statSync(own('manifest.jsonl')).size - 10)
  await find(t, host, out, { '.mvcopy/manifest.jsonl': 'damaged' })
  const run = await host.run(['repair', '-o', out])
  ended(t, run, 0)
  t.regex(run.stderr, /1 file of our own on drive 1 .* was damaged, and written anew/)
  await find(t, host, out, {})
})

test('findings of another computer are taken over from the drive', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, b: 2000 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  rot(`${out}/b`, 5)
  await find(t, makeHost(), out, { b: 'corrupt' })
  const run = await host.run(['repair', '-o', out])
  ended(t, run, 0)
  t.regex(run.stdout, /^repaired +b$/m)
  // The other computer takes it from the drive that nothing is wrong any more.
  await find(t, makeHost(), out, {})
})

test('wrong usage and wrong drives are told in words', async (t) => {
  const host = makeHost()
  const out = tempDir('out')
  ended(t, await host.run(['repair']), 2)
  const none = await host.run(['repair', '-o', out])
  ended(t, none, 4)
  t.regex(none.stderr, /is no drive of a set/)
  const source = makeSource({ a: 10 })
  ended(t, await host.run([source, '-o', out]), 0)
  const other = makeHost()
  const unknown = await other.run(['repair', '-o', out])
  ended(t, unknown, 2)
  t.regex(unknown.stderr, /adopt -o/)
})
