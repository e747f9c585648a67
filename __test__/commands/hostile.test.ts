/**
 * Names that try to act on a terminal, through every command, into a pipe, as JSON and at a terminal: not one of
 * their bytes arrives raw.
 *
 * MVCOPY_HOSTILE is how many names there are (300, unless it is given); the seed is printed.
 */
import * as fs from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { join } from '../helpers/bytes.js'
import { type Argument, type Host, makeHost } from '../helpers/cli.js'
import { freshSeed, Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'

const COUNT = Number(process.env.MVCOPY_HOSTILE ?? 300)

/** What a terminal, a mail or a log viewer might obey; none of it is what the display itself writes. */
const PARTS: readonly Buffer[] = [
  ...['\x1b[2J', '\x1b]0;title\x07', '\x1bP+q\x1b\\', '\x1b[31m', '\x1b[6n', '\x1b[3;5H', '\x1bc'],
  ...['\u009b2J', '\u0085', '\u202e', '\u2066x\u2069', '\u200f', '\u061c', '\u2028', '\u2029'],
  ...['\n', '\r', '\r\n', '\t', '\b\b\b', '\x7f', '\x07', '\x0e', '\x00'.replace('\x00', '\x01')],
  ...[
    '\nerror: forged',
    '\rdone: all is well',
    '> ',
    '`id`',
    '$(id)',
    '"\'',
    '\\',
    '\\x1b[2J',
    '%s%n',
  ],
  ...['a', 'photo', 'ä', '日本', '😀', ' ', '-', '--delete'],
].map((text) => Buffer.from(text))

function hostileName(random: Random, i: number): Buffer {
  const pieces: Buffer[] = []
  for (let n = 1 + random.below(6); n > 0; n -= 1) {
    const kind = random.below(4)
    if (kind < 3) pieces.push(PARTS[random.below(PARTS.length)] as Buffer)
    else {
      // Any byte but NUL and the slash: torn UTF-8, Latin-1, lone C1.
      const any = Buffer.from(random.bytes(1 + random.below(5)))
      pieces.push(any.map((byte) => (byte === 0 || byte === 0x2f ? 0x9b : byte)) as Buffer)
    }
  }
  // The number makes each a name of its own.
  return Buffer.concat([...pieces, Buffer.from(`~${i}`)])
}

function makeSource(random: Random, root: Buffer): Buffer[] {
  fs.mkdirSync(root)
  const files: Buffer[] = []
  let directory = root
  for (let i = 0; i < COUNT; i += 1) {
    if (i % 15 === 0) {
      directory = join(root, hostileName(random, i))
      fs.mkdirSync(directory)
    }
    const file = join(directory, hostileName(random, i))
    if (i % 20 === 7) fs.symlinkSync(hostileName(random, i), file)
    else {
      fs.writeFileSync(file, `content ${i}`)
      files.push(file)
    }
    fs.lutimesSync(file, 1_600_000_000, 1_600_000_000)
  }
  return files
}

/** What the display and the colours write, exactly. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
const OWN = /\x1b\[(?:\?7[hl]|\d+A|C|J|2K|1m|22m|33m|39m|31m)/g
/** C0 but newline, DEL, C1, bidi, separators, and what was no UTF-8. */
const HAZARD =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd\ud800-\udfff]/u

/** The first hazard with what stands round it; undefined where there is none. */
function hazard(text: string): string | undefined {
  const found = HAZARD.exec(text)
  if (found === null) return undefined
  return JSON.stringify(text.slice(Math.max(0, found.index - 60), found.index + 60))
}

class Stage {
  readonly #t: ExecutionContext
  bytes = 0
  runs = 0

  constructor(t: ExecutionContext) {
    this.#t = t
  }

  #check(what: string, text: string, seen: string): void {
    this.bytes += text.length
    this.runs += 1
    this.#t.is(hazard(text), undefined, `${what}: ${seen.slice(0, 2000)}`)
  }

  /** Into a pipe; answers what came on both. */
  async pipe(host: Host, args: readonly Argument[], code: number): Promise<string> {
    const { stdout, stderr, code: ended } = await host.run(args)
    const what = `${String(args[0]).slice(0, 20)} into a pipe`
    this.#t.is(ended, code, `${what}: ${stderr.slice(0, 2000)}`)
    this.#check(what, stdout, stdout)
    this.#check(what, stderr, stderr)
    return stdout + stderr
  }

  /** As JSON; each line is an object. */
  async json(host: Host, args: readonly Argument[], code: number): Promise<string> {
    const { stdout, stderr, code: ended } = await host.run([...args, '--json'])
    const what = `${String(args[0]).slice(0, 20)} --json`
    this.#t.is(ended, code, `${what}: ${stderr.slice(0, 2000)}`)
    this.#check(what, stdout, stdout)
    this.#check(what, stderr, stderr)
    for (const line of stdout.split('\n').slice(0, -1)) {
      this.#t.is(typeof (JSON.parse(line) as { type: string }).type, 'string')
    }
    return stdout
  }

  /** At a terminal, with colours; a question is answered with yes. */
  async terminal(host: Host, args: readonly Argument[], code: number): Promise<string> {
    const terminal = host.terminal(args, {
      env: { NO_COLOR: undefined, LANG: 'C.UTF-8' },
      columns: 60,
    })
    const asked = terminal.expect(/\[y\/N\]> $/).then(
      () => terminal.send('y\r'),
      () => {},
    )
    const ended = await terminal.exit
    await asked
    const raw = terminal.raw()
    const what = `${String(args[0]).slice(0, 20)} at a terminal`
    this.#t.is(ended.code, code, `${what}: ${raw.slice(-2000)}`)
    // The terminal makes \r\n of \n; the display goes to the first column by \r alone.
    this.#check(what, raw.replaceAll(OWN, '').replaceAll(/\r+\n/g, '\n').replaceAll('\r', ''), raw)
    return raw
  }

  async all(host: Host, args: readonly Argument[], code: number): Promise<string[]> {
    return [
      await this.pipe(host, args, code),
      await this.json(host, args, code),
      await this.terminal(host, args, code),
    ]
  }
}

test(`${COUNT} hostile names, through every command`, async (t) => {
  t.timeout(1_800_000)
  const seed = freshSeed()
  t.log(`MVCOPY_SEED=${seed} makes the same names`)
  const random = new Random(seed)
  const top = Buffer.from(tempDir('hostile'))
  const place = (name: string) =>
    join(top, Buffer.concat([Buffer.from(name), hostileName(random, 0)]))
  const [source, drive, back] = [place('s'), place('d'), place('b')]
  const files = makeSource(random, source)
  const host = makeHost()
  const stage = new Stage(t)
  const touched = (every: number, now: number) => {
    files.forEach((file, i) => {
      if (i % every !== 0) return
      fs.writeFileSync(file, `changed ${now} ${i}`)
      // A time that can be set again exactly: what is rotten is to differ in its content alone.
      fs.utimesSync(file, 1_600_000_000 + now, 1_600_000_000 + now)
    })
  }
  const rotten = (every: number) => {
    files.forEach((file, i) => {
      const copy = join(drive, file.subarray(source.length + 1))
      if (i % every !== 0 || !fs.existsSync(copy)) return
      const { atime, mtime } = fs.statSync(copy)
      const content = fs.readFileSync(copy)
      content[0] = (content[0] ?? 0) ^ 1
      fs.writeFileSync(copy, content)
      fs.utimesSync(copy, atime, mtime)
    })
  }
  const copy = [source, '-o', drive, '-vv']

  await stage.all(host, ['plan', source, '--volume-size', '1G'], 0)
  await stage.all(host, ['copy', source, '-n', '-o', drive], 0)
  await stage.terminal(host, copy, 0)
  touched(3, 1)
  await stage.pipe(host, copy, 0)
  touched(4, 2)
  await stage.json(host, copy, 0)
  // What is gone is listed, and asked about.
  for (const file of files.splice(0, Math.ceil(files.length / 10))) fs.rmSync(file)
  const gone = await stage.terminal(host, copy, 0)
  t.regex(gone, /y\/N/)

  for (const output of await stage.all(host, ['where', '~'], 0)) t.true(output.length > COUNT * 10)
  await stage.all(host, ['status', '-v'], 0)
  await stage.all(host, ['volumes'], 0)
  await stage.all(host, ['--verify', '-o', drive], 0)

  fs.writeFileSync(join(drive, hostileName(random, 1)), 'foreign')
  rotten(5)
  for (const output of await stage.all(host, ['verify', '-o', drive, '--restart', '-v'], 1)) {
    t.regex(output, /corrupt/i)
  }
  await stage.all(host, ['repair', '-o', drive, '-n', '-v'], 0)
  await stage.all(host, ['restore', '-o', drive, '--to', back, '-n', '-v'], 0)
  await stage.terminal(host, ['restore', '-o', drive, '--to', back, '-v'], 23)
  for (const name of fs.readdirSync(back, { encoding: 'buffer' }).slice(0, 9)) {
    const file = join(back, name)
    if (fs.lstatSync(file).isFile()) fs.writeFileSync(file, 'mine')
  }
  await stage.pipe(host, ['restore', '-o', drive, '--to', back, '-v'], 23)
  await stage.json(host, ['restore', '-o', drive, '--to', back, '-v'], 23)
  await stage.terminal(host, ['repair', '-o', drive, '-v'], 0)
  rotten(7)
  await stage.pipe(host, ['verify', '-o', drive, '--restart'], 1)
  await stage.pipe(host, ['repair', '-o', drive, '-v'], 0)
  touched(6, 3)
  for (const output of await stage.all(host, ['verify', '-o', drive, '--against-source'], 1)) {
    t.regex(output, /newer/)
  }
  await stage.all(host, ['plan', source, '-o', drive, '-c', '-v'], 0)
  const [page, log] = [place('p'), place('l')]
  await stage.all(host, ['report', '--html', page, '-v'], 0)
  await stage.terminal(host, [...copy, '--delete-foreign', '--log-file', log], 0)
  for (const [file, holds] of [
    [page, /<\/html>/],
    [log, /is complete/],
  ] as const) {
    const written = fs.readFileSync(file, 'utf8')
    t.regex(written, holds)
    t.is(hazard(written), undefined, String(file))
  }
  // Restored files beside others, as somebody else's copy of the sources.
  await stage.pipe(makeHost(), ['adopt', '-o', back, source, '-vv'], 0)
  for (const args of [
    ['relabel', '1', hostileName(random, 3)],
    ['retire', '1'],
  ]) {
    const { code, stdout, stderr } = await host.run(['volumes', ...args])
    t.true(code === 0 || code === 2, stderr)
    t.is(hazard(stdout + stderr), undefined, stderr)
  }
  await stage.all(host, ['volumes', '-v'], 0)

  for (const how of ['pipe', 'json', 'terminal'] as const) {
    const other = makeHost()
    await stage[how](other, ['adopt', '-o', drive, '-vv'], 0)
    await stage[how](other, ['where', '~1'], 0)
    // The sources of that host have gone: what was only on the drive is lost, and listed.
    if (how === 'terminal') fs.renameSync(source, place('away'))
    await stage[how](other, ['lost', '1', '--yes'], 0)
    await stage[how](other, ['lost', '--list'], 0)
  }

  const bad = hostileName(random, 2)
  for (const shell of ['bash', 'zsh', 'fish', 'sets']) {
    await stage.pipe(host, ['completion', shell], 0)
  }
  const listed = await host.run(['completion', 'volumes'])
  // Number, tab, label is what the scripts read.
  t.is(hazard(listed.stdout.replace(/^1\t/, '')), undefined, listed.stdout)
  const option = Buffer.concat([Buffer.from('--x'), PARTS[0] as Buffer, PARTS[10] as Buffer])
  const errors: readonly (readonly Argument[])[] = [
    [join(top, bad), '-o', drive],
    [source, '-o', join(top, bad, Buffer.from('x'))],
    [option],
    ['status', option],
    ['status', '--set', bad],
    ['status', '--catalog', join(top, bad)],
    ['where', Buffer.concat([Buffer.from('zz'), bad]), '--set', 'none'],
    ['completion', bad],
    ['help', bad],
    ['volumes', bad],
    ['lost', bad],
    ['restore', '-o', join(top, bad), '--to', back],
    ['verify', '-o', join(top, bad)],
    ['copy', '--volume', '1', '--catalog', join(top, bad), '-o', drive],
    [source, '-o', drive, '--log-file', join(top, bad, Buffer.from('x'))],
  ]
  for (const args of errors) {
    const { code, stdout, stderr } = await host.run(args)
    t.true(code !== 0 && code !== 70, `${code}: ${stderr}`)
    t.is(hazard(stdout + stderr), undefined, stderr)
  }
  t.log(
    `${stage.runs + errors.length} outputs of ${stage.bytes.toLocaleString('en-US')} characters, none of them raw`,
  )
})

test('the check itself finds what is raw', (t) => {
  t.is(hazard('plain\ntext ä 日本 😀 \\x1b[2J'), undefined)
  for (const text of [
    '\x1b[2J',
    '\u009b',
    '\u202e',
    '\r',
    '\t',
    '\x7f',
    '\u2028',
    '\ufffd',
    '\x07',
  ]) {
    t.not(hazard(`a${text}b`), undefined, JSON.stringify(text))
  }
  t.is('\x1b[?7l\x1b[2K\x1b[1A\x1b[C\x1b[J\x1b[31mx'.replaceAll(OWN, ''), 'x')
  t.is('\x1b[2J\x1b[3;5H\x1b[5m'.replaceAll(OWN, ''), '\x1b[2J\x1b[3;5H\x1b[5m')
})
