// Sets a checkout up: checks the tools, installs the packages, builds the addon and the TypeScript.
//
// Shared by start.mjs, test.mjs and build.mjs. Plain Node without dependencies, because it runs
// before anything is installed. Each step is skipped when its result is there and current: packages
// by comparing the two lock files, builds by a digest of their inputs. Everything that the steps
// print goes to stderr, since the stdout of `npm start` belongs to the program that is started.
// It does not install Node, Rust or a C compiler; it says which of them is missing.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top of the checkout. */
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** What the last build was made of. Lies in native/, which is ignored by git and not packed whole. */
const stampFile = path.join(root, 'native', '.build.json')

const builds = {
  native: {
    script: 'build:native',
    inputs: ['Cargo.toml', 'Cargo.lock', 'crates', 'rust-toolchain.toml', '.cargo'],
    outputs: () => ['native/index.js', 'native/index.d.ts', ...addonFiles()],
    needsRust: true,
  },
  ts: {
    script: 'build:ts',
    inputs: [
      'src',
      'scripts/bundle.mjs',
      'tsconfig.json',
      'tsconfig.build.json',
      'native/index.d.ts',
      // The packages are part of what is built.
      'package-lock.json',
    ],
    outputs: () => ['dist/main.js'],
    needsRust: false,
  },
}

/** A failure that is the set-up's to explain: printed as one sentence, without a stack. */
export class SetupError extends Error {
  /** @param {string} message @param {number} exitCode */
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Runs `body` and turns a SetupError into its sentence on stderr and its exit code. */
export async function explained(body) {
  try {
    await body()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = error.exitCode
  }
}

/** Installs and builds whatever is missing or out of date. */
export function setUp() {
  checkNode()
  installPackages()
  buildIfStale()
}

/** Refuses a Node.js that is too old, before any newer syntax or package is met. */
export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new SetupError(
    `Node.js 20.19 or later is needed; this is ${process.versions.node}. See https://nodejs.org/`,
  )
}

/** Runs `npm ci` when node_modules does not hold what package-lock.json asks for. */
export function installPackages() {
  const modules = path.join(root, 'node_modules')
  if (installed(modules)) return
  if (fs.lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
    // `npm ci` would empty the directory that the link leads to, which is somebody else's.
    note('node_modules is a link and differs from package-lock.json; it is left as it is.')
    return
  }
  note('Installing the packages (npm ci)…')
  npm(['ci', '--include=dev', '--no-audit', '--no-fund'], 'installing the packages failed')
}

/** Builds what is out of date; with `force` both builds, leaving it to cargo and tsc to be quick. */
export function buildIfStale(force = false) {
  for (const name of ['native', 'ts']) {
    const build = builds[name]
    if (!force && isFresh(name)) continue
    if (build.needsRust) checkRust()
    note(`Building: ${build.script}…`)
    npm(['run', '--silent', build.script], `${build.script} failed`)
    writeStamp(name)
  }
}

/** The environment for the tools: without what npm adds for the script that we run in. */
export function toolEnv() {
  const env = { ...process.env }
  // Options given to the outer npm (`npm --prefix DIR start`, `npm --silent start`) arrive as
  // variables, and would be taken as options of the inner npm.
  const passed =
    /^npm_config_(prefix|local_prefix|global|location|omit|include|only|production|dry_run|loglevel|workspaces?|package_lock(_only)?|if_present|ignore_scripts)$/i
  for (const name of Object.keys(env)) if (passed.test(name)) delete env[name]
  // A shell that is older than the installation of Rust does not have it in its PATH yet.
  const cargoHome = process.env.CARGO_HOME ?? path.join(os.homedir(), '.cargo')
  env.PATH = `${env.PATH ?? ''}${path.delimiter}${path.join(cargoHome, 'bin')}`
  return env
}

function installed(modules) {
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages
  const present = readJson(path.join(modules, '.package-lock.json'))?.packages
  if (!wanted || !present) return false
  return Object.entries(wanted).every(([where, entry]) => {
    if (where === '') return true
    const found = present[where]
    // Packages for other platforms are optional, and rightly absent.
    if (!found) return entry.optional === true
    return found.version === entry.version && found.integrity === entry.integrity
  })
}

function checkRust() {
  const wanted = /^rust-version\s*=\s*"(\d+)\.(\d+)/m.exec(
    fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8'),
  )
  const needed = wanted ? `${wanted[1]}.${wanted[2]}` : '1.89'
  const options = { cwd: root, env: toolEnv(), encoding: 'utf8' }
  const cargo = spawnSync('cargo', ['--version'], options)
  const found = /^cargo (\d+)\.(\d+)/.exec(cargo.stdout ?? '')
  if (cargo.error || !found) {
    const why = cargo.error ? 'cargo was not found' : (cargo.stderr ?? '').trim()
    throw new SetupError(`Rust ${needed} or later is needed (${why}). See https://rustup.rs/`)
  }
  const [major, minor] = [Number(found[1]), Number(found[2])]
  if (
    wanted &&
    (major < Number(wanted[1]) || (major === Number(wanted[1]) && minor < Number(wanted[2])))
  ) {
    throw new SetupError(
      `Rust ${needed} or later is needed; this is ${major}.${minor}. See https://rustup.rs/`,
    )
  }
  if (process.platform !== 'win32' && spawnSync('cc', ['--version'], options).error) {
    throw new SetupError(
      'A C compiler is needed (cc was not found); on Debian: apt-get install gcc libc6-dev',
    )
  }
}

function npm(args, failure) {
  // npm_execpath is the npm that we were started by; without it, the one in PATH.
  const cli = process.env.npm_execpath
  const [command, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []]
  const run = spawnSync(command, [...first, ...args], {
    cwd: root,
    env: toolEnv(),
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    shell: process.platform === 'win32' && command === 'npm',
  })
  if (run.error) throw new SetupError(`${failure}: ${command}: ${run.error.message}`)
  if (run.signal) throw new SetupError(`${failure}: stopped by ${run.signal}`, 130)
  if (run.status !== 0) throw new SetupError(`${failure} (see above).`)
}

function isFresh(name) {
  const stamp = readJson(stampFile)?.[name]
  return (
    stamp !== undefined &&
    stamp.inputs === digestOf(name) &&
    JSON.stringify(stamp.outputs) === JSON.stringify(outputsOf(name))
  )
}

function writeStamp(name) {
  const stamp = { inputs: digestOf(name), outputs: outputsOf(name) }
  fs.mkdirSync(path.dirname(stampFile), { recursive: true })
  fs.writeFileSync(
    stampFile,
    `${JSON.stringify({ ...readJson(stampFile), [name]: stamp }, null, 2)}\n`,
  )
}

/** Size and time of each output: one that was built otherwise (a debug addon, say) is not ours. */
function outputsOf(name) {
  return builds[name].outputs().map((file) => {
    const facts = fs.statSync(path.join(root, file), { throwIfNoEntry: false })
    return facts ? [file, facts.size, Math.round(facts.mtimeMs)] : [file]
  })
}

function addonFiles() {
  const native = path.join(root, 'native')
  if (!fs.existsSync(native)) return []
  const names = fs.readdirSync(native).filter((file) => file.endsWith('.node'))
  return names.sort().map((file) => `native/${file}`)
}

function digestOf(name) {
  const hash = createHash('sha256')
  const { version, scripts, napi } = readJson(path.join(root, 'package.json'))
  hash.update(JSON.stringify([version, scripts[builds[name].script], napi]))
  // What is built for tests alone, quickly, is not what is to be used.
  const asked = Object.entries(process.env).filter(([key]) => /^CARGO_PROFILE_RELEASE_/.test(key))
  if (name === 'native') hash.update(JSON.stringify(asked.sort()))
  for (const input of builds[name].inputs) {
    for (const file of filesBelow(path.join(root, input))) {
      hash.update(`\0${path.relative(root, file)}\0`).update(fs.readFileSync(file))
    }
  }
  return hash.digest('hex')
}

function filesBelow(top) {
  const facts = fs.statSync(top, { throwIfNoEntry: false })
  if (!facts) return []
  if (!facts.isDirectory()) return [top]
  const names = fs.readdirSync(top).filter((name) => name !== 'target' && !name.endsWith('.node'))
  return names.sort().flatMap((name) => filesBelow(path.join(top, name)))
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    // Not there, or cut short by a broken build: either way it says nothing, and the step is done.
    return undefined
  }
}

function note(text) {
  process.stderr.write(`${text}\n`)
}

// Run by itself it sets up and does nothing else.
if (process.argv[1] === fileURLToPath(import.meta.url)) await explained(setUp)
