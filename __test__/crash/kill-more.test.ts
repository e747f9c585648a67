/** Runs killed where more than one thing is under way: a drive change, a recovery, real file systems. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import test from 'ava'
import { rootTest } from '../helpers/root.js'
import { tempDir } from '../helpers/temp.js'
import { campaign } from './kill.js'
import type { Scene } from './scene.js'
import { CUTS, pointsOf, readCalls, sample, targetsOf } from './strace.js'

rootTest('killed while one drive is closed and the next one opened', async (t) => {
  const points = await campaign(t, {
    drives: ['tmpfs', 'tmpfs'],
    bulk: true,
    args: ['--volume-size', '800K'],
    most: 30,
    // The list of the set on the first drive is brought up to date at the end: the same calls once more.
    missed: 60,
  })
  t.true(points >= 30)
})

/** Leaves a run broken off: all intended, half of it renamed. */
async function breakOff(scene: Scene): Promise<void> {
  const renames = targetsOf(await scene.calls(), CUTS).filter(
    ({ call, path }) =>
      call.name === 'renameat2' && /^[0-9a-f]+$/.test(path.split('/').at(-1) ?? ''),
  )
  const target = renames[Math.floor(renames.length / 2)]
  if (target === undefined) throw new Error('no rename into place can be aimed at')
  scene.reset()
  await scene.kill(target)
  scene.save()
}

rootTest('a recovery killed at every call is itself recovered', async (t) => {
  const points = await campaign(t, { update: true, most: 25, missed: 10, prepare: breakOff })
  t.true(points >= 25)
})

for (const kind of ['ext4', 'xfs', 'btrfs'] as const) {
  rootTest(`an update killed on ${kind}`, async (t) => {
    const points = await campaign(t, {
      drives: [kind],
      update: true,
      eachFile: true,
      most: 5,
      missed: 10,
    })
    t.true(points >= 5)
  })
}

test('a call that strace has split fails like any other', (t) => {
  const log = path.join(tempDir('split'), 'log')
  const lines = [
    '7 unlinkat(3</d>, "a", 0 <unfinished ...>',
    '8 read(9</x>, "", 1) = 0',
    '7 <... unlinkat resumed>) = -1 ENOENT (No such file or directory)',
    '7 unlinkat(3</d>, "b", 0 <unfinished ...>',
    '8 read(9</x>, "", 1) = 0',
    '7 <... unlinkat resumed>) = 0',
  ]
  fs.writeFileSync(log, lines.join('\n'))
  const calls = readCalls(log, ['/d'])
  t.deepEqual(
    calls.map(({ name, index }) => [name, index]),
    [
      ['unlinkat', 0],
      ['read', 1],
      ['unlinkat', 2],
      ['read', 3],
    ],
  )
  t.regex(calls[0]?.line ?? '', /= -1 ENOENT/)
  // The first one changed nothing, so both come upon the same state.
  t.deepEqual(
    pointsOf(calls).points.map(({ state }) => state),
    [0, 0],
  )
})

rootTest('a sample is spread over all of a list', (t) => {
  if (process.env.MVCOPY_ALL === '1') {
    t.deepEqual(sample([1, 2, 3], 1), [1, 2, 3])
    return
  }
  t.deepEqual(sample([0, 1, 2, 3, 4, 5], 3), [0, 2, 4])
  t.deepEqual(sample([0, 1], 3), [0, 1])
})
