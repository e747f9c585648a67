/** Help that fits the terminal, and errors that know what was meant. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { PassThrough } from 'node:stream'
import test from 'ava'
import { runCli, table } from '../../src/cli.js'
import type { Context } from '../../src/context.js'
import { StopController } from '../../src/stop.js'
import { nearest } from '../../src/suggest.js'
import { tempDir } from '../helpers/temp.js'

async function run(args: readonly string[], columns?: number, cwd = '/') {
  const stdout = Object.assign(new PassThrough(), { columns })
  const stderr = new PassThrough()
  const context: Context = {
    stdin: new PassThrough(),
    stdout,
    stderr,
    env: {},
    colorDepth: 1,
    cwd,
    stdinIsTTY: false,
    stdoutIsTTY: columns !== undefined,
    stderrIsTTY: false,
    stop: new StopController(),
    onInfoSignal: () => () => {},
  }
  const code = await runCli(args, context)
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

const slips: readonly (readonly [string, RegExp])[] = [
  ['wher x', /no command and no file or directory wher\n {2}Did you mean where\?/],
  ['verfy -o o', /Did you mean verify\?/],
  ['restor -o o', /Did you mean restore\?/],
  ['volumes --jsno', /volumes has no option --jsno\n {2}Did you mean --json\?/],
  ['a -o o --reserv 5', /copy has no option --reserv\n {2}Did you mean --reserve\?/],
  ['a -o o --volume-sise=5', /Did you mean --volume-size\?/],
  ['a -o o --regex', /copy has no option --regex\n {2}where has it\. multivolumecopy --help/],
  [
    'status --to x',
    /status has no option --to\n {2}restore has it\. multivolumecopy status --help/,
  ],
  ['a -o o --bogus', /copy has no option --bogus\n {2}multivolumecopy --help lists the options/],
]

for (const [line, expected] of slips) {
  test(`"${line}" is wrong usage, and says what was meant`, async (t) => {
    const { code, out, err } = await run(line.split(' '))
    t.is(code, 2)
    t.is(out, '')
    t.regex(err, expected)
    t.true(err.trimEnd().split('\n').length <= 2, err)
  })
}

test('a directory of nearly a command name is a source', async (t) => {
  const cwd = tempDir('slip')
  fs.mkdirSync(path.join(cwd, 'verfy'))
  t.regex((await run(['verfy'], undefined, cwd)).err, /no output/)
  t.regex((await run(['./wher'], undefined, cwd)).err, /no output/)
})

test('what is too far off, or too short, is no suggestion', (t) => {
  t.is(nearest('music', ['where', 'status']), undefined)
  t.is(nearest('-z', ['-o', '-x']), undefined)
  t.is(nearest('--on-vol', ['--on-volume-full', '--only']), '--on-volume-full')
  t.is(nearest('films', ['find']), undefined)
})

test('the help of every command fits the terminal, has examples and its own exit codes', async (t) => {
  for (const { name, description } of table()) {
    for (const columns of [40, 80, 200]) {
      const { code, out } = await run([name, '-h'], columns)
      t.is(code, 0)
      t.true(out.startsWith(description.split(' ')[0] ?? ''))
      const [text = '', examples = ''] = out.split('\nExamples\n')
      // What cannot be broken is a name of an option with its value, and an example.
      for (const line of text.split('\n')) {
        const free = line.length <= Math.min(columns, 100)
        t.true(free || /^ *(?:-\S+ )?\S+$/.test(line), `${name} at ${columns}: ${line}`)
      }
      t.regex(examples, /^ {2}# /, name)
      t.regex(examples, /multivolumecopy/, name)
      t.regex(examples, /\nExit codes\n {4}0 {2}all done\n/, name)
    }
  }
})

test('help lists the commands, and help COMMAND is its help', async (t) => {
  const { out } = await run(['help'])
  for (const { name, description } of table()) {
    t.true(out.includes(`  ${name.padEnd(10)}  ${description.slice(0, 40)}`), name)
  }
  t.is((await run(['help', 'where'])).out, (await run(['where', '-h'])).out)
  t.regex((await run(['help', 'nothing'])).err, /no help on nothing/)
})
