/** The plan against its rules: examples, and random trees against a slow model that is written differently. */
import test from 'ava'
import { CostModel } from '../../src/plan/cost.js'
import {
  Flag,
  Kind,
  NOT_PLACED,
  NOWHERE,
  PlanFold,
  type PlanOptions,
  type PlanSummary,
  type UnseenVolumes,
} from '../../src/plan/fold.js'
import { Ledger, room, type VolumeSpace } from '../../src/plan/ledger.js'
import { MB, unseen, volume } from './kit.js'
import { directory, page, type Row, random, row, totals, tree } from './tree.js'

const none = unseen(0)

function plan(
  rows: readonly Row[],
  volumes: readonly VolumeSpace[],
  template: UnseenVolumes = none,
  options: PlanOptions = {},
  pageSize = rows.length,
): { places: number[]; summary: PlanSummary } {
  const fold = new PlanFold(volumes, template, options)
  const places: number[] = []
  for (let i = 0; i < rows.length; i += pageSize) {
    places.push(...fold.page(page(rows.slice(i, i + pageSize))))
  }
  return { places, summary: fold.finish() }
}

const file = (path: string, megabytes: number, more: Partial<Row> = {}): Row =>
  row(path, { size: megabytes * MB, ...more })

test('first fit in path order: a later file that fits still goes on an earlier drive', (t) => {
  const rows = [file('a', 6), file('b', 6), file('c', 3), file('d', 6)]
  t.deepEqual(plan(rows, [volume(1, 12 * MB), volume(2, 16 * MB)]).places, [1, 2, 1, 2])
})

test('the order of the volumes is the order of preference, not their numbers', (t) => {
  t.deepEqual(plan([file('a', 1)], [volume(7, 10 * MB), volume(2, 10 * MB)]).places, [7])
})

test('what fits on no drive is named and stops nothing', (t) => {
  const { places, summary } = plan(
    [file('a', 100), file('b', 1)],
    [volume(1, 8 * MB)],
    unseen(20 * MB),
  )
  t.deepEqual(places, [NOWHERE, 1])
  t.deepEqual(summary.unplaced, { entries: 1, files: 1, bytes: 100 * MB })
  t.deepEqual(
    summary.volumes.map((v) => v.number),
    [1],
  )
})

test('a new drive is opened only when no open one takes the entry, numbered on from the known ones', (t) => {
  const rows = [file('a', 5), file('b', 5), file('c', 5), file('d', 1)]
  const { places, summary } = plan(rows, [volume(4, 8 * MB)], unseen(8 * MB))
  t.deepEqual(places, [4, 5, 6, 4])
  t.deepEqual(
    summary.volumes.map((v) => [v.number, v.known]),
    [
      [4, true],
      [5, false],
      [6, false],
    ],
  )
})

test('sizes go by drive number, the last one repeated; a larger one later on is found', (t) => {
  const rows = [file('a', 20), file('b', 1), file('c', 20), file('d', 20)]
  const template = unseen(0, { sizes: [4 * MB, 30 * MB] })
  t.deepEqual(plan(rows, [], template).places, [2, 1, 3, 4])
})

test('the reserve is left free, and a cap counts what is used already', (t) => {
  t.is(room(volume(1, 10 * MB, { reserve: 3 * MB })), 7 * MB)
  const used = volume(1, 10 * MB, { available: 6 * MB, cap: 7 * MB })
  t.is(room(used), 3 * MB)
  t.is(room({ ...used, used: 1 * MB }), 6 * MB)
  t.deepEqual(plan([file('a', 8)], [volume(1, 10 * MB, { reserve: 3 * MB })]).places, [NOWHERE])
})

test('rows that need no place get none, directories with something in them neither', (t) => {
  const rows = [directory('d'), file('d/x', 1), file('e', 1, { flags: 0 })]
  t.deepEqual(plan(rows, [volume(1, 10 * MB)]).places, [NOT_PLACED, 1, NOT_PLACED])
})

test('an empty directory is placed like a file of size 0', (t) => {
  const empty = row('d', { kind: Kind.directory, flags: Flag.place | Flag.emptyDirectory })
  const { places, summary } = plan([empty], [volume(1, 10 * MB)])
  t.deepEqual(places, [1])
  t.is(summary.volumes[0]?.files, 0)
  t.is(summary.volumes[0]?.entries, 1)
})

test('directories are charged once on each volume that holds something below them', (t) => {
  const model = new CostModel(volume(1, 10 * MB))
  const dirs = model.directory(1, 1) + model.directory(1, 3)
  const entry = (path: string): number =>
    model.content(Kind.file, 100, 100) + model.name(1) + model.own(path.length, true)
  const rows = [
    directory('d'),
    directory('d/e'),
    row('d/e/x', { size: 100 }),
    row('d/e/y', { size: 100 }),
  ]
  t.is(
    plan(rows, [volume(1, 10 * MB)]).summary.volumes[0]?.cost,
    dirs + entry('d/e/x') + entry('d/e/y'),
  )
})

test('the same directory name in another place is another directory', (t) => {
  const one = [directory('a'), directory('a/d'), row('a/d/x', { size: 1 })]
  const two = [...one, directory('b'), directory('b/d'), row('b/d/x', { size: 1 })]
  const cost = (rows: Row[]): number =>
    plan(rows, [volume(1, 10 * MB)]).summary.volumes[0]?.cost ?? 0
  t.is(cost(two), cost(one) * 2)
})

test('inodes count: a drive that has run out of them takes nothing more', (t) => {
  const fixed = new CostModel(volume(1, 10 * MB)).fixedInodes
  const rows = [
    row('a', { size: 1 }),
    row('b', { size: 1 }),
    directory('d'),
    row('d/x', { size: 1 }),
  ]
  const small = (free: number): VolumeSpace => volume(1, 10 * MB, { inodesFree: fixed + free })
  t.deepEqual(plan(rows, [small(1)]).places, [1, NOWHERE, NOT_PLACED, NOWHERE])
  t.deepEqual(plan(rows, [small(3)]).places, [1, 1, NOT_PLACED, NOWHERE])
  t.deepEqual(plan(rows, [small(4)]).places, [1, 1, NOT_PLACED, 1])
})

test('a hard-link group is one unit: content once, all names on one drive', (t) => {
  const link = (path: string): Row => file(path, 5, { group: 1, members: 3 })
  const rows = [link('a'), file('b', 5), link('c'), file('d', 5), link('e')]
  const { places, summary } = plan(rows, [volume(1, 7 * MB), volume(2, 20 * MB)])
  t.deepEqual(places, [1, 2, 1, 2, 1])
  t.is(summary.volumes[0]?.bytes, 5 * MB)
  t.is(summary.volumes[0]?.files, 3)
})

test('where no links can be made each name costs the content', (t) => {
  const link = (path: string): Row => file(path, 5, { group: 1, members: 2 })
  const rows = [link('a'), link('b')]
  t.deepEqual(plan(rows, [volume(1, 8 * MB, { hasLinks: false })]).places, [1, NOWHERE])
  const both = plan(rows, [volume(1, 14 * MB, { hasLinks: false })])
  t.deepEqual(both.places, [1, 1])
  t.like(both.summary.volumes[0], { bytes: 10 * MB, files: 2, copiedNames: 1 })
})

test('a group that fits on no drive as a whole is placed name by name', (t) => {
  const link = (path: string): Row => file(path, 5, { group: 1, members: 3 })
  const rows = [link('a'), link('b'), link('c')]
  const fat = (number: number): VolumeSpace => volume(number, 8 * MB, { hasLinks: false })
  const split = plan(rows, [fat(1), fat(2)])
  t.deepEqual(split.places, [1, 2, NOWHERE])
  t.deepEqual(
    split.summary.volumes.map(({ bytes, copiedNames }) => [bytes, copiedNames]),
    [
      [5 * MB, 0],
      [5 * MB, 1],
    ],
  )
  // So many names that what they cost in directories and lists is more than a drive holds.
  const many = Array.from({ length: 20_000 }, (_, i) =>
    row(`${'n'.repeat(200)}${i}`, { size: 1000, group: 1, members: 20_000 }),
  )
  const { places, summary } = plan(many, [], unseen(16 * MB))
  t.false(places.includes(NOWHERE))
  t.true(summary.volumes.length > 1)
  for (const { number, left, bytes, copiedNames } of summary.volumes) {
    t.true(left >= 0, `drive ${number}: ${left}`)
    t.is(bytes, 1000, 'the content once on each drive')
    t.is(copiedNames, number === 1 ? 0 : 1)
  }
})

test('a file with more names than the file system can give one is charged as often as it stands there', (t) => {
  const rows = Array.from({ length: 65_100 }, (_, i) =>
    row(`${i}`, { size: MB, group: 1, members: 65_100 }),
  )
  const on = (fsType: string) => plan(rows, [volume(1, 1e9, { fsType })]).summary.volumes[0]
  t.like(on('ext4'), { bytes: 2 * MB, copiedNames: 1, files: 65_100 })
  t.like(on('xfs'), { bytes: MB, copiedNames: 0 })
  t.like(on('btrfs'), { bytes: MB, copiedNames: 0 })
  t.like(on('ext3'), { bytes: 3 * MB, copiedNames: 2 })
})

test('a group that fits nowhere is left out as a whole, its bytes counted once', (t) => {
  const link = (path: string): Row => file(path, 50, { group: 1, members: 2 })
  const { places, summary } = plan([link('a'), link('b')], [volume(1, 8 * MB)])
  t.deepEqual(places, [NOWHERE, NOWHERE])
  t.deepEqual(summary.unplaced, { entries: 2, files: 2, bytes: 50 * MB })
})

test('a new name of an unchanged group goes where the group is, though another drive comes first', (t) => {
  const rows = [
    file('a', 5, { group: 1, members: 2, flags: 0, home: 2 }),
    file('b', 5, { group: 1, members: 2 }),
  ]
  const { places, summary } = plan(rows, [volume(1, 20 * MB), volume(2, 1 * MB)])
  t.deepEqual(places, [NOT_PLACED, 2])
  t.is(summary.volumes[0]?.bytes, 0)
})

test('a new name of a file costs a name where the file is, and the whole file elsewhere', (t) => {
  const name = file('a', 5, { home: 1, flags: Flag.place | Flag.linked })
  const at = (size: number) => plan([name], [volume(1, size), volume(2, 20 * MB)])
  const here = at(1 * MB)
  t.deepEqual(here.places, [1])
  t.is(here.summary.volumes[0]?.bytes, 0)
  const elsewhere = at(0)
  t.deepEqual(elsewhere.places, [2])
  t.is(elsewhere.summary.volumes[0]?.bytes, 5 * MB)
  t.true((elsewhere.summary.volumes[0]?.cost ?? 0) > 5 * MB)
  // Without links it is a file of its own there too.
  const fat = [volume(1, 8 * MB, { fsType: 'exfat', hasLinks: false })]
  t.is(plan([name], fat).summary.volumes[0]?.bytes, 5 * MB)
})

test('names that the file system refuses are counted, and files that are too large for it', (t) => {
  const odd = Flag.place | Flag.oddCharacter
  const rows = [row('a?', { flags: odd, size: 1 }), row('b', { size: 2 ** 32 }), row('c')]
  const fat = volume(1, 1e12, { fsType: 'vfat', refuses: Flag.oddCharacter | Flag.notText })
  const { places, summary } = plan(rows, [fat, volume(2, 1e12)])
  t.deepEqual(places, [1, 2, 1])
  t.deepEqual(
    summary.volumes.map(({ refusedNames }) => refusedNames),
    [1, 0],
  )
  t.deepEqual(summary.refusing, [{ number: 1, files: 1 }])
})

test('a changed file stays at home where both versions fit, else it moves', (t) => {
  const changed = (home: number): Row => file('a', 5, { home, homeSize: 5 * MB })
  const volumes = [volume(1, 20 * MB), volume(2, 8 * MB), volume(3, 3 * MB)]
  t.deepEqual(plan([changed(2)], volumes).places, [2])
  t.deepEqual(plan([changed(3)], volumes).places, [1])
  t.deepEqual(plan([changed(9)], volumes).places, [1])
})

test('the old version counts as free only when as much has been placed after it as may be in flight', (t) => {
  const rows = Array.from({ length: 6 }, (_, i) => file(`f${i}`, 2, { home: 1, homeSize: 2 * MB }))
  const small = [volume(1, 9 * MB)]
  t.deepEqual(
    plan(rows, small, unseen(99 * MB), { settleBytes: 99 * MB }).places,
    [1, 1, 1, 1, 2, 2],
  )
  t.deepEqual(
    plan(rows, small, unseen(99 * MB), { settleBytes: 2 * MB }).places,
    [1, 1, 1, 1, 1, 1],
  )
})

test('holes cost nothing where they stay holes and the source is to be believed', (t) => {
  const sparse = [row('a', { size: 100 * MB, allocated: 1 * MB })]
  t.deepEqual(plan(sparse, [volume(1, 8 * MB)]).places, [1])
  t.deepEqual(plan(sparse, [volume(1, 8 * MB, { fsType: 'exfat' })]).places, [NOWHERE])
  t.deepEqual(plan(sparse, [volume(1, 8 * MB)], none, { trustAllocated: false }).places, [NOWHERE])
})

test('FAT takes no file of 4 GiB, whatever room there is', (t) => {
  const big = [row('a', { size: 2 ** 32 }), row('b', { size: 2 ** 32 - 1 })]
  t.deepEqual(plan(big, [volume(1, 1e12, { fsType: 'vfat' })]).places, [NOWHERE, 1])
})

test('a row without its directory is a fault of the caller and is not planned', (t) => {
  t.throws(() => plan([row('d/x')], [volume(1, 8 * MB)]), { instanceOf: RangeError })
  t.throws(() => plan([directory('d'), row('e'), row('d/x')], [volume(1, 8 * MB)]), {
    instanceOf: RangeError,
  })
})

/** The rules once more, slowly: whole paths in sets, every cost from scratch. */
function slowPlan(rows: readonly Row[], volumes: readonly VolumeSpace[], template: UnseenVolumes) {
  const { directories, deepest, longestPath } = totals(rows)
  const account = (space: VolumeSpace) => ({
    space,
    left: new Ledger(space).left,
    dirs: new Set<number>(),
    model: new CostModel(space),
    outstanding: 0,
  })
  type Account = ReturnType<typeof account>
  const open = volumes.map(account)
  const groups = new Map<number, Account | undefined>()
  const apart = new Map<number, Account | undefined>()
  const nameLength = (path: string): number => path.length - path.lastIndexOf('/') - 1
  const later = (model: CostModel): number => model.name(255) + model.own(longestPath, true)
  // A directory is the row that made it: the same path may come twice in a random tree.
  const made = new Map<string, number>()
  const newDirs = (of: Account, path: string): [number, string][] => {
    const parts = path.split('/')
    const found: [number, string][] = []
    for (let i = 1; i < parts.length; i += 1) {
      const above = parts.slice(0, i).join('/')
      const id = made.get(above) as number
      if (!of.dirs.has(id)) found.push([id, above])
    }
    return found
  }
  const dirCost = (of: Account, path: string): number =>
    newDirs(of, path).reduce(
      (sum, [, above]) => sum + of.model.directory(nameLength(above), above.length),
      0,
    )
  const mark = (of: Account, path: string): void => {
    for (const [id] of newDirs(of, path)) of.dirs.add(id)
  }
  let seen = 0
  const places = rows.map((r, index) => {
    const dirsLeft = directories - seen
    if (r.kind === Kind.directory) {
      made.set(r.path, index)
      seen += 1
    }
    if ((r.flags & Flag.place) === 0) return NOT_PLACED
    const name = (of: Account): number =>
      of.model.name(nameLength(r.path)) + of.model.own(r.path.length, r.kind === Kind.file)
    if (r.group !== 0 && groups.has(r.group) && !apart.has(r.group)) {
      const home = groups.get(r.group)
      if (home === undefined) return NOWHERE
      home.left -= name(home) + dirCost(home, r.path) - later(home.model)
      home.outstanding -= 1
      mark(home, r.path)
      return home.space.number
    }
    const whole = r.group === 0 || apart.has(r.group) ? 0 : r.members - 1
    let others = whole
    const cost = (of: Account): number =>
      of.model.content(r.kind, r.size, r.allocated) +
      name(of) +
      others * later(of.model) +
      dirCost(of, r.path)
    const fits = (of: Account): boolean => {
      const chains = Math.min((of.outstanding + others) * deepest, dirsLeft + deepest)
      return cost(of) + chains * of.model.directory(255, longestPath) <= of.left
    }
    const firstFit = (): Account | undefined => {
      const one = open.find(fits)
      if (one !== undefined || template.capacity <= 0) return one
      const number = Math.max(0, ...open.map((o) => o.space.number)) + 1
      const next = account(volume(number, template.capacity, { known: false }))
      if (!fits(next)) return undefined
      open.push(next)
      return next
    }
    let found = apart.has(r.group) ? undefined : firstFit()
    if (found === undefined && r.group !== 0 && r.members > 1) {
      const before = apart.get(r.group)
      if (apart.has(r.group) && before === undefined) return NOWHERE
      const late = before === undefined ? 0 : name(before) + dirCost(before, r.path)
      const chains = before && Math.min(before.outstanding * deepest, dirsLeft + deepest)
      const more = (chains ?? 0) * (before?.model.directory(255, longestPath) ?? 0)
      if (before !== undefined && late + more <= before.left) {
        before.left -= late
        mark(before, r.path)
        return before.space.number
      }
      others = 0
      found = firstFit()
      apart.set(r.group, found)
    }
    if (found !== undefined) {
      found.left -= cost(found)
      found.outstanding += others
      mark(found, r.path)
    }
    if (r.group !== 0) groups.set(r.group, found)
    return found?.space.number ?? NOWHERE
  })
  return { places, apart, left: new Map(open.map((o) => [o.space.number, o.left])) }
}

test('random trees: the fold agrees with the slow model, in pages of any size', (t) => {
  for (let seed = 1; seed <= 80; seed += 1) {
    const next = random(seed)
    const rows = tree(
      {
        rows: 400,
        size: (r) => r ** 6 * 9 * MB,
        nameLength: 14,
        directories: 0.15,
        symlinks: 0.05,
        links: seed % 2 === 0 ? 0.25 : 0,
        depth: 6,
      },
      next,
    )
    const volumes = Array.from({ length: Math.floor(next() * 4) }, (_, i) =>
      volume(i + 1, (2 + next() * 30) * MB),
    )
    const template = next() < 0.7 ? unseen((2 + next() * 20) * MB) : none
    const expected = slowPlan(rows, volumes, template)
    const whole = plan(rows, volumes, template, totals(rows))
    t.deepEqual(whole.places, expected.places, `seed ${seed}`)
    const pageSize = 1 + Math.floor(next() * 50)
    t.deepEqual(plan(rows, volumes, template, totals(rows), pageSize), whole, `seed ${seed}`)
    let placed = 0
    for (const { number, left, entries } of whole.summary.volumes) {
      placed += entries
      t.true(Math.abs(left - (expected.left.get(number) ?? 0)) < 1, `seed ${seed}, drive ${number}`)
      t.true(left >= 0, `seed ${seed}, drive ${number} is over its space: ${left}`)
    }
    const wanted = rows.filter((r) => (r.flags & Flag.place) !== 0).length
    t.is(placed + whole.summary.unplaced.entries, wanted, `seed ${seed}: lost or doubled`)
    const ofGroup = new Map<number, number>()
    for (const [i, r] of rows.entries()) {
      if (r.group === 0) continue
      const place = whole.places[i] as number
      // One that no drive takes as a whole is placed name by name.
      if (expected.apart.has(r.group)) continue
      t.is(ofGroup.get(r.group) ?? place, place, `seed ${seed}: a group is torn apart`)
      ofGroup.set(r.group, place)
    }
  }
})

test('late names of groups, each alone in a deep directory, never overdraw a full drive', (t) => {
  const rows: Row[] = []
  for (let g = 1; g <= 200; g += 1) rows.push(row(`a${g}`, { size: 10_000, group: g, members: 2 }))
  for (let g = 1; g <= 200; g += 1) {
    const parts = [`z${g}`, 'b', 'c', 'd', 'e', 'f']
    for (let i = 1; i <= parts.length; i += 1) rows.push(directory(parts.slice(0, i).join('/')))
    rows.push(row(`${parts.join('/')}/x`, { size: 10_000, group: g, members: 2 }))
  }
  const { summary, places } = plan(rows, [], unseen(4 * MB), totals(rows))
  t.true(summary.volumes.length > 1)
  for (const { left, number } of summary.volumes) t.true(left >= 0, `drive ${number}: ${left}`)
  t.false(places.includes(NOWHERE))
})
