/** Sources that do not hold still, or are not what they seem: the rest is copied, and each is told of. */

import { spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { ended, events, makeSource, names } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals } from '../helpers/compare.js'
import { MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { mountsBelow, sh, tempDir, undo } from '../helpers/temp.js'

/** Does something to files again and again, until the test is over. */
function restless(t: { teardown(f: () => void): void }, what: string, at: string): void {
  const child = spawn('bash', ['-c', `cd "$1" && while :; do ${what}; done`, 'bash', at], {
    stdio: 'ignore',
  })
  const stop = () => {
    child.kill('SIGKILL')
  }
  undo(stop)
  t.teardown(stop)
}

rootTest(
  'files that change, grow, shrink, vanish or cannot be read while they are copied',
  async (t) => {
    const source = tempDir('restless')
    const script = fileURLToPath(new URL('../helpers/restless.py', import.meta.url))
    const child = spawn('/usr/bin/python3', [script, source], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    undo(() => spawnSync('umount', ['-l', source]))
    while (!mountsBelow(source).includes(source)) {
      if (child.exitCode !== null) return t.fail('the file system did not start')
      await new Promise((wake) => setTimeout(wake, 20))
    }
    const [host, out] = [makeHost(), tempDir('out')]
    const run = await host.run([source, '-o', out, '--json', '-y'])
    ended(t, run, 23)
    const told = events(run, 'file-error').map(
      ({ path, code }) => `${String(path).split('/').at(-1)}: ${code}`,
    )
    t.deepEqual(told.sort(), [
      'broken: failed',
      'forbidden: failed',
      'grows: changing',
      'rewritten: changing',
      'shrinks: changing',
      'vanishes: vanished',
    ])
    t.deepEqual(names(out), ['settles', 'sizeless', 'still'])
    t.is(fs.readFileSync(`${out}/sizeless`, 'utf8'), 'more than nothing\n')
    t.is(fs.statSync(`${out}/settles`).mtimeMs, 1_700_000_001_250)
    t.is(spawnSync('sha256sum', ['-c', '--quiet', '.mvcopy/SHA256SUMS'], { cwd: out }).status, 0)
    t.is(fs.readFileSync(`${out}/.mvcopy/SHA256SUMS`, 'utf8').trim().split('\n').length, 3)
    sh('umount', source)
  },
)

test('a file of size 0 that has content, as those of /proc, is copied with it', async (t) => {
  const host = makeHost()
  const out = tempDir('out')
  const run = await host.run(['/proc/version', '/proc/filesystems', '-o', out, '--hide-progress'])
  ended(t, run, 0)
  for (const name of ['version', 'filesystems']) {
    t.is(fs.readFileSync(`${out}/${name}`, 'utf8'), fs.readFileSync(`/proc/${name}`, 'utf8'))
  }
  t.is(spawnSync('sha256sum', ['-c', '--quiet', '.mvcopy/SHA256SUMS'], { cwd: out }).status, 0)
})

test('a fifo that nobody writes to holds nobody up', async (t) => {
  const host = makeHost()
  const source = makeSource({ 'a/file': 'file' })
  sh('mkfifo', `${source}/a/fifo`)
  const out = tempDir('out')
  ended(t, await host.run([source, '-o', out, '--hide-progress', '--verify-writes', '-c']), 0)
  assertUnionEquals(t, source, [out])
})

test('a directory that is renamed again and again while it is walked', async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [`d${n % 30}/f${n}`, `${n}`]),
  )
  const host = makeHost()
  const source = makeSource({ ...files, 'moves/x/y/z': 'z', 'moves/x/b': 'b' })
  const out = tempDir('out')
  restless(
    t,
    'mv moves moved 2>/dev/null; mv moved moves 2>/dev/null; mv moves/x/y moves/y; mv moves/y moves/x/y',
    source,
  )
  const run = await host.run([source, '-o', out, '--hide-progress'])
  t.true(run.code === 0 || run.code === 24 || run.code === 23, `${run.code}\n${run.stderr}`)
  t.is(names(out).filter((name) => name.startsWith('d')).length, 30)
  t.is(spawnSync('sha256sum', ['-c', '--quiet', '.mvcopy/SHA256SUMS'], { cwd: out }).status, 0)
})

rootTest('what is mounted inside a source is part of it, but for -x', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a', 'inner/below': 'hidden by the mount' })
  const inner = makeDrive({ fs: 'tmpfs', size: MiB })
  inner.unmount()
  inner.remount({ path: `${source}/inner` })
  fs.writeFileSync(`${source}/inner/mounted`, 'mounted')
  fs.mkdirSync(`${source}/itself`)
  const [all, one] = [tempDir('all'), tempDir('one')]
  ended(t, await host.run([source, '-o', all, '--hide-progress']), 0)
  t.deepEqual(names(all), ['a', 'inner', 'itself'])
  t.deepEqual(names(`${all}/inner`), ['mounted'])
  sh('mount', '--bind', source, `${source}/itself`)
  t.teardown(() => sh('umount', `${source}/itself`))
  const loop = await host.run([source, '-o', all, '--hide-progress'])
  ended(t, loop, 23)
  t.regex(loop.stderr, /itself: .*a mount that shows a directory above it again; not looked into/)
  t.deepEqual(names(`${all}/itself`), [])
  ended(t, await makeHost().run([source, '-o', one, '-x', '--hide-progress']), 0)
  t.deepEqual(
    [names(one), names(`${one}/inner`), names(`${one}/itself`)],
    [['a', 'inner', 'itself'], [], []],
  )
})

rootTest(
  'btrfs: subvolumes and snapshots are directories of the source; copied from a snapshot; renamed ones are known',
  async (t) => {
    const home = makeDrive({ fs: 'btrfs', size: 40 * MiB })
    const source = `${home.path}/data`
    sh('btrfs', '-q', 'subvolume', 'create', source)
    fs.writeFileSync(`${source}/file`, 'first')
    sh('btrfs', '-q', 'subvolume', 'create', `${source}/inner`)
    fs.writeFileSync(`${source}/inner/deep`, 'deep')
    fs.mkdirSync(`${source}/.snapshots`)
    sh('btrfs', '-q', 'subvolume', 'snapshot', '-r', source, `${source}/.snapshots/1`)
    const host = makeHost()
    const [all, without] = [tempDir('all'), tempDir('without')]
    // Subvolumes are on the mount of the source, so -x leaves them in; a snapshot has no snapshots in it.
    ended(t, await host.run([source, '-o', all, '-x', '--hide-progress']), 0)
    t.deepEqual(names(all), ['.snapshots', 'file', 'inner'])
    t.deepEqual(names(`${all}/inner`), ['deep'])
    t.deepEqual(names(`${all}/.snapshots/1`), ['.snapshots', 'file', 'inner'])
    t.deepEqual(names(`${all}/.snapshots/1/.snapshots`), [])
    ended(
      t,
      await makeHost().run([source, '-o', without, '--exclude', '.snapshots', '--hide-progress']),
      0,
    )
    t.deepEqual(names(without), ['file', 'inner'])

    // The advice of the guide: a fresh read-only snapshot, always under one name, is the source.
    const [name, out, other] = [`${home.path}/for-backup`, tempDir('out'), makeHost()]
    const round = async (): Promise<number> => {
      sh('btrfs', '-q', 'subvolume', 'snapshot', '-r', source, name)
      const run = await other.run([name, '-o', out, '--exclude', '.snapshots', '--json', '-y'])
      ended(t, run, 0)
      sh('btrfs', '-q', 'subvolume', 'delete', name)
      return events(run, 'summary')[0]?.written.files
    }
    t.is(await round(), 1)
    t.is(await round(), 0, 'another snapshot of the same files copies nothing')
    fs.writeFileSync(`${source}/new`, 'new')
    fs.renameSync(`${source}/file`, `${source}/renamed`)
    t.is(await round(), 1)
    t.deepEqual(names(out), ['inner', 'new', 'renamed'])
  },
)
