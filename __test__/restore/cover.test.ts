/** Which drives are asked for: few, the mounted ones first, and none that is not needed. */

import test from 'ava'
import { fewestToRead, type Held } from '../../src/restore/cover.js'

const none = new Set<number>()

function held(...volumes: number[]): Held {
  return { volumes, entries: 2, files: 1, bytes: 10 }
}

function asked(groups: Held[], mounted = none, without = none): number[] {
  return fewestToRead(groups, mounted, without).map(({ volume }) => volume)
}

test('a drive that alone holds something is needed, and serves what else it holds', (t) => {
  t.deepEqual(asked([held(2), held(1, 2), held(2, 3)]), [2])
  t.deepEqual(asked([held(4), held(2)]), [2, 4])
  t.deepEqual(asked([]), [])
})

test('mounted drives cost nothing and come first', (t) => {
  t.deepEqual(asked([held(1, 5), held(1, 2), held(3)], new Set([5])), [5, 1, 3])
  t.deepEqual(asked([held(1, 5), held(2, 5)], new Set([5])), [5])
  t.deepEqual(asked([held(1)], new Set([5])), [1], 'one that gives nothing is not read')
})

test('what turns out to be needless is left out', (t) => {
  // Greedy takes 1 first, which covers most; then 2 and 3 are needed anyway and cover all of it.
  const groups = [held(1, 2), held(1, 2), held(1, 3), held(2), held(3)]
  t.deepEqual(asked(groups), [2, 3])
  const cross = [held(1, 2), held(1, 3), held(1, 4), held(2, 5), held(3, 5)]
  t.deepEqual(asked(cross), [1, 5])
})

test('drives that will not come are done without, and so is what only they hold', (t) => {
  t.deepEqual(asked([held(1), held(1, 2)], none, new Set([1])), [2])
  t.deepEqual(asked([held(1)], none, new Set([1])), [])
})

test('each entry is counted once, at the drive that is read first', (t) => {
  const shares = fewestToRead([held(1, 2), held(2), held(1)], new Set([2]), none)
  t.deepEqual(shares, [
    { volume: 2, entries: 4, files: 2, bytes: 20 },
    { volume: 1, entries: 2, files: 1, bytes: 10 },
  ])
})

test('on random sets everything is covered, and no drive is needless', (t) => {
  let seed = 7
  const chance = (n: number): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % n
  }
  for (let round = 0; round < 500; round += 1) {
    const groups = Array.from({ length: 1 + chance(8) }, () =>
      held(...new Set(Array.from({ length: 1 + chance(3) }, () => 1 + chance(6)))),
    )
    const mounted = new Set(Array.from({ length: chance(3) }, () => 1 + chance(6)))
    const read = asked(groups, mounted)
    t.true(groups.every(({ volumes }) => volumes.some((one) => read.includes(one))))
    for (const one of read.filter((volume) => !mounted.has(volume))) {
      const others = read.filter((volume) => volume !== one)
      t.false(groups.every(({ volumes }) => volumes.some((volume) => others.includes(volume))))
    }
  }
})
