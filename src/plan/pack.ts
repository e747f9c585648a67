/**
 * `--pack`: as few drives as possible. What is large has its place before the rest: the largest first,
 * each on the first drive with room for it; the many small entries fill the gaps in path order.
 *
 * Pure. The large things are files and hard-link groups, or whole directories where these are kept
 * together. They are charged with more than they can cost (all directories above them as if new), so a
 * promise can always be kept. Changed entries are left out: they go home, and room is kept there.
 */
import { Account } from './account.js'
import type { VolumeSpace } from './ledger.js'
import { Kind, type Promised, type UnseenVolumes } from './page.js'
import { NAME_MAX } from './row.js'
import { type Large, MOST_LARGE, type Surveyed } from './survey.js'
import { unseenSpace } from './unseen.js'

/** What is at least this share of the smallest drive is large. */
const LARGE_SHARE = 1 / 256

/** From how many bytes on something is large; infinite where no size of a drive is known. */
export function largeFrom(volumes: readonly VolumeSpace[], unseen: UnseenVolumes): number {
  const sizes = [
    ...volumes.filter(({ homeOnly }) => homeOnly !== true).map(({ capacity }) => capacity),
    ...(unseen.sizes.length > 0 ? unseen.sizes : [unseen.capacity]),
  ].filter((size) => size > 0)
  return sizes.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...sizes) * LARGE_SHARE
}

/** Something that has its place first. */
interface Item {
  /** What it is sorted by. */
  readonly weight: number
  /** The row, or the unit. */
  readonly row: number
  readonly unit: number
  readonly home: number
  cost(account: Account): { bytes: number; inodes: number }
}

/** Chooses volumes for what is large: `volumes` in order of preference, then `unseen`. */
export function pack(
  volumes: readonly VolumeSpace[],
  unseen: UnseenVolumes,
  surveyed: Surveyed,
  from: number,
  trustAllocated: boolean,
): Promised {
  const bins = new Bins(volumes, unseen, trustAllocated)
  for (const [number, { bytes, inodes }] of surveyed.homes) bins.charge(number, bytes, inodes)
  const items = [...largeItems(surveyed), ...unitItems(surveyed, volumes, unseen, from)]
  items.sort((a, b) => b.weight - a.weight || a.row - b.row || a.unit - b.unit)
  const unitVolumes = new Uint32Array(surveyed.units?.count ?? 0)
  const rows: { row: number; volume: number; bytes: number; inodes: number }[] = []
  for (const item of items.slice(0, MOST_LARGE)) {
    const placed = bins.place(item)
    if (placed === undefined) continue
    if (item.unit >= 0) unitVolumes[item.unit] = placed.volume
    else rows.push({ row: item.row, ...placed })
  }
  rows.sort((a, b) => a.row - b.row)
  return {
    rows: Float64Array.from(rows, ({ row }) => row),
    rowVolumes: Uint32Array.from(rows, ({ volume }) => volume),
    rowBytes: Float64Array.from(rows, ({ bytes }) => bytes),
    rowInodes: Float64Array.from(rows, ({ inodes }) => inodes),
    unitVolumes,
  }
}

function largeItems({ large, deepest, longestPath, directories }: Surveyed): Item[] {
  return large.map((one) => ({
    weight: one.size,
    row: one.row,
    unit: -1,
    home: 0,
    cost: (account) => largeCost(account, one, { deepest, longestPath, directories }),
  }))
}

/** The most that a large file can cost: as if all directories above each of its names were new. */
function largeCost(
  { ledger: { model, space } }: Account,
  one: Large,
  tree: { deepest: number; longestPath: number; directories: number },
): { bytes: number; inodes: number } {
  const isFile = one.kind === Kind.file
  const others = Math.max(0, one.members - 1)
  const directory = model.directory(NAME_MAX, tree.longestPath)
  const above = one.depth + Math.min(others * tree.deepest, tree.directories + tree.deepest)
  const later = model.name(NAME_MAX) + model.own(tree.longestPath, isFile)
  const copies = space.hasLinks ? 1 : 1 + others
  const content = model.content(one.kind, one.size, one.allocated) * copies
  const name = model.name(one.nameLength) + model.own(one.pathLength, isFile)
  return {
    bytes: content + name + others * later + above * directory + 1,
    inodes: copies + above,
  }
}

function unitItems(
  { units, deepest, longestPath, directories }: Surveyed,
  volumes: readonly VolumeSpace[],
  unseen: UnseenVolumes,
  from: number,
): Item[] {
  const items: Item[] = []
  const like = volumes[0] ?? unseenSpace(unseen, 1)
  for (let unit = 0; unit < (units?.count ?? 0); unit += 1) {
    const weight = units?.cost(like, unit).bytes ?? 0
    if (weight < from) continue
    items.push({
      weight,
      row: -1,
      unit,
      home: units?.home[unit] ?? 0,
      cost({ ledger: { model, space } }) {
        const { bytes = 0, inodes = 0 } = units?.cost(space, unit) ?? {}
        const names = units?.outstanding[unit] ?? 0
        const later = Math.min(names * deepest, directories + deepest)
        return {
          bytes: bytes + later * model.directory(NAME_MAX, longestPath),
          inodes: inodes + later,
        }
      },
    })
    // As with files: the heaviest are enough.
    if (items.length >= 2 * MOST_LARGE) {
      items.sort((a, b) => b.weight - a.weight || a.unit - b.unit)
      items.length = MOST_LARGE
    }
  }
  return items
}

/** Volumes that are being filled with what is large. */
class Bins {
  private readonly accounts: Account[]
  private readonly unseen: UnseenVolumes
  private readonly trustAllocated: boolean
  private next: number

  constructor(volumes: readonly VolumeSpace[], unseen: UnseenVolumes, trustAllocated: boolean) {
    this.accounts = volumes.map((space, index) => new Account(space, index, trustAllocated))
    this.unseen = unseen
    this.trustAllocated = trustAllocated
    this.next =
      unseen.firstNumber ?? volumes.reduce((most, { number }) => Math.max(most, number), 0) + 1
  }

  charge(number: number, bytes: number, inodes: number): void {
    this.accounts.find((account) => account.number === number)?.ledger.take(bytes, inodes)
  }

  /** The drive that holds some of it, else the first with room; undefined where there is none. */
  place(item: Item): { volume: number; bytes: number; inodes: number } | undefined {
    const home = this.accounts.find(({ number }) => number === item.home && item.home !== 0)
    const order = home === undefined ? this.accounts : [home, ...this.accounts]
    for (const account of order) {
      if (account.homeOnly && account !== home) continue
      const taken = this.take(account, item)
      if (taken !== undefined) return taken
    }
    const { sizes, capacity } = this.unseen
    if (sizes.length === 0 && capacity <= 0) return undefined
    const last = Math.max(this.next, sizes.length)
    for (let number = this.next; number <= last; number += 1) {
      const account = new Account(unseenSpace(this.unseen, number), -1, this.trustAllocated)
      const taken = this.take(account, item)
      if (taken === undefined) continue
      for (; this.next < number; this.next += 1) {
        this.accounts.push(
          new Account(unseenSpace(this.unseen, this.next), -1, this.trustAllocated),
        )
      }
      this.accounts.push(account)
      this.next = number + 1
      return taken
    }
    return undefined
  }

  private take(
    account: Account,
    item: Item,
  ): { volume: number; bytes: number; inodes: number } | undefined {
    const { bytes, inodes } = item.cost(account)
    if (!account.ledger.fits(bytes, inodes)) return undefined
    account.ledger.take(bytes, inodes)
    return { volume: account.number, bytes, inodes }
  }
}
