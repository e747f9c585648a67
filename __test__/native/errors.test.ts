/** The boundary's errors: one closed list of codes on both sides, and nothing lost on the way. */
import test from 'ava'
import {
  CancelledError,
  errnoName,
  fromNative,
  NATIVE_CODES,
  NativeError,
} from '../../src/native/errors.js'
import { binding } from '../../src/native/load.js'
import { displayName } from '../../src/native/names.js'

test('both sides have the same codes', (t) => {
  t.deepEqual([...NATIVE_CODES], binding.errorCodes())
})

test('a failure keeps code, purpose, path and errno', async (t) => {
  const path = '/m/a\udcff\n'
  const thrown = await t.throwsAsync(
    binding.startSelftest({ steps: 0, ending: 'error', path }).done,
  )
  const error = fromNative(thrown)
  t.deepEqual(
    { code: error.code, doing: error.doing, path: error.path, errno: error.errno },
    { code: 'DRIVE_FAILED', doing: 'flushing', path, errno: 5 },
  )
  t.is(error.errnoName, 'EIO')
  t.is(error.message, `flushing ${displayName(path)}: Input/output error`)
  t.false(error.message.includes('\n'))
  t.is(error.cause, thrown)
})

test('a panic is an internal error and not the end of the process', async (t) => {
  const thrown = await t.throwsAsync(
    binding.startSelftest({ steps: 0, ending: 'panic', path: '' }).done,
  )
  const error = fromNative(thrown)
  t.is(error.code, 'INTERNAL')
  t.regex(error.message, /selftest/)
})

test('what is no error of ours is an internal one', (t) => {
  // @ts-expect-error: a number is no name
  const thrown = t.throws(() => binding.displayName(1))
  for (const strange of [
    thrown,
    undefined,
    null,
    'text',
    { code: 'IO' },
    { code: 'X', doing: 'y' },
  ]) {
    const error = fromNative(strange)
    t.true(error instanceof NativeError)
    t.is(error.code, 'INTERNAL')
  }
})

test('an error that is converted already stays itself', (t) => {
  const error = new CancelledError()
  t.is(fromNative(error), error)
  t.is(error.name, 'CancelledError')
  t.is(new NativeError('x', { code: 'IO', doing: 'y' }).name, 'NativeError')
})

test('an errno has its name, an unknown one its number', (t) => {
  t.is(errnoName(28), 'ENOSPC')
  t.is(errnoName(2), 'ENOENT')
  t.is(errnoName(123_456), 'errno 123456')
  t.is(errnoName(0), 'errno 0')
})
