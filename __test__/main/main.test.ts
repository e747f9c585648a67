/** The program as a process: exit codes, streams and signals, as a shell sees them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const node = [process.execPath, at('../../dist/main.js')]
const faked = [
  process.execPath,
  '--import=tsx',
  `--import=${at('./replace.mjs')}`,
  at('../../src/main.ts'),
]

interface Result {
  readonly code: number | null
  readonly signal: string | null
  readonly out: string
  readonly err: string
}

/** Runs it to its end; `onOutput` is called with all of stdout so far, each time there is more. */
function run(
  command: readonly string[],
  args: readonly string[],
  onOutput: (out: string, child: ChildProcess) => void = () => {},
): Promise<Result> {
  const [program = '', ...before] = command
  const child = spawn(program, [...before, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => {
    out += data
    onOutput(out, child)
  })
  child.stderr.on('data', (data) => {
    err += data
    onOutput(out + err, child)
  })
  return new Promise((settle) => {
    child.once('close', (code, signal) => settle({ code, signal, out, err }))
  })
}

/** A run of the fake flow; each signal is sent when the text before it has been printed. */
function fake(
  label: string,
  ...steps: readonly (readonly [string, NodeJS.Signals])[]
): Promise<Result> {
  const left = [...steps]
  return run(faked, ['src', '-o', 'out', '--label', label], (out, child) => {
    const [next] = left
    if (next !== undefined && out.includes(next[0])) {
      left.shift()
      child.kill(next[1])
    }
  })
}

const bash = (script: string): readonly string[] => ['bash', '-c', script, 'bash']

test('--version and -V print one line and nothing else', async (t) => {
  for (const flag of ['--version', '-V']) {
    const { code, out, err } = await run(node, [flag])
    t.is(code, 0)
    t.regex(out, /^multivolumecopy \d+\.\d+\.\d+\S*\n$/)
    t.is(err, '')
  }
})

test('wrong usage is exit code 2, told on stderr', async (t) => {
  const { code, out, err } = await run(node, ['a'])
  t.is(code, 2)
  t.is(out, '')
  t.regex(err, /^multivolumecopy: no output\n/)
})

test('a name that is not UTF-8 reaches the program byte for byte', async (t) => {
  const script = bash(`"$@" a -o $'x\\xe9' -o $'./x\\xe9'`)
  const { code, err } = await run(script, node)
  t.is(code, 2)
  t.is(err, 'multivolumecopy: -o is given twice for ./x\\xe9\n')
})

test("the run's exit code is the program's", async (t) => {
  const { code, err } = await fake('partial')
  t.is(code, 23)
  t.is(err, 'a: read: input/output error (EIO)\n')
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal}: the run saves and ends with 130`, async (t) => {
    const { code, out } = await fake('wait', ['READY', signal])
    t.is(code, 130)
    t.true(out.includes('SAVED'))
  })
}

test('a second signal ends it at once', async (t) => {
  const { code, out } = await fake('stubborn', ['READY', 'SIGINT'], ['LEVEL 1', 'SIGTERM'])
  t.is(code, 130)
  t.true(out.includes('LEVEL 2'))
})

test('a run that hangs is cut off after the second signal', async (t) => {
  const { signal, out } = await fake('hang', ['READY', 'SIGINT'], ['LEVEL 1', 'SIGINT'])
  t.is(signal, 'SIGINT')
  t.true(out.includes('LEVEL 2'))
})

test('SIGUSR1 prints a line and the run goes on; no debugger starts', async (t) => {
  const { code, err } = await fake('wait', ['READY', 'SIGUSR1'], ['copying\n', 'SIGINT'])
  t.is(code, 130)
  t.is(err, 'copying\n')
})

test('a fault of the program is exit code 70, without a stack', async (t) => {
  const { code, err } = await fake('throw')
  t.is(code, 70)
  t.regex(err, /^multivolumecopy: internal error: x is not a function\n/)
  t.notRegex(err, /\n\s+at /)
})

test('a promise that nobody caught stops the run in order, with exit code 70', async (t) => {
  const { code, err } = await fake('reject')
  t.is(code, 70)
  t.regex(err, /^multivolumecopy: internal error: nobody caught this\n/)
  t.notRegex(err, /\n\s+at |node:internal/)
})

test('a run that never ends its promise is no success', async (t) => {
  const { code, err } = await fake('dry')
  t.is(code, 70)
  t.regex(err, /internal error: the run ended without a result/)
})

test('a reader that goes away stops the run quietly', async (t) => {
  // The pipe's status is the reader's; the program's own is what counts here.
  const script = bash('set -o pipefail; "$@" src -o out --label flood | head -n 1')
  const { code, out, err } = await run(script, faked)
  t.is(out, 'line 0\n')
  t.is(err, '')
  t.is(code, 130)
})
