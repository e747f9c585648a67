/**
 * The plan: a fold over pages of entries that says which volume each belongs to.
 *
 * First fit in path order, by real cost; directories that are kept together and what was promised a place
 * come first. Pure: no I/O, no clock, the same pages give the same plan. Its state is the accounts, the
 * current chain of directories and a few numbers a hard-link group: not the tree. When a volume is closed
 * is not its business: it only says where things go.
 */
import { Account } from './account.js'
import type { VolumeSpace } from './ledger.js'
import {
  Flag,
  Kind,
  NOT_PLACED,
  NOWHERE,
  type PlanOptions,
  type PlanPage,
  type PlanSummary,
  type Promised,
  type UnseenVolumes,
} from './page.js'
import { RowAtHand } from './row.js'
import { Together } from './together.js'
import { unseenSpace } from './unseen.js'

export * from './page.js'

const DEFAULT_SETTLE = 1024 ** 3
/** `groupVolume`: fits nowhere. Other values: 0 unknown, else the position in `open` + 1. */
const GROUP_NOWHERE = -1
/** `groupVolume`: fits nowhere as a whole; its names are placed one by one. */
const GROUP_APART = -2

/** The plan of one run. Fields are `private`, not `#`: those take twice the time for a million rows. */
export class PlanFold {
  private readonly open: Account[] = []
  private readonly byNumber = new Map<number, Account>()
  private readonly unseen: UnseenVolumes
  private readonly trustAllocated: boolean
  private readonly settle: number
  private readonly row: RowAtHand
  private readonly together: Together | undefined
  private readonly promised: Promised | undefined
  private readonly keepsHomes: boolean
  /** The position in `promised` of the row that comes next. */
  private nextPromise = 0
  private nextNumber: number
  private groupVolume = new Int32Array(1024)
  private groupPrepaid = new Float64Array(1024)
  /** Names of the group on its volume so far. */
  private groupNames = new Uint32Array(1024)
  /** Of groups that are placed name by name the volume that has one of them and takes more. */
  private readonly apart = new Map<number, Account>()
  /** Changed entries that found no room beside their old versions. */
  private displaced = 0
  private readonly unplaced = { entries: 0, files: 0, bytes: 0 }

  /**
   * `volumes` in order of preference; `unseen` says what comes after them.
   */
  constructor(volumes: readonly VolumeSpace[], unseen: UnseenVolumes, options: PlanOptions = {}) {
    this.unseen = unseen
    this.trustAllocated = options.trustAllocated ?? true
    this.settle = options.settleBytes ?? DEFAULT_SETTLE
    this.row = new RowAtHand(options)
    for (const space of volumes) this.add(space)
    this.nextNumber =
      unseen.firstNumber ?? volumes.reduce((most, { number }) => Math.max(most, number), 0) + 1
    this.promised = options.promised
    this.keepsHomes = options.homes !== undefined
    const { units } = options
    this.together = units === undefined ? undefined : new Together(units, this.row)
    for (const [number, space] of options.homes ?? []) this.byNumber.get(number)?.keepForHome(space)
    if (options.promised !== undefined) this.keepPromised(options.promised)
  }

  /** The volume number of each row of the page, or `NOWHERE`, or `NOT_PLACED`. */
  page(page: PlanPage): Uint32Array {
    const result = new Uint32Array(page.count)
    const { row } = this
    for (let i = 0; i < page.count; i += 1) {
      row.next(page, i)
      if (this.together?.begins() === true) {
        this.together.begin(page.home[i] as number, this.open, this.byNumber, (fits) =>
          this.openUnseen(fits),
        )
      }
      if ((row.flags & Flag.place) === 0) {
        if (row.group !== 0) this.keepInGroup(page, i)
        result[i] = NOT_PLACED
      } else if (row.kind === Kind.directory && (row.flags & Flag.emptyDirectory) === 0) {
        // A directory that holds something goes wherever that goes.
        result[i] = NOT_PLACED
      } else {
        row.load(page, i)
        result[i] = this.place()
      }
      row.leave(page, i)
    }
    return result
  }

  /** The totals; the fold may not be used after. */
  finish(): PlanSummary {
    return {
      volumes: this.open.filter(({ entries }) => entries > 0).map((account) => account.share()),
      refusing: this.open
        .filter(({ refusedSizes }) => refusedSizes > 0)
        .map(({ number, refusedSizes }) => ({ number, files: refusedSizes })),
      displaced: this.displaced,
      unplaced: { ...this.unplaced },
    }
  }

  private add(space: VolumeSpace): Account {
    const account = new Account(space, this.open.length, this.trustAllocated)
    this.open.push(account)
    this.byNumber.set(space.number, account)
    return account
  }

  private place(): number {
    const { row } = this
    const { group } = row
    const kept = this.promiseOf()
    if (group !== 0) {
      this.growGroups(group)
      const bound = this.groupVolume[group] as number
      if (bound > 0) return this.join(this.open[bound - 1] as Account)
      if (bound === GROUP_NOWHERE) return this.reject(0)
      if (bound === GROUP_APART) return this.placeApart()
    }
    if (kept !== undefined && row.fits(kept)) return this.take(kept)

    const home = row.home === 0 ? undefined : this.byNumber.get(row.home)
    // No drive is fetched for what fits on one that is in: the old version goes when its drive comes in anyway.
    if (home?.homeOnly === true) {
      const inHand = this.open.find((account) => account.isInHand && row.fits(account))
      if (inHand !== undefined) return this.take(inHand)
    }
    // The new version is written beside the old one, so it must fit as a whole.
    if (home !== undefined && this.fitsAtHome(home)) {
      const old = row.homeSize
      this.take(home)
      if (old > 0) home.settling += home.ledger.model.content(Kind.file, old, old)
      return home.number
    }
    if (home !== undefined) this.displaced += 1
    const unit = this.together?.take()
    if (unit !== undefined) return this.take(unit)
    const found = this.firstFit()
    if (found !== undefined) return this.take(found)
    if (group === 0) return this.reject(row.size)
    if (row.members < 2) {
      this.groupVolume[group] = GROUP_NOWHERE
      return this.reject(row.size)
    }
    this.groupVolume[group] = GROUP_APART
    return this.placeApart()
  }

  /** The first volume that takes the row, a new one if none that is open does. */
  private firstFit(): Account | undefined {
    const { row } = this
    for (const account of this.open) {
      if (account.homeOnly) continue
      const { ledger } = account
      if (ledger.left < ledger.model.least) continue
      if (row.fits(account)) return account
      if (row.size > ledger.model.maxFile && row.kind === Kind.file) account.refusedSizes += 1
    }
    return this.openUnseen((account) => row.fits(account))
  }

  /**
   * A name of a group that fits on no volume as a whole: beside the one before it at the cost of a name, else
   * as a file of its own wherever that fits, to which later names are joined.
   */
  private placeApart(): number {
    const { row } = this
    const { group } = row
    const before = this.apart.get(group)
    if (before?.ledger.space.hasLinks === true && !this.isFull(before)) {
      row.measureName(before)
      if (row.leavesRoom(before, row.bytes, 0, 0)) {
        this.groupNames[group] = (this.groupNames[group] as number) + 1
        before.ledger.take(row.bytes, row.inodes)
        row.markDirectories(before)
        this.count(before, 0)
        return before.number
      }
    }
    row.alone()
    const account = this.firstFit()
    if (account === undefined) {
      this.groupVolume[group] = GROUP_NOWHERE
      return this.reject(row.size)
    }
    if (before !== undefined) account.copiedNames += 1
    this.apart.set(group, account)
    this.groupNames[group] = 1
    return this.take(account)
  }

  /** Whether the file of the row's group can have no more names on its volume. */
  private isFull({ ledger }: Account): boolean {
    const names = this.groupNames[this.row.group] as number
    return !ledger.space.hasLinks || (names > 0 && names % ledger.model.maxLinks === 0)
  }

  private fitsAtHome(home: Account): boolean {
    const { row } = this
    if (!this.keepsHomes) return row.fits(home)
    row.measure(home)
    return home.isHome(row.bytes, row.inodes, () => row.fits(home))
  }

  /** A name more of a group whose content has its place. It goes there, whatever it costs. */
  private join(account: Account): number {
    const { row } = this
    row.measureName(account)
    account.outstanding -= 1
    row.markDirectories(account)
    account.ledger.take(row.bytes - (this.groupPrepaid[row.group] as number), row.inodes)
    // The content of each copy that a group needs was charged with its first name.
    const again = this.isFull(account)
    if (again) account.copiedNames += 1
    this.groupNames[row.group] = (this.groupNames[row.group] as number) + 1
    this.count(account, again ? row.size : 0)
    return account.number
  }

  /** An unchanged name of a group: binds the group to the volume that holds it, or has been counted on. */
  private keepInGroup(page: PlanPage, index: number): void {
    const { row } = this
    row.load(page, index)
    this.growGroups(row.group)
    const bound = this.groupVolume[row.group] as number
    if (bound > 0) {
      const account = this.open[bound - 1] as Account
      account.outstanding -= 1
      account.ledger.release(this.groupPrepaid[row.group] as number)
      this.groupNames[row.group] = (this.groupNames[row.group] as number) + 1
      return
    }
    const account = row.home === 0 ? undefined : this.byNumber.get(row.home)
    // Without links each name is a file of its own, wherever the others are.
    if (bound !== 0 || account === undefined || !account.ledger.space.hasLinks) return
    this.bind(account)
    account.ledger.take(row.others * (this.groupPrepaid[row.group] as number), 0)
  }

  /** The row's group belongs to the volume from now on; its other names are to come. */
  private bind(account: Account): void {
    const { row } = this
    this.groupVolume[row.group] = account.index + 1
    this.groupPrepaid[row.group] = row.laterName(account)
    this.groupNames[row.group] = 1
    account.outstanding += row.others
  }

  /** Charges the row, for which it was just said that it fits; for a group all of its names. */
  private take(account: Account): number {
    const { row } = this
    if (row.group !== 0 && !row.isAlone) this.bind(account)
    account.ledger.take(row.bytes, row.inodes)
    row.markDirectories(account)
    const size = row.contentOn(account)
    this.count(account, size)
    account.pass(size, this.settle)
    return account.number
  }

  private count(account: Account, bytes: number): void {
    const { row } = this
    account.count(row.kind, bytes)
    if ((row.flags & account.refuses) !== 0) account.refusedNames += 1
  }

  /**
   * Opens new drives up to the first of which `fits` holds, if there ever is one. The sizes of
   * `--volume-size` go by number, so a drive that is too small may come before one that is not.
   */
  private openUnseen(fits: (account: Account) => boolean): Account | undefined {
    const { unseen } = this
    if (unseen.sizes.length === 0 && unseen.capacity <= 0) return undefined
    const last = Math.max(this.nextNumber, unseen.sizes.length)
    for (let number = this.nextNumber; number <= last; number += 1) {
      const tried = new Account(unseenSpace(unseen, number), -1, this.trustAllocated)
      if (fits(tried)) return this.openUpTo(number)
    }
    return undefined
  }

  /** Opens all new drives up to this number. */
  private openUpTo(number: number): Account | undefined {
    let account: Account | undefined
    for (; this.nextNumber <= number; this.nextNumber += 1) {
      account = this.add(unseenSpace(this.unseen, this.nextNumber))
    }
    return account
  }

  /** Charges what is promised to rows and units that are still to come. */
  private keepPromised(promised: Promised): void {
    const at = (number: number): Account | undefined => {
      const known = this.byNumber.get(number)
      return known === undefined && number >= this.nextNumber ? this.openUpTo(number) : known
    }
    for (let i = 0; i < promised.rows.length; i += 1) {
      const { rowVolumes, rowBytes, rowInodes } = promised
      at(rowVolumes[i] as number)?.ledger.take(rowBytes[i] as number, rowInodes[i] as number)
    }
    this.together?.promise(promised.unitVolumes, at)
  }

  /** The volume that is kept for the row; what was charged for it is given back, as it is charged now. */
  private promiseOf(): Account | undefined {
    const { promised } = this
    if (promised === undefined) return undefined
    const { rows, rowVolumes, rowBytes, rowInodes } = promised
    const { ordinal } = this.row
    while (this.nextPromise < rows.length && (rows[this.nextPromise] as number) < ordinal) {
      this.nextPromise += 1
    }
    if (rows[this.nextPromise] !== ordinal) return undefined
    const account = this.byNumber.get(rowVolumes[this.nextPromise] as number)
    account?.ledger.release(
      rowBytes[this.nextPromise] as number,
      rowInodes[this.nextPromise] as number,
    )
    return account
  }

  private reject(bytes: number): number {
    this.unplaced.entries += 1
    if (this.row.kind === Kind.file) {
      this.unplaced.files += 1
      this.unplaced.bytes += bytes
    }
    return NOWHERE
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
    const names = new Uint32Array(length)
    names.set(this.groupNames)
    this.groupNames = names
  }
}
