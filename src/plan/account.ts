/**
 * One volume while a plan is made: its ledger, what it was given so far, and which directories of the
 * chain in hand it has.
 *
 * Plain fields that the fold and the row cost work on; it decides nothing. Fields are not `#private`:
 * those take twice the time for a million rows.
 */
import { Ledger, type VolumeSpace } from './ledger.js'
import { Kind, type Space, type VolumePlan } from './page.js'

/** A volume within a plan. */
export class Account {
  readonly ledger: Ledger
  readonly number: number
  /** Its position among the accounts of the fold; -1 while it is only tried. */
  readonly index: number
  /** By depth: the stamp of the directory that was charged here last. */
  readonly charged: number[] = []
  /** Bits of `Flag`: the names that the file system refuses. */
  readonly refuses: number
  readonly homeOnly: boolean
  /** Names of hard-link groups that are bound to this volume and have not come yet. */
  outstanding = 0
  entries = 0
  files = 0
  bytes = 0
  refusedNames = 0
  /** Further names of hard-linked files that stand here as files of their own. */
  copiedNames = 0
  /** Files that went elsewhere because the file system holds none so large. */
  refusedSizes = 0
  /** Old versions that will be free: of this stretch, and of the one before. */
  settling = 0
  private settled = 0
  /** Room that is kept for changed entries. */
  private keptBytes = 0
  private keptInodes = 0
  /** Bytes of content placed in this stretch. */
  private stretch = 0

  constructor(space: VolumeSpace, index: number, trustAllocated: boolean) {
    this.ledger = new Ledger(space, trustAllocated)
    this.number = space.number
    this.index = index
    this.refuses = space.refuses ?? 0
    this.homeOnly = space.homeOnly === true
  }

  /** It is in and of the set already, or the plan has begun to use it; a drive that nobody has seen never is. */
  get isInHand(): boolean {
    const { known, opened, fetched } = this.ledger.space
    if (this.homeOnly || !known) return false
    return this.entries > 0 || (opened === true && fetched !== true)
  }

  /** Keeps room for changed entries that are to come back here, as far as there is any. */
  keepForHome({ bytes, inodes }: Space): void {
    const [most, some] = [Math.max(0, this.ledger.left), Math.max(0, this.ledger.inodesLeft)]
    this.keep(Math.min(bytes, most), Math.min(inodes, some))
  }

  /** One of these has come: asks `fits` with its part of the room free; without success all stays as it was. */
  isHome(bytes: number, inodes: number, fits: () => boolean): boolean {
    const [given, some] = [Math.min(bytes, this.keptBytes), Math.min(inodes, this.keptInodes)]
    this.keep(-given, -some)
    if (fits()) return true
    this.keep(given, some)
    return false
  }

  private keep(bytes: number, inodes: number): void {
    this.keptBytes += bytes
    this.keptInodes += inodes
    this.ledger.take(bytes, inodes)
  }

  /** Counts a placed row; `bytes` of content, 0 for a name more of what is there. */
  count(kind: number, bytes: number): void {
    this.entries += 1
    this.bytes += bytes
    if (kind === Kind.file) this.files += 1
  }

  /** Time passes by `bytes` of content: what was replaced in one stretch is free at the end of the next. */
  pass(bytes: number, stretch: number): void {
    this.stretch += bytes
    if (this.stretch < stretch) return
    this.ledger.release(this.settled)
    this.settled = this.settling
    this.settling = 0
    this.stretch = 0
  }

  /** What the plan gives it. */
  share(): VolumePlan {
    const { space, charged, left } = this.ledger
    // What was kept and not needed is free.
    const kept = this.keptBytes
    return {
      number: this.number,
      known: space.known,
      entries: this.entries,
      files: this.files,
      bytes: this.bytes,
      cost: charged - kept,
      left: left + kept,
      capacity: space.cap === undefined ? space.capacity : Math.min(space.capacity, space.cap),
      refusedNames: this.refusedNames,
      copiedNames: this.copiedNames,
    }
  }
}
