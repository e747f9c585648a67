/** The command line in process: what is understood, what is refused, and with which words and code. */
import { PassThrough } from 'node:stream'
import test from 'ava'
import { createCli, runCli } from '../../src/cli.js'
import { CopyCommand } from '../../src/commands/copy.js'
import type { Context } from '../../src/context.js'
import type { CopyOptions } from '../../src/copy/options.js'
import { UserError } from '../../src/errors.js'
import { EXIT_TEXT, type ExitCode } from '../../src/exit.js'
import { StopController } from '../../src/stop.js'

function fakeContext(): { context: Context; out: () => string; err: () => string } {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const context: Context = {
    stdin: new PassThrough(),
    stdout,
    stderr,
    env: {},
    colorDepth: 1,
    cwd: '/work',
    stdinIsTTY: false,
    stdoutIsTTY: false,
    stderrIsTTY: false,
    stop: new StopController(),
    onInfoSignal: () => () => {},
  }
  const text = (stream: PassThrough): string => String(stream.read() ?? '')
  return { context, out: () => text(stdout), err: () => text(stderr) }
}

function command(...args: string[]): CopyCommand {
  const found = createCli().process(args, fakeContext().context)
  if (!(found instanceof CopyCommand)) throw new Error('another command')
  found.context = fakeContext().context
  return found
}

const copy = (...args: string[]): CopyOptions => command(...args).copyOptions()

async function run(...args: string[]): Promise<{ code: ExitCode; out: string; err: string }> {
  const { context, out, err } = fakeContext()
  const code = await runCli(args, context)
  return { code, out: out(), err: err() }
}

test('the plain form: sources and an output, all else at its default', (t) => {
  t.deepEqual(copy('/mnt/src', '-o', '/mnt/usb'), {
    verbosity: 'normal',
    hideProgress: false,
    json: false,
    color: 'auto',
    sources: ['/mnt/src'],
    outputs: ['/mnt/usb'],
    jobFile: undefined,
    startIndex: 0,
    selectIndex: undefined,
    workers: undefined,
    reserve: { unit: 'bytes', bytes: 0 },
    oneFileSystem: false,
    filters: [],
    filesFrom: undefined,
    nulSeparated: false,
    deleteForeign: false,
    notify: false,
    onVolumeFull: undefined,
    unmount: false,
    verifyWrites: false,
    waitForVolume: undefined,
    deletePolicy: 'ask',
    maxDelete: undefined,
    volumeSizes: [],
    pack: false,
    keepTogether: 0,
    copies: undefined,
    flatten: false,
    adopt: false,
    setName: undefined,
    catalog: undefined,
    label: undefined,
    digest: undefined,
    startHere: undefined,
    checksum: false,
    sizeOnly: false,
    modifyWindow: 0,
    yes: false,
  })
})

test('every option is understood, long and short', (t) => {
  const long = copy(
    ...['a', 'b', '--output', 'o1', '--output=o2', '--jobfile', 'j', '--device-startindex', '3'],
    ...['--select-index', '300', '--workers', '4', '--device-padding', '5M', '--hide-progress'],
    ...['--very-verbose', '--one-file-system', '--delete', '--max-delete', '9'],
    ...['--volume-size', '1G', '--volume-size', '2GiB', '--flatten', '--adopt', '--set', 'home'],
    ...[
      '--catalog',
      'c.db',
      '--label',
      'blue',
      '--digest',
      'none',
      '--no-start-here',
      '--json',
      '--color',
      'never',
      '--yes',
    ],
  )
  t.like(long, {
    sources: ['a', 'b'],
    outputs: ['o1', 'o2'],
    jobFile: 'j',
    startIndex: 3,
    selectIndex: 300,
    workers: 4,
    reserve: { unit: 'bytes', bytes: 5_000_000 },
    hideProgress: true,
    verbosity: 'debug',
    oneFileSystem: true,
    deletePolicy: 'delete',
    maxDelete: 9,
    volumeSizes: [1e9, 2 * 1024 ** 3],
    flatten: true,
    adopt: true,
    setName: 'home',
    catalog: 'c.db',
    label: 'blue',
    digest: 'none',
    startHere: false,
    json: true,
    color: 'never',
    yes: true,
  })
  const short = copy(
    'copy',
    'a',
    '-o',
    'o',
    '-f',
    'j',
    '-i',
    '3',
    '-si',
    '300',
    '-w',
    '4',
    '-x',
    '-q',
    '-y',
  )
  t.like(short, {
    sources: ['a'],
    startIndex: 3,
    selectIndex: 300,
    workers: 4,
    verbosity: 'quiet',
    yes: true,
  })
  t.is(copy('a', '-o', 'o', '-si=5').selectIndex, 5)
  t.like(copy('a', '-o', 'o', '--files-from', '-', '-0'), { filesFrom: '-', nulSeparated: true })
  t.deepEqual(copy('a', '-o', 'o', '--reserve', '2.5%').reserve, { unit: 'percent', percent: 2.5 })
  t.is(copy('a', '-o', 'o', '--keep').deletePolicy, 'keep')
})

test('loudness: -v, -v -v, -vv and their long names', (t) => {
  const of = (...args: string[]): string => copy('a', '-o', 'o', ...args).verbosity
  t.deepEqual(
    [of(), of('-v'), of('--verbose'), of('-v', '-v'), of('-vv'), of('--very-verbose'), of('-q')],
    ['normal', 'verbose', 'verbose', 'debug', 'debug', 'debug', 'quiet'],
  )
})

test('filters keep their order among each other, wherever they stand', (t) => {
  const { filters } = copy(
    ...[
      '--include',
      '*.c',
      'a',
      '--exclude=-x',
      '-o',
      'o',
      '--exclude-from',
      'list',
      '--include',
      '/d/',
    ],
    ...['--exclude', '*'],
  )
  t.deepEqual(filters, [
    { kind: 'include', value: '*.c' },
    { kind: 'exclude', value: '-x' },
    { kind: 'exclude-from', value: 'list' },
    { kind: 'include', value: '/d/' },
    { kind: 'exclude', value: '*' },
  ])
})

test('a first word that is a command is the command, with ./ it is a directory; after -- all is a source', (t) => {
  t.deepEqual(copy('copy', 'a', '-o', 'o').sources, ['a'])
  t.deepEqual(copy('./copy', '-o', 'o').sources, ['./copy'])
  t.deepEqual(copy('-o', 'o', '--', '-dash', '--verify').sources, ['-dash', '--verify'])
})

test('undecodable bytes in names come through', (t) => {
  t.deepEqual(copy('caf\udce9', '-o', 'o\udcff').sources, ['caf\udce9'])
})

test("the seed's check", (t) => {
  const options = command(
    '--verify',
    '-f',
    'j',
    '-i',
    '0',
    '-si',
    '300',
    '-o',
    '/mnt/usb',
  ).verifyOptions()
  t.like(options, {
    jobFile: 'j',
    output: '/mnt/usb',
    startIndex: 0,
    endIndex: 300,
    checksum: false,
  })
  t.is(command('--verify', '-o', 'o').verifyOptions().jobFile, '.mvcopy-jobdata.json')
})

const refused: readonly (readonly [string, RegExp, readonly string[]])[] = [
  ['nothing at all', /^no source/, []],
  ['no output', /^no output/, ['a']],
  ['no source', /^no source/, ['-o', 'o']],
  ['an empty source', /^SRC is empty/, ['', '-o', 'o']],
  ['an empty output', /^-o is empty/, ['a', '-o', '']],
  ['one output twice', /twice for \.\/o/, ['a', '-o', 'o', '-o', './o']],
  ['-q with -v', /contradict/, ['a', '-o', 'o', '-q', '-v']],
  ['--delete with --keep', /contradict/, ['a', '-o', 'o', '--delete', '--keep']],
  ['-si before -i', /^-si lies before -i/, ['a', '-o', 'o', '-i', '9', '-si', '8']],
  ['-0 without names', /^-0 /, ['a', '-o', 'o', '-0']],
  ['--files-from with two sources', /one source/, ['a', 'b', '-o', 'o', '--files-from', 'f']],
  ['filters on a job file', /^--exclude needs a source/, ['-f', 'j', '-o', 'o', '--exclude', 'x']],
  ['--flatten of a job file', /^--flatten needs a source/, ['-f', 'j', '-o', 'o', '--flatten']],
  ['a size that is none', /"5X" is not a size/, ['a', '-o', 'o', '--volume-size', '5X']],
  ['a drive of no size', /0 bytes/, ['a', '-o', 'o', '--volume-size', '0']],
  ['a negative reserve', /"-5" is neither/, ['a', '-o', 'o', '--reserve=-5']],
  ['all of the drive reserved', /"100%" is neither/, ['a', '-o', 'o', '--reserve', '100%']],
  ['a label with an escape sequence', /can't be shown/, ['a', '-o', 'o', '--label', 'x\u001b[2J']],
  ['an empty set name', /^--set is empty/, ['a', '-o', 'o', '--set', ' ']],
  ['a pattern with NUL', /NUL/, ['a', '-o', 'o', '--exclude=a\0b']],
  ['an unknown option', /--bogus/, ['a', '-o', 'o', '--bogus']],
  ['a value that is missing', /-o/, ['a', '-o']],
  ['workers that are no number', /--workers/, ['a', '-o', 'o', '--workers', 'x']],
  ['no workers', /-w/, ['a', '-o', 'o', '-w', '0']],
  ['half an index', /-i/, ['a', '-o', 'o', '-i', '1.5']],
  ['a negative index', /-i/, ['a', '-o', 'o', '-i=-1']],
  ['an unknown digest', /--digest/, ['a', '-o', 'o', '--digest', 'md5']],
  ['an unknown colour', /--color/, ['a', '-o', 'o', '--color', 'red']],
  ['--verify without an output', /^no output/, ['--verify', '-f', 'j']],
  ['--verify of two drives', /one drive/, ['--verify', '-o', 'a', '-o', 'b']],
  ['--verify with sources', /not from sources/, ['--verify', 'a', '-o', 'o']],
  ['--verify with --delete', /^--delete has no meaning/, ['--verify', '-o', 'o', '--delete']],
  ['help on what is no command', /^there is no help on copy x/, ['help', 'copy', 'x']],
  ['restore without a drive', /^no output/, ['restore', '--to', 'd']],
  ['restore without a destination', /^no destination/, ['restore', '-o', 'o']],
  [
    'restore in two ways',
    /contradict/,
    ['restore', '-o', 'o', '--to', 'd', '--update', '--overwrite'],
  ],
]

for (const [what, words, args] of refused) {
  test(`${what}: refused with one sentence and exit code 2`, async (t) => {
    const { code, out, err } = await run(...args)
    t.is(code, 2)
    t.is(out, '')
    const [first = '', ...others] = err.trimEnd().split('\n')
    t.true(first.startsWith('multivolumecopy: '))
    t.regex(first.slice('multivolumecopy: '.length), words)
    t.true(others.length <= 1, err)
    t.notRegex(err, /\n {4}at |Error:/)
  })
}

test('a hostile name in a message can not move the cursor', async (t) => {
  const { err } = await run('a', '-o', 'o\u001b[2J\n', '-o', './o\u001b[2J\n')
  t.false(err.includes('\u001b'))
  t.regex(err, /\\x1b\[2J\\n/)
})

test('help names every option, has examples and every exit code, and goes to stdout', async (t) => {
  for (const args of [['-h'], ['--help'], ['copy', '-h'], ['a', '-o', 'o', '--help'], ['help']]) {
    const { code, out, err } = await run(...args)
    t.is(code, 0)
    t.is(err, '')
    t.regex(out, /multivolumecopy SRC\.\.\. -o OUTPUT/)
    for (const name of [
      '--output DIR',
      '--reserve,--device-padding SIZE|N%',
      '-si,--select-index N',
      '-0',
    ]) {
      t.true(out.includes(name), name)
    }
    t.false(out.includes('VALUE'), 'an option has no name for its value')
    t.false(/ #\d/.test(out))
    t.false(out.includes('\u001b'))
    for (const [exit, text] of Object.entries(EXIT_TEXT))
      t.true(out.includes(`${exit.padStart(3)}  ${text}`))
    for (const line of out.split('\n')) t.true(line.length <= 80, line)
  }
})

test('the examples in the help are understood as they stand', (t) => {
  for (const [, example] of CopyCommand.usage.examples ?? []) {
    const args = example.replace('$0 ', '').replaceAll('"', '').split(' ')
    const parsed = command(...args)
    t.notThrows(() => (parsed.verify ? parsed.verifyOptions() : parsed.copyOptions()), example)
  }
})

test('-V beside other things prints the version and does nothing else', async (t) => {
  const { code, out } = await run('-V', 'a')
  t.is(code, 0)
  t.regex(out, /^multivolumecopy \d+\.\d+\.\d+\S*\n$/)
})

test('an error of the parser is a UserError: nothing of clipanion comes through', (t) => {
  t.throws(() => command('a', '-o', 'o', '--label', '').copyOptions(), { instanceOf: UserError })
})
