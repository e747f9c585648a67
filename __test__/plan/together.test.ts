/** `--keep-together`: a directory that fits on one drive is on one drive. */
import test from 'ava'
import { Flag, Kind, NOT_PLACED, NOWHERE } from '../../src/plan/page.js'
import { MB, planned, unseen, volume } from './kit.js'
import { directory, type Row, random, row, tree } from './tree.js'

const file = (path: string, megabytes: number, more: Partial<Row> = {}): Row =>
  row(path, { size: megabytes * MB, ...more })

test('a directory goes to the next drive as a whole; smaller ones fill the gap', async (t) => {
  const rows = [
    ...[directory('a'), file('a/1', 4), file('a/2', 4)],
    ...[directory('b'), file('b/1', 2), file('b/2', 4)],
    ...[directory('c'), file('c/1', 1), file('c/2', 1)],
  ]
  const template = unseen(12 * MB)
  const free = await planned(rows, [], template)
  const kept = await planned(rows, [], template, { depth: 1 })
  const N = NOT_PLACED
  t.not(free.places[4], free.places[5])
  t.deepEqual(kept.places, [N, 1, 1, N, 2, 2, N, 1, 1])
})

test('a directory that fits on no drive is spread as without the option', async (t) => {
  const rows = [directory('a'), file('a/1', 7), file('a/2', 7)]
  t.deepEqual((await planned(rows, [], unseen(12 * MB), { depth: 1 })).places, [NOT_PLACED, 1, 2])
})

test('deeper directories count, not those above; files above the depth go by themselves', async (t) => {
  const rows = [
    ...[directory('m'), directory('m/a'), file('m/a/1', 4), file('m/a/2', 4)],
    ...[directory('m/b'), file('m/b/1', 3), file('m/b/2', 4), file('m/x', 1), file('z', 1)],
  ]
  const { places } = await planned(rows, [], unseen(12 * MB), { depth: 2 })
  const N = NOT_PLACED
  t.deepEqual(places, [N, N, 1, 1, N, 2, 2, 1, 1])
})

test('what is new in a directory goes where the rest of it is, though that drive is on the shelf', async (t) => {
  const rows = [
    { ...directory('a'), home: 2 },
    file('a/new', 1),
    { ...directory('b'), home: 1 },
    file('b/new', 9),
  ]
  const hand = volume(3, 15 * MB)
  const away = [1, 2].map((n) => volume(n, 20 * MB, { available: 4 * MB, homeOnly: true }))
  const { places } = await planned(rows, [hand, ...away], unseen(20 * MB), { depth: 1 })
  t.deepEqual(places, [NOT_PLACED, 2, NOT_PLACED, 3])
})

test('an empty directory and an empty unit are no trouble', async (t) => {
  const empty = row('a', { kind: Kind.directory, flags: Flag.place | Flag.emptyDirectory })
  const rows = [empty, directory('b'), { ...file('b/old', 1), flags: 0 }, file('c', 1)]
  const { places } = await planned(rows, [volume(1, 5 * MB)], unseen(0), { depth: 1 })
  t.deepEqual(places, [1, NOT_PLACED, NOT_PLACED, 1])
})

test('random trees: each unit that fits on an empty drive is on one drive, and nothing is lost or overdrawn', async (t) => {
  for (let seed = 1; seed <= 80; seed += 1) {
    const next = random(seed)
    const rows = tree(
      {
        rows: 400,
        size: (r) => r ** 5 * 3 * MB,
        nameLength: 12,
        directories: 0.2,
        symlinks: 0.05,
        links: seed % 4 === 0 ? 0.2 : 0,
        depth: 5,
      },
      next,
    )
    const depth = 1 + Math.floor(next() * 2)
    const packed = seed % 3 === 0
    const capacity = (14 + next() * 20) * MB
    const known = Array.from({ length: Math.floor(next() * 3) }, (_, i) =>
      volume(i + 1, capacity, { available: (0.3 + 0.7 * next()) * capacity }),
    )
    const options = { depth, packed }
    const plan = await planned(rows, known, unseen(capacity), options)
    const pageSize = 1 + Math.floor(next() * 40)
    const paged = await planned(rows, known, unseen(capacity), { ...options, pageSize })
    t.deepEqual(paged.places, plan.places, `seed ${seed}: pages of ${pageSize}`)
    for (const { number, left } of plan.summary.volumes) {
      t.true(left >= 0, `seed ${seed}: drive ${number} overdrawn by ${-left}`)
    }
    const wanted = rows.filter(({ flags }) => (flags & Flag.place) !== 0).length
    const got = plan.summary.volumes.reduce((sum, { entries }) => sum + entries, 0)
    t.is(got + plan.summary.unplaced.entries, wanted, `seed ${seed}`)
    // By row of its directory: the same path may come twice in a random tree.
    const units = new Map<number, { on: Set<number>; bytes: number; linked: boolean }>()
    let at = -1
    for (const [i, r] of rows.entries()) {
      const above = r.path.split('/').length - 1
      if (above < depth) at = -1
      if (r.kind === Kind.directory && above === depth - 1) at = i
      const place = plan.places[i] as number
      if (at < 0 || place === NOT_PLACED || place === NOWHERE) continue
      const unit = units.get(at) ?? { on: new Set(), bytes: 0, linked: false }
      unit.on.add(place)
      unit.bytes += r.size + 60_000
      unit.linked ||= r.group !== 0
      units.set(at, unit)
    }
    for (const [i, { on, bytes, linked }] of units) {
      if (linked || bytes > capacity - 2 * MB) continue
      t.is(on.size, 1, `seed ${seed}: ${rows[i]?.path} is on ${[...on].join()}`)
    }
  }
})
