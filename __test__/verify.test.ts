/** `verify` through the built program, on real drives: what is found, how much it proves, what is written. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ExecutionContext } from 'ava'
import { ended, events, makeSource, wrongSums } from './copy/kit.js'
import { type Host, makeHost, type RunResult } from './helpers/cli.js'
import { type Drive, type FileSystem, MiB, makeDrive } from './helpers/drives.js'
import { Random } from './helpers/random.js'
import { rootTest } from './helpers/root.js'
import { assertUnchanged, fingerprint } from './helpers/snapshot.js'
import { sh } from './helpers/temp.js'

interface Place {
  readonly host: Host
  readonly source: string
  readonly drive: Drive
}

/** A drive that holds a copy of some files. */
async function place(t: ExecutionContext, kind: FileSystem = 'ext4'): Promise<Place> {
  const host = makeHost()
  const source = makeSource({ 'a/one': 5000, 'a/two': 300_000, 'b/three': 'text', empty: '' })
  const drive = makeDrive({ fs: kind, size: 64 * MiB })
  ended(t, await host.run([source, '-o', drive.path]), 0)
  return { host, source, drive }
}

function again(drive: Drive): void {
  drive.unmount()
  drive.remount()
}

/** Flips one bit and puts the time back. */
function flip(file: string, at: number, bit = 0): void {
  const { atimeNs, mtimeNs } = fs.statSync(file, { bigint: true })
  const bytes = fs.readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, bytes, at, 1, at)
  fs.closeSync(fd)
  const time = (ns: bigint): string => `@${ns / 1_000_000_000n}.${`${ns}`.slice(-9)}`
  spawnSync('touch', ['-d', time(mtimeNs), file])
  spawnSync('touch', ['-a', '-d', time(atimeNs), file])
}

/** Bytes of a file that are in the page cache. */
function resident(file: string): number {
  return Number(sh('fincore', '-b', '-n', '-r', '-o', 'RES', file).trim())
}

function found(run: RunResult): string[] {
  return events(run, 'verify-result').map(({ result, path: name }) => `${result} ${name}`)
}

rootTest('a good drive is good, says how much that proves, and status knows', async (t) => {
  const { host, drive } = await place(t)
  const first = await host.run(['verify', '-o', drive.path])
  ended(t, first, 0)
  t.regex(first.stderr, /kind of check: same session/)
  t.regex(first.stderr, /4 files checked, .* read; all as recorded/)
  again(drive)
  const second = await host.run(['verify', '-o', drive.path, '--json'])
  ended(t, second, 0)
  const [summary] = events(second, 'summary')
  t.like(summary?.check, { kind: 'remounted', proof: true, whole: true, files: 4, bad: 0 })
  const status = await host.run(['status'])
  t.regex(status.stdout, /verified .*\(remounted\)/)
  t.is(wrongSums(drive), '')
})

rootTest(
  'on another host, and on a drive that is mounted read-only, nothing is needed',
  async (t) => {
    const { host, drive } = await place(t)
    flip(path.join(drive.path, 'a/one'), 4000)
    drive.unmount()
    drive.remount({ readOnly: true })
    const before = fingerprint(drive.path)
    const strange = await makeHost().run(['verify', '-o', drive.path, '--json'])
    ended(t, strange, 1)
    t.deepEqual(found(strange), ['corrupt a/one'])
    t.regex(strange.stderr, /read-only and this host has no catalog of it/)
    const known = await host.run(['verify', '-o', drive.path])
    ended(t, known, 1)
    t.regex(known.stderr, /CORRUPT a\/one/)
    t.regex(known.stderr, /kept in the catalog alone/)
    assertUnchanged(t, before, fingerprint(drive.path))
    t.regex((await host.run(['status'])).stdout, /1 entr(y|ies) not good/)
  },
)

rootTest('two hundred random flips are found and named, and sha256sum -c agrees', async (t) => {
  const seed = Number(process.env.MVCOPY_SEED ?? Date.now() % 1_000_000_000)
  t.log(`MVCOPY_SEED=${seed}`)
  const random = new Random(seed)
  const host = makeHost()
  const names = Array.from({ length: 190 }, (_, n) => `d${n % 7}/file ${n}`).sort()
  const sizes = names.map((name) => [name, 1 + random.below(9000)] as const)
  const source = makeSource(Object.fromEntries(sizes))
  const drive = makeDrive({ size: 32 * MiB })
  ended(t, await host.run([source, '-o', drive.path]), 0)
  const check = async (what: string): Promise<string[]> => {
    const run = await host.run(['verify', '-o', drive.path, '--restart', '--json'])
    t.is(run.code, 1, `${what}, MVCOPY_SEED=${seed}: ${run.stderr}`)
    return found(run)
  }
  // Many at a time: each file has one flip of its own.
  const undo = names.map((name) => {
    const file = path.join(drive.path, name)
    const [at, bit] = [random.below(fs.statSync(file).size), random.below(8)]
    flip(file, at, bit)
    return () => flip(file, at, bit)
  })
  t.deepEqual((await check('data')).sort(), names.map((name) => `corrupt ${name}`).sort())
  const failed = wrongSums(drive)
    .split('\n')
    .flatMap((line) => /^(.*): FAILED$/.exec(line)?.[1] ?? [])
  t.deepEqual(failed.sort(), names)
  for (const back of undo) back()
  t.is(wrongSums(drive), '')
  await ownFlips(t, random, drive, ['volume.json', 'SHA256SUMS', 'catalog.jsonl'], check)
  await ownFlips(t, random, drive, ['manifest.jsonl'], check)
  ended(t, await host.run(['verify', '-o', drive.path, '--restart']), 0)
  // A journal is there while a run goes on, and after one that was broken off.
  for (let n = 0; n < 6; n += 1) fs.writeFileSync(path.join(source, `d0/new ${n}`), `${n}`)
  const inject = 'inject=renameat2:signal=SIGKILL:when=3'
  const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=renameat2', '-e', inject]
  await host.run([source, '-o', drive.path, '-w', '1'], { under })
  t.true(fs.existsSync(path.join(drive.path, '.mvcopy/journal.log')))
  ended(t, await host.run(['verify', '-o', drive.path, '--restart', '--one-way']), 0)
  await ownFlips(t, random, drive, ['journal.log'], check)
})

/** Four rounds of one flip in each of these files of ours, all of them put back. */
async function ownFlips(
  t: ExecutionContext,
  random: Random,
  drive: Drive,
  names: readonly string[],
  check: (what: string) => Promise<string[]>,
): Promise<void> {
  const own = path.join(drive.path, '.mvcopy')
  for (let round = 0; round < 4; round += 1) {
    const before = names.map((name) => [name, fs.readFileSync(path.join(own, name))] as const)
    const volume = fs.readFileSync(path.join(own, 'volume.json'))
    const where = before.map(([name, bytes]) => {
      const [at, bit] = [random.below(bytes.length), random.below(8)]
      flip(path.join(own, name), at, bit)
      return `bit ${bit} of byte ${at} of ${name}`
    })
    const told = (await check(where.join(', '))).filter((line) => line.startsWith('damaged'))
    t.deepEqual(
      told.sort(),
      names.map((name) => `damaged .mvcopy/${name}`).sort(),
      where.join(', '),
    )
    for (const [name, bytes] of before) fs.writeFileSync(path.join(own, name), bytes)
    fs.writeFileSync(path.join(own, 'volume.json'), volume)
  }
}

rootTest('a file that cannot be read is told, and the others are checked', async (t) => {
  const { host, drive } = await place(t)
  flip(path.join(drive.path, 'a/one'), 1)
  const bad = path.join(drive.path, 'a/two')
  const run = await host.run(['verify', '-o', drive.path, '--json'], {
    under: [
      ...['strace', '-f', '-qq', '-o', '/dev/null', '-P', bad],
      ...['-e', 'trace=pread64', '-e', 'inject=pread64:error=EIO'],
    ],
  })
  ended(t, run, 1)
  t.deepEqual(found(run), ['corrupt a/one', 'unreadable a/two'])
  t.is(events(run, 'verify-result')[1]?.errno, 'EIO')
})

rootTest('a drive that does not answer any more has failed', async (t) => {
  const { host, drive } = await place(t)
  const run = await host.run(['verify', '-o', drive.path], {
    under: [
      ...['strace', '-f', '-qq', '-o', '/dev/null'],
      ...['-e', 'trace=pread64', '-e', 'inject=pread64:error=ENODEV'],
      ...['-P', path.join(drive.path, 'a/two')],
    ],
  })
  ended(t, run, 11)
  t.true(run.stderr.includes(drive.path), run.stderr)
})

rootTest('on exFAT the same session is not a proof, and a remount is better', async (t) => {
  const { host, drive } = await place(t, 'exfat')
  const same = await host.run(['verify', '-o', drive.path])
  ended(t, same, 0)
  t.regex(same.stderr, /not a proof: the drive is served by a user-space file system/)
  again(drive)
  const later = await host.run(['verify', '-o', drive.path, '--json'])
  ended(t, later, 0)
  t.is(events(later, 'summary')[0]?.check.kind, 'remounted')
})

for (const kind of ['ext4', 'xfs', 'btrfs'] as const) {
  rootTest(`on ${kind} nothing is read from the page cache`, async (t) => {
    const { host, source, drive } = await place(t, kind)
    // All of it is in memory now: that is what the check has to get past.
    again(drive)
    for (const name of ['a/one', 'a/two', 'b/three']) {
      t.deepEqual(
        fs.readFileSync(path.join(drive.path, name)),
        fs.readFileSync(path.join(source, name)),
      )
    }
    t.true(resident(path.join(drive.path, 'a/two')) >= 300_000)
    const run = await host.run(['verify', '-o', drive.path, '--json'])
    ended(t, run, 0)
    t.is(events(run, 'summary')[0]?.check.proof, true, run.stderr)
    t.is(resident(path.join(drive.path, 'a/two')), 0)
  })
}

rootTest('what is kept in memory by force is not called a proof', async (t) => {
  const { host, drive } = await place(t, 'tmpfs')
  const run = await host.run(['verify', '-o', drive.path, '--json'])
  ended(t, run, 0)
  t.is(events(run, 'summary')[0]?.check.proof, false)
  t.regex(run.stderr, /stayed in memory/)
})

rootTest('files without a checksum are said to be compared by size and time only', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 100 })
  const drive = makeDrive()
  ended(t, await host.run([source, '-o', drive.path, '--digest', 'none']), 0)
  const run = await host.run(['verify', '-o', drive.path])
  ended(t, run, 0)
  t.regex(run.stderr, /1 file without a checksum/)
})

rootTest('what is no drive is refused', async (t) => {
  const host = makeHost()
  const drive = makeDrive()
  ended(t, await host.run(['verify', '-o', drive.path]), 2)
  ended(t, await host.run(['verify']), 2)
  ended(t, await host.run(['verify', '-o', drive.path, '--sample', '0%']), 2)
  ended(t, await host.run(['verify', '-o', path.join(drive.path, 'no')]), 2)
})
