/** `verify --against-source` through the built program: words, counts, exit codes; and what a read-only drive cannot keep. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ExecutionContext } from 'ava'
import { ended, events, makeSource } from './copy/kit.js'
import { type Host, makeHost, type RunResult } from './helpers/cli.js'
import { type Drive, MiB, makeDrive } from './helpers/drives.js'
import { rootTest } from './helpers/root.js'
import { assertUnchanged, fingerprint } from './helpers/snapshot.js'
import { rot } from './repair/kit.js'

interface Place {
  readonly host: Host
  readonly source: string
  readonly drive: Drive
}

async function place(t: ExecutionContext): Promise<Place> {
  const host = makeHost()
  const source = makeSource({ 'a/one': 5000, 'a/two': 300_000, 'b/three': 'text', empty: '' })
  const drive = makeDrive({ size: 64 * MiB })
  ended(t, await host.run([source, '-o', drive.path]), 0)
  return { host, source, drive }
}

function found(run: RunResult): string[] {
  return events(run, 'verify-result').map(({ result, path: name }) => `${result} ${name}`)
}

rootTest('a source that moved on is listed and counted, and is no difference', async (t) => {
  const { host, source, drive } = await place(t)
  const args = ['verify', '-o', drive.path, '--against-source']
  const same = await host.run(args)
  ended(t, same, 0)
  t.regex(same.stderr, /^against the source: 4 the same\.$/m)
  fs.writeFileSync(path.join(source, 'a/one'), 'another version')
  fs.rmSync(path.join(source, 'b/three'))
  fs.writeFileSync(path.join(source, 'new'), 'on no drive')
  const before = fingerprint(source)
  const run = await host.run(args)
  ended(t, run, 0)
  t.regex(run.stderr, /^newer in the source: a\/one: it has 15 bytes now, 5000 are recorded$/m)
  t.regex(run.stderr, /^gone from the source: b\/three: /m)
  t.regex(
    run.stderr,
    /^against the source: 2 the same, 1 changed in the source since, 1 gone from the source since\.$/m,
  )
  t.notRegex(run.stderr, /warning/)
  assertUnchanged(t, before, fingerprint(source))
  const json = await host.run([...args, '--json'])
  ended(t, json, 0)
  t.deepEqual(found(json), ['newer a/one', 'gone b/three'])
  t.like(events(json, 'summary')[0], {
    complete: true,
    check: {
      bad: 0,
      whole: true,
      inSource: { same: 2, newer: 1, gone: 1, differs: 0, unreadable: 0, unseen: 0 },
    },
  })
})

rootTest(
  'other content under the same size and time is a difference, on the side that lost it',
  async (t) => {
    const { host, source, drive } = await place(t)
    const report = path.join(host.cwd, 'report')
    const args = ['verify', '-o', drive.path, '--against-source', '--report', report]
    rot(path.join(source, 'a/two'), 7)
    const inSource = await host.run(args)
    ended(t, inSource, 1)
    t.regex(
      inSource.stderr,
      /^warning: DIFFERS FROM THE SOURCE: a\/two: .*the drive has what was backed up, the source does not$/m,
    )
    t.regex(inSource.stderr, /all as recorded/)
    t.is(fs.readFileSync(report, 'utf8'), 'differs\ta/two\n')
    rot(path.join(source, 'a/two'), 7)
    rot(path.join(drive.path, 'a/one'), 7)
    const onDrive = await host.run(args)
    ended(t, onDrive, 1)
    t.regex(onDrive.stderr, /^warning: CORRUPT a\/one: .*; the source has what was backed up$/m)
    t.is(fs.readFileSync(report, 'utf8'), 'corrupt\ta/one\n')
  },
)

rootTest(
  'what cannot be read in the source is told, and a source that is not there stops it',
  async (t) => {
    const { host, source, drive } = await place(t)
    const args = ['verify', '-o', drive.path, '--against-source', '--json']
    const bad = path.join(source, 'a/two')
    const run = await host.run(args, {
      under: [
        ...['strace', '-f', '-qq', '-o', '/dev/null', '-P', bad],
        ...['-e', 'trace=pread64', '-e', 'inject=pread64:error=EIO'],
      ],
    })
    ended(t, run, 1)
    t.deepEqual(found(run), ['source-unreadable a/two'])
    t.is(events(run, 'verify-result')[0]?.errno, 'EIO')
    fs.renameSync(source, `${source}.away`)
    fs.mkdirSync(source)
    const away = await host.run(args)
    ended(t, away, 25)
    t.true(away.stderr.includes(source), away.stderr)
    const strange = await makeHost().run(args)
    ended(t, strange, 2)
    t.regex(strange.stderr, /adopt/)
  },
)

rootTest(
  'of two sources the one that is there is compared, and the other one is unknown',
  async (t) => {
    const host = makeHost()
    const [one, two] = [makeSource({ x: 10 }), makeSource({ y: 20, z: 30 })]
    const drive = makeDrive()
    ended(t, await host.run([one, two, '-o', drive.path]), 0)
    fs.renameSync(two, `${two}.away`)
    const run = await host.run(['verify', '-o', drive.path, '--against-source'])
    ended(t, run, 1)
    t.true(run.stderr.includes(`the source ${two} is not there`), run.stderr)
    t.regex(run.stderr, /1 the same, \d+ not compared/)
    t.notRegex(run.stderr, /gone/)
  },
)

rootTest('samples of a read-only drive roll on, and what they found stays known', async (t) => {
  const { host, drive } = await place(t)
  rot(path.join(drive.path, 'a/one'), 7)
  drive.unmount()
  drive.remount({ readOnly: true })
  const before = fingerprint(drive.path)
  const lists: string[] = []
  for (const n of [1, 2]) {
    const list = path.join(host.cwd, `list-${n}`)
    const args = ['verify', '-o', drive.path, '--sample', '40%', '--combined', list]
    const run = await host.run(args)
    t.true(run.code === 0 || run.code === 1, run.stderr)
    lists.push(...fs.readFileSync(list, 'utf8').split('\n').filter(Boolean))
  }
  const files = lists.filter((line) => !line.endsWith('/'))
  t.deepEqual([...new Set(files)].sort(), ['* a/one', '= a/two', '= b/three', '= empty'])
  // All of it has been looked at within a day; what was bad is still known.
  const since = await host.run(['verify', '-o', drive.path, '--since', '1', '--json'])
  ended(t, since, 0)
  t.like(events(since, 'summary')[0]?.check, { entries: 0 })
  t.regex((await host.run(['status'])).stdout, /1 entr(y|ies) not good/)
  assertUnchanged(t, before, fingerprint(drive.path))
  // Where the drive can be written again it takes over what the catalog knew.
  drive.unmount()
  drive.remount()
  const writable = await host.run(['verify', '-o', drive.path, '--since', '1', '--json'])
  ended(t, writable, 0)
  const kept = fs.readFileSync(path.join(drive.path, '.mvcopy/verify.jsonl'), 'utf8')
  t.regex(kept, /"path":"a\/one","word":"corrupt"/)
  t.regex(kept, /"from":/)
})
