/** Drives that carry volumes are taken over by a host that knows nothing, or something else. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ended, events, lines, makeSource, put } from '../copy/kit.js'
import { type Host, makeHost } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { sh, tempDir } from '../helpers/temp.js'

const size = 12 * MiB
const whole = (at: string) => fingerprint(at, { ignore: ['lost+found'] })

/** Three drives with a set that was written by another host. */
interface Set {
  readonly source: string
  readonly drives: readonly [Drive, Drive, Drive]
}

async function set(t: ExecutionContext): Promise<Set> {
  const host = makeHost()
  const source = makeSource({
    'a/größe': 5 * MiB,
    'a/two': 3 * MiB,
    b: 6 * MiB,
    'c/deep/er': 4 * MiB,
    d: 5 * MiB,
    'nl\nquote"\\': 10,
  })
  fs.writeFileSync(Buffer.concat([Buffer.from(`${source}/byte`), Buffer.from([0xe9])]), 'latin')
  fs.mkdirSync(path.join(source, 'empty'))
  fs.symlinkSync('a/two', path.join(source, 'link'))
  const drives = [makeDrive({ size }), makeDrive({ size }), makeDrive({ size })] as const
  ended(t, await host.run([source, ...outputs(drives)]), 0)
  return { source, drives }
}

const outputs = (drives: readonly Drive[]) => drives.flatMap((drive) => ['-o', drive.path])

/** How many files lie on each drive, as they say themselves. */
function counts(drives: readonly Drive[]): number[] {
  return drives.map(
    (drive) => lines(fs.readFileSync(path.join(drive.path, '.mvcopy/SHA256SUMS'), 'latin1')).length,
  )
}

/** Asserts that a copy on this host finds everything on drives. */
async function nothingToCopy(
  t: ExecutionContext,
  host: Host,
  source: string,
  drive: Drive,
): Promise<void> {
  const run = await host.run([source, '-o', drive.path, '--json'])
  ended(t, run, 0)
  t.like(events(run, 'plan')[0], { files: 0, gone: 0 })
  t.deepEqual(events(run, 'volume-needed'), [])
}

rootTest('one drive of three gives the whole set back, and nothing is copied again', async (t) => {
  const { source, drives } = await set(t)
  const [first, second, third] = drives
  const host = makeHost()
  const before = whole(second.path)
  const adopted = await host.run(['adopt', '-o', second.path])
  ended(t, adopted, 0)
  assertUnchanged(t, before, whole(second.path))
  t.regex(adopted.stderr, /tells what is on drives 1, 3/)
  t.regex(adopted.stderr, /drive 1 \(src-\w+-1\): \d+ files?, as of 20\d\d-\d\d-\d\d \d\d:\d\d$/m)
  const status = await host.run(['status'])
  t.regex(status.stdout, /in the sources +not looked at yet on this host/)
  t.regex(status.stdout, /not backed up +not known before the next copy/)
  first.unmount()
  third.unmount()
  await nothingToCopy(t, host, source, second)
  // What is new goes to the drive that is there; no other is asked for.
  put(source, 'e', 1000)
  const more = await host.run([source, '-o', second.path, '--json'])
  ended(t, more, 0)
  t.like(events(more, 'summary')[0], { written: { files: 1, bytes: 1000 } })
  // The others come in later and agree.
  first.remount()
  third.remount()
  ended(t, await host.run([source, ...outputs(drives)]), 0)
  assertUnionEquals(t, source, drives)
})

rootTest('drives are taken over in every order, and one may be missing', async (t) => {
  const { source, drives } = await set(t)
  const held = counts(drives)
  const orders = [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0],
    [2, 0],
  ]
  for (const order of orders) {
    const host = makeHost()
    for (const n of order) {
      const one = await host.run(['adopt', '-o', drives[n]?.path ?? '', '--json'])
      ended(t, one, 0)
      t.like(events(one, 'adopted')[0], { files: held[n], fresh: false, differing: 0 })
    }
    const last = drives[order[0] ?? 0]
    if (last) await nothingToCopy(t, host, source, last)
  }
})

rootTest(
  'several at once, a second time changes nothing, and one by hand is noticed',
  async (t) => {
    const { drives } = await set(t)
    const host = makeHost()
    ended(t, await host.run(['adopt', ...outputs(drives)]), 0)
    const again = await host.run(['adopt', ...outputs(drives), '--json'])
    ended(t, again, 0)
    for (const event of events(again, 'adopted')) {
      t.like(event, { added: 0, missing: 0, differing: 0 })
    }
    // The lists on them were just read, and tell all that is known.
    t.notRegex((await host.run(['status'])).stdout, /not up to date/)
    const label = ['relabel', '1', 'other']
    ended(t, await host.run(['volumes', ...label]), 0)
    t.regex(
      (await host.run(['status'])).stdout,
      /not up to date on drive 1 .*, drive 2 .*, drive 3/,
    )
  },
)

rootTest(
  'a plan that compares content says of a drive known by hearsay what the copy does',
  async (t) => {
    const { source, drives } = await set(t)
    const host = makeHost()
    ended(t, await host.run(['adopt', '-o', drives[1].path]), 0)
    // Other content behind the same size and time: on the first drive, of which only the second has told.
    const changed = path.join(source, 'a/größe')
    const { atime, mtime } = fs.statSync(changed)
    const content = fs.readFileSync(changed)
    content[0] = (content[0] ?? 0) ^ 1
    fs.writeFileSync(changed, content)
    fs.utimesSync(changed, atime, mtime)
    const args = [source, '-o', drives[0].path, '-c', '--json']
    const planned = await host.run(['plan', ...args])
    ended(t, planned, 0)
    const copied = await host.run(args)
    // It has no room for another version beside the old one.
    ended(t, copied, 4)
    const numbers = (run: typeof planned) => {
      const event = events(run, 'plan')[0]
      return [event?.files, event?.bytes, event?.changed, event?.unchanged]
    }
    t.deepEqual(numbers(copied), [1, 5 * MiB, 1, 6])
    t.deepEqual(numbers(planned), numbers(copied))
  },
)

rootTest('a drive that is mounted read-only is taken over', async (t) => {
  const { source, drives } = await set(t)
  const [, , third] = drives
  third.unmount()
  third.remount({ readOnly: true })
  const host = makeHost()
  ended(t, await host.run(['adopt', '-o', third.path]), 0)
  third.unmount()
  third.remount()
  await nothingToCopy(t, host, source, third)
})

rootTest('an old copy of a drive is refused, and nothing is taken over', async (t) => {
  const { source, drives } = await set(t)
  const [first] = drives
  const clone = tempDir('clone')
  spawnSync('cp', ['-a', `${first.path}/.`, clone])
  const writer = makeHost()
  ended(t, await writer.run(['adopt', ...outputs(drives)]), 0)
  put(source, 'a/two', 3 * MiB, 1_700_000_500)
  ended(t, await writer.run([source, ...outputs(drives)]), 0)
  const refused = await writer.run(['adopt', '-o', clone])
  ended(t, refused, 4)
  t.regex(refused.stderr, /is an old copy of drive 1/)
  // Beside the drive itself it is refused on a host that knows nothing, too.
  const host = makeHost()
  const both = await host.run(['adopt', '-o', clone, '-o', first.path])
  ended(t, both, 4)
  t.deepEqual(
    fs.readdirSync(path.join(host.state, 'multivolumecopy')).filter((f) => f.endsWith('.sqlite')),
    [],
  )
})

rootTest('a catalog that is damaged is set aside and made anew', async (t) => {
  const { source, drives } = await set(t)
  const host = makeHost()
  ended(t, await host.run(['adopt', ...outputs(drives)]), 0)
  const state = path.join(host.state, 'multivolumecopy')
  const [name = ''] = fs.readdirSync(state).filter((file) => file.endsWith('.sqlite'))
  const file = path.join(state, name)
  const bytes = fs.readFileSync(file)
  bytes.fill(0x5a, 100, 20_000)
  fs.writeFileSync(file, bytes)
  const stopped = await host.run([source, ...outputs(drives)])
  ended(t, stopped, 5)
  t.regex(stopped.stderr, /multivolumecopy adopt -o/)
  const adopted = await host.run(['adopt', ...outputs(drives)])
  ended(t, adopted, 0)
  t.regex(adopted.stderr, /is damaged\. It is kept as .*\.sqlite\.damaged-/)
  const aside = fs.readdirSync(state).find((one) => /\.sqlite\.damaged-[\dT-]+$/.test(one))
  t.deepEqual(fs.readFileSync(path.join(state, aside ?? '')), bytes)
  await nothingToCopy(t, host, source, drives[0])
})

rootTest('a drive of a set that the host does not know is refused with a way out', async (t) => {
  const { source, drives } = await set(t)
  const host = makeHost()
  const before = whole(drives[0].path)
  const refused = await host.run([source, '-o', drives[0].path])
  ended(t, refused, 4)
  t.regex(refused.stderr, /multivolumecopy adopt -o/)
  assertUnchanged(t, before, whole(drives[0].path))
})

rootTest('a drive that went on elsewhere is read anew, and what differed is said', async (t) => {
  const { source, drives } = await set(t)
  const hosts = [makeHost(), makeHost()] as const
  for (const host of hosts) ended(t, await host.run(['adopt', ...outputs(drives)]), 0)
  const [here, there] = hosts
  fs.rmSync(path.join(source, 'd'))
  put(source, 'new', 2000)
  ended(t, await there.run([source, ...outputs(drives), '--delete']), 0)
  const adopted = await here.run(['adopt', ...outputs(drives)])
  ended(t, adopted, 0)
  t.regex(adopted.stderr, /1 more, 0 other versions/)
  t.regex(adopted.stderr, /\+ new\n/)
  t.regex(adopted.stderr, /- d\n/)
  await nothingToCopy(t, here, source, drives[0])
})

rootTest('what a broken run left counts, and the drive is not changed by looking', async (t) => {
  const source = makeSource({ a: 100, b: 200 })
  const host = makeHost()
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out]), 0)
  put(source, 'c', 300)
  // Calls are counted by thread: the second rename of the one that closes is that of the sums.
  const cut = await host.run([source, '-o', out], {
    under: [
      ...['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=renameat,renameat2'],
      ...['-e', 'inject=renameat,renameat2:signal=SIGKILL:when=2'],
    ],
  })
  t.not(cut.code, 0)
  t.true(fs.existsSync(path.join(out, '.mvcopy/journal.log')))
  const before = whole(out)
  const other = makeHost()
  const adopted = await other.run(['adopt', '-o', out, '--json'])
  ended(t, adopted, 0)
  t.like(events(adopted, 'adopted')[0], { files: 3 })
  t.regex(adopted.stderr, /A run on it was broken off/)
  assertUnchanged(t, before, whole(out))
})

rootTest('sources that lie elsewhere on this host are found again', async (t) => {
  const { source, drives } = await set(t)
  const moved = path.join(tempDir('moved'), 'elsewhere')
  sh('cp', '-a', source, moved)
  const host = makeHost()
  const adopted = await host.run(['adopt', '-o', drives[1].path, moved])
  ended(t, adopted, 0)
  t.regex(adopted.stderr, /lies at .*elsewhere on this host/)
  await nothingToCopy(t, host, moved, drives[1])
})

rootTest('the list on a drive is for grep, and a broken one does no harm', async (t) => {
  const { source, drives } = await set(t)
  const [first, , third] = drives
  const list = path.join(third.path, '.mvcopy/catalog.jsonl')
  const grep = (word: string) =>
    spawnSync('grep', [word, list], { encoding: 'utf8', env: { LANG: 'C.UTF-8' } }).stdout
  t.regex(grep('größe'), /"path":"a\/größe","volume":1,"label":"src-\w+-1","size":5242880/)
  t.regex(grep('byte'), /"path":"byte\\udce9"/)
  t.is(lines(grep('"path"')).length, 9, 'seven files, a link, an empty directory')
  fs.appendFileSync(list, 'x')
  const host = makeHost()
  const adopted = await host.run(['adopt', '-o', third.path])
  ended(t, adopted, 0)
  t.regex(adopted.stderr, /is not used: .*something follows the last line/)
  // The next one knows what it said.
  ended(t, await host.run(['adopt', '-o', first.path]), 0)
  await nothingToCopy(t, host, source, first)
})

test('what cannot be taken over is refused', async (t) => {
  const host = makeHost()
  const empty = tempDir('empty')
  ended(t, await host.run(['adopt']), 2)
  ended(t, await host.run(['adopt', '-o', empty]), 2)
  ended(t, await host.run(['adopt', '-o', path.join(empty, 'nowhere')]), 2)
  fs.writeFileSync(path.join(empty, 'file'), '')
  const nothing = await host.run(['adopt', '-o', empty])
  ended(t, nothing, 2)
  t.regex(nothing.stderr, /nothing to compare the drive with/)
  ended(t, await host.run(['adopt', '-o', empty, empty, '-f', 'job']), 2)
})
