import * as fs from 'node:fs'
import test from 'ava'
import { makeHost } from '../helpers/cli.js'
import { differences } from '../helpers/compare.js'
import { KiB, MiB } from '../helpers/drives.js'
import { tempDir } from '../helpers/temp.js'
import { walk } from '../helpers/walk.js'
import { closes, ended, events, makeSource, onTerminal, slowed, wrongSums } from './kit.js'

/** Enough files that a run is still at it when it is stopped. */
function manyFiles(): string {
  return makeSource(
    Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`d${n % 40}/f${n}`, 2 * KiB])),
  )
}

/** Inode and change time of every file that is there, by path: equal means not written again. */
function stamps(drive: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const entry of walk(drive, {
    ignore: ['.mvcopy', 'START-HERE.html', 'lost+found'],
    content: false,
  })) {
    if (entry.kind !== 'file') continue
    const name = entry.path.toString('latin1')
    const { ino, ctimeNs } = fs.lstatSync(`${drive}/${name}`, { bigint: true })
    found.set(name, `${ino} ${ctimeNs}`)
  }
  return found
}

/** The files of the first look that are not the same at the second. */
function rewritten(before: Map<string, string>, after: Map<string, string>): string[] {
  return [...before].filter(([name, stamp]) => after.get(name) !== stamp).map(([name]) => name)
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test.serial(
    `${signal} stops a run in order; the same command copies nothing twice`,
    async (t) => {
      const host = makeHost()
      const source = manyFiles()
      const out = tempDir('out')
      const run = host.start([source, '-o', out], { under: slowed })
      await run.said(/, new, at/)
      run.child.kill(signal)
      const stopped = await run.done
      ended(t, stopped, 130)
      t.regex(stopped.stderr, /goes on from here/)
      const before = stamps(out)
      const again = await host.run([source, '-o', out, '--json'])
      ended(t, again, 0)
      t.deepEqual(rewritten(before, stamps(out)), [])
      t.deepEqual(differences(source, out), [])
      t.is(wrongSums(out), '')
      t.is(events(again, 'plan')[0]?.files, 1000 - before.size)
    },
  )
}

test.serial('Ctrl-C at a terminal stops the run, and it goes on later', async (t) => {
  const host = makeHost()
  const source = manyFiles()
  const out = tempDir('out')
  const terminal = onTerminal(t, host, [source, '-o', out], { under: slowed })
  await terminal.expect(/, new, at/)
  terminal.send('\x03')
  await closes(t, terminal, 130)
  const before = stamps(out)
  ended(t, await host.run([source, '-o', out]), 0)
  t.deepEqual(rewritten(before, stamps(out)), [])
  t.deepEqual(differences(source, out), [])
})

test.serial('the second Ctrl-C stops at once, and nothing is lost', async (t) => {
  const host = makeHost()
  const source = manyFiles()
  const out = tempDir('out')
  const run = host.start([source, '-o', out], { under: slowed })
  await run.said(/, new, at/)
  run.child.kill('SIGINT')
  run.child.kill('SIGTERM')
  ended(t, await run.done, 130)
  ended(t, await host.run([source, '-o', out]), 0)
  t.deepEqual(differences(source, out), [])
  t.is(wrongSums(out), '')
})

test.serial('Ctrl-C at the prompt stops the run', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: MiB, b: MiB })
  const out = tempDir('out')
  const terminal = onTerminal(t, host, [source, '-o', out, '--volume-size', '1500K'])
  await terminal.expect(/or type a path> $/)
  terminal.send('\x03')
  await closes(t, terminal, 130)
  const before = stamps(out)
  t.is(before.size, 1)
  ended(t, await host.run([source, '-o', out, '-o', tempDir('out'), '--volume-size', '1500K']), 0)
  t.deepEqual(rewritten(before, stamps(out)), [])
})

test.serial('SIGUSR1 prints a line of progress, and the run goes on', async (t) => {
  const host = makeHost()
  const source = manyFiles()
  const out = tempDir('out')
  const run = host.start([source, '-o', out], { under: slowed })
  await run.said(/, new, at/)
  run.child.kill('SIGUSR1')
  const done = await run.done
  ended(t, done, 0)
  t.regex(done.stderr, /^(copying|closing|planning|waiting)/m)
  t.deepEqual(differences(source, out), [])
})

test('-q says nothing when all is well, and names what is not', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a', b: 'b' })
  const out = tempDir('out')
  const run = await host.run([source, '-o', out, '-q'])
  ended(t, run, 0)
  t.is(run.stderr + run.stdout, '')
  fs.writeFileSync(`${out}/c`, 'theirs')
  fs.writeFileSync(`${source}/c`, 'ours')
  const other = await host.run([source, '-o', out, '-q'])
  ended(t, other, 23)
  t.regex(other.stderr, /\bc: /)
})

test('--json writes one object a line, from the plan to the summary, which says what was done', async (t) => {
  const source = makeSource({ a: 'abc', 'd/b': 'defgh' })
  const run = await makeHost().run([source, '-o', tempDir('out'), '--json'])
  ended(t, run, 0)
  t.deepEqual(
    events(run)
      .map(({ type }) => type)
      .filter((type) => type !== 'progress'),
    ['plan', 'volume-opened', 'volume-closed', 'summary'],
  )
  t.like(events(run, 'summary')[0], {
    exit: 0,
    complete: true,
    interrupted: false,
    written: { files: 2, bytes: 8 },
    left: { files: 0, bytes: 0 },
  })
})

test.serial(
  'Ctrl-C at a question about the source stops the run, and nothing is done',
  async (t) => {
    const host = makeHost()
    const source = makeSource({ a: 'a', b: 'b', c: 'c' })
    const out = tempDir('out')
    ended(t, await host.run([source, '-o', out]), 0)
    fs.rmSync(`${source}/a`)
    const before = stamps(out)
    const terminal = onTerminal(t, host, [source, '-o', out])
    await terminal.expect(/Remove them.*\[y\/N\]> $/)
    terminal.send('\x03')
    await closes(t, terminal, 130)
    t.deepEqual(rewritten(before, stamps(out)), [])
    // A guard that was left without an answer asks again, however it was left.
    fs.rmSync(`${source}/b`)
    fs.rmSync(`${source}/c`)
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const guard = onTerminal(t, host, [source, '-o', out, '--delete'])
      await guard.expect(/Is it as it should be\? \[y\/N\]> $/)
      guard.kill(signal)
      await guard.exit
    }
    ended(t, await host.run([source, '-o', out, '--delete']), 25)
    t.deepEqual(rewritten(before, stamps(out)), [])
  },
)
