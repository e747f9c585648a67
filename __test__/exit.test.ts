import test from 'ava'
import { describeError, UserError, usageError } from '../src/errors.js'
import { EXIT_TEXT, Exit, type ExitCode, mergeExit } from '../src/exit.js'

test('the table has the documented codes, each with a text', (t) => {
  t.deepEqual(
    Object.values(Exit).sort((a, b) => a - b),
    [0, 1, 2, 4, 5, 11, 23, 24, 25, 70, 130],
  )
  for (const code of Object.values(Exit)) t.truthy(EXIT_TEXT[code])
})

test('of several codes the strongest wins: 130, 11, 4, 23, 24, 1, 0', (t) => {
  const order: ExitCode[] = [130, 11, 4, 23, 24, 1, 0]
  for (let i = 0; i < order.length; i += 1) {
    const rest = order.slice(i)
    t.is(mergeExit(rest), order[i] as ExitCode)
    t.is(mergeExit(rest.reverse()), order[i] as ExitCode)
  }
  t.is(mergeExit([]), 0)
})

test('an internal error and a guard are never hidden by a partial result', (t) => {
  t.is(mergeExit([23, 70, 130]), 70)
  t.is(mergeExit([24, 25]), 25)
})

test('a user error is told with its hint and code, and without a stack', (t) => {
  const error = new UserError('no room', { exit: Exit.partial, hint: 'Get a bigger drive.' })
  t.deepEqual(describeError(error, false), { lines: ['no room', 'Get a bigger drive.'], exit: 23 })
  t.deepEqual(describeError(usageError('bad'), false), { lines: ['bad'], exit: 2 })
})

test('causes are told when tracing, a cycle of them ends', (t) => {
  const inner = new Error('inner')
  const error = new UserError('outer', { cause: inner })
  inner.cause = error
  const { lines } = describeError(error, true)
  t.is(lines[1], 'caused by: inner')
  t.true(lines.length < 12)
})

test('anything else is an internal error; the stack is for debugging only', (t) => {
  const quiet = describeError(new TypeError('x is not a function'), false)
  t.is(quiet.exit, 70)
  t.is(quiet.lines[0], 'internal error: x is not a function')
  t.false(quiet.lines.join('\n').includes('exit.test'))
  t.true(describeError(new TypeError('x'), true).lines.join('\n').includes('exit.test'))
  t.is(describeError('a string', true).lines[0], 'internal error: a string')
})
