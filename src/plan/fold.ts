/**
 * The plan: a fold over pages of entries that says which volume each belongs to.
 *
 * First fit in path order, by real cost. Pure: no I/O, no clock, the same pages give the same plan.
 * Its state is the ledgers, the current chain of directories and four numbers a hard-link group: not
 * the tree. When a volume is closed is not its business: it only says where things go.
 */
import { Ledger, type VolumeSpace } from './ledger.js'
import {
  Flag,
  Kind,
  NOT_PLACED,
  NOWHERE,
  type PlanOptions,
  type PlanPage,
  type PlanSummary,
  type UnseenVolumes,
} from './page.js'

export * from './page.js'

/** A volume within the fold. */
interface Open {
  readonly ledger: Ledger
  /** Its position in `open`. */
  readonly index: number
  /** By depth: the stamp of the directory that was charged here last. */
  readonly charged: number[]
  /** Names of hard-link groups that are bound to this volume and have not come yet. */
  outstanding: number
  entries: number
  files: number
  bytes: number
  /** Old versions that will be free: of this stretch, and of the one before. */
  settling: number
  settled: number
  /** Bytes of content placed in this stretch. */
  stretch: number
}

/** The longest name that Linux can have: what a name that has not come yet may cost. */
const NAME_MAX = 255
const DEFAULT_SETTLE = 1024 ** 3
/** `groupVolume`: fits nowhere. Other values: 0 unknown, else the position in `open` + 1. */
const GROUP_NOWHERE = -1

/** The plan of one run. Fields are `private`, not `#`: those take twice the time for a million rows. */
export class PlanFold {
  private readonly open: Open[] = []
  private readonly byNumber = new Map<number, Open>()
  private readonly unseen: UnseenVolumes
  private readonly trustAllocated: boolean
  private readonly settle: number
  private nextNumber: number
  /** The chain of directories above the current row. A stamp names one directory for good. */
  private readonly stamps: number[] = []
  private readonly names: number[] = []
  private readonly paths: number[] = []
  private chain = 0
  private stamp = 0
  private longestPath: number
  private deepest: number
  /** Directories of the tree that have not come yet. */
  private directoriesLeft: number
  private groupVolume = new Int32Array(1024)
  private groupPrepaid = new Float64Array(1024)
  // The row at hand, and what it costs on the volume that was asked last: fields, so that a million
  // rows make no objects.
  private kind = 0
  private depth = 0
  private size = 0
  private allocated = 0
  private nameLength = 0
  private pathLength = 0
  private group = 0
  private members = 0
  private bytes = 0
  private inodes = 0
  private newDirectories = 0
  private readonly unplaced = { entries: 0, files: 0, bytes: 0 }

  /**
   * `volumes` in order of preference; `unseen` says what comes after them.
   */
  constructor(volumes: readonly VolumeSpace[], unseen: UnseenVolumes, options: PlanOptions = {}) {
    this.unseen = unseen
    this.trustAllocated = options.trustAllocated ?? true
    this.settle = options.settleBytes ?? DEFAULT_SETTLE
    this.longestPath = options.longestPath ?? 0
    this.deepest = options.deepest ?? 0
    this.directoriesLeft = options.directories ?? Number.POSITIVE_INFINITY
    for (const space of volumes) this.add(space)
    this.nextNumber =
      unseen.firstNumber ?? volumes.reduce((most, { number }) => Math.max(most, number), 0) + 1
  }

  /** The volume number of each row of the page, or `NOWHERE`, or `NOT_PLACED`. */
  page(page: PlanPage): Uint32Array {
    const result = new Uint32Array(page.count)
    for (let row = 0; row < page.count; row += 1) {
      const depth = page.depth[row] as number
      if (depth > this.chain) {
        throw new RangeError(`row ${row} of the page comes without its directory`)
      }
      if (depth > this.deepest) this.deepest = depth
      const kind = page.kind[row] as number
      const flags = page.flags[row] as number
      if ((flags & Flag.place) === 0) {
        if (page.group[row] !== 0) this.keepInGroup(page, row)
        result[row] = NOT_PLACED
      } else if (kind === Kind.directory && (flags & Flag.emptyDirectory) === 0) {
        // A directory that holds something goes wherever that goes.
        result[row] = NOT_PLACED
      } else {
        result[row] = this.place(page, row)
      }
      this.chain = depth
      if (kind === Kind.directory) {
        this.directoriesLeft -= 1
        this.stamp += 1
        this.stamps[depth] = this.stamp
        this.names[depth] = page.nameLength[row] as number
        this.paths[depth] = page.pathLength[row] as number
        this.chain = depth + 1
      }
    }
    return result
  }

  /** The totals; the fold may not be used after. */
  finish(): PlanSummary {
    return {
      volumes: this.open
        .filter((open) => open.entries > 0)
        .map(({ ledger, entries, files, bytes }) => ({
          number: ledger.space.number,
          known: ledger.space.known,
          entries,
          files,
          bytes,
          cost: ledger.charged,
          left: ledger.left,
        })),
      unplaced: { ...this.unplaced },
    }
  }

  private add(space: VolumeSpace): Open {
    const open = this.account(space, this.open.length)
    this.open.push(open)
    this.byNumber.set(space.number, open)
    return open
  }

  private place(page: PlanPage, row: number): number {
    this.load(page, row)
    const group = this.group
    if (group !== 0) {
      this.growGroups(group)
      const bound = this.groupVolume[group] as number
      if (bound > 0) return this.join(this.open[bound - 1] as Open)
      if (bound === GROUP_NOWHERE) return this.reject(0)
    }

    const home = page.home[row] as number
    const homeVolume = home === 0 ? undefined : this.byNumber.get(home)
    // The new version is written beside the old one, so it must fit as a whole.
    if (homeVolume !== undefined && this.fits(homeVolume)) {
      this.take(homeVolume)
      const old = page.homeSize[row] as number
      homeVolume.settling += homeVolume.ledger.model.content(Kind.file, old, old)
      return home
    }
    for (const open of this.open) {
      if (open.ledger.space.homeOnly === true) continue
      if (open.ledger.left < open.ledger.model.least) continue
      if (this.fits(open)) {
        this.take(open)
        return open.ledger.space.number
      }
    }
    const fresh = this.openUnseen()
    if (fresh === undefined) {
      if (group !== 0) this.groupVolume[group] = GROUP_NOWHERE
      return this.reject(this.size)
    }
    this.take(fresh)
    return fresh.ledger.space.number
  }

  /** Makes the row the one that the following methods are about. */
  private load(page: PlanPage, row: number): void {
    this.kind = page.kind[row] as number
    this.depth = page.depth[row] as number
    this.size = page.size[row] as number
    this.allocated = page.allocated[row] as number
    this.nameLength = page.nameLength[row] as number
    this.pathLength = page.pathLength[row] as number
    if (this.pathLength > this.longestPath) this.longestPath = this.pathLength
    this.group = page.group[row] as number
    this.members = page.members[row] as number
  }

  /** A name more of a group whose content has its place. It goes there, whatever it costs. */
  private join(open: Open): number {
    const cost = this.nameCost(open) + this.directoriesCost(open)
    open.outstanding -= 1
    this.markDirectories(open)
    open.ledger.take(cost - (this.groupPrepaid[this.group] as number), this.newDirectories)
    this.count(open, 0)
    return open.ledger.space.number
  }

  /** An unchanged name of a group: binds the group to the volume that holds it, or has been counted on. */
  private keepInGroup(page: PlanPage, row: number): void {
    this.load(page, row)
    this.growGroups(this.group)
    const bound = this.groupVolume[this.group] as number
    if (bound > 0) {
      const open = this.open[bound - 1] as Open
      open.outstanding -= 1
      open.ledger.release(this.groupPrepaid[this.group] as number)
      return
    }
    const home = page.home[row] as number
    const open = home === 0 ? undefined : this.byNumber.get(home)
    // Without links each name is a file of its own, wherever the others are.
    if (bound !== 0 || open === undefined || !open.ledger.space.hasLinks) return
    this.bind(open)
    const others = Math.max(0, this.members - 1)
    open.ledger.take(others * (this.groupPrepaid[this.group] as number), 0)
  }

  /** The row's group belongs to the volume from now on; its other names are to come. */
  private bind(open: Open): void {
    this.groupVolume[this.group] = open.index + 1
    this.groupPrepaid[this.group] = this.laterNameCost(open)
    open.outstanding += Math.max(0, this.members - 1)
  }

  /** Whether the row fits, with the directories that it needs; leaves in `bytes`, `inodes` what it costs. */
  private fits(open: Open): boolean {
    const { ledger } = open
    this.bytes = this.entryCost(open)
    this.inodes = ledger.space.hasLinks || this.group === 0 ? 1 : this.members
    // Directories last: most volumes that are full say no before.
    if (!ledger.fits(this.bytes, this.inodes)) return false
    this.bytes += this.directoriesCost(open)
    this.inodes += this.newDirectories
    const outstanding = open.outstanding + (this.group === 0 ? 0 : Math.max(0, this.members - 1))
    if (outstanding === 0) return ledger.fits(this.bytes, this.inodes)
    const later = this.laterDirectories(outstanding)
    const each = ledger.model.directory(NAME_MAX, this.longestPath)
    return ledger.fits(this.bytes + later * each, this.inodes + later)
  }

  /**
   * The most directories that names which are still to come can need on a volume: a whole chain each, but
   * no more than there are, those above the current row included.
   */
  private laterDirectories(outstanding: number): number {
    return Math.min(outstanding * this.deepest, Math.max(0, this.directoriesLeft) + this.deepest)
  }

  /** Charges the row, for which `fits` has just said yes; for a group all of its names. */
  private take(open: Open): void {
    if (this.group !== 0) this.bind(open)
    open.ledger.take(this.bytes, this.inodes)
    const size = this.kind === Kind.file ? this.size : 0
    this.markDirectories(open)
    this.count(open, size)
    // Two stretches: what was replaced in one is free at the end of the next.
    open.stretch += size
    if (open.stretch >= this.settle) {
      open.ledger.release(open.settled)
      open.settled = open.settling
      open.settling = 0
      open.stretch = 0
    }
  }

  /** The entry without its directories. Of a group: the content, and as many names as it has. */
  private entryCost(open: Open): number {
    const { model, space } = open.ledger
    const content = model.content(this.kind, this.size, this.allocated)
    const name = this.nameCost(open)
    if (this.group === 0 || this.members < 2) return content + name
    const others = (this.members - 1) * this.laterNameCost(open)
    return content * (space.hasLinks ? 1 : this.members) + name + others
  }

  /** The row's name in its directory and in our files. */
  private nameCost(open: Open): number {
    const { model } = open.ledger
    return model.name(this.nameLength) + model.own(this.pathLength, this.kind === Kind.file)
  }

  /** What another name of the row's group may cost: nothing is known of it yet. */
  private laterNameCost(open: Open): number {
    const { model } = open.ledger
    return model.name(NAME_MAX) + model.own(this.longestPath, this.kind === Kind.file)
  }

  /** Bytes of the directories above that are new on the volume; their number in `newDirectories`. */
  private directoriesCost(open: Open): number {
    const { model } = open.ledger
    let bytes = 0
    let d = this.depth - 1
    for (; d >= 0 && open.charged[d] !== this.stamps[d]; d -= 1) {
      bytes += model.directory(this.names[d] as number, this.paths[d] as number)
    }
    this.newDirectories = this.depth - 1 - d
    return bytes
  }

  /** The directories above are on the volume from now on. */
  private markDirectories(open: Open): void {
    for (let d = this.depth - 1; d >= 0 && open.charged[d] !== this.stamps[d]; d -= 1) {
      open.charged[d] = this.stamps[d] as number
    }
  }

  /**
   * Opens new drives up to the first that takes the row, if there ever is one. The sizes of
   * `--volume-size` go by number, so a drive that is too small may come before one that is not.
   */
  private openUnseen(): Open | undefined {
    const { sizes, capacity } = this.unseen
    if (sizes.length === 0 && capacity <= 0) return undefined
    const last = Math.max(this.nextNumber, sizes.length)
    for (let number = this.nextNumber; number <= last; number += 1) {
      let open = this.account(this.unseenSpace(number), -1)
      if (!this.fits(open)) continue
      for (let n = this.nextNumber; n <= number; n += 1) open = this.add(this.unseenSpace(n))
      this.nextNumber = number + 1
      return open
    }
    return undefined
  }

  /** A volume with nothing on it yet; `index` is its position in `open`. */
  private account(space: VolumeSpace, index: number): Open {
    return {
      ledger: new Ledger(space, this.trustAllocated),
      index,
      charged: [],
      outstanding: 0,
      entries: 0,
      files: 0,
      bytes: 0,
      settling: 0,
      settled: 0,
      stretch: 0,
    }
  }

  private unseenSpace(number: number): VolumeSpace {
    const { sizes, capacity, blockSize, fsType, hasLinks, reserve } = this.unseen
    const size =
      sizes.length === 0 ? capacity : (sizes[Math.min(number, sizes.length) - 1] as number)
    return {
      number,
      capacity: size,
      available: size,
      blockSize,
      inodesFree: 0,
      fsType,
      // A size that the user gave is what may be used; the reserve is of the drive behind it.
      reserve: sizes.length === 0 ? reserve : 0,
      hasLinks,
      known: false,
    }
  }

  private reject(bytes: number): number {
    this.unplaced.entries += 1
    if (this.kind === Kind.file) {
      this.unplaced.files += 1
      this.unplaced.bytes += bytes
    }
    return NOWHERE
  }

  private count(open: Open, bytes: number): void {
    open.entries += 1
    open.bytes += bytes
    if (this.kind === Kind.file) open.files += 1
  }

  private growGroups(group: number): void {
    if (group < this.groupVolume.length) return
    const length = Math.max(group + 1, this.groupVolume.length * 2)
    const volumes = new Int32Array(length)
    volumes.set(this.groupVolume)
    this.groupVolume = volumes
    const prepaid = new Float64Array(length)
    prepaid.set(this.groupPrepaid)
    this.groupPrepaid = prepaid
  }
}
