/**
 * The row at hand, the chain of directories above it, and what it costs on a volume.
 *
 * Pure arithmetic; its state is the chain and not the tree. The answers of `measure` and `fits` are left in
 * fields, so that a million rows make no objects. Fields are not `#private`: those take twice the time.
 */
import type { Account } from './account.js'
import { Flag, Kind, type PlanOptions, type PlanPage } from './page.js'

/** The longest name that Linux can have: what a name that has not come yet may cost. */
export const NAME_MAX = 255

/** Goes through the rows of a tree in order. */
export class RowAtHand {
  /** The position of the row among all rows, from 0. */
  ordinal = -1
  kind = 0
  flags = 0
  depth = 0
  size = 0
  allocated = 0
  nameLength = 0
  pathLength = 0
  /** Hard-link group, 0 for none, and how many of its names are rows of this plan. */
  group = 0
  members = 0
  /** The row's group is placed name by name: it counts as a file of its own. */
  isAlone = false
  home = 0
  homeSize = 0
  /** What the row costs on the volume that was asked last, with the directories that are new there. */
  bytes = 0
  inodes = 0
  /** The chain of directories above the row. A stamp names one directory for good. */
  private readonly stamps: number[] = []
  private readonly names: number[] = []
  private readonly paths: number[] = []
  private chain = 0
  private stamp = 0
  /** Of the whole tree where it is known, else of what has been seen so far. */
  longestPath: number
  deepest: number
  /** Directories of the tree that have not come yet. */
  private directoriesLeft: number

  constructor(known: Pick<PlanOptions, 'directories' | 'deepest' | 'longestPath'>) {
    this.longestPath = known.longestPath ?? 0
    this.deepest = known.deepest ?? 0
    this.directoriesLeft = known.directories ?? Number.POSITIVE_INFINITY
  }

  /** Goes to the next row of the tree, which is `row` of this page. Throws where the tree is not one. */
  next(page: PlanPage, row: number): void {
    const depth = page.depth[row] as number
    if (depth > this.chain) {
      throw new RangeError(`row ${row} of the page comes without its directory`)
    }
    if (depth > this.deepest) this.deepest = depth
    this.ordinal += 1
    this.depth = depth
    this.kind = page.kind[row] as number
    this.flags = page.flags[row] as number
    this.group = page.group[row] as number
    this.isAlone = false
  }

  /** Reads the rest of the row that `next` went to. */
  load(page: PlanPage, row: number): void {
    this.size = page.size[row] as number
    this.allocated = page.allocated[row] as number
    this.nameLength = page.nameLength[row] as number
    this.pathLength = page.pathLength[row] as number
    if (this.pathLength > this.longestPath) this.longestPath = this.pathLength
    this.members = page.members[row] as number
    this.home = page.home[row] as number
    this.homeSize = page.homeSize[row] as number
  }

  /** Leaves the row behind: a directory is in the chain of the rows that follow. */
  leave(page: PlanPage, row: number): void {
    const { depth } = this
    this.chain = depth
    if (this.kind !== Kind.directory) return
    this.directoriesLeft -= 1
    this.stamp += 1
    this.stamps[depth] = this.stamp
    this.names[depth] = page.nameLength[row] as number
    this.paths[depth] = page.pathLength[row] as number
    this.chain = depth + 1
  }

  /** From here on the row is taken as a file of its own, whatever group it is of. */
  alone(): void {
    this.isAlone = true
    this.members = 1
  }

  /** Names of the row's group that are still to come after the first. */
  get others(): number {
    return this.group === 0 ? 0 : Math.max(0, this.members - 1)
  }

  /** Bytes of content that placing the row on this volume adds to it. */
  contentOn(account: Account): number {
    if (this.kind !== Kind.file || this.isLinkedOn(account)) return 0
    return this.size
  }

  private isLinkedOn(account: Account): boolean {
    const { number, ledger } = account
    return (this.flags & Flag.linked) !== 0 && number === this.home && ledger.space.hasLinks
  }

  /** Whether the row fits, with the directories that it needs; leaves in `bytes`, `inodes` what it costs. */
  fits(account: Account): boolean {
    const { ledger } = account
    this.measureEntry(account)
    // Directories last: most volumes that are full say no before.
    if (!ledger.fits(this.bytes, this.inodes)) return false
    this.addDirectories(account)
    return this.leavesRoom(account, this.bytes, this.inodes, this.others)
  }

  /**
   * Whether so much fits together with the directories that late names of hard-link groups may need:
   * of those that are bound to the volume already, and of `more`.
   */
  leavesRoom(account: Account, bytes: number, inodes: number, more: number): boolean {
    const { ledger } = account
    const outstanding = account.outstanding + more
    if (outstanding === 0) return ledger.fits(bytes, inodes)
    // A whole chain each, but no more than there are, those above the current row included.
    const later = Math.min(
      outstanding * this.deepest,
      Math.max(0, this.directoriesLeft) + this.deepest,
    )
    const each = ledger.model.directory(NAME_MAX, this.longestPath)
    return ledger.fits(bytes + later * each, inodes + later)
  }

  /** Leaves in `bytes` and `inodes` what the row costs with the directories that are new on the volume. */
  measure(account: Account): void {
    this.measureEntry(account)
    this.addDirectories(account)
  }

  /** The same for one more name of a group whose content has its place. */
  measureName(account: Account): void {
    this.bytes = this.nameCost(account)
    this.inodes = 0
    this.addDirectories(account)
  }

  /** What another name of the row's group may cost: nothing is known of it yet. */
  laterName(account: Account): number {
    const { model } = account.ledger
    return model.name(NAME_MAX) + model.own(this.longestPath, this.kind === Kind.file)
  }

  /** The directories above are on the volume from now on. */
  markDirectories(account: Account): void {
    const { charged } = account
    for (let d = this.depth - 1; d >= 0 && charged[d] !== this.stamps[d]; d -= 1) {
      charged[d] = this.stamps[d] as number
    }
  }

  /** The entry without its directories. Of a group: the content, and as many names as it has. */
  private measureEntry(account: Account): void {
    const { model, space } = account.ledger
    const name = this.nameCost(account)
    this.inodes = 1
    if (this.isLinkedOn(account)) {
      this.bytes = name
      return
    }
    const content = model.content(this.kind, this.size, this.allocated)
    if (this.group === 0 || this.members < 2) {
      this.bytes = content + name
      return
    }
    const others = (this.members - 1) * this.laterName(account)
    this.inodes = space.hasLinks ? Math.ceil(this.members / model.maxLinks) : this.members
    this.bytes = content * this.inodes + name + others
  }

  private nameCost(account: Account): number {
    const { model } = account.ledger
    return model.name(this.nameLength) + model.own(this.pathLength, this.kind === Kind.file)
  }

  private addDirectories(account: Account): void {
    const { charged, ledger } = account
    for (let d = this.depth - 1; d >= 0 && charged[d] !== this.stamps[d]; d -= 1) {
      this.bytes += ledger.model.directory(this.names[d] as number, this.paths[d] as number)
      this.inodes += 1
    }
  }
}
