/** Where START-HERE.html stands on a drive, and that it is in nobody's way: not in the set's, not in the user's. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import test from 'ava'
import { ended, makeSource, names, put } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { rootTest } from '../helpers/root.js'
import { sh, tempDir } from '../helpers/temp.js'

const NAME = 'START-HERE.html'
const MARK = '<!doctype html>\n<!-- multivolumecopy: a page of ours'

const isOurs = (file: string): boolean =>
  fs.existsSync(file) && fs.readFileSync(file, 'utf8').startsWith(MARK)

/** The facts that a page has in it. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests look at
function factsOf(file: string): any {
  const text = fs.readFileSync(file, 'utf8')
  return JSON.parse(/id="facts">(.*?)<\/script>/s.exec(text)?.[1] ?? '')
}

test('it stands at the root, tells of both drives, and is refreshed on the one that was done before', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a/one': 1_500_000, 'b/two': 1_500_000, c: 'text' })
  fs.utimesSync(source, 1_600_000_000, 1_600_000_000)
  const [one, two] = [tempDir('one'), tempDir('two')]
  const args = [source, '-o', one, '-o', two, '--volume-size', '2500K']
  ended(t, await host.run(args), 0)
  assertUnionEquals(t, source, [one, two], { roots: true })
  for (const [n, drive] of [one, two].entries()) {
    const facts = factsOf(path.join(drive, NAME))
    t.is(facts.volume, n + 1)
    t.is(facts.entries, 3)
    t.deepEqual(
      facts.volumes.map((v: { number: number; files: number }) => [v.number, v.files > 0]),
      [
        [1, true],
        [2, true],
      ],
    )
    t.deepEqual(
      fs.readdirSync(path.join(drive, '.mvcopy')).filter((name) => /start|START/.test(name)),
      [],
    )
    const readme = fs.readFileSync(path.join(drive, '.mvcopy/README.txt'), 'utf8')
    t.true(readme.includes('--exclude=/START-HERE.html \\\n      DRIVE/ '))
  }
  const before = fs.readFileSync(path.join(one, NAME))
  ended(t, await host.run(args), 0)
  t.deepEqual(fs.readFileSync(path.join(one, NAME)), before, 'nothing to do, nothing written')
  ended(t, await host.run(['verify', '-o', one]), 0)
  // Removed by hand, it comes back when the drive is written next.
  fs.rmSync(path.join(one, NAME))
  put(source, 'a/three', 'more')
  ended(t, await host.run(args), 0)
  t.true(isOurs(path.join(one, NAME)) && isOurs(path.join(two, NAME)))
  t.is(factsOf(path.join(two, NAME)).entries, 4)
})

test('a source has a file of that name: it is backed up, and the page goes into .mvcopy', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a/one': 10 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  t.true(isOurs(path.join(out, NAME)))
  // It comes to a drive where our page stands.
  put(source, NAME, 'mine')
  ended(t, await host.run([source, '-o', out]), 0)
  t.is(fs.readFileSync(path.join(out, NAME), 'utf8'), 'mine')
  t.true(isOurs(path.join(out, '.mvcopy', NAME)))
  t.is(factsOf(path.join(out, '.mvcopy', NAME)).root, '../')
  t.notRegex(fs.readFileSync(path.join(out, '.mvcopy/README.txt'), 'utf8'), /START-HERE/)
  t.is(sh('env', '-C', out, 'sha256sum', '-c', '--quiet', '.mvcopy/SHA256SUMS'), '')
  ended(t, await host.run(['verify', '-o', out]), 0)
  const back = tempDir('back')
  ended(t, await host.run(['restore', '-o', out, '--to', back]), 0)
  t.is(fs.readFileSync(path.join(back, NAME), 'utf8'), 'mine')
  // It goes again, and the page takes its place.
  fs.rmSync(path.join(source, NAME))
  ended(t, await host.run([source, '-o', out, '--delete']), 0)
  ended(t, await host.run([source, '-o', out]), 0)
  put(source, 'a/two', 'x')
  ended(t, await host.run([source, '-o', out]), 0)
  t.true(isOurs(path.join(out, NAME)))
  t.false(fs.existsSync(path.join(out, '.mvcopy', NAME)))
})

test("what the user has under that name is never replaced, and ours is no user's file", async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a/one': 10 })
  const out = tempDir('out')
  fs.writeFileSync(path.join(out, NAME), '<html>my own</html>')
  ended(t, await host.run([source, '-o', out, '-y']), 0)
  t.is(fs.readFileSync(path.join(out, NAME), 'utf8'), '<html>my own</html>')
  t.true(isOurs(path.join(out, '.mvcopy', NAME)))
  t.regex((await host.run(['verify', '-o', out])).stderr, /EXTRA START-HERE\.html/)

  const clean = tempDir('clean')
  const other = makeHost()
  ended(t, await other.run([source, '-o', clean]), 0)
  const verified = await other.run(['verify', '-o', clean])
  ended(t, verified, 0)
  t.notRegex(verified.stdout, /START-HERE/)
  fs.writeFileSync(path.join(clean, 'foreign'), 'x')
  put(source, 'a/two', 'y')
  ended(t, await other.run([source, '-o', clean, '--delete-foreign']), 0)
  t.deepEqual(names(clean), ['a'])
  t.true(isOurs(path.join(clean, NAME)))
  // A restore brings back the files alone; without .mvcopy the page makes no used drive.
  const back = tempDir('back')
  ended(t, await other.run(['restore', '-o', clean, '--to', back]), 0)
  t.deepEqual(fs.readdirSync(back).sort(), ['a'])
  fs.rmSync(path.join(clean, '.mvcopy'), { recursive: true })
  fs.rmSync(path.join(clean, 'a'), { recursive: true })
  ended(t, await makeHost().run([source, '-o', clean]), 0)
  assertUnionEquals(t, source, [clean])
})

test('a page that is a source itself is a file like any other', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'docs/a': 10 })
  const out = tempDir('out')
  ended(t, await host.run([path.join(source, 'docs'), '-o', out]), 0)
  const kept = path.join(tempDir('kept'), NAME)
  fs.copyFileSync(path.join(out, NAME), kept)
  const content = fs.readFileSync(kept)
  const drive = tempDir('drive')
  const args = [path.join(source, 'docs'), kept, '-o', drive, '--set', 'both']
  for (const run of ['first', 'second']) {
    ended(t, await host.run(args), 0)
    t.deepEqual(fs.readFileSync(path.join(drive, NAME)), content, run)
    ended(t, await host.run(['verify', '-o', drive]), 0)
  }
  // In the source it is left out only where that is a drive.
  fs.copyFileSync(kept, path.join(source, NAME))
  const other = tempDir('other')
  ended(t, await host.run([source, '-o', other, '--set', 'third']), 0)
  t.deepEqual(fs.readFileSync(path.join(other, NAME)), content)
})

test('--no-start-here takes it away, the set remembers, and --start-here brings it back', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a/one': 10 })
  for (let n = 0; n < 400; n += 1) put(source, `many/a name that is quite long, number ${n}`, '')
  const out = tempDir('out')
  const parts = path.join(out, '.mvcopy/start-here')
  ended(t, await host.run([source, '-o', out]), 0)
  const first = fs.readdirSync(parts)
  t.is(first.length, 1)
  put(source, 'a/two', 'x')
  ended(t, await host.run([source, '-o', out]), 0)
  t.is(fs.readdirSync(parts).length, 1)
  t.notDeepEqual(fs.readdirSync(parts), first, 'the old part went')
  t.deepEqual(factsOf(path.join(out, NAME)).parts, fs.readdirSync(parts))
  put(source, 'a/three', 'x')
  ended(t, await host.run([source, '-o', out, '--no-start-here']), 0)
  t.false(fs.existsSync(path.join(out, NAME)))
  t.false(fs.existsSync(parts))
  put(source, 'a/four', 'x')
  ended(t, await host.run([source, '-o', out]), 0)
  t.false(fs.existsSync(path.join(out, NAME)))
  put(source, 'a/five', 'x')
  ended(t, await host.run([source, '-o', out, '--start-here']), 0)
  t.true(isOurs(path.join(out, NAME)))
})

test('a drive that is a source: its page is left out, as .mvcopy is', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a/one': 10 })
  const [out, copy] = [tempDir('out'), tempDir('copy')]
  ended(t, await host.run([source, '-o', out]), 0)
  const other = makeHost()
  ended(t, await other.run([out, '-o', copy]), 0)
  t.deepEqual(names(copy), ['a'])
  t.is(factsOf(path.join(copy, NAME)).entries, 1)
})

rootTest(
  'where there is no room for it, that is said, the old one stays, and all else is done',
  async (t) => {
    const host = makeHost()
    const source = makeSource({ 'a/one': 10 })
    const out = tempDir('out')
    ended(t, await host.run([source, '-o', out]), 0)
    const before = fs.readFileSync(path.join(out, NAME))
    put(source, 'a/two', 'x')
    const full = ['-P', `${out}/.mvcopy/tmp/${NAME}`, '-e', 'inject=fallocate:error=ENOSPC']
    const under = ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fallocate', ...full]
    const run = await host.run([source, '-o', out], { under })
    ended(t, run, 0)
    t.regex(run.stderr, /There is no room on drive 1 .* for START-HERE\.html/)
    assertUnionEquals(t, source, [out])
    t.deepEqual(fs.readFileSync(path.join(out, NAME)), before)
    t.deepEqual(
      fs.readdirSync(path.join(out, '.mvcopy')).filter((name) => /^tmp|START/.test(name)),
      [],
    )
    put(source, 'a/three', 'x')
    ended(t, await host.run([source, '-o', out]), 0)
    t.is(factsOf(path.join(out, NAME)).entries, 3)
  },
)

rootTest(
  'where its parts have taken the room that the list of the set needs, the list comes first',
  async (t) => {
    const host = makeHost()
    const source = makeSource({})
    const long = 'x'.repeat(190)
    for (let n = 0; n < 10_000; n++) put(source, `${String(n).padStart(6, '0')}-${long}`, '')
    const out = tempDir('out')
    const log = path.join(tempDir('log'), 'calls')
    // The third MiB of the list, when a part of the page is on the drive; again for just as much as is needed.
    const full = ['-e', 'inject=fallocate:error=ENOSPC:when=3..4']
    const list = ['-P', `${out}/.mvcopy/tmp/catalog.jsonl`, '-e', 'trace=fallocate']
    const under = ['strace', '-D', '-f', '-qq', '-o', log, ...list, ...full]
    ended(t, await host.run([source, '-o', out], { under }), 0)
    t.is(fs.readFileSync(log, 'utf8').match(/INJECTED/g)?.length, 2)
    const lines = fs.readFileSync(path.join(out, '.mvcopy', 'catalog.jsonl'), 'utf8')
    t.is(lines.match(/-x{190}"/g)?.length, 10_000)
    const facts = factsOf(path.join(out, NAME))
    t.is(facts.entries, 10_000)
    t.true(facts.parts.length > 1)
    t.deepEqual(fs.readdirSync(path.join(out, '.mvcopy', 'start-here')).sort(), facts.parts)
  },
)
