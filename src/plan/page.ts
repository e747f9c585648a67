/**
 * The data of a plan: the pages that go in, what is assumed of unseen drives, and the totals that come out.
 *
 * Types and constants only.
 */

import type { VolumeSpace } from './ledger.js'

/** `PlanPage.kind`. */
export const Kind = {
  file: 0,
  directory: 1,
  symlink: 2,
  fifo: 3,
  socket: 4,
  charDevice: 5,
  blockDevice: 6,
} as const

/** Bits of `PlanPage.flags`. */
export const Flag = {
  /** The row needs a place. */
  place: 1,
  /** A directory that holds nothing: placed like a file of size 0. */
  emptyDirectory: 2,
  /** Another name of the file is on the volume `home` as it is: there only this name costs anything. */
  linked: 4,
  /** The path holds one of `"*:<>?\|` or a control character. */
  oddCharacter: 8,
  /** A component of the path ends in a dot or a blank. */
  oddEnd: 16,
  /** The path is not UTF-8. */
  notText: 32,
} as const

/** In a result: the row needs no placement. */
export const NOT_PLACED = 0xffffffff
/** In a result: the row fits on no volume, not even on an empty one. */
export const NOWHERE = 0

/**
 * Rows in the order of the drive's tree: a directory comes directly before what it holds, and all that
 * it holds before anything else (paths compared with `/` as the lowest byte). Directories of the chain
 * come even when they need no placement. Arrays may be longer than `count`.
 */
export interface PlanPage {
  readonly count: number
  /** As in `Kind`. */
  readonly kind: Uint8Array
  readonly flags: Uint8Array
  /** Components above the entry; 0 at the drive's root. */
  readonly depth: Uint16Array
  /** Bytes of content (of the target, for a symlink). */
  readonly size: Float64Array
  /** Bytes allocated at the source; less than `size` means holes. */
  readonly allocated: Float64Array
  /** Bytes of the last component. */
  readonly nameLength: Uint16Array
  /** Bytes of the path below the drive's root. */
  readonly pathLength: Uint32Array
  /** 0: none; else the number of the hard-link group, dense from 1. */
  readonly group: Uint32Array
  /** Names of the group that are rows of this plan; 0 or 1 outside of groups. */
  readonly members: Uint32Array
  /**
   * The volume that holds an older version, 0 for none. On a row that needs no placement and is of a
   * group: the volume that holds it, to which the whole group belongs then. On a directory that is kept
   * together: the volume that holds some of it.
   */
  readonly home: Uint32Array
  /** Bytes of content of that older version. */
  readonly homeSize: Float64Array
}

/** What is assumed of drives that nobody has seen yet. */
export interface UnseenVolumes {
  /** `--volume-size`: bytes of volume 1, 2, …, the last one repeated. Empty: `capacity` for each. */
  readonly sizes: readonly number[]
  /** Bytes of a drive where no size was given; 0: no new drives at all. */
  readonly capacity: number
  readonly blockSize: number
  readonly fsType: string
  readonly hasLinks: boolean
  readonly reserve: number
  /** Bits of `Flag`: the names that such a drive's file system refuses. Default none. */
  readonly refuses?: number | undefined
  /** The number of the first new drive; default: the highest known number + 1. */
  readonly firstNumber?: number | undefined
}

export interface PlanOptions {
  /** Whether `allocated` tells holes (false where the source compresses). Default true. */
  readonly trustAllocated?: boolean | undefined
  /**
   * The old version of a changed file counts as free again when this many bytes more have been placed
   * on its volume (it is there until its epoch's rename). Default 1 GiB.
   */
  readonly settleBytes?: number | undefined
  /**
   * Of the whole tree, where the caller knows it: the number of directories, the greatest depth and the
   * longest path. With them no volume is ever overdrawn by a hard-linked name that comes late; without,
   * what has been seen so far stands for what will come.
   */
  readonly directories?: number | undefined
  readonly deepest?: number | undefined
  readonly longestPath?: number | undefined
  /** Directories that stay together (`--keep-together`), as a survey of the same pages found them. */
  readonly units?: Units | undefined
  /** What changed entries will take on the volumes of their old versions: kept free for them. */
  readonly homes?: ReadonlyMap<number, Space> | undefined
  /** What has its volume before the fold begins (`--pack`). */
  readonly promised?: Promised | undefined
}

/** Room on a volume. */
export interface Space {
  readonly bytes: number
  readonly inodes: number
}

/** Directories that are to stay on one volume, in the order of the tree; sums by directory. */
export interface Units {
  /** `--keep-together DEPTH`: their depth below the drives' root, from 1. */
  readonly depth: number
  readonly count: number
  /** Bytes and inodes that all that is to be placed below a directory costs on such a volume. */
  cost(space: VolumeSpace, unit: number): Space
  /** Names of its hard-link groups that may come in other directories. */
  readonly outstanding: Uint32Array
  /** The volume that holds some of the directory already; 0 for none. */
  readonly home: Uint32Array
}

/** Places that are kept free for some rows and units until these come. */
export interface Promised {
  /** Rows, by their position among all rows, rising; of a hard-link group the first. */
  readonly rows: Float64Array
  readonly rowVolumes: Uint32Array
  readonly rowBytes: Float64Array
  readonly rowInodes: Float64Array
  /** By unit: its volume, 0 for none. Empty where nothing is kept together. */
  readonly unitVolumes: Uint32Array
}

/** What a plan says of one volume. */
export interface VolumePlan {
  readonly number: number
  readonly known: boolean
  /** Placed entries, empty directories and links included. */
  readonly entries: number
  /** Placed regular files (names). */
  readonly files: number
  /** Bytes of content; a hard-link group counts as often as its content is written. */
  readonly bytes: number
  /** Bytes charged. */
  readonly cost: number
  /** Bytes that may still be charged; negative where late names of hard-link groups overdrew it. */
  readonly left: number
  /** Bytes of the file system, or the size that was given or assumed. */
  readonly capacity: number
  /** Placed entries whose path its file system will refuse. */
  readonly refusedNames: number
  /** Further names of hard-linked files that stand there as files of their own: no link can be made for them. */
  readonly copiedNames: number
}

export interface PlanSummary {
  /** The volumes on which something was placed, in the order in which they are used. */
  readonly volumes: readonly VolumePlan[]
  /** Volumes whose file system is not able to hold some of the files, which went elsewhere or nowhere. */
  readonly refusing: readonly { readonly number: number; readonly files: number }[]
  /** Changed entries that found no room beside their old versions. */
  readonly displaced: number
  readonly unplaced: { readonly entries: number; readonly files: number; readonly bytes: number }
}
