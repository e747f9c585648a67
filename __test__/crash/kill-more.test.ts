/** Runs killed where more than one thing is under way: a drive change, a recovery, real file systems. */

import { rootTest } from '../helpers/root.js'
import { campaign } from './kill.js'
import type { Scene } from './scene.js'
import { CUTS, sample, targetsOf } from './strace.js'

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

rootTest('a sample is spread over all of a list', (t) => {
  if (process.env.MVCOPY_ALL === '1') {
    t.deepEqual(sample([1, 2, 3], 1), [1, 2, 3])
    return
  }
  t.deepEqual(sample([0, 1, 2, 3, 4, 5], 3), [0, 2, 4])
  t.deepEqual(sample([0, 1], 3), [0, 1])
})
