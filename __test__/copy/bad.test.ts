import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { type Host, makeHost } from '../helpers/cli.js'
import { differences } from '../helpers/compare.js'
import { assertUnchanged, fingerprint } from '../helpers/snapshot.js'
import { tempDir } from '../helpers/temp.js'
import { closes, ended, makeSource, onTerminal, put, slowed, wrongSums } from './kit.js'

/** Asserts that a command is refused with this code and sentence, and that these trees stay as they are. */
async function refused(
  t: ExecutionContext,
  host: Host,
  args: readonly string[],
  [code, says]: readonly [number, RegExp],
  trees: readonly string[],
): Promise<void> {
  const before = trees.map((tree) => fingerprint(tree))
  const run = await host.run(args)
  ended(t, run, code)
  t.regex(run.stderr, says)
  t.notRegex(run.stderr, /internal error|fault of the program|UNIQUE|undefined|\[object|\n\s+at /)
  for (const [k, tree] of trees.entries()) assertUnchanged(t, before[k] ?? [], fingerprint(tree))
}

test('a command line that makes no sense is refused before anything is touched', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a', 'd/b': 'b' })
  const out = tempDir('out')
  const cases: [string[], RegExp][] = [
    [[source], /no output/],
    [['-o', out], /no source/],
    [[`${source}/none`, '-o', out], /none does not exist/],
    [[source, `${source}/d`, '-o', out], /lies in the source/],
    [[source, source, '-o', out], /given twice/],
    [[source, '-o', `${source}/d`], /inside|lies in/],
    [[source, '-o', source], /inside|is a source|lies in/],
    [[`${out}`, '-o', `${out}/..`], /lies in|inside/],
    [[source, '-o', `${source}/a`], /not a directory|inside|lies in/],
    [[source, '-o', `${out}/no/such`], /not there|does not exist/],
    [[source, '-o', out, '--volume-size', 'large'], /--volume-size/],
    [[source, '-o', out, '--reserve', '1X'], /--reserve/],
    [[source, '-o', out, '--reserve', '101%'], /--reserve/],
    [[source, '-o', out, '--volume-size', '-1'], /--volume-size/],
    [[source, '-o', out, '--volume-size', '0'], /--volume-size/],
    [[source, '-o', out, '--max-delete', 'x'], /max-delete/],
    [[source, '-o', out, '-o', out], /twice/],
    [[source, '-o', out, '--delete', '--keep'], /contradict/],
    [[source, '-o', out, '--exclude-from', `${out}/none`], /none/],
    [[source, '-o', out, '--files-from', `${out}/none`], /none/],
    [['-f', `${out}/none`, '-o', out], /none/],
  ]
  for (const [args, says] of cases) {
    await refused(t, host, args, [2, says], [source, out, host.cwd])
  }
  // Nothing of all that has become a set.
  const state = `${host.state}/multivolumecopy`
  t.deepEqual(fs.existsSync(state) ? fs.readdirSync(state) : [], [])
})

test('a job file that is broken or hostile is refused by its line, and nothing is written', async (t) => {
  const source = makeSource({ a: 'a', b: 'b' })
  const out = tempDir('out')
  const entry = (name: string, dst: string, index: unknown, bytes: unknown = 1) =>
    JSON.stringify([`${source}/${name}`, dst, name, bytes, index])
  const good = entry('a', `${out}/a`, 0)
  const cases: [string, string, number][] = [
    ['empty', '', 1],
    ['no json', 'hello', 1],
    ['an object', '{}', 1],
    ['cut off', `[${good},\n["${source}`, 2],
    ['not closed', `[\n${good}\n`, 3],
    ['outside', `[${good},\n${entry('b', '/etc/passwd', 1)}]`, 2],
    ['dots', `[${good},\n${entry('../b', `${out}/../b`, 1)}]`, 2],
    ['out of order', `[${good},\n${entry('b', `${out}/b`, 7)}]`, 2],
    ['negative', `[\n${entry('a', `${out}/a`, 0, -1)}]`, 2],
    ['a size that is text', `[\n${entry('a', `${out}/a`, 0, '1')}]`, 2],
    ['huge', `[\n["${'x'.repeat(2 << 20)}"`, 2],
    ['a number', '[\n\n7]', 3],
  ]
  for (const [what, text, line] of cases) {
    const host = makeHost()
    const file = `${tempDir('job')}/job.json`
    fs.writeFileSync(file, text)
    await t.notThrowsAsync(async () => {
      await refused(
        t,
        host,
        ['-f', file, '-o', out],
        [2, what === 'empty' ? /job/ : new RegExp(`line ${line}\\b`)],
        [out, source, host.cwd],
      )
    }, what)
    t.is(fs.readFileSync(file, 'utf8'), text)
  }
})

for (const [what, spoil] of [
  ['cut off', (text: string) => text.slice(0, text.length / 2)],
  ['garbage', () => '\0\x1b[31mgarbage\xff'],
  ['empty', () => ''],
  ['newer', (text: string) => text.replace(/("(?:version|format)":\s*)\d+/, '$199')],
  ['hostile', (text: string) => text.replace(/("number":\s*)\d+/, '$1-7')],
] as const) {
  test(`a drive whose volume.json is ${what} is refused, and nothing on it is lost`, async (t) => {
    const host = makeHost()
    const source = makeSource({ a: 'a' })
    const out = tempDir('out')
    ended(t, await host.run([source, '-o', out]), 0)
    put(source, 'b', 'b')
    const file = `${out}/.mvcopy/volume.json`
    const text = fs.readFileSync(file, 'utf8')
    fs.writeFileSync(file, spoil(text))
    t.not(fs.readFileSync(file, 'utf8'), text)
    const says = what === 'newer' ? /newer/ : /cannot be understood/
    await refused(t, host, [source, '-o', out], [4, says], [out])
    const terminal = onTerminal(t, host, [source, '-o', out])
    await terminal.expect(says)
    await terminal.expect(/or type a path> $/)
    fs.writeFileSync(file, text)
    terminal.send('c\r')
    await closes(t, terminal, 0)
    t.notRegex(terminal.raw(), /\[31mgarbage/)
    t.deepEqual(differences(source, out), [])
  })
}

for (const [what, spoil] of [
  ['garbage at its end', (journal: Buffer) => Buffer.concat([journal, Buffer.from('99 xx {"\0')])],
  ['cut off', (journal: Buffer) => journal.subarray(0, Math.max(0, journal.length - 7))],
  ['all garbage', () => Buffer.from('\0\x01garbage\xff')],
  ['empty', () => Buffer.alloc(0)],
] as const) {
  test.serial(
    `a drive whose journal is ${what} is mended, and holds every file once more`,
    async (t) => {
      const host = makeHost()
      const source = makeSource(
        Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`f${n}`, 100])),
      )
      const out = tempDir('out')
      const run = host.start([source, '-o', out], { under: slowed })
      await run.said(/, new, at/)
      process.kill(run.child.pid as number, 'SIGKILL')
      await run.done
      const file = `${out}/.mvcopy/journal.log`
      const journal = fs.existsSync(file) ? fs.readFileSync(file) : Buffer.alloc(0)
      fs.mkdirSync(`${out}/.mvcopy`, { recursive: true })
      fs.writeFileSync(file, spoil(journal))
      const again = await host.run([source, '-o', out, '--adopt'])
      // Garbage from the first byte on is not a journal of ours: that is said, and nothing is touched.
      if (again.code === 4 || again.code === 11) {
        t.regex(again.stderr, /journal|cannot be understood/)
        t.is(what, 'all garbage')
        return
      }
      ended(t, again, 0)
      t.deepEqual(differences(source, out), [])
      t.is(wrongSums(out), '')
    },
  )
}

for (const [what, spoil, says] of [
  [
    'garbage',
    (file: string) => fs.writeFileSync(file, 'garbage'.repeat(1000)),
    /catalog|database/i,
  ],
  ['cut off', (file: string) => fs.truncateSync(file, 5000), /damaged|malformed/i],
] as const) {
  test(`a catalog that is ${what} ends the run with 5, and nothing is written`, async (t) => {
    const host = makeHost()
    const source = makeSource({ a: 'a' })
    const out = tempDir('out')
    const file = `${tempDir('state')}/set.sqlite`
    const args = [source, '-o', out, '--catalog', file]
    ended(t, await host.run(args), 0)
    put(source, 'b', 'b')
    for (const beside of ['-wal', '-shm']) fs.rmSync(file + beside, { force: true })
    spoil(file)
    await refused(t, host, args, [5, says], [out])
    // The same where it is found by itself.
    const other = makeHost()
    const elsewhere = tempDir('out')
    ended(t, await other.run([source, '-o', elsewhere]), 0)
    const [name] = fs
      .readdirSync(`${other.state}/multivolumecopy`)
      .filter((found) => found.endsWith('.sqlite'))
    spoil(`${other.state}/multivolumecopy/${name}`)
    await refused(t, other, [source, '-o', elsewhere], [5, says], [elsewhere])
  })
}

test('a catalog that another run holds ends this one with 5 and names the process', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a' })
  const out = tempDir('out')
  const file = `${tempDir('state')}/set.sqlite`
  const args = [source, '-o', out, '--catalog', file]
  ended(t, await host.run(args), 0)
  const holder = spawn('flock', ['-x', `${file}.lock`, 'sh', '-c', 'echo held; read line'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  t.teardown(() => {
    holder.stdin.end()
  })
  await new Promise((resolve) => holder.stdout.once('data', resolve))
  await refused(t, host, args, [5, /in use by process \d+/], [out])
})

test('a catalog of a newer version ends the run with 5', async (t) => {
  const host = makeHost()
  const source = makeSource({ a: 'a' })
  const out = tempDir('out')
  const file = `${tempDir('state')}/set.sqlite`
  const args = [source, '-o', out, '--catalog', file]
  ended(t, await host.run(args), 0)
  const bytes = fs.readFileSync(file)
  // SQLite keeps user_version, big-endian, at byte 60 of the file.
  bytes.writeUInt32BE(99, 60)
  fs.writeFileSync(file, bytes)
  await refused(t, host, args, [5, /newer/], [out])
})
