/** Files that fit on no drive, in parts over several (`--split-large`). */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ExecutionContext } from 'ava'
import { injecting, readCalls, sample, targetsOf, tracing } from '../crash/strace.js'
import { type Host, makeHost, type RunResult } from '../helpers/cli.js'
import { type Drive, KiB, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { sh, tempDir } from '../helpers/temp.js'
import { ended, events, lines, makeSource, put, wrongSums } from './kit.js'

const SIZE = 6_000_000
const PART = /^(.+)\.mvpart-(\d{4})-of-(\d{4})$/

const sha = (bytes: Buffer | string): string =>
  createHash('sha256')
    .update(typeof bytes === 'string' ? fs.readFileSync(bytes) : bytes)
    .digest('hex')
const outputs = (drives: readonly Drive[]): string[] => drives.flatMap((one) => ['-o', one.path])
const small = (): Drive => makeDrive({ fs: 'tmpfs', size: 3 * MiB })

/** The parts of a file on the drives, in their order, as `cat` is given them. */
function partsOf(drives: readonly Drive[], name: string): string[] {
  return drives
    .flatMap((one) => fs.readdirSync(one.path).map((entry) => path.join(one.path, entry)))
    .filter((file) => PART.exec(path.basename(file))?.[1] === name)
    .sort((a, b) => (path.basename(a) < path.basename(b) ? -1 : 1))
}

/** What `cat` makes of the parts. */
function joined(drives: readonly Drive[], name: string): Buffer {
  const run = spawnSync('cat', partsOf(drives, name), { maxBuffer: 64 * MiB })
  if (run.status !== 0) throw new Error(run.stderr.toString())
  return run.stdout
}

/** Asserts that the drives have the file in one version, all parts of it, and lists that agree. */
function whole(t: ExecutionContext, drives: readonly Drive[], source: string, name: string): void {
  const counts = partsOf(drives, name).map((file) => PART.exec(path.basename(file))?.[3])
  t.is(new Set(counts).size, 1, 'parts of one version')
  t.is(counts.length, Number(counts[0]), 'all parts')
  t.is(sha(joined(drives, name)), sha(path.join(source, name)))
  // A drive that got nothing has an empty list, which sha256sum refuses.
  const filled = drives.filter((drive) => partsOf([drive], name).length > 0)
  for (const drive of filled) t.is(wrongSums(drive), '')
}

function copied(run: RunResult): number {
  return events(run, 'summary')[0]?.written.files
}

async function nothingLeft(
  t: ExecutionContext,
  host: Host,
  args: readonly string[],
): Promise<void> {
  const again = await host.run([...args, '--json'])
  ended(t, again, 0)
  t.is(copied(again), 0)
}

rootTest('6 MB over three drives of 3 MB: joined by cat, restored as one file', async (t) => {
  const source = makeSource({ 'big.img': SIZE, 'a/small': 20_000, 'z/small': 30_000 })
  const drives = [small(), small(), small()]
  const host = makeHost()
  const copy = [source, ...outputs(drives)]

  const without = await host.run(copy)
  t.is(without.code, 23)
  t.regex(without.stderr + without.stdout, /fit on no drive/)
  t.deepEqual(partsOf(drives, 'big.img'), [])

  const run = await host.run([...copy, '--split-large', '--json'])
  ended(t, run, 0)
  whole(t, drives, source, 'big.img')
  t.true(drives.every((one) => partsOf([one], 'big.img').length > 0))
  // What each drive says of its parts.
  const items = drives.flatMap((drive) =>
    lines(fs.readFileSync(path.join(drive.path, '.mvcopy/manifest.jsonl'), 'utf8'))
      .filter((line) => line.includes('"part":'))
      .map((line) => JSON.parse(line)),
  )
  t.is(items.length, partsOf(drives, 'big.img').length)
  let offset = 0
  for (const [n, item] of items.toSorted((a, b) => a.part.number - b.part.number).entries()) {
    t.like(item.part, { of: 'big.img', number: n + 1, count: items.length, size: SIZE, offset })
    offset += item.size
  }
  t.is(offset, SIZE)
  // The digest of the whole is known on the drive that got the last part.
  const last = items.find((item) => item.part.number === items.length)
  t.is(last?.part.digest, `sha256:${sha(path.join(source, 'big.img'))}`)

  await nothingLeft(t, host, copy)
  await nothingLeft(t, host, [...copy, '--split-large'])

  // What changes besides content is mended on all parts, and nothing is copied for it.
  const big = path.join(source, 'big.img')
  fs.chmodSync(big, 0o640)
  fs.chownSync(big, 1234, 5678)
  sh('python3', '-c', 'import os, sys; os.setxattr(sys.argv[1], "user.colour", b"blue")', big)
  await nothingLeft(t, host, copy)
  for (const part of partsOf(drives, 'big.img')) {
    t.like(fs.statSync(part), { mode: 0o100640, uid: 1234, gid: 5678 }, part)
  }
  for (const drive of drives) {
    const manifest = lines(fs.readFileSync(path.join(drive.path, '.mvcopy/manifest.jsonl'), 'utf8'))
    for (const line of manifest.filter((one) => one.includes('"part":'))) {
      t.regex(line, /"user.colour"/)
    }
  }
  await nothingLeft(t, host, copy)

  const where = await host.run(['where', 'big.img'])
  ended(t, where, 0)
  t.is(lines(where.stdout).filter((line) => line.includes('.mvpart-')).length, items.length)
  for (const drive of drives) ended(t, await host.run(['verify', '-o', drive.path]), 0)
  const status = await host.run(['status', '--json'])
  ended(t, status, 0)

  for (const from of [drives, drives.toReversed()]) {
    const to = tempDir('restored')
    const back = await host.run(['restore', ...outputs(from), '--to', to, '--json'])
    ended(t, back, 0)
    t.is(events(back, 'summary')[0]?.restored.files, 3)
    t.is(sha(path.join(to, 'big.img')), sha(path.join(source, 'big.img')))
    t.like(fs.statSync(path.join(to, 'big.img')), {
      mtimeMs: 1_700_000_000_250,
      mode: 0o100640,
      uid: 1234,
    })
    t.deepEqual(fs.readdirSync(to).sort(), ['a', 'big.img', 'z'])
  }

  // On another host, from what the drives say.
  const other = makeHost()
  for (const drive of drives) ended(t, await other.run(['adopt', '-o', drive.path]), 0)
  await nothingLeft(t, other, copy)
})

rootTest('a changed file: its old parts stand until all new ones do', async (t) => {
  const source = makeSource({ 'big.img': 4_600_000, one: 'x', two: 'y' })
  const drives = [small(), small()]
  const host = makeHost()
  ended(t, await host.run([source, ...outputs(drives), '--split-large']), 0)
  const before = sha(joined(drives, 'big.img'))
  put(source, 'big.img', 4_610_000, 1_700_001_000)
  // There is room for some of the new parts only.
  const some = [...drives, small()]
  const first = await host.run([source, ...outputs(some), '--split-large'])
  ended(t, first, 4)
  const old = partsOf(some, 'big.img')
  const counts = new Set(old.map((file) => PART.exec(file)?.[3]))
  t.is(counts.size, 2, 'the two versions share no names')
  const versions = [...counts].map((count) =>
    Buffer.concat(old.filter((f) => f.endsWith(`-of-${count}`)).map((f) => fs.readFileSync(f))),
  )
  t.true(versions.some((bytes) => sha(bytes) === before))
  const all = [...some, small()]
  const second = await host.run([source, ...outputs(all), '--split-large'])
  ended(t, second, 0)
  await nothingLeft(t, host, [source, ...outputs(all)])
  whole(t, all, source, 'big.img')

  fs.rmSync(path.join(source, 'big.img'))
  ended(t, await host.run([source, ...outputs(all), '--keep']), 0)
  t.true(partsOf(all, 'big.img').length > 0)
  ended(t, await host.run([source, ...outputs(all), '--delete', '--max-delete', '50']), 0)
  t.deepEqual(partsOf(all, 'big.img'), [])
})

rootTest('a file that changes between two parts is never joined from two versions', async (t) => {
  const source = makeSource({ 'big.img': SIZE })
  const [one, two, three, four] = [small(), small(), small(), small()] as const
  const host = makeHost()
  ended(t, await host.run([source, '-o', one.path, '--split-large']), 4)
  const old = partsOf([one], 'big.img')
  t.true(old.length > 0)
  // Same size and same time, other content: only the time of the change tells.
  const file = path.join(source, 'big.img')
  const { atime, mtime } = fs.statSync(file)
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, Buffer.alloc(64 * KiB, 'y'), 0, 64 * KiB, 0)
  fs.closeSync(fd)
  fs.utimesSync(file, atime, mtime)
  const rest = [one, two, three, four]
  const run = await host.run([source, ...outputs(rest), '--split-large'])
  t.not(run.code, 0)
  t.regex(run.stderr, /changed since its first part was read/)
  ended(t, await host.run([source, ...outputs(rest), '--split-large']), 0)
  await nothingLeft(t, host, [source, ...outputs(rest)])
  whole(t, rest, source, 'big.img')
})

rootTest('killed at some calls and continued: what stands is whole', async (t) => {
  const source = makeSource({ 'big.img': 2_000_000, 'a/small': 5000 })
  const log = path.join(tempDir('split-log'), 'log')
  const cap = ['--volume-size', '2M', '--split-large']
  const drive = (): Drive => makeDrive({ fs: 'tmpfs', size: 2 * MiB })
  const drives = [drive(), drive()]
  const calls = ['renameat2', 'pwrite64', 'fsync']
  const traced = await makeHost().run([source, ...outputs(drives), ...cap], {
    under: tracing(log, calls),
  })
  ended(t, traced, 0)
  whole(t, drives, source, 'big.img')
  const targets = targetsOf(
    readCalls(
      log,
      drives.map((one) => one.path),
    ),
    calls,
  )
  t.true(targets.length >= 10, `${targets.length} calls`)
  let killed = 0
  for (const target of sample(targets, 6)) {
    // The same places: what is aimed at are paths.
    for (const one of drives) {
      for (const name of fs.readdirSync(one.path)) {
        fs.rmSync(path.join(one.path, name), { recursive: true })
      }
    }
    const host = makeHost()
    const args = [source, ...outputs(drives), ...cap]
    const run = await host.run(args, { under: injecting(target, 'signal=SIGKILL', log) })
    if (run.signal === 'SIGKILL') killed += 1
    ended(t, await host.run(args), 0)
    whole(t, drives, source, 'big.img')
    await nothingLeft(t, host, args)
  }
  t.true(killed >= 3, `killed ${killed} times`)
})

rootTest('holes stay holes, a bad part is repaired, a restore goes on', async (t) => {
  const source = makeSource({ 'disk.img': 200_000 })
  const file = path.join(source, 'disk.img')
  fs.truncateSync(file, 64 * MiB)
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, Buffer.alloc(3 * MiB, 'd'), 0, 3 * MiB, 30 * MiB)
  fs.closeSync(fd)
  fs.utimesSync(file, 1_700_000_000, 1_700_000_000)
  const drives = [small(), small()]
  const host = makeHost()
  ended(t, await host.run([source, ...outputs(drives), '--split-large']), 0)
  t.is(sha(joined(drives, 'disk.img')), sha(file))

  const [victim = ''] = partsOf(drives, 'disk.img').filter((one) => fs.statSync(one).blocks > 100)
  const at = drives.find((one) => victim.startsWith(`${one.path}/`)) as Drive
  const { atime, mtime } = fs.statSync(victim)
  const bytes = fs.readFileSync(victim)
  bytes[bytes.indexOf('d')] = 0x21
  fs.writeFileSync(victim, bytes)
  fs.utimesSync(victim, atime, mtime)
  const checked = await host.run(['verify', '-o', at.path, '--json'])
  ended(t, checked, 1)
  t.deepEqual(
    events(checked, 'verify-result').map(({ result, path: name }) => `${result} ${name}`),
    [`corrupt ${path.basename(victim)}`],
  )

  // From one drive alone nothing gets the file's name; what came back is not read again.
  const to = tempDir('restored')
  const [one, two] = drives as [Drive, Drive]
  const good = at === one ? two : one
  const half = await host.run(['restore', '-o', good.path, '--to', to])
  t.not(half.code, 0)
  t.false(fs.existsSync(path.join(to, 'disk.img')))

  // Looking what has come already can be stopped. What it reads is slow here.
  const whole = fs.readdirSync(path.join(to, '.mvcopy')).find((one) => one.startsWith('whole-'))
  const log = path.join(tempDir('split-log'), 'log')
  const slow = [
    ...['strace', '-f', '-qq', '-o', log, '-P', path.join(to, '.mvcopy', String(whole))],
    ...['-e', 'trace=pread64', '-e', 'inject=pread64:delay_exit=300000'],
    ...['-e', 'inject=pread64:signal=SIGINT:delay_exit=300000:when=1'],
  ]
  const stopped = await host.run(['restore', '-o', good.path, '--to', to, '--json'], {
    under: slow,
  })
  ended(t, stopped, 130)
  const reads = lines(fs.readFileSync(log, 'utf8')).filter((line) => line.includes('pread64'))
  const blocks = partsOf([good], 'disk.img').reduce(
    (sum, one) => sum + Math.ceil(fs.statSync(one).size / MiB),
    0,
  )
  t.true(reads.length > 0 && reads.length < blocks, `${reads.length} of ${blocks} blocks were read`)

  ended(t, await host.run(['repair', '-o', at.path]), 0)
  t.is(sha(joined(drives, 'disk.img')), sha(file))
  const back = await host.run(['restore', ...outputs(drives), '--to', to, '--json'])
  ended(t, back, 0)
  t.is(sha(path.join(to, 'disk.img')), sha(file))
  t.true(fs.statSync(path.join(to, 'disk.img')).blocks * 512 < 8 * MiB)
  t.deepEqual(fs.readdirSync(to), ['disk.img'])
})
