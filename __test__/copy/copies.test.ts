/** `--copies N`: N complete backups, each on drives of its own, and each brought up to date by itself. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Host, makeHost } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { freshSeed, Random } from '../helpers/random.js'
import { rootTest } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { tempDir } from '../helpers/temp.js'
import {
  closes,
  drivePrompt,
  type Event,
  ended,
  events,
  makeSource,
  onTerminal,
  put,
  shelf,
  swap,
  wrongSums,
} from './kit.js'

const outputs = (drives: readonly Drive[]) => drives.flatMap((drive) => ['-o', drive.path])
const whole = (drive: Drive) => fingerprint(drive.path, { ignore: ['lost+found'] })

/** What volume.json of a drive says. */
function identity(drive: Drive): { volume: { number: number }; copy?: number } {
  return JSON.parse(fs.readFileSync(path.join(drive.path, '.mvcopy/volume.json'), 'utf8'))
}

/** The drives by the copy that they belong to; drives without anything on them belong to none. */
function byCopy(drives: readonly Drive[]): Map<number, Drive[]> {
  const found = new Map<number, Drive[]>()
  for (const drive of drives) {
    if (!fs.existsSync(path.join(drive.path, '.mvcopy/volume.json'))) continue
    const { copy = 1 } = identity(drive)
    found.set(copy, [...(found.get(copy) ?? []), drive])
  }
  return found
}

/** Asserts that there are so many copies, each of them the whole source, and whole by its sums. */
function assertCopies(
  t: ExecutionContext,
  source: string,
  drives: readonly Drive[],
  copies: number,
): void {
  const found = byCopy(drives)
  t.deepEqual(
    [...found.keys()].sort(),
    [...Array(copies).keys()].map((k) => k + 1),
  )
  for (const [, some] of found) {
    assertUnionEquals(t, source, some)
    for (const drive of some) t.is(wrongSums(drive), '')
  }
}

async function status(host: Host): Promise<Event> {
  const [found] = events(await host.run(['status', '--json']), 'status')
  if (found === undefined) throw new Error('no status')
  return found
}

/** Asserts that each file is on as many drives as are wanted. */
async function assertComplete(t: ExecutionContext, host: Host, copies: number): Promise<void> {
  const { waiting, fewer, ...rest } = await status(host)
  t.is(rest.copies, copies)
  t.deepEqual({ waiting, fewer }, { waiting: none, fewer: none })
}

const none = { files: 0, bytes: 0 }

/** Bytes written, by drive number. */
function written(run: Parameters<typeof events>[0]): Record<number, number> {
  return Object.fromEntries(
    events(run, 'volume-closed')
      .filter((event) => event.written.files > 0)
      .map(({ volume, written }) => [volume.number, written.bytes]),
  )
}

/** Four drives of unequal size: two hold a copy each, in whatever way the plan finds. */
function fourDrives(): [Drive, Drive, Drive, Drive] {
  return [20, 14, 16, 22].map((size) => makeDrive({ size: size * MiB })) as [
    Drive,
    Drive,
    Drive,
    Drive,
  ]
}

const files = {
  'a/1': 4 * MiB,
  'a/2': 3 * MiB,
  'b/3': 5 * MiB,
  'b/c/4': 2 * MiB,
  'd/5': 4 * MiB,
  'd/6': 300,
  z: 'small',
}

/** A set of two copies on four drives, of which two belong to each. */
async function twoCopies(
  t: ExecutionContext,
): Promise<{ host: Host; source: string; drives: [Drive, Drive, Drive, Drive]; args: string[] }> {
  const host = makeHost()
  const source = makeSource(files)
  fs.linkSync(path.join(source, 'a/2'), path.join(source, 'd/linked'))
  fs.symlinkSync('b/3', path.join(source, 'symlink'))
  fs.mkdirSync(path.join(source, 'empty'))
  const drives = fourDrives()
  const args = [source, ...outputs(drives)]
  ended(t, await host.run([...args, '--copies', '2']), 0)
  return { host, source, drives, args }
}

rootTest(
  'two copies on two drives each: the plan says it, the run does it, all of it is there twice',
  async (t) => {
    const host = makeHost()
    const source = makeSource(files)
    fs.linkSync(path.join(source, 'a/2'), path.join(source, 'd/linked'))
    fs.mkdirSync(path.join(source, 'empty'))
    const drives = fourDrives()
    const args = [source, ...outputs(drives), '--copies', '2']
    const [plan] = events(await host.run(['plan', ...args, '--json']), 'plan')
    const run = await host.run([...args, '--json'])
    ended(t, run, 0)
    const { dryRun, ...planned } = plan as Event
    t.true(dryRun)
    t.deepEqual(events(run, 'plan')[0], planned as Event)
    t.like(planned, { copies: 2, files: 16, new: { files: 8 }, unchanged: 0 })
    t.deepEqual(
      planned.volumes.map((v: Event) => [v.number, v.copy]),
      [
        [1, 1],
        [2, 1],
        [3, 2],
        [4, 2],
      ],
    )
    for (const volume of planned.volumes) t.is(written(run)[volume.number], volume.bytes)
    assertCopies(t, source, drives, 2)
    await assertComplete(t, host, 2)
    const where = events(await host.run(['where', 'b/3', '--json']))
    t.deepEqual(where.map(({ volume }) => volume).length, 2)
    const text = await host.run(['status'])
    t.regex(text.stdout, /on fewer than 2\s+nothing/)
    t.regex(text.stdout, /complete, copy 2/)
    // Nothing to do: nothing is written, and no drive is asked for.
    const before = drives.map(whole)
    const again = await host.run([source, ...outputs(drives), '--json'])
    ended(t, again, 0)
    t.deepEqual(
      events(again).map(({ type }) => type),
      ['plan', 'summary'],
    )
    t.like(events(again, 'plan')[0], { files: 0, unchanged: 8, copies: 2 })
    for (const [k, drive] of drives.entries()) assertUnchanged(t, before[k] ?? [], whole(drive))
  },
)

rootTest(
  'a change, a rename and a removal reach every copy, and each is written once a copy',
  async (t) => {
    const { host, source, drives, args } = await twoCopies(t)
    put(source, 'b/3', 5 * MiB - 7, 1_700_000_500)
    put(source, 'new', 1000, 1_700_000_500)
    fs.renameSync(path.join(source, 'a/1'), path.join(source, 'd/renamed'))
    fs.rmSync(path.join(source, 'd/5'))
    const run = await host.run([...args, '--delete', '--json'])
    ended(t, run, 0)
    t.like(events(run, 'plan')[0], {
      files: 4,
      bytes: 2 * (5 * MiB - 7 + 1000),
      changed: 1,
      renamed: 1,
    })
    t.like(events(run, 'summary')[0], { written: { files: 4 }, renamed: 2, removed: 4 })
    assertCopies(t, source, drives, 2)
    await assertComplete(t, host, 2)
  },
)

rootTest(
  'a lost drive of copy 2 is replaced: only its copy is written, only a new drive is asked for',
  async (t) => {
    const { host, source, drives } = await twoCopies(t)
    const [of1, of2] = [byCopy(drives).get(1) ?? [], byCopy(drives).get(2) ?? []]
    const lost = of2[0] as Drive
    const { number } = identity(lost).volume
    lost.unmount()
    ended(t, await host.run(['lost', String(number), '-y']), 0)
    const { fewer, waiting } = await status(host)
    t.deepEqual(waiting, none)
    t.true(fewer.files > 0)
    const before = of1.map(whole)
    const other = of2.slice(1)
    const fresh = makeDrive({ size: 20 * MiB })
    const run = await host.run([source, ...outputs([...of1, ...other, fresh]), '--json'])
    ended(t, run, 0)
    t.like(events(run, 'summary')[0], { written: { files: fewer.files } })
    for (const [k, drive] of of1.entries()) {
      const lists = (lines: readonly string[]) =>
        lines.filter((line) => !/^\.\/(\.mvcopy|START-HERE\.html )/.test(line))
      assertUnchanged(t, lists(before[k] ?? []), lists(whole(drive)))
    }
    assertCopies(t, source, [...of1, ...other, fresh], 2)
    await assertComplete(t, host, 2)
  },
)

rootTest(
  'raised from one to two later: the first copy is not written again; lowered: the second one rests',
  async (t) => {
    const host = makeHost()
    const source = makeSource(files)
    const drives = fourDrives()
    const [first, second, third, fourth] = drives
    ended(t, await host.run([source, ...outputs([first, second])]), 0)
    t.is(identity(first).copy, undefined)
    // Nobody is there to mount a drive for the second copy: that is said, and known.
    const needed = await host.run([source, ...outputs([first, second]), '--copies', '2'])
    ended(t, needed, 4)
    t.regex(needed.stderr, /number 3, copy 2 of the set/)
    t.regex(needed.stderr, /belongs to copy 1 of the set, which is done/)
    t.like(await status(host), { copies: 2, waiting: none, fewer: { files: 7 } })
    const raised = await host.run([source, ...outputs(drives), '--json'])
    ended(t, raised, 0)
    t.deepEqual(Object.keys(written(raised)), ['3', '4'])
    assertCopies(t, source, drives, 2)
    await assertComplete(t, host, 2)
    put(source, 'later', 1234, 1_700_000_500)
    const rest = [third, fourth].map(whole)
    const lowered = await host.run([source, ...outputs(drives), '--copies', '1', '--json'])
    ended(t, lowered, 0)
    t.like(events(lowered, 'summary')[0], { written: { files: 1, bytes: 1234 } })
    for (const [k, drive] of [third, fourth].entries())
      assertUnchanged(t, rest[k] ?? [], whole(drive))
    assertUnionEquals(t, source, [first, second])
    const text = await host.run(['status'])
    t.regex(text.stdout, /copy 2 \(not wanted any more\)/)
    await assertComplete(t, host, 1)
  },
)

rootTest('a run that ends between the copies goes on with the second one', async (t) => {
  const host = makeHost()
  const source = makeSource(files)
  const drives = fourDrives()
  const bay = shelf(drives)
  const [first, second, third, fourth] = drives
  first.remount({ path: bay })
  const terminal = onTerminal(t, host, [source, '-o', bay, '--copies', '2'])
  await drivePrompt(terminal)
  swap(first, second)
  terminal.send('c\r')
  await drivePrompt(terminal)
  t.regex(terminal.transcript(), /a new drive \(number 3, copy 2 of the set\)/)
  // A drive of the first copy will not do.
  swap(second, first)
  terminal.send('c\r')
  await drivePrompt(terminal)
  t.regex(terminal.transcript(), /belongs to copy 1 of the set, which is done/)
  terminal.send('q\r')
  await closes(t, terminal, 130)
  const { fewer, waiting } = await status(host)
  t.deepEqual(waiting, none)
  t.is(fewer.files, 7)
  first.unmount()
  third.remount({ path: bay })
  const more = onTerminal(t, host, [source, '-o', bay])
  await drivePrompt(more)
  swap(third, fourth)
  more.send('c\r')
  await closes(t, more, 0)
  for (const drive of [first, second, third]) drive.remount({ path: tempDir('m') })
  assertCopies(t, source, drives, 2)
  await assertComplete(t, host, 2)
})

rootTest('a fresh host learns the copies from one drive, and has nothing to copy', async (t) => {
  const { source, drives, args } = await twoCopies(t)
  const host = makeHost()
  ended(t, await host.run(['adopt', '-o', drives[3].path]), 0)
  const known = events(await host.run(['volumes', '--json']), 'volume')
  t.deepEqual(
    known.map(({ number, copy }) => [number, copy]),
    drives.map((drive) => [identity(drive).volume.number, identity(drive).copy ?? 1]),
  )
  t.is((await status(host)).copies, 2)
  const run = await host.run([...args, '--json'])
  ended(t, run, 0)
  t.like(events(run, 'summary')[0], { written: none })
  await assertComplete(t, host, 2)
  put(source, 'new', 10, 1_700_000_500)
  ended(t, await host.run(args), 0)
  assertCopies(t, source, drives, 2)
})

rootTest('a retired drive leaves its own copy only; killed runs are continued', async (t) => {
  const { host, source, drives } = await twoCopies(t)
  const of1 = byCopy(drives).get(1) ?? []
  const retired = of1[0] as Drive
  ended(t, await host.run(['volumes', 'retire', String(identity(retired).volume.number)]), 0)
  const fresh = makeDrive({ size: 22 * MiB })
  const all = [...drives, fresh]
  const run = await host.run([source, ...outputs(all), '--json'])
  ended(t, run, 0)
  const others = all.filter((drive) => drive !== retired)
  assertCopies(t, source, others, 2)
  await assertComplete(t, host, 2)
})

rootTest(
  'random additions, changes, renames and removals, some drives on the shelf: every copy follows',
  async (t) => {
    const seed = freshSeed()
    t.log(`seed ${seed} (MVCOPY_SEED=${seed} makes it again)`)
    const random = new Random(seed)
    const host = makeHost()
    const source = tempDir('src')
    const drives = [24, 20, 28, 22, 26, 24].map((size) => makeDrive({ size: size * MiB }))
    const all = (): string[] =>
      fs
        .readdirSync(source, { recursive: true, encoding: 'utf8' })
        .filter((name) => fs.statSync(path.join(source, name)).isFile())
        .sort()
    let clock = 1_700_000_000
    for (let round = 0; round < 5; round += 1) {
      for (let n = 0; n < 8; n += 1) {
        clock += 1
        put(
          source,
          `${'abc'[random.below(3)]}/${round}-${n}`,
          random.size(40_000, 1.8, 2 * MiB),
          clock,
        )
      }
      for (const name of round === 0 ? [] : all()) {
        const dice = random.below(100)
        clock += 1
        if (dice < 12) fs.rmSync(path.join(source, name))
        else if (dice < 24) put(source, name, random.size(40_000, 1.8, 2 * MiB), clock)
        else if (dice < 36)
          fs.renameSync(path.join(source, name), path.join(source, `moved-${clock}`))
      }
      const args = [source, ...outputs(drives), '--delete', '--copies', '2', '--json']
      const [plan] = events(await host.run(['plan', ...args]), 'plan')
      const run = await host.run(args)
      ended(t, run, 0)
      const { dryRun, seconds, ...planned } = plan as Event
      const { seconds: again, ...told } = events(run, 'plan')[0] as Event
      t.deepEqual(planned, told as typeof planned, `round ${round}`)
      t.like(events(run, 'summary')[0], { written: { files: planned.files, bytes: planned.bytes } })
      assertCopies(t, source, drives, 2)
      await assertComplete(t, host, 2)
    }
  },
)
