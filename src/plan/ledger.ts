/**
 * The ledger of one volume's free space: the only place where space is counted while planning.
 *
 * Pure arithmetic. What a volume may still take is what the system says is available, less the
 * reserve, less what `--volume-size` forbids, less what a volume costs by itself (`cost.ts`).
 * Charges are bytes and inodes; fractions of a byte are kept.
 */
import { CostModel } from './cost.js'

/** A volume as the plan sees it: what was read from the drive, or what is assumed of an unseen one. */
export interface VolumeSpace {
  /** The volume's number in the set, from 1. */
  readonly number: number
  /** Bytes of the file system (`f_blocks × f_frsize`). */
  readonly capacity: number
  /** Bytes that may be written now (`f_bavail × f_frsize`). */
  readonly available: number
  /** Bytes in which the file system gives out space (`f_frsize`). */
  readonly blockSize: number
  /** Free inodes; 0: no limit. */
  readonly inodesFree: number
  /** The file system's type as the mount table names it; anything unknown is taken at its worst. */
  readonly fsType: string
  /** Bytes that the user wants to be left free. */
  readonly reserve: number
  /** `--volume-size`: most bytes used on the drive, what is used now included. */
  readonly cap?: number | undefined
  /** Bytes used now, for `cap`; default: capacity less available. */
  readonly used?: number | undefined
  /** True: takes new versions of what it holds, and nothing else. */
  readonly homeOnly?: boolean | undefined
  /** Whether hard links can be made; where not, each name costs the whole content. */
  readonly hasLinks: boolean
  /** False: nobody has seen this drive yet. */
  readonly known: boolean
  /** True: our own directory is there already, so what a volume costs by itself is mostly paid. */
  readonly opened?: boolean | undefined
  /** Bits of `Flag`: the names that its file system refuses. Default none. */
  readonly refuses?: number | undefined
  /** It is on the shelf, and this plan asks for it. */
  readonly fetched?: boolean | undefined
  /** Bytes of our own files that are there and will be written anew beside the old ones. Default 0. */
  readonly rewrite?: number | undefined
}

/** The account of one volume. */
export class Ledger {
  readonly space: VolumeSpace
  readonly model: CostModel
  /** Bytes that may still be charged; negative after an overdraft. */
  left: number
  /** Inodes that may still be charged. */
  inodesLeft: number
  /** Bytes charged so far, less what was given back. */
  charged = 0

  constructor(space: VolumeSpace, trustAllocated = true) {
    this.space = space
    this.model = new CostModel(space, trustAllocated)
    // What the file system takes for itself counts against its own space, not against a cap.
    const { fixed, ours } = this.model
    this.left = Math.min(free(space) - fixed, capped(space) - ours)
    this.inodesLeft =
      space.inodesFree === 0 ? Number.POSITIVE_INFINITY : space.inodesFree - this.model.fixedInodes
  }

  /** Whether this much more may be charged. */
  fits(bytes: number, inodes: number): boolean {
    return bytes <= this.left && inodes <= this.inodesLeft
  }

  /** Charges it, whether it fits or not. */
  take(bytes: number, inodes: number): void {
    this.left -= bytes
    this.inodesLeft -= inodes
    this.charged += bytes
  }

  /** Gives space back: an old version that has been replaced, a promise that is kept. */
  release(bytes: number, inodes = 0): void {
    this.left += bytes
    this.inodesLeft += inodes
    this.charged -= bytes
  }
}

/** What may be written on the drive in all: available, less reserve, within the cap. */
export function room(space: VolumeSpace): number {
  return Math.min(free(space), capped(space))
}

function free(space: VolumeSpace): number {
  return space.available - space.reserve
}

function capped(space: VolumeSpace): number {
  if (space.cap === undefined) return Number.POSITIVE_INFINITY
  return space.cap - (space.used ?? Math.max(0, space.capacity - space.available))
}

/** Bytes of a drive while nothing is known of any: larger than all that there are. */
export const UNKNOWN_CAPACITY = 2 ** 52
