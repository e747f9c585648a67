import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import test from 'ava'
import { makeHost } from '../helpers/cli.js'
import { differences } from '../helpers/compare.js'
import { rootTest } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { sh, tempDir } from '../helpers/temp.js'
import { makeTree } from '../helpers/tree.js'
import { walk } from '../helpers/walk.js'
import { ended, events, makeSource, names, put } from './kit.js'

const NAME = '.mvcopy-jobdata.json'

type Entry = [src: string, dst: string, relpath: string, bytes: number, index: number]

/** What Python, in which the seed is written, makes of a job file: names as bytes in hex. */
function seedReads(file: string): Entry[] {
  const program = `
import json, os, sys
hexed = lambda name: os.fsencode(name).hex()
print(json.dumps([[hexed(a), hexed(b), hexed(c), n, i] for a, b, c, n, i in json.load(open(sys.argv[1]))]))`
  const text = execFileSync('python3', ['-c', program, file], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
    maxBuffer: 1 << 28,
  })
  return JSON.parse(text)
}

const hex = (...parts: (string | Buffer)[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part))).toString('hex')

test('the job file has every regular file once, one a line, as the seed reads it', async (t) => {
  const host = makeHost()
  const source = tempDir('src')
  makeTree(t, source, { entries: 200, largest: 10_000 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  const file = `${host.cwd}/${NAME}`
  const read = seedReads(file)
  const files = [...walk(source, { content: false })].filter(({ kind }) => kind === 'file')
  const expected = files
    .map(({ path, size }) => ({ path, size }))
    .sort((a, b) => Buffer.compare(a.path, b.path))
    .map(({ path, size }, index) => [
      hex(`${source}/`, path),
      hex(`${out}/`, path),
      hex(path),
      size,
      index,
    ])
  t.deepEqual(read, expected)
  const text = fs.readFileSync(file, 'utf8').trimEnd().split('\n')
  t.is(text.filter((line) => line.startsWith('[') && line.length > 2).length, files.length)
  t.is(text.length, files.length + 2)
})

test('-f says where it is written; several sources have their names in it, the first -o counts', async (t) => {
  const host = makeHost()
  const top = makeSource({ 'one/a': 'a', 'two/b': 'bb' })
  const outs = [tempDir('out'), tempDir('out')]
  const file = `${tempDir('job')}/my job.json`
  const args = [`${top}/one`, `${top}/two`, '-o', `${outs[0]}`, '-o', `${outs[1]}`, '-f', file]
  ended(t, await host.run(args), 0)
  t.deepEqual(seedReads(file), [
    [hex(`${top}/one/a`), hex(`${outs[0]}/one/a`), hex('one/a'), 1, 0],
    [hex(`${top}/two/b`), hex(`${outs[0]}/two/b`), hex('two/b'), 2, 1],
  ])
  t.false(fs.existsSync(`${host.cwd}/${NAME}`))
})

test('a job file alone is the list of what to copy, in every form, and is only read', async (t) => {
  const source = makeSource({ a: 'a', 'd/b': 'bb', 'd/c': 'not listed' })
  const bad = Buffer.concat([Buffer.from(`${source}/caf`), Buffer.from([0xe9])])
  fs.writeFileSync(bad, 'latin')
  fs.utimesSync(bad, 1_700_000_000, 1_700_000_000)
  const rows = (out: string) => [
    [`${source}/a`, `${out}/a`, 'a', 1, 0],
    [`${source}/caf\udce9`, `${out}/caf\udce9`, 'caf\udce9', 5, 1],
    [`${source}/d/b`, `${out}/d/b`, 'd/b', 2, 2],
  ]
  const keys = ['src', 'dst', 'relpath', 'bytes', 'index']
  const objects = (out: string) =>
    rows(out).map((row) => Object.fromEntries(row.map((value, k) => [keys[k], value])))
  for (const form of [
    (out: string) => JSON.stringify(rows(out)),
    (out: string) => JSON.stringify(rows(out), null, 4),
    (out: string) => JSON.stringify(objects(out)),
    (out: string) => JSON.stringify(objects(out), null, 2),
    (out: string) =>
      `[\n${rows(out)
        .map((row) => JSON.stringify(row))
        .join(',\n')}\n]\n`,
  ]) {
    const host = makeHost()
    const out = tempDir('out')
    const file = `${tempDir('job')}/job.json`
    fs.writeFileSync(file, form(out))
    const before = fs.readFileSync(file)
    ended(t, await host.run(['-f', file, '-o', out]), 0)
    t.deepEqual(differences(source, out), ['missing: d/c (file)'])
    t.deepEqual(fs.readFileSync(file), before)
    t.false(fs.existsSync(`${host.cwd}/${NAME}`))
    // Once more: nothing to do, and what is not listed is not gone.
    const done = fingerprint(out)
    ended(t, await host.run(['-f', file, '-o', out, '--delete']), 0)
    assertUnchanged(t, done, fingerprint(out))
  }
})

test('a file of the job file that has vanished is named, the rest is copied', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a', b: 'b' })
  const out = tempDir('out')
  const file = `${tempDir('job')}/job.json`
  const rows = ['a', 'b', 'c'].map((name, k) => [`${source}/${name}`, `${out}/${name}`, name, 1, k])
  fs.writeFileSync(file, JSON.stringify(rows))
  const run = await host.run(['-f', file, '-o', out])
  ended(t, run, 24)
  t.regex(run.stderr, /\bc: /)
  t.deepEqual(names(out), ['a', 'b'])
})

test('-i leaves what comes before to other drives', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a', b: 'b', c: 'c', d: 'd' })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out, '-i', '2']), 0)
  t.deepEqual(names(out), ['c', 'd'])
  t.is(seedReads(`${host.cwd}/${NAME}`).length, 4)
  // From the job file the same.
  const other = tempDir('out')
  const file = `${tempDir('job')}/job.json`
  fs.writeFileSync(file, fs.readFileSync(`${host.cwd}/${NAME}`, 'utf8').replaceAll(out, other))
  ended(t, await makeHost().run(['-f', file, '-o', other, '-i', '3']), 0)
  t.deepEqual(names(other), ['d'])
})

test('-si takes over what size and time confirm, and copies what they do not', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, b: 2000, c: 3000, d: 4000 })
  const out = tempDir('out')
  sh('cp', '-a', `${source}/a`, `${source}/b`, out)
  const inode = fs.statSync(`${out}/a`).ino
  put(out, 'b', 1999)
  const run = await host.run([source, '-o', out, '-si', '2', '-y', '--json'])
  t.is(fs.statSync(`${out}/a`).ino, inode)
  t.deepEqual(names(out), ['a', 'b', 'c', 'd'])
  // b stands there with another size, and nobody said that it may be replaced.
  ended(t, run, 23)
  t.deepEqual(
    events(run, 'file-error').map(({ path }) => path.split('/').pop()),
    ['b'],
  )
  t.is(fs.statSync(`${out}/b`).size, 1999)
})

test('in a source the job file is kept in the state directory, and that is said', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a', 'd/b': 'b' })
  const out = tempDir('out')
  const before = fingerprint(source)
  const run = await host.run([source, '-o', out], { cwd: `${source}/d` })
  ended(t, run, 0)
  assertUnchanged(t, before, fingerprint(source))
  const said = /lies in a source: the job file is (\S+)\./.exec(run.stderr)?.[1] ?? ''
  t.true(said.startsWith(host.state), run.stderr)
  t.is(seedReads(said).length, 2)
})

rootTest('in a directory that cannot be written it is kept there too', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a' })
  const closed = tempDir('closed')
  sh('mount', '-t', 'tmpfs', '-o', 'ro,size=64k', 'tmpfs', closed)
  t.teardown(() => void sh('umount', closed))
  const run = await host.run([source, '-o', tempDir('out')], { cwd: closed })
  ended(t, run, 0)
  const said = /cannot be written: the job file is (\S+)\./.exec(run.stderr)?.[1] ?? ''
  t.is(seedReads(said).length, 1)
})

test('a run with nothing new leaves the job file as it is; whatever changes it, or what is asked for, does not', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a.txt': 'one', 'dir/b.txt': 'two' })
  const out = tempDir('out')
  const file = `${host.cwd}/${NAME}`
  const inode = (): number => fs.statSync(file).ino
  const relpaths = (): string[] =>
    (JSON.parse(fs.readFileSync(file, 'utf8')) as Entry[]).map((entry) => entry[2])
  const run = async (...options: string[]): Promise<number> => {
    ended(t, await host.run([source, '-o', out, ...options]), 0)
    return inode()
  }
  const first = await run()
  t.is(await run(), first)
  t.is(await run(), first)

  put(source, 'c.txt', 'three')
  const second = await run()
  t.not(second, first)
  t.deepEqual(relpaths(), ['a.txt', 'c.txt', 'dir/b.txt'])
  t.is(await run(), second)

  // Gone, and kept on the drive.
  fs.unlinkSync(`${source}/a.txt`)
  t.not(await run('--keep'), second)
  t.deepEqual(relpaths(), ['c.txt', 'dir/b.txt'])
  const third = inode()
  t.is(await run('--keep'), third)

  // Other rules make another list.
  const fourth = await run('--exclude', 'dir', '--keep')
  t.not(fourth, third)
  t.deepEqual(relpaths(), ['c.txt'])
  t.not(await run('--keep'), fourth)
  t.deepEqual(relpaths(), ['c.txt', 'dir/b.txt'])

  // Somebody wrote into it, or took it away.
  fs.appendFileSync(file, ' ')
  await run('--keep')
  t.deepEqual(relpaths(), ['c.txt', 'dir/b.txt'])
  t.false(fs.readFileSync(file, 'utf8').endsWith(' '))
  fs.unlinkSync(file)
  await run('--keep')
  t.deepEqual(relpaths(), ['c.txt', 'dir/b.txt'])
})
