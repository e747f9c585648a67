/** `--pack`: never more drives than path order, and hardly more than the sizes make necessary. */
import test from 'ava'
import { NOT_PLACED } from '../../src/plan/page.js'
import { MB, planned, unseen, volume } from './kit.js'
import { directory, type Row, random, row, tree } from './tree.js'

const file = (path: string, megabytes: number, more: Partial<Row> = {}): Row =>
  row(path, { size: megabytes * MB, ...more })

test('what path order spreads over three drives goes on two', async (t) => {
  const rows = [file('a', 5), file('b', 4), file('c', 6), file('d', 7)]
  const template = unseen(12 * MB)
  const plain = await planned(rows, [], template)
  const packed = await planned(rows, [], template, { packed: true })
  t.is(plain.summary.volumes.length, 3)
  t.is(packed.summary.volumes.length, 2)
  t.deepEqual(packed.places, [2, 1, 2, 1])
})

test('the gaps are filled in path order', async (t) => {
  const small = Array.from({ length: 50 }, (_, i) => row(`s${i + 10}`, { size: 20_000 }))
  const rows = [file('a', 6), file('b', 6), ...small]
  const { places, summary } = await planned(rows, [], unseen(12 * MB), { packed: true })
  t.is(summary.volumes.length, 2)
  t.deepEqual(
    places.slice(2),
    [...places.slice(2)].sort((a, b) => a - b),
  )
})

test('changed files go home, though what is large has its place first', async (t) => {
  const rows = [file('a', 7), file('b', 3, { home: 1, homeSize: MB })]
  const { places } = await planned(rows, [volume(1, 9 * MB)], unseen(20 * MB), { packed: true })
  t.deepEqual(places, [2, 1])
})

test('random trees: never more drives than in path order, groups stay whole, nothing is overdrawn', async (t) => {
  let saved = 0
  for (let seed = 1; seed <= 60; seed += 1) {
    const next = random(seed)
    const rows = tree(
      {
        rows: 300,
        size: (r) => r ** (1 + (seed % 5)) * 9 * MB,
        nameLength: 14,
        directories: 0.1,
        symlinks: 0.05,
        links: seed % 2 === 0 ? 0.2 : 0,
        depth: 5,
      },
      next,
    )
    const sizes = Array.from({ length: 1 + Math.floor(next() * 3) }, () => (12 + next() * 40) * MB)
    const known = seed % 3 === 0 ? [volume(1, 30 * MB, { available: next() * 30 * MB })] : []
    const template = unseen(0, { sizes })
    const plain = await planned(rows, known, template)
    const packed = await planned(rows, known, template, { packed: true })
    const pageSize = 1 + Math.floor(next() * 60)
    t.deepEqual(
      (await planned(rows, known, template, { packed: true, pageSize })).places,
      packed.places,
      `seed ${seed}: pages of ${pageSize}`,
    )
    t.is(packed.summary.unplaced.entries, plain.summary.unplaced.entries, `seed ${seed}`)
    t.true(
      packed.summary.volumes.length <= plain.summary.volumes.length,
      `seed ${seed}: ${packed.summary.volumes.length} > ${plain.summary.volumes.length}`,
    )
    saved += plain.summary.volumes.length - packed.summary.volumes.length
    const bound = packed.summary.volumes.reduce((sum, { cost }) => sum + cost, 0)
    if (sizes.length === 1 && known.length === 0) {
      const least = Math.ceil(bound / (sizes[0] as number))
      t.true(packed.summary.volumes.length <= least + 1, `seed ${seed}: over the bound ${least}`)
    }
    for (const { number, left } of packed.summary.volumes) {
      t.true(left >= 0, `seed ${seed}: drive ${number} overdrawn by ${-left}`)
    }
    const ofGroup = new Map<number, number>()
    for (const [i, { group }] of rows.entries()) {
      if (group === 0) continue
      const place = packed.places[i] as number
      t.is(ofGroup.get(group) ?? place, place, `seed ${seed}: a group is torn apart`)
      ofGroup.set(group, place)
    }
  }
  t.true(saved > 0, 'packing has to save something')
})

test('--pack with --keep-together: directories are what is packed', async (t) => {
  const rows: Row[] = []
  for (const [name, size] of [
    ['a', 5],
    ['b', 4],
    ['c', 6],
    ['d', 7],
  ] as const) {
    rows.push(directory(name))
    for (let i = 0; i < size; i += 1) rows.push(file(`${name}/${i}`, 1))
  }
  const { places, summary } = await planned(rows, [], unseen(12 * MB), { packed: true, depth: 1 })
  t.is(summary.volumes.length, 2)
  const of = (name: string): Set<number | undefined> =>
    new Set(
      rows.flatMap(({ path }, i) =>
        path.startsWith(`${name}/`) && places[i] !== NOT_PLACED ? [places[i]] : [],
      ),
    )
  for (const name of ['a', 'b', 'c', 'd']) t.is(of(name).size, 1, name)
})
