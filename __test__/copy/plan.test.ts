/** The plan command and --dry-run: nothing is written, nothing is asked, and a run does what was said. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Host, makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences } from '../helpers/compare.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { freshSeed, Random } from '../helpers/random.js'
import { rootTest } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { sh, tempDir, undo } from '../helpers/temp.js'
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
} from './kit.js'

const whole = (root: string) => fingerprint(root, { ignore: ['lost+found'] })
/** Without the times of directories: SQLite makes files beside a catalog and takes them away again. */
const contents = (root: string) =>
  whole(root).map((line) => line.replace(/( directory .*) \d+ $/, '$1'))
const outputs = (drives: readonly Drive[]) => drives.flatMap((drive) => ['-o', drive.path])

/** The one `plan` event of a plan that ended with this code. */
async function planOf(
  t: ExecutionContext,
  host: Host,
  args: readonly string[],
  code = 0,
): Promise<Event> {
  const run = await host.run(['plan', ...args, '--json'])
  ended(t, run, code)
  const [plan, more] = events(run, 'plan')
  t.is(more, undefined)
  if (plan === undefined) throw new Error(run.stderr)
  return plan
}

/** Runs the copy and asserts that each drive was given what the plan said. */
async function asPlanned(
  t: ExecutionContext,
  host: Host,
  args: readonly string[],
  drives: readonly Drive[],
  what: string,
): Promise<Event> {
  const state = contents(host.state)
  const before = drives.map((drive) => whole(drive.path))
  const plan = await planOf(t, host, args)
  assertUnchanged(t, state, contents(host.state))
  for (const [k, drive] of drives.entries()) assertUnchanged(t, before[k] ?? [], whole(drive.path))
  const run = await host.run([...args, '--json'])
  ended(t, run, 0)
  const [told] = events(run, 'plan')
  const { dryRun, seconds, ...rest } = plan
  t.true(dryRun)
  const { seconds: again, ...same } = told as Event
  t.deepEqual(rest, same, what)
  const closed = events(run, 'volume-closed')
  const given = new Map<number, Event>(
    plan.volumes.map((volume: Event & { number: number }) => [volume.number, volume]),
  )
  for (const { volume, written } of closed) {
    const { files = 0, bytes = 0 } = given.get(volume.number) ?? ({} as Partial<Event>)
    t.deepEqual(written, { files, bytes }, `${what}: drive ${volume.number}`)
    given.delete(volume.number)
  }
  t.deepEqual([...given.keys()], [], `${what}: drives that were planned and not written`)
  // Old versions of what moved to another drive go too, once the new one is durable.
  const removed = closed.reduce((sum, { removed }) => sum + removed, 0)
  t.true(removed >= plan.removed.files, `${what}: ${removed} were removed`)
  t.notRegex(run.stderr, /full before the plan/, what)
  return plan
}

/** A source of random sizes in a few directories, two levels deep. */
function grow(random: Random, root: string, files: number, from = 0): void {
  for (let n = from; n < from + files; n += 1) {
    const dir = `${'abcde'[random.below(5)]}/${random.below(4)}`
    put(root, `${dir}/f${n}`, random.size(60_000, 1.8, 4 * MiB))
  }
}

for (const options of [
  [],
  ['--pack'],
  ['--keep-together', '1'],
  ['--pack', '--keep-together', '2'],
]) {
  const name = options.join(' ') || 'path order'
  rootTest(`${name}: a first run and a later one do exactly what the plan said`, async (t) => {
    for (const seed of [1, freshSeed()]) {
      t.log(`seed ${seed} (MVCOPY_SEED=${seed} makes it again)`)
      const random = new Random(seed)
      const root = tempDir('src')
      grow(random, root, 120)
      fs.linkSync(first(root), path.join(root, 'linked'))
      const drives = [24, 14, 18, 30, 40].map((size) => makeDrive({ size: size * MiB }))
      const args = [root, ...outputs(drives), '--delete', ...options]
      const host = makeHost()
      await asPlanned(t, host, args, drives, `seed ${seed}, first run`)
      assertUnionEquals(t, root, drives)
      // Some change, some go, some come.
      for (const file of files(root)) {
        const dice = random.below(100)
        if (dice < 15) fs.rmSync(file)
        else if (dice < 30) {
          fs.writeFileSync(file, random.bytes(random.size(60_000, 1.5, 2 * MiB)))
          fs.utimesSync(file, 1_700_001_000, 1_700_001_000)
        }
      }
      grow(random, root, 30, 1000)
      const plan = await asPlanned(t, host, args, drives, `seed ${seed}, later run`)
      t.true(plan.changed > 0 && plan.removed.files > 0 && plan.unchanged > 0)
      for (const file of files(root)) {
        const rel = path.relative(root, file)
        const copies = drives.map((drive) => path.join(drive.path, rel))
        const wanted = fs.readFileSync(file)
        const is = (copy: string) => fs.existsSync(copy) && wanted.equals(fs.readFileSync(copy))
        t.true(copies.some(is), `${rel} is on no drive as it is now`)
      }
      t.is((await planOf(t, host, args)).files, 0)
      for (const drive of drives) drive.dispose()
    }
  })
}

function files(root: string): string[] {
  return fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
}

function first(root: string): string {
  return files(root)[0] as string
}

test('a plan of nothing known writes nothing: no state, no job file, no folder, no temporary file', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, 'd/b': 2000 })
  const top = path.dirname(host.home)
  const before = contents(top)
  const out = path.join(tempDir('x'), 'out')
  for (const args of [
    ['plan', source],
    ['plan', source, '--volume-size', '5M'],
    ['plan', source, '-o', out],
    ['-n', source, '-o', out],
    ['copy', '--dry-run', source, '-o', out],
  ]) {
    ended(t, await host.run(args), 0)
    assertUnchanged(t, before, contents(top))
    t.false(fs.existsSync(out))
  }
  const rest = [source, '-o', out, '--volume-size', '5M', '--json']
  const one = await host.run(['plan', ...rest])
  const other = await host.run(['-n', ...rest])
  t.deepEqual(events(one), events(other))
})

test('without a drive and a size the totals are told, and what to give', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000 })
  const run = await host.run(['plan', source])
  ended(t, run, 0)
  t.regex(run.stderr, /^1 file \(1 kB\) to copy\n/)
  t.regex(run.stderr, /give the size of the drives with --volume-size/)
  const [volume] = (await planOf(t, host, [source])).volumes
  t.false('available' in volume || 'capacity' in volume)
})

test('drives of unequal sizes that nobody has seen; what fits on none ends with 23 and is named', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 6 * MiB, b: 6 * MiB, c: 6 * MiB, huge: 40 * MiB })
  const args = [source, '--volume-size', '8Mi', '--volume-size', '14Mi']
  const plan = await planOf(t, host, args, 23)
  t.deepEqual(
    plan.volumes.map(({ number, capacity, files }: Event) => [number, capacity, files]),
    [
      [1, 8 * MiB, 1],
      [2, 14 * MiB, 2],
    ],
  )
  t.deepEqual(plan.unplaced, { files: 1, bytes: 40 * MiB })
  const run = await host.run(['plan', ...args])
  ended(t, run, 23)
  t.regex(run.stderr, /new: 2 new drives of 8\.39 MB, 14\.7 MB/)
  t.regex(run.stderr, /huge: planning: its 41\.9 MB fit on no drive/)
})

rootTest('only drives that are needed anyway are asked for, as the plan said', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 6 * MiB, b: 6 * MiB, c: 6 * MiB })
  const drives = [12, 26, 12].map((size) => makeDrive({ size: size * MiB }))
  const [, second] = drives as [Drive, Drive]
  ended(t, await host.run([source, ...outputs(drives)]), 0)
  for (const drive of drives) drive.unmount()
  const bay = second.path
  put(source, 'b', 5 * MiB, 1_700_000_100)
  put(source, 'new', MiB)
  const plan = await planOf(t, host, [source, '-o', bay])
  t.deepEqual(
    plan.volumes.map(({ number, files, mounted }: Event) => [number, files, mounted]),
    [[2, 2, false]],
  )
  const terminal = onTerminal(t, host, [source, '-o', bay])
  await terminal.expect(/Please insert drive 2 \(/)
  await drivePrompt(terminal)
  // A plan may be made while the copy waits, and holds nothing.
  t.like(await planOf(t, host, [source, '-o', bay]), { files: 2 })
  second.remount()
  terminal.send('c\r')
  await closes(t, terminal, 0)
  t.is((await planOf(t, host, [source, '-o', bay])).files, 0)
})

rootTest('--keep-together: what is new in a directory goes where the rest of it is', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a/1': 6 * MiB, 'a/2': 3 * MiB, 'b/1': 6 * MiB, 'b/2': 2 * MiB })
  const drives = [14, 16].map((size) => makeDrive({ size: size * MiB }))
  const [first, second] = drives as [Drive, Drive]
  const together = ['--keep-together', '1']
  ended(t, await host.run([source, ...outputs(drives), ...together]), 0)
  t.deepEqual(
    [first, second].map(({ path: at }) => fs.readdirSync(at).filter((name) => name.length === 1)),
    [['a'], ['b']],
  )
  put(source, 'b/new', MiB)
  second.unmount()
  const args = [source, '-o', first.path]
  const numbers = (plan: Event) => plan.volumes.map(({ number }: Event) => number)
  t.deepEqual(numbers(await planOf(t, host, args)), [1])
  t.deepEqual(numbers(await planOf(t, host, [...args, ...together])), [2])
  t.deepEqual(numbers(await planOf(t, host, [...args, ...together, '--pack'])), [2])
})

rootTest(
  '--pack through one bay: planned anew at each drive, it ends, and all is there',
  async (t) => {
    const host = makeHost()
    const random = new Random(7)
    const source = tempDir('src')
    grow(random, source, 150)
    const drives = [14, 20, 26, 30, 40].map((size) => makeDrive({ size: size * MiB }))
    const bay = shelf(drives)
    const [front, ...others] = drives as [Drive, ...Drive[]]
    front.remount({ path: bay })
    const used = [front]
    const terminal = onTerminal(t, host, [source, '-o', bay, '--pack', '--keep-together', '2'])
    let over = false
    void terminal.exit.then(() => {
      over = true
    })
    for (const next of others) {
      await Promise.race([drivePrompt(terminal).catch(() => {}), terminal.exit])
      if (over) break
      swap(used.at(-1) as Drive, next)
      used.push(next)
      terminal.send('c\r')
    }
    await closes(t, terminal, 0)
    used.at(-1)?.unmount()
    for (const drive of used) drive.remount({ path: tempDir('back') })
    t.true(used.length > 1)
    assertUnionEquals(t, source, used)
  },
)

rootTest('a plan counts on the room that --delete frees, and the run uses it', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 5 * MiB, b: 5 * MiB, keep: 10 })
  const drive = makeDrive({ size: 14 * MiB })
  const args = [source, '-o', drive.path]
  ended(t, await host.run(args), 0)
  fs.rmSync(`${source}/a`)
  put(source, 'c', 5 * MiB)
  const numbers = ({ volumes }: Event) => volumes.map(({ number }: Event) => number)
  t.deepEqual(numbers(await planOf(t, host, args)), [2])
  const plan = await asPlanned(t, host, [...args, '--delete'], [drive], 'with --delete')
  t.deepEqual(numbers(plan), [1])
  assertUnionEquals(t, source, [drive])
})

rootTest('a plan needs no more than to read the state', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, b: 2000 })
  sh('mount', '-t', 'tmpfs', 'tmpfs', host.state)
  undo(() => sh('umount', '-l', host.state))
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  put(source, 'c', 3000)
  sh('mount', '-o', 'remount,ro', host.state)
  t.like(await planOf(t, host, [source, '-o', out]), { files: 1, unchanged: 2, bytes: 3000 })
})

rootTest('names that the file system of the drive refuses are told before', async (t) => {
  const host = makeHost()
  const source = makeSource({ good: 'x', 'what?': 'x', 'a:b/deep': 'x', 'fine/x.': 'x' })
  const drive = makeDrive({ fs: 'exfat', size: 32 * MiB })
  const plan = await planOf(t, host, [source, '-o', drive.path])
  t.like(plan.volumes[0], { files: 4, refusedNames: 3 })
  const run = await host.run(['plan', source, '-o', drive.path])
  t.regex(
    run.stderr,
    /3 names that its file system cannot take are kept there in another form:\n.*a:b\/deep\n.*fine\/x\.\n.*what\?\n/,
  )
})

test('a plan asks nothing: what is gone stays or goes as said, and guards end it with 25', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1000, b: 2000, c: 3000, d: 10 })
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  fs.rmSync(`${source}/a`)
  const args = [source, '-o', out]
  t.like(await planOf(t, host, args), { gone: 1, removed: { files: 0, bytes: 0 } })
  t.like(await planOf(t, host, args), { kept: { files: 1, bytes: 1000 } })
  t.like(await planOf(t, host, [...args, '--delete']), { removed: { files: 1, bytes: 1000 } })
  ended(t, await host.run(['plan', ...args, '--delete', '--max-delete', '0']), 25)
  fs.rmSync(`${source}/b`)
  fs.rmSync(`${source}/c`)
  const terminal = onTerminal(t, host, ['plan', ...args])
  await closes(t, terminal, 25)
  t.notRegex(terminal.transcript(), /\[y\/N\]/)
  // Nothing was decided by it.
  put(source, 'a', 1000)
  put(source, 'b', 2000)
  put(source, 'c', 3000)
  ended(t, await host.run(args), 0)
  t.deepEqual(differences(source, out), [])
})

test('at a terminal each drive has a bar, and no line is wider than the terminal', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 6 * MiB, b: 6 * MiB, c: 6 * MiB })
  for (const [env, bar] of [
    [{}, /drive 1 \(src-\S+\) .*█+░+ +\d\d% /],
    [{ LANG: 'C' }, /drive 1 \(src-\S+\) .*\[=*#+\.+\] +\d\d% /],
  ] as const) {
    const terminal = onTerminal(t, host, ['plan', source, '--volume-size', '15Mi'], {
      env,
      columns: 80,
    })
    await closes(t, terminal, 0)
    t.regex(terminal.transcript(), bar)
    for (const line of terminal.transcript().split(/\r?\n/)) t.true(line.length <= 80, line)
  }
})

test('a plan that is broken off ends with 130 and leaves nothing', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 1 })
  // Many directories: it is still walking when the signal comes.
  for (let i = 0; i < 300; i += 1) put(source, `d${i}/f`, '')
  const before = contents(path.dirname(host.home))
  const slow = ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=getdents64']
  const under = [...slow, '-e', 'inject=getdents64:delay_enter=100000']
  const running = host.start(['plan', source, '--volume-size', '5M'], { under })
  const top = path.dirname(host.home)
  while (!fs.readdirSync(top).some((name) => name.startsWith('multivolumecopy-plan-'))) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  process.kill(running.child.pid as number, 'SIGINT')
  const result = await running.done
  t.is(result.code, 130, result.stderr)
  assertUnchanged(t, before, contents(top))
})

test('without a place for the copy of the catalog it says so', async (t) => {
  const run = await makeHost().run(['plan', makeSource({ a: 1 })], {
    env: { TMPDIR: '/proc/none' },
  })
  ended(t, run, 5)
  t.regex(run.stderr, /\/proc\/none cannot be written\.\n +Set TMPDIR/)
})

test('--verify and plan contradict each other', async (t) => {
  const run = await makeHost().run(['plan', '--verify', '-o', 'x'])
  ended(t, run, 2)
})
