/**
 * Random trees for the tests of the plan, in the order of a drive's tree, and their form as pages.
 *
 * The generator is small and seeded: a failure prints the seed, and the seed gives the tree again.
 */
import { Flag, Kind, type PlanPage } from '../../src/plan/page.js'

/** Mulberry32: numbers from 0 to 1, the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** One row of a page, readable. */
export interface Row {
  path: string
  kind: number
  flags: number
  size: number
  allocated: number
  group: number
  members: number
  home: number
  homeSize: number
}

/** A row with nothing special about it. */
export function row(path: string, more: Partial<Row> = {}): Row {
  const size = more.size ?? 0
  return {
    path,
    kind: Kind.file,
    flags: Flag.place,
    allocated: size,
    group: 0,
    members: 0,
    home: 0,
    homeSize: 0,
    ...more,
    size,
  }
}

/** A directory that holds something. */
export function directory(path: string): Row {
  return row(path, { kind: Kind.directory, flags: 0 })
}

/** Rows as a page; lengths are taken as if names were ASCII. */
export function page(rows: readonly Row[]): PlanPage {
  const parts = rows.map((r) => r.path.split('/'))
  return {
    count: rows.length,
    kind: Uint8Array.from(rows, (r) => r.kind),
    flags: Uint8Array.from(rows, (r) => r.flags),
    depth: Uint16Array.from(parts, (p) => p.length - 1),
    size: Float64Array.from(rows, (r) => r.size),
    allocated: Float64Array.from(rows, (r) => r.allocated),
    nameLength: Uint16Array.from(parts, (p) => p.at(-1)?.length ?? 0),
    pathLength: Uint32Array.from(rows, (r) => r.path.length),
    group: Uint32Array.from(rows, (r) => r.group),
    members: Uint32Array.from(rows, (r) => r.members),
    home: Uint32Array.from(rows, (r) => r.home),
    homeSize: Float64Array.from(rows, (r) => r.homeSize),
  }
}

/** What kind of tree to make. */
export interface Shape {
  readonly rows: number
  /** The size of a file, from a random number. */
  readonly size: (random: number) => number
  readonly nameLength: number
  /** How likely a row is a directory, a symlink, a hard-linked file. */
  readonly directories: number
  readonly symlinks: number
  readonly links: number
  readonly depth: number
}

/** A tree of about `shape.rows` rows. */
export function tree(shape: Shape, next: () => number): Row[] {
  const rows: Row[] = []
  const groups: Row[][] = []
  let serial = 0
  const name = (): string => {
    serial += 1
    // Zero-padded, so that the order of making is the order of the tree.
    const base = String(serial).padStart(8, '0')
    return base + 'x'.repeat(Math.floor(next() * Math.max(0, shape.nameLength - base.length) * 2))
  }
  const fill = (prefix: string, depth: number): void => {
    const count = 1 + Math.floor(next() * 40)
    for (let i = 0; i < count && rows.length < shape.rows; i += 1) {
      const path = prefix + name()
      const dice = next()
      if (dice < shape.directories && depth < shape.depth) {
        const mark = rows.length
        rows.push(directory(path))
        if (next() < 0.9) fill(`${path}/`, depth + 1)
        if (rows.length === mark + 1) {
          rows[mark] = row(path, { kind: Kind.directory, flags: Flag.place | Flag.emptyDirectory })
        }
      } else if (dice < shape.directories + shape.symlinks) {
        rows.push(row(path, { kind: Kind.symlink, size: 1 + Math.floor(next() * 200) }))
      } else {
        const size = Math.floor(shape.size(next()))
        const entry = row(path, { size })
        rows.push(entry)
        if (next() < shape.links) join(entry)
      }
    }
  }
  const join = (entry: Row): void => {
    const known =
      groups.length > 0 && next() < 0.6 ? groups[Math.floor(next() * groups.length)] : undefined
    const group = known ?? []
    if (known === undefined) groups.push(group)
    group.push(entry)
    const [first] = group as [Row]
    entry.group = groups.indexOf(group) + 1
    entry.size = first.size
    entry.allocated = first.allocated
    for (const member of group) member.members = group.length
  }
  while (rows.length < shape.rows) fill('', 0)
  return rows
}

/** What the plan may be told of the whole tree. */
export function totals(rows: readonly Row[]): {
  directories: number
  deepest: number
  longestPath: number
} {
  return {
    directories: rows.filter((r) => r.kind === Kind.directory).length,
    deepest: rows.reduce((most, r) => Math.max(most, r.path.split('/').length - 1), 0),
    longestPath: rows.reduce((most, r) => Math.max(most, r.path.length), 0),
  }
}
