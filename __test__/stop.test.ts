import test from 'ava'
import { StopController } from '../src/stop.js'

test('the first request is orderly, the second immediate, more change nothing', (t) => {
  const stop = new StopController()
  const heard: number[] = []
  stop.onStop((level) => heard.push(level))
  t.deepEqual([stop.level, stop.requested, stop.orderly.aborted], [0, false, false])
  t.is(stop.request(), 1)
  t.deepEqual([stop.requested, stop.orderly.aborted, stop.immediate.aborted], [true, true, false])
  t.is(stop.request(), 2)
  t.true(stop.immediate.aborted)
  t.is(stop.request(), 2)
  t.deepEqual(heard, [1, 2])
})

test('a listener that comes late is told what it missed; one that left is not told', (t) => {
  const stop = new StopController()
  const early: number[] = []
  const forget = stop.onStop((level) => early.push(level))
  forget()
  stop.request()
  stop.request()
  const late: number[] = []
  stop.onStop((level) => late.push(level))
  t.deepEqual(early, [])
  t.deepEqual(late, [1, 2])
})
