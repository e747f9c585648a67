/** `--digest`: the set keeps it, each drive is checked by the tool of its digests, and nothing is copied twice. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences } from '../helpers/compare.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { ended, events, lines, makeSource, put, wrongSums } from './kit.js'

const size = 12 * MiB

/** What `b3sum -c` has to say of a drive; empty when all is right. */
function wrongB3sums(drive: string): string {
  const run = spawnSync('b3sum', ['-c', '--quiet', '.mvcopy/B3SUMS'], {
    cwd: drive,
    encoding: 'latin1',
  })
  if (run.error !== undefined) return String(run.error)
  return run.status === 0 ? '' : `${run.stdout}${run.stderr}` || `ended with ${run.status}`
}

/** The digests of the manifest, by path. */
function digests(drive: string): Record<string, string> {
  const manifest = fs.readFileSync(path.join(drive, '.mvcopy/manifest.jsonl'), 'utf8')
  const items = lines(manifest)
    .slice(1, -1)
    .map((line) => JSON.parse(line) as { path: string; kind: string; digest?: string })
  const files = items.filter(({ kind }) => kind === 'file')
  return Object.fromEntries(files.map((item) => [item.path, (item.digest ?? 'none').slice(0, 7)]))
}

function has(drive: string, name: string): boolean {
  return fs.existsSync(path.join(drive, '.mvcopy', name))
}

function flip(file: string, at: number): void {
  const { atime, mtime } = fs.statSync(file)
  const bytes = fs.readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  fs.writeFileSync(file, bytes)
  fs.utimesSync(file, atime, mtime)
}

function isGood(t: ExecutionContext, source: string, drive: string): void {
  t.deepEqual(differences(source, drive), [])
  t.is(wrongB3sums(drive), '')
}

test('--digest blake3 gives a drive that b3sum checks, and README.txt says how', async (t) => {
  const host = makeHost()
  const source = makeSource({
    a: 5 * MiB,
    'b/back\\slash': 10,
    'c\nnew line': 300_000,
    'mid\rreturn': 7,
    '-': 3,
    empty: '',
  })
  fs.linkSync(`${source}/a`, `${source}/a-too`)
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out, '--digest', 'blake3']), 0)
  isGood(t, source, out)
  t.false(has(out, 'SHA256SUMS'))
  t.is(lines(fs.readFileSync(`${out}/.mvcopy/B3SUMS`, 'latin1')).length >= 7, true)
  const readme = fs.readFileSync(`${out}/.mvcopy/README.txt`, 'utf8')
  t.true(readme.includes('    b3sum -c --quiet .mvcopy/B3SUMS\n'))
  t.false(readme.includes('sha256sum'))
  for (const name of ['a', 'b/back\\slash', 'c\nnew line', 'mid\rreturn']) {
    flip(`${out}/${name}`, 2)
    t.regex(wrongB3sums(out), /FAILED/, name)
    flip(`${out}/${name}`, 2)
  }
  t.is(wrongB3sums(out), '')
})

test('the set keeps the digest, another choice copies nothing again, and none is one too', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 500_000 })
  const out = tempDir('out')
  const run = async (name: string, ...options: string[]) => {
    if (name !== '') put(source, name, 1000)
    const result = await host.run([source, '-o', out, '--json', ...options])
    ended(t, result, 0)
    const [summary] = events(result, 'summary')
    t.is(summary?.written.files, name === '' ? 0 : 1, name)
  }
  ended(t, await host.run([source, '-o', out]), 0)
  await run('b', '--digest', 'blake3')
  await run('c')
  await run('', '--digest', 'none')
  await run('d')
  await run('e', '--digest', 'sha256')
  t.deepEqual(digests(out), { a: 'sha256:', b: 'blake3:', c: 'blake3:', d: 'none', e: 'sha256:' })
  isGood(t, source, out)
  t.is(wrongSums(out), '')
  const readme = fs.readFileSync(`${out}/.mvcopy/README.txt`, 'utf8')
  t.regex(readme, /sha256sum -c .*\n {4}b3sum -c /)
  t.regex(readme, /only told by size and time .*\n1 file\./)
  // A host that knows nothing of the set goes on as its drive says.
  const other = makeHost()
  ended(t, await host.run([source, '-o', out, '--digest', 'blake3']), 0)
  put(source, 'f', 1000)
  ended(t, await host.run([source, '-o', out]), 0)
  ended(t, await other.run(['adopt', '-o', out]), 0)
  put(source, 'g', 1000)
  ended(t, await other.run([source, '-o', out]), 0)
  t.is(digests(out).g, 'blake3:')
  isGood(t, source, out)
})

test('where, the seed check and the script know which digest is which', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 400_000, z: 10 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  put(source, 'b', 2 * MiB)
  ended(t, await host.run([source, '-o', out, '--digest', 'blake3']), 0)
  const where = await host.run(['where', '--json', '-v', '*'])
  ended(t, where, 0)
  const sums = fs.readFileSync(`${out}/.mvcopy/B3SUMS`, 'latin1').slice(0, 64)
  const told = Object.fromEntries(events(where, 'where').map((one) => [one.path, one.digest]))
  t.is(told.b, `blake3:${sums}`)
  t.regex(told.a, /^sha256:/)
  const check = () => host.run(['--verify', '-c', '-o', out])
  ended(t, await check(), 0)
  const script = new URL('../../docs/mvcopy_find.py', import.meta.url).pathname
  const python = () => spawnSync('python3', [script, 'check', out], { encoding: 'utf8' })
  const good = python()
  t.is(good.status, 0, good.stderr)
  t.regex(good.stderr, /3 entries checked, 0 bad/)
  flip(`${out}/b`, 1_000_000)
  const rotten = await check()
  ended(t, rotten, 1)
  t.regex(rotten.stdout + rotten.stderr, /not what the drive's own record says/)
  const unread = python()
  const knows = spawnSync('python3', ['-c', 'import blake3']).status === 0
  if (knows) {
    t.deepEqual(lines(unread.stdout), ['b: other content'])
  } else {
    // The standard library has no BLAKE3: what was not read is said, not passed over.
    t.regex(good.stderr, /1 file has a BLAKE3 digest.*b3sum -c/s)
    t.is(unread.status, 0)
  }
  flip(`${out}/a`, 5)
  const both = python()
  t.is(both.status, 1)
  t.true(lines(both.stdout).includes('a: other content'))
})

test('verify reads each file by the digest that it has, and knows what b3sum cannot read', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 400_000, 'cr\r': 10 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  put(source, 'b', 2 * MiB)
  fs.linkSync(`${source}/b`, `${source}/b-too`)
  fs.writeFileSync(Buffer.concat([Buffer.from(`${source}/caf`), Buffer.from([0xe9])]), 'latin')
  ended(t, await host.run([source, '-o', out, '--digest', 'blake3']), 0)
  ended(t, await host.run(['verify', '-o', out]), 0)
  t.is(wrongB3sums(out), '')
  flip(`${out}/a`, 300_000)
  flip(`${out}/b`, 1_500_000)
  const run = await host.run(['verify', '-o', out, '--json'])
  ended(t, run, 1)
  t.deepEqual(
    events(run, 'verify-result').map(({ result, path: name }) => `${result} ${name}`),
    ['corrupt a', 'corrupt b', 'corrupt b-too'],
  )
  ended(t, await host.run(['repair', '-o', out]), 0)
  ended(t, await host.run(['verify', '-o', out, '--restart']), 0)
  // A list that tells of something else than the manifest is found, whichever it is.
  for (const list of ['SHA256SUMS', 'B3SUMS']) {
    const bytes = fs.readFileSync(`${out}/.mvcopy/${list}`)
    flip(`${out}/.mvcopy/${list}`, 3)
    const damaged = await host.run(['verify', '-o', out, '--restart', '--json'])
    ended(t, damaged, 1)
    const [found] = events(damaged, 'verify-result')
    t.is(found?.path, `.mvcopy/${list}`)
    fs.writeFileSync(`${out}/.mvcopy/${list}`, bytes)
  }
})

test('adopt reads the digest that the set has', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 400_000, b: 10 })
  const out = tempDir('out')
  fs.cpSync(source, out, { recursive: true, preserveTimestamps: true })
  ended(t, await host.run([source, '-o', out, '--adopt', '--digest', 'blake3', '-y']), 0)
  t.deepEqual(digests(out), { a: 'blake3:', b: 'blake3:' })
  isGood(t, source, out)
})

rootTest('a file that both copies hold by different digests is touched and stays', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 3 * MiB, b: 100 })
  const drives = [makeDrive({ size }), makeDrive({ size })] as const
  ended(t, await host.run([source, '-o', drives[0].path]), 0)
  const args = [source, ...drives.flatMap((one) => ['-o', one.path]), '--json']
  ended(t, await host.run([...args, '--copies', '2', '--digest', 'blake3']), 0)
  t.deepEqual(Object.values(digests(drives[0].path)), ['sha256:', 'sha256:'])
  t.deepEqual(Object.values(digests(drives[1].path)), ['blake3:', 'blake3:'])
  fs.utimesSync(`${source}/a`, 1_600_000_000, 1_600_000_000)
  const touched = await host.run([...args, '-c'])
  ended(t, touched, 0)
  t.is(events(touched, 'summary')[0]?.written.files, 0)
  flip(`${source}/a`, 7)
  const changed = await host.run([...args, '-c'])
  ended(t, changed, 0)
  t.is(events(changed, 'summary')[0]?.written.files, 2)
  for (const drive of drives) assertUnionEquals(t, source, [drive])
  t.is(wrongSums(drives[0]), '')
  t.is(wrongB3sums(drives[1].path), '')
})
