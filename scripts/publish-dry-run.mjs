// The whole publication, into a registry on this machine that is gone afterwards, and then what a user does.
//
//   node scripts/publish-dry-run.mjs [--artifacts DIR]
//
// Packs what is built here, starts Verdaccio on a free port of the loopback (installed into a temporary directory
// from the registry that npm is set to), publishes all packages into it twice (the second time nothing may happen),
// and then, in an empty folder and with nothing but Node.js, npm and a shell in PATH: `npx multivolumecopy
// --version`, and as root what release/smoke.mjs does: a backup onto two loop drives, their verification, a restore
// and the comparison of what came back. The drives and the registry are taken down whatever happens.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as net from 'node:net'
import * as os from 'node:os'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { smoke } from './release/smoke.mjs'
import { root, toolEnv } from './setup.mjs'

/** The registry, and what one of its dependencies needs that asks for a version by a name that moves. */
const REGISTRY = { verdaccio: '6.2.0' }
const OVERRIDES = { 'node-fetch': '2.7.0' }

const { values } = parseArgs({
  options: { artifacts: { type: 'string', default: path.join(root, 'native') } },
})
const top = fs.mkdtempSync(path.join(os.tmpdir(), 'mvcopy-publish-'))
const undo = [() => fs.rmSync(top, { recursive: true, force: true })]
const env = toolEnv()
for (const name of Object.keys(env)) {
  // What npm hands on to the scripts that it runs would be taken for options of the npm that we run.
  if (/^npm_/i.test(name)) delete env[name]
}

try {
  step('packing')
  run(process.execPath, ['scripts/release/pack.mjs', '--partial', '--artifacts', values.artifacts])
  step('a registry on the loopback')
  const registry = await startRegistry()
  step('publishing, and once more')
  const publish = ['scripts/release/publish.mjs', '--registry', registry]
  run(process.execPath, publish)
  const again = run(process.execPath, publish)
  if (/is published/.test(again)) throw new Error('the second time something was published again')
  await asUser(registry)
  step('all of it went well')
} finally {
  for (const back of undo.reverse()) back()
}

async function startRegistry() {
  const place = path.join(top, 'registry')
  fs.mkdirSync(place)
  write(
    place,
    'package.json',
    JSON.stringify({ private: true, dependencies: REGISTRY, overrides: OVERRIDES }),
  )
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], place)
  const uplink = execFileSync('npm', ['config', 'get', 'registry'], {
    encoding: 'utf8',
    env,
  }).trim()
  write(
    place,
    'config.yaml',
    `storage: ./storage
uplinks: { outside: { url: '${uplink}' } }
packages:
  'multivolumecopy*': { access: $all, publish: $all }
  '**': { access: $all, proxy: outside }
log: { type: stdout, format: pretty, level: error }
`,
  )
  const port = await freePort()
  const server = spawn(
    process.execPath,
    ['node_modules/verdaccio/bin/verdaccio', '-c', 'config.yaml', '-l', `127.0.0.1:${port}`],
    { cwd: place, env, stdio: ['ignore', 2, 'inherit'] },
  )
  undo.push(() => server.kill())
  const url = `http://127.0.0.1:${port}/`
  // npm publishes to nobody without a token, whatever it is.
  const settings = path.join(top, 'npmrc')
  fs.writeFileSync(settings, `//127.0.0.1:${port}/:_authToken=nobody\n`)
  env.npm_config_userconfig = settings
  for (;;) {
    if (server.exitCode !== null) throw new Error('Verdaccio did not start')
    if (
      await fetch(`${url}-/ping`).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      return url
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function asUser(registry) {
  const [bin, home] = [path.join(top, 'bin'), path.join(top, 'home')]
  for (const dir of [bin, home]) fs.mkdirSync(dir)
  fs.symlinkSync(process.execPath, path.join(bin, 'node'))
  const npmBin = path.dirname(npmCli())
  for (const [name, file] of [
    ['npm', 'npm-cli.js'],
    ['npx', 'npx-cli.js'],
  ]) {
    fs.symlinkSync(path.join(npmBin, file), path.join(bin, name))
  }
  // npm runs everything by a shell.
  fs.symlinkSync(fs.realpathSync('/bin/sh'), path.join(bin, 'sh'))
  const user = {
    PATH: bin,
    HOME: home,
    npm_config_registry: registry,
    npm_config_update_notifier: 'false',
  }
  const folder = path.join(top, 'empty')
  fs.mkdirSync(folder)
  const npx = (...args) => {
    const line = ['--yes', 'multivolumecopy', ...args]
    process.stderr.write(`$ npx ${line.join(' ')}\n`)
    return run(path.join(bin, 'npx'), line, folder, user)
  }
  step('an empty folder, and nothing but Node.js, npm and a shell in PATH')
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  const said = npx('--version').trim()
  if (said !== `multivolumecopy ${version}`) throw new Error(`--version said ${said}`)
  if (process.getuid?.() !== 0) {
    step('no root: no drives')
    return
  }
  smoke([path.join(bin, 'npx'), '--yes', 'multivolumecopy'], {
    drives: true,
    cwd: folder,
    env: user,
  })
}

function npmCli() {
  const given = process.env.npm_execpath
  if (given?.endsWith('npm-cli.js')) return given
  const found = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8', env }).trim()
  return fs.realpathSync(found)
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Runs a program to its end and gives its stdout, which is shown too; throws where it fails. */
function run(command, args, cwd = root, environment = env) {
  const options = { cwd, env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }
  const { stdout, status, error } = spawnSync(command, args, options)
  process.stderr.write(stdout ?? '')
  if (error) throw error
  if (status !== 0)
    throw new Error(`${path.basename(command)} ${args.join(' ')}: exit code ${status}`)
  return stdout
}

function write(dir, name, text) {
  fs.writeFileSync(path.join(dir, name), text)
}

function step(text) {
  process.stderr.write(`== ${text}\n`)
}
