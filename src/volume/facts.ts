/**
 * The words in which a mounted path is judged: the facts, what the caller knows, and the verdicts.
 *
 * Facts come from the addon and are true for a moment only; nothing here is kept between runs.
 */

import type { FsName } from '../native/names.js'
import type { PathFacts } from '../native/volume.js'

export type { PathFacts } from '../native/volume.js'

/** A volume that the set's catalog knows. */
export interface KnownVolume {
  readonly id: string
  readonly number: number
  readonly label: string
  /** The generation that the drive had when it was last seen; raise the drive's first, then this. */
  readonly generation: number
  /** What became of it; nothing while it is in use. */
  readonly fate?: '' | 'retired' | 'lost'
}

/** Where a source lies: the part of its facts that matters to an output. */
export type SourcePlace = Pick<PathFacts, 'realPath' | 'chain' | 'mount'>

/** What the caller knows beside the facts. */
export interface JudgeContext {
  /** The set's id; null when no set is chosen yet: then every volume is one of another set. */
  readonly setId: string | null
  /** The set's volumes. */
  readonly known: readonly KnownVolume[]
  /** The volume that has just been filled and must not be taken again. */
  readonly justFilledId: string | null
  readonly sources: readonly SourcePlace[]
  /** The walk stays on the mount of each source (`-x`), so an output on another mount is not inside. */
  readonly oneFileSystem: boolean
  /** Mount points on which this set had a drive of its own before. */
  readonly hadDriveAt: readonly FsName[]
  /** With less free space than this, in bytes, a drive is of no use. */
  readonly smallest: number
  /** For reading (verify, restore) a read-only or full drive is good. */
  readonly purpose: 'write' | 'read'
}

/** Why an empty directory is taken for a drive that is not mounted. */
export type UnmountedReason = 'fstab' | 'mount-place' | 'had-a-drive'

/** What a path is to the run. */
export type Verdict =
  /** An empty drive or folder: may be made a volume. */
  | { readonly kind: 'blank' }
  /** A volume of this set. */
  | {
      readonly kind: 'volume-of-set'
      readonly id: string
      readonly number: number
      readonly label: string
      readonly generation: number
      /** It was opened less often than the catalog knows: an old copy of the real drive. */
      readonly clone: boolean
      /** It was opened more often than the catalog knows: elsewhere, or the catalog is old. */
      readonly ahead: boolean
      /** The catalog has it; otherwise only the drive says that it belongs to the set. */
      readonly known: boolean
      /** It was closed as complete. */
      readonly closed: boolean
    }
  /** A volume of this set that was declared lost. */
  | { readonly kind: 'lost'; readonly number: number; readonly label: string }
  /** The volume that has just been filled. */
  | { readonly kind: 'just-filled'; readonly number: number; readonly label: string }
  /** A volume of another set. */
  | {
      readonly kind: 'other-set'
      readonly setId: string
      readonly setName: string
      readonly number: number
      readonly label: string
    }
  /** Files are there that no set knows. */
  | {
      readonly kind: 'foreign'
      readonly count: number
      /** There are more than were counted. */
      readonly more: boolean
      /** Some of the names, byte for byte; not for printing. */
      readonly names: readonly FsName[]
    }
  /** An empty directory, or none, where a drive should be mounted. */
  | { readonly kind: 'unmounted'; readonly reason: UnmountedReason }
  /** Nothing can be written: the file system says so, or the errno does. */
  | { readonly kind: 'read-only'; readonly errno?: number }
  | { readonly kind: 'too-small'; readonly free: number; readonly needed: number }
  | { readonly kind: 'not-a-directory' }
  /** Nothing is there; `creatable`: the directory above is, and may be written. */
  | { readonly kind: 'missing'; readonly creatable: boolean }
  /** The output is a source or lies in one. */
  | { readonly kind: 'inside-source'; readonly source: FsName }
  /** A source lies in the output. */
  | { readonly kind: 'source-inside'; readonly source: FsName }
  /** There is a `.mvcopy`, and whose it is cannot be told. */
  | { readonly kind: 'damaged-identity'; readonly why: string }
  /** A newer version wrote it. */
  | { readonly kind: 'newer-identity'; readonly why: string }
  | { readonly kind: 'unreadable'; readonly errno: number }

/** What is worth a line, whatever the verdict. */
export type Warning = 'same-file-system-as-source' | 'plain-folder' | 'fuse'

/** The outcome of judging a path. */
export interface Judgement {
  readonly verdict: Verdict
  readonly warnings: readonly Warning[]
}
