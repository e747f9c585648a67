/** A failed load is explained: for which machine, what is missing, what to do. */
import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { describeError } from '../../src/errors.js'
import { Exit } from '../../src/exit.js'
import {
  explainLoadFailure,
  NativeLoadError,
  PUBLISHED,
  platformName,
  thisHost,
} from '../../src/native/platform.js'
import { tempDir } from '../helpers/temp.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const host = { platform: 'linux', arch: 'arm64', libc: 'musl' } as const
const build = /Rust 1\.89 or later and a C compiler\): npm run build, in a clone of the repository$/

/** What the generated loader throws where one attempt after the other failed. */
function failed(...attempts: string[]): Error {
  const cause = attempts.reduceRight<Error | undefined>(
    (inner, message) => new Error(message, { cause: inner }),
    undefined,
  )
  return new Error('Cannot find native binding. npm has a bug', { cause })
}

test('what is missing is named, with how to install it and how to build it', (t) => {
  const text = explainLoadFailure(
    failed(
      "Cannot find module './multivolumecopy.linux-arm64-musl.node'",
      "Cannot find module 'multivolumecopy-linux-arm64-musl'",
    ),
    host,
  )
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  t.regex(text, /on linux-arm64-musl \(Node /)
  t.regex(
    text,
    /The package multivolumecopy-linux-arm64-musl is not installed, and there is no native\/mul/,
  )
  t.true(text.includes(`npm install --no-save multivolumecopy-linux-arm64-musl@${version}\n`))
  t.regex(text, build)
})

test('a platform without a package is told which ones there are', (t) => {
  for (const [strange, said] of [
    [{ platform: 'win32', arch: 'x64', libc: undefined }, 'Cannot find module x'],
    [
      { platform: 'sunos', arch: 'x64', libc: undefined },
      'Unsupported OS: sunos, architecture: x64',
    ],
    [{ platform: 'linux', arch: 'mips', libc: 'gnu' }, 'Unsupported architecture on Linux: mips'],
  ] as const) {
    const text = explainLoadFailure(failed(said), strange)
    t.true(text.includes(`on ${platformName(strange)} (`))
    t.regex(text, /No package is published for it; there are packages for linux-x64-gnu, /)
    t.notRegex(text, /npm install|refused/)
    t.regex(text, build)
  }
})

test('what was found and refused is told as it was refused', (t) => {
  const text = explainLoadFailure(
    failed('libc.musl-x86_64.so.1: cannot open shared object file', 'Cannot find module x'),
    host,
  )
  t.regex(text, /refused: libc\.musl-x86_64\.so\.1/)
  t.notRegex(text, /not installed|published/)
})

test('a glibc that is too old is called that', (t) => {
  const why = "/lib/libc.so.6: version `GLIBC_2.28' not found (required by x.node)"
  t.regex(explainLoadFailure(failed(why), host), /needs glibc 2\.28 or later, and the one of this/)
})

test('strange failures are explained too', (t) => {
  const circle = new Error('Cannot find native binding.')
  circle.cause = circle
  for (const strange of [circle, undefined, null, 'text']) {
    t.regex(explainLoadFailure(strange, host), build)
  }
})

test('it is told without calling it a fault of the program', (t) => {
  t.deepEqual(describeError(new NativeLoadError('a\nb'), false), {
    lines: ['a', 'b'],
    exit: Exit.internal,
  })
})

test('the platform has the name that packages have', (t) => {
  t.is(platformName({ platform: 'darwin', arch: 'arm64', libc: undefined }), 'darwin-arm64')
  t.is(platformName({ platform: 'linux', arch: 'x64', libc: 'gnu' }), 'linux-x64-gnu')
  t.is(thisHost().libc === undefined, process.platform !== 'linux')
})

test('the platforms named to users are those that packages are made for', (t) => {
  const { napi } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  const names = (napi.targets as string[]).map((triple) => {
    const [cpu, , system, libc] = triple.split('-')
    return `${system}-${cpu === 'x86_64' ? 'x64' : 'arm64'}-${libc}`
  })
  t.deepEqual([...PUBLISHED], names as typeof PUBLISHED & string[])
})

test('without the addon the program says what is missing, and help and version work', async (t) => {
  const copy = tempDir('no-addon')
  for (const name of ['package.json', 'dist', 'native/index.js']) {
    fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
  }
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [path.join(copy, 'dist/main.js'), ...args]).then(
      ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
      (failure) => failure as { code: number; stdout: string; stderr: string },
    )
  t.is((await run('--version')).code, 0)
  t.is((await run('--help')).code, 0)
  const { code, stderr } = await run(copy, '-o', tempDir('out'))
  t.is(code, Exit.internal)
  const name = platformName(thisHost())
  t.true(stderr.startsWith(`multivolumecopy: The native part of multivolumecopy cannot be loaded`))
  t.true(stderr.includes(`multivolumecopy-${name}`), stderr)
  t.notRegex(stderr, /internal error|issues\/4828/)
})
