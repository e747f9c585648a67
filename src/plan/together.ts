/**
 * `--keep-together`: a directory at a given depth goes to one volume, where it fits on one.
 *
 * When such a directory begins, room for all that is to be placed below it is set aside on one volume, and
 * its rows draw on that. What it costs is known from a survey of the same pages. Where it fits on no
 * volume, not even on a new one, its rows are placed one by one. Later names of hard-link groups go where
 * the group is, and changed files to the drive of their old version, whatever directory they are in.
 */
import type { Account } from './account.js'
import { Kind, type Units } from './page.js'
import type { RowAtHand } from './row.js'

/** Opens new volumes up to one of which the condition holds. */
type OpenUnseen = (fits: (account: Account) => boolean) => Account | undefined

/** The unit at hand, and what is set aside for it. */
export class Together {
  private readonly units: Units
  private readonly row: RowAtHand
  /** The number of the unit that comes next. */
  private next = 0
  private account: Account | undefined
  /** What of the room that was set aside has not been used. */
  private bytes = 0
  private inodes = 0
  /** By unit: the volume on which room is set aside already. */
  private promised: Uint32Array = new Uint32Array(0)
  private readonly accounts = new Map<number, Account>()

  constructor(units: Units, row: RowAtHand) {
    this.units = units
    this.row = row
  }

  /** Sets room aside for units that have their volume before the fold begins. */
  promise(volumes: Uint32Array, at: (number: number) => Account | undefined): void {
    this.promised = volumes
    for (let unit = 0; unit < volumes.length; unit += 1) {
      const number = volumes[unit] as number
      if (number === 0) continue
      const account = at(number)
      if (account === undefined) continue
      this.accounts.set(number, account)
      const { bytes, inodes } = this.units.cost(account.ledger.space, unit)
      account.ledger.take(bytes, inodes)
    }
  }

  /** Whether the row is the directory of a unit; the unit before it ends where it should. */
  begins(): boolean {
    const { depth, kind } = this.row
    if (depth >= this.units.depth) return false
    this.end()
    return depth === this.units.depth - 1 && kind === Kind.directory
  }

  /** Chooses the volume of the unit that begins: the one that holds some of it (`home`), else the first. */
  begin(
    home: number,
    open: readonly Account[],
    byNumber: ReadonlyMap<number, Account>,
    openUnseen: OpenUnseen,
  ): void {
    const unit = this.next
    this.next += 1
    const kept = this.promised[unit] ?? 0
    if (kept !== 0) {
      this.account = this.accounts.get(kept)
      if (this.account !== undefined) this.setAside(unit, this.account)
      return
    }
    const fits = (account: Account): boolean => {
      const { bytes, inodes } = this.units.cost(account.ledger.space, unit)
      const more = this.units.outstanding[unit] as number
      return bytes > 0 && this.row.leavesRoom(account, bytes, inodes, more)
    }
    const old = home === 0 ? undefined : byNumber.get(home)
    const chosen =
      old !== undefined && fits(old)
        ? old
        : (open.find((account) => !account.homeOnly && fits(account)) ?? openUnseen(fits))
    if (chosen === undefined) return
    this.setAside(unit, chosen)
    chosen.ledger.take(this.bytes, this.inodes)
    this.account = chosen
  }

  /** The volume of the row's unit, where the row fits there; what was set aside for it is free for it now. */
  take(): Account | undefined {
    const { account, row } = this
    if (account === undefined) return undefined
    row.measure(account)
    const bytes = Math.min(row.bytes, this.bytes)
    const inodes = Math.min(row.inodes, this.inodes)
    account.ledger.release(bytes, inodes)
    if (row.fits(account)) {
      this.bytes -= bytes
      this.inodes -= inodes
      return account
    }
    account.ledger.take(bytes, inodes)
    return undefined
  }

  private setAside(unit: number, account: Account): void {
    const { bytes, inodes } = this.units.cost(account.ledger.space, unit)
    this.bytes = bytes
    this.inodes = inodes
  }

  private end(): void {
    this.account?.ledger.release(this.bytes, this.inodes)
    this.account = undefined
    this.bytes = 0
    this.inodes = 0
  }
}
