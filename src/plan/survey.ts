/**
 * A first look at the pages of a plan, before anything is placed: what each directory that is kept
 * together costs as a whole, which files are large, and how deep the tree is.
 *
 * Pure. Memory: some numbers a directory of that depth, and at most `MOST_LARGE` large files; a bit a
 * hard-link group. Costs depend on the file system only, so volumes of one kind share a column.
 */
import { Account } from './account.js'
import type { VolumeSpace } from './ledger.js'
import {
  Flag,
  Kind,
  NOT_PLACED,
  type PlanPage,
  type Space,
  type Units,
  type UnseenVolumes,
} from './page.js'
import { RowAtHand } from './row.js'
import { unseenSpace } from './unseen.js'

/** Large files that are looked at one by one; the largest ones. */
export const MOST_LARGE = 65_536

/** What to look for. */
export interface SurveyOptions {
  readonly trustAllocated: boolean
  /** `--keep-together DEPTH`; 0 for none. */
  readonly depth: number
  /** Files of this many bytes and more are large; infinite for none. */
  readonly largeFrom: number
}

/** A large file, or a hard-link group of which this is the first name. */
export interface Large {
  /** Its position among all rows. */
  readonly row: number
  readonly kind: number
  readonly size: number
  readonly allocated: number
  readonly members: number
  readonly depth: number
  readonly nameLength: number
  readonly pathLength: number
}

/** What a survey found. */
export interface Surveyed {
  readonly directories: number
  readonly deepest: number
  readonly longestPath: number
  /** Undefined where nothing is kept together. */
  readonly units: Units | undefined
  /** In no order. */
  readonly large: readonly Large[]
  /** What changed entries will take on the volumes of their old versions, by number. */
  readonly homes: ReadonlyMap<number, Space>
}

/** A growing column of numbers. */
class Column {
  values = new Float64Array(256)

  add(index: number, value: number): void {
    if (index >= this.values.length) {
      const longer = new Float64Array(Math.max(index + 1, this.values.length * 2))
      longer.set(this.values)
      this.values = longer
    }
    this.values[index] = (this.values[index] as number) + value
  }
}

/** The volumes of one kind: what an entry costs on one it costs on all. */
interface CostClass {
  readonly account: Account
  readonly bytes: Column
  readonly inodes: Column
}

/** Goes once through the pages; places nothing. */
export class Survey {
  private readonly options: SurveyOptions
  private readonly row = new RowAtHand({})
  private readonly classes = new Map<string, CostClass>()
  private readonly accounts = new Map<number, Account>()
  private readonly homes = new Map<number, Space>()
  private readonly others = new Column()
  private readonly unitHome = new Column()
  private readonly large: Large[] = []
  private readonly seenGroups: number[] = []
  private directories = 0
  private units = 0
  private inUnit = false

  /** `volumes` and `unseen`: those of the fold that comes after. */
  constructor(volumes: readonly VolumeSpace[], unseen: UnseenVolumes, options: SurveyOptions) {
    this.options = options
    for (const space of [...volumes, unseenSpace(unseen, 1)]) {
      const key = classOf(space)
      const account = new Account(space, -1, options.trustAllocated)
      if (space.known) this.accounts.set(space.number, account)
      if (this.classes.has(key)) continue
      const own = new Account(space, -1, options.trustAllocated)
      this.classes.set(key, { account: own, bytes: new Column(), inodes: new Column() })
    }
  }

  /** Takes one page; the answer is that nothing is placed. */
  page(page: PlanPage): Uint32Array {
    const { row } = this
    for (let i = 0; i < page.count; i += 1) {
      row.next(page, i)
      const isDirectory = row.kind === Kind.directory
      if (isDirectory) this.directories += 1
      if (row.depth < this.options.depth) this.inUnit = false
      if (isDirectory && row.depth === this.options.depth - 1) {
        this.units += 1
        this.inUnit = true
        this.unitHome.add(this.units - 1, page.home[i] as number)
        // Whatever drive it goes to, the directories above it may be new there.
        for (const { account } of this.classes.values()) account.charged.length = 0
      }
      const places = (row.flags & Flag.place) !== 0
      if (places && (!isDirectory || (row.flags & Flag.emptyDirectory) !== 0)) {
        row.load(page, i)
        this.look()
      }
      row.leave(page, i)
    }
    return new Uint32Array(page.count).fill(NOT_PLACED)
  }

  /** What was found; the survey may not be used after. */
  finish(): Surveyed {
    const { row, directories, homes } = this
    return {
      directories,
      deepest: row.deepest,
      longestPath: row.longestPath,
      units: this.options.depth > 0 ? this.finishUnits() : undefined,
      large: this.large,
      homes,
    }
  }

  private look(): void {
    const { row } = this
    if (row.group !== 0 && this.isSeen(row.group)) return
    const home = row.home === 0 ? undefined : this.accounts.get(row.home)
    if (home !== undefined && row.fits(home)) {
      home.ledger.take(row.bytes, row.inodes)
      row.markDirectories(home)
      const sum = this.homes.get(row.home) ?? { bytes: 0, inodes: 0 }
      this.homes.set(row.home, { bytes: sum.bytes + row.bytes, inodes: sum.inodes + row.inodes })
      return
    }
    if (this.inUnit) this.addToUnit()
    else this.addLarge()
  }

  private addToUnit(): void {
    const { row } = this
    const unit = this.units - 1
    for (const { account, bytes, inodes } of this.classes.values()) {
      row.measure(account)
      row.markDirectories(account)
      // Later names are charged at the end: the longest path is not known yet.
      bytes.add(unit, row.bytes - row.others * row.laterName(account))
      inodes.add(unit, row.inodes)
    }
    this.others.add(unit, row.others)
  }

  private addLarge(): void {
    const { row, options, large } = this
    const { ordinal, kind, size, allocated, members, depth, nameLength, pathLength } = row
    if (size < options.largeFrom) return
    large.push({ row: ordinal, kind, size, allocated, members, depth, nameLength, pathLength })
    if (large.length < 2 * MOST_LARGE) return
    large.sort((a, b) => b.size - a.size || a.row - b.row)
    large.length = MOST_LARGE
  }

  private isSeen(group: number): boolean {
    const { seenGroups } = this
    const word = group >>> 5
    while (seenGroups.length <= word) seenGroups.push(0)
    const bit = 1 << (group & 31)
    const seen = ((seenGroups[word] as number) & bit) !== 0
    seenGroups[word] = (seenGroups[word] as number) | bit
    return seen
  }

  private finishUnits(): Units {
    const { units: count, others, unitHome, row } = this
    const later = new Map<string, number>()
    row.kind = Kind.file
    for (const [key, { account }] of this.classes) later.set(key, row.laterName(account))
    const classes = this.classes
    return {
      depth: this.options.depth,
      count,
      outstanding: Uint32Array.from(others.values.subarray(0, count)),
      home: Uint32Array.from(unitHome.values.subarray(0, count)),
      cost(space, unit) {
        const found = classes.get(classOf(space))
        if (found === undefined) throw new RangeError('a volume that the survey did not know')
        const names = (others.values[unit] ?? 0) * (later.get(classOf(space)) ?? 0)
        const bytes = (found.bytes.values[unit] ?? 0) + names
        // Sums in another order differ in their last digits.
        return {
          bytes: bytes === 0 ? 0 : bytes * (1 + 1e-9) + 1,
          inodes: found.inodes.values[unit] ?? 0,
        }
      },
    }
  }
}

function classOf({ fsType, blockSize, hasLinks }: VolumeSpace): string {
  return `${fsType}/${blockSize}/${hasLinks}`
}
