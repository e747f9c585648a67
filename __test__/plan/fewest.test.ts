/** Sticky placement: which drives are asked for. */
import test from 'ava'
import { MB, planned, unseen, volume } from './kit.js'
import { type Row, random, row, tree } from './tree.js'

const file = (path: string, megabytes: number, more: Partial<Row> = {}): Row =>
  row(path, { size: megabytes * MB, ...more })
const shelf = (number: number, megabytes: number) =>
  volume(number, 20 * MB, { available: megabytes * MB, homeOnly: true })
const asked = ({ summary }: Awaited<ReturnType<typeof planned>>) =>
  summary.volumes.map(({ number }) => number)

test('what fits on the drives in hand asks for no other, in one pass', async (t) => {
  const plan = await planned([file('a', 3)], [volume(3, 10 * MB), shelf(1, 15)], unseen(20 * MB))
  t.deepEqual(plan.places, [3])
  t.is(plan.passes, 1)
})

test('a first run is one pass, however many drives it takes', async (t) => {
  const rows = Array.from({ length: 9 }, (_, i) => file(`f${i}`, 6))
  t.is((await planned(rows, [volume(1, 10 * MB)], unseen(10 * MB))).passes, 1)
})

test('a drive that gets back what has changed takes new files too, before another is asked for', async (t) => {
  const rows = [file('a', 8), file('b', 2, { home: 2, homeSize: MB })]
  const plan = await planned(rows, [volume(3, 4 * MB), shelf(1, 18), shelf(2, 15)], unseen(20 * MB))
  t.deepEqual(plan.places, [2, 2])
})

test('no drive is fetched for a changed file that fits on the one in hand', async (t) => {
  const rows = [file('a', 3), file('b', 2, { home: 2, homeSize: MB })]
  const plan = await planned(rows, [volume(3, 8 * MB), shelf(2, 15)], unseen(20 * MB))
  t.deepEqual(plan.places, [3, 3])
})

test('the drive in hand comes before those that are needed anyway', async (t) => {
  const rows = [file('a', 3), file('b', 6, { home: 2, homeSize: MB }), file('c', 2)]
  const plan = await planned(rows, [volume(3, 8 * MB), shelf(2, 15)], unseen(20 * MB))
  t.deepEqual(plan.places, [3, 2, 3])
})

test('rather a drive of the set than a new one, and the roomiest: one is enough', async (t) => {
  const rows = [file('a', 5), file('b', 5)]
  const plan = await planned(rows, [shelf(1, 7), shelf(2, 14), shelf(3, 7)], unseen(20 * MB))
  t.deepEqual(asked(plan), [2])
})

test('one new drive, rather than many corners of old ones', async (t) => {
  const rows = [file('a', 5), file('b', 5), file('c', 5)]
  const plan = await planned(rows, [shelf(1, 7), shelf(2, 7), shelf(3, 7)], unseen(20 * MB))
  t.deepEqual(asked(plan), [4])
})

test('the table in docs/placement.md', async (t) => {
  const away = [shelf(1, 7), shelf(2, 14), shelf(3, 7)]
  const news = [file('a', 5), file('b', 5), file('c', 5)]
  const changed = file('d', 1, { home: 3, homeSize: MB })
  for (const [rows, drives] of [
    [news.slice(0, 2), [2]],
    [news, [4]],
    [
      [...news.slice(0, 2), changed],
      [3, 2],
    ],
  ] as const) {
    t.deepEqual(asked(await planned(rows, away, unseen(20 * MB))), [...drives])
  }
})

test('a drive of the set that saves one of two new ones is asked for', async (t) => {
  const rows = Array.from({ length: 6 }, (_, i) => file(`f${i}`, 5))
  const plan = await planned(rows, [shelf(1, 2), shelf(2, 17)], unseen(17 * MB))
  t.deepEqual(asked(plan), [2, 3])
  t.is(plan.summary.unplaced.files, 0)
})

test('what fits on no new drive goes to the one on the shelf that has room for it', async (t) => {
  const rows = [file('a', 12), file('b', 1)]
  const plan = await planned(
    rows,
    [shelf(1, 15), shelf(2, 3)],
    unseen(0, { sizes: [20 * MB, 5 * MB] }),
  )
  t.is(plan.places[0], 1)
  t.is(plan.summary.unplaced.files, 0)
})

test('room at home is kept for changed files, though new ones come before them', async (t) => {
  const rows = [file('a', 5), file('b', 1), file('c', 4, { home: 1, homeSize: 4 * MB })]
  const plan = await planned(rows, [volume(1, 7 * MB), volume(2, 9 * MB)], unseen(20 * MB))
  t.deepEqual(plan.places, [2, 1, 1])
  // Where it can't be had the new ones get what is there.
  const small = [volume(1, 4 * MB), volume(2, 12 * MB)]
  t.deepEqual((await planned(rows, small, unseen(20 * MB))).places, [2, 1, 2])
})

test('nothing is ever placed worse than with no drive from the shelf, and no drive is asked for in vain', async (t) => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const next = random(seed)
    const shape = { rows: 120, size: (r: number) => r ** 4 * 8 * MB, nameLength: 12 }
    const rows = tree({ ...shape, directories: 0.15, symlinks: 0, links: 0, depth: 4 }, next)
    const away = Array.from({ length: 1 + Math.floor(next() * 5) }, (_, i) =>
      shelf(i + 1, next() * 19),
    )
    for (const one of rows) {
      if (next() < 0.05 && one.group === 0 && one.kind === 0) {
        one.home = 1 + Math.floor(next() * away.length)
        one.homeSize = one.size
      }
    }
    const hand = volume(9, next() * 20 * MB)
    const template = unseen(20 * MB)
    const plan = await planned(rows, [hand, ...away], template)
    const none = await planned(rows, [hand], template)
    const news = (p: typeof plan) => p.summary.volumes.filter(({ known }) => !known).length
    t.true(plan.summary.unplaced.files <= none.summary.unplaced.files, `seed ${seed}`)
    const homes = new Set(rows.map(({ home }) => home))
    const fetched = asked(plan).filter((n) => n < 9 && !homes.has(n)).length
    t.true(news(plan) + fetched <= news(none), `seed ${seed}: ${news(plan)}+${fetched}`)
    for (const { number, left } of plan.summary.volumes)
      t.true(left >= 0, `seed ${seed}: ${number}`)
  }
})
