/** A failed load is explained: for which machine, what is missing, what to do. */
import test from 'ava'
import { explainLoadFailure, platformName, thisHost } from '../../src/native/load.js'

const host = { platform: 'linux', arch: 'arm64', libc: 'musl' } as const

test('what is missing is named, with the way to build it', (t) => {
  const notFound = new Error("Cannot find module './multivolumecopy.linux-arm64-musl.node'")
  const error = new Error('Cannot find native binding. npm has a bug', { cause: notFound })
  const text = explainLoadFailure(error, host)
  t.regex(text, /on linux-arm64-musl/)
  t.regex(
    text,
    /Neither native\/multivolumecopy\.linux-arm64-musl\.node nor the package multivolumecopy-linux-arm64-musl/,
  )
  t.regex(text, /npm run build$/)
})

test('what was found and refused is told as it was refused', (t) => {
  const refused = new Error('libc.musl-x86_64.so.1: cannot open shared object file')
  const text = explainLoadFailure(
    new Error('Cannot find native binding.', { cause: refused }),
    host,
  )
  t.regex(text, /refused: libc\.musl-x86_64\.so\.1/)
  t.notRegex(text, /Neither/)
})

test('strange failures are explained too', (t) => {
  const circle = new Error('Cannot find native binding.')
  circle.cause = circle
  for (const strange of [circle, undefined, null, 'text']) {
    t.regex(explainLoadFailure(strange, host), /npm run build$/)
  }
})

test('the platform has the name that packages have', (t) => {
  t.is(platformName({ platform: 'darwin', arch: 'arm64', libc: undefined }), 'darwin-arm64')
  t.is(platformName({ platform: 'linux', arch: 'x64', libc: 'gnu' }), 'linux-x64-gnu')
  t.is(thisHost().libc === undefined, process.platform !== 'linux')
})
