/**
 * `npm start` in a checkout: what it builds, and that the program behind it is run as if it had been
 * started by itself. A checkout in miniature stands in for ours, with builds that only leave a line.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { openTerminal } from '../helpers/pty.js'
import { tempDir } from '../helpers/temp.js'

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url))

const program = `
  process.stdout.write(JSON.stringify({ args: process.argv.slice(2), cwd: process.cwd() }) + '\\n')
  if (process.argv[2] === 'wait') {
    let count = 0
    for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => console.log(name, ++count))
    process.stdin.on('data', () => { console.log('signals: ' + count); process.exit(130) })
    console.log('waiting')
  } else if (process.argv[2] === 'die') process.kill(process.pid, 'SIGKILL')
  else process.exitCode = Number(process.argv[2])
`

function makeCheckout(): string {
  const top = tempDir('checkout')
  const write = (file: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(top, file)), { recursive: true })
    fs.writeFileSync(path.join(top, file), text)
  }
  fs.cpSync(scripts, path.join(top, 'scripts'), { recursive: true })
  const build = (name: string, output: string, source: string) =>
    `mkdir -p ${path.dirname(output)} && cp ${source} ${output} && echo ${name} >> built`
  const manifest = {
    name: 'miniature',
    version: '1.0.0',
    type: 'module',
    scripts: {
      start: 'node scripts/start.mjs',
      'build:native': build('native', 'native/index.js', 'crates/lib.rs'),
      'build:ts': build('ts', 'dist/main.js', 'src/main.ts'),
    },
  }
  write('package.json', JSON.stringify(manifest))
  const packages = { '': {}, 'node_modules/other-platform': { version: '1.0.0', optional: true } }
  write('package-lock.json', JSON.stringify({ packages }))
  write('node_modules/.package-lock.json', JSON.stringify({ packages: {} }))
  write('Cargo.toml', 'rust-version = "1.80"\n')
  write('crates/lib.rs', '')
  write('src/main.ts', program)
  return top
}

/** Tools that only say their version, so that these tests need no Rust. */
function stubs(): string {
  const bin = tempDir('bin')
  for (const name of ['cargo', 'cc']) {
    fs.writeFileSync(path.join(bin, name), `#!/bin/sh\necho "${name} 1.90.0"\n`, { mode: 0o755 })
  }
  return bin
}

const PATH = `${stubs()}:${process.env.PATH}`
const env = { ...process.env, PATH, npm_config_update_notifier: 'false', NO_COLOR: '1' }

function start(checkout: string, cwd: string, ...args: string[]) {
  const line = ['--prefix', checkout, 'start', '--silent', '--', ...args]
  return spawnSync('npm', line, { cwd, env, encoding: 'utf8' })
}

function built(checkout: string): string[] {
  const log = path.join(checkout, 'built')
  const lines = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim().split('\n') : []
  fs.rmSync(log, { force: true })
  return lines
}

test('npm start builds what is missing or out of date, and nothing else', (t) => {
  const checkout = makeCheckout()
  const again = () => {
    const run = start(checkout, checkout, '0')
    t.is(run.status, 0, run.stderr)
    // What the builds say is not the program's output.
    t.is(run.stdout.trimEnd().split('\n').length, 1)
    return built(checkout)
  }
  t.deepEqual(again(), ['native', 'ts'])
  t.deepEqual(again(), [])
  fs.appendFileSync(path.join(checkout, 'src/main.ts'), '\n')
  t.deepEqual(again(), ['ts'])
  fs.appendFileSync(path.join(checkout, 'crates/lib.rs'), '// more\n')
  t.deepEqual(again(), ['native'])
  fs.rmSync(path.join(checkout, 'dist'), { recursive: true })
  t.deepEqual(again(), ['ts'])
  fs.writeFileSync(path.join(checkout, 'native/index.js'), 'built by hand')
  t.deepEqual(again(), ['native'])
})

test('the program runs where the user stood, with all arguments, and its exit code counts', (t) => {
  const checkout = makeCheckout()
  const stood = tempDir('stood')
  const args = ['4', 'a b', "it's", '$HOME *', '', '-o', 'x\ny']
  const run = start(checkout, stood, ...args)
  t.is(run.status, 4, run.stderr)
  t.deepEqual(JSON.parse(run.stdout), { args, cwd: stood })
})

test('a failed build ends it, with the reason and without the program', (t) => {
  const checkout = makeCheckout()
  fs.rmSync(path.join(checkout, 'src/main.ts'))
  const run = start(checkout, checkout, '0')
  t.is(run.status, 1)
  t.is(run.stdout, '')
  t.regex(run.stderr, /build:ts failed/)
})

test('missing Rust is said in one sentence', (t) => {
  const checkout = makeCheckout()
  const bin = tempDir('bin')
  for (const name of ['node', 'npm', 'sh', 'mkdir', 'cp']) {
    const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' })
    fs.symlinkSync(fs.realpathSync(found.stdout.trim()), path.join(bin, name))
  }
  const bare = { ...env, PATH: bin, CARGO_HOME: path.join(bin, 'none') }
  const line = [path.join(checkout, 'scripts/start.mjs'), '0']
  const run = spawnSync(process.execPath, line, { cwd: checkout, env: bare, encoding: 'utf8' })
  t.is(run.status, 1)
  t.is(run.stderr, 'Rust 1.80 or later is needed (cargo was not found). See https://rustup.rs/\n')
})

test('Ctrl-C reaches the program once, though npm hands it on too', async (t) => {
  const checkout = makeCheckout()
  const command = ['npm', 'start', '--silent', '--', 'wait']
  const terminal = openTerminal(command, { cwd: checkout, env })
  await terminal.expect(/waiting/)
  terminal.send('\x03')
  await terminal.expect(/SIGINT 1/)
  terminal.send('\r')
  await terminal.expect(/signals: 1\n/)
  // npm's own shell was interrupted too: after the program has ended it dies of that, as a shell
  // should, whatever the program's exit code. A caller sees 130 either way, which is ours as well.
  const { code, signal } = await terminal.exit
  t.true(signal === 2 || code === 130, `code ${code}, signal ${signal}`)
})

test('a signal sent to the wrapper alone is handed on, and a death by signal is kept', async (t) => {
  const checkout = makeCheckout()
  const wrapper = [process.execPath, path.join(checkout, 'scripts/start.mjs')]
  const terminal = openTerminal([...wrapper, 'wait'], { cwd: checkout, env })
  await terminal.expect(/waiting/)
  terminal.kill('SIGTERM')
  await terminal.expect(/SIGTERM 1/)
  terminal.send('\r')
  t.deepEqual(await terminal.exit, { code: 130, signal: 0 })
  const [node = '', script = ''] = wrapper
  const run = spawnSync(node, [script, 'die'], { cwd: checkout, env, encoding: 'utf8' })
  t.is(run.signal, 'SIGKILL')
})
