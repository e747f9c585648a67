/** What a restore is asked to do. */

import type { FsName } from '../native/names.js'
import type { TalkOptions } from '../report/talk.js'

/** What becomes of something that stands in the place of an entry and is not the same. */
export type ExistingPolicy = 'keep' | 'overwrite' | 'update' | 'keep-both'

/** The options of a restore, checked. Paths as the user wrote them. */
export interface RestoreOptions extends TalkOptions {
  /** Where drives are mounted, or will be; at least one. */
  readonly outputs: readonly FsName[]
  /** The destination. */
  readonly to: FsName
  /** What is wanted; none is everything. */
  readonly paths: readonly FsName[]
  readonly setName: string | undefined
  readonly catalog: FsName | undefined
  readonly existing: ExistingPolicy
  /** Bad copies are kept beside their places, under a name that says so. */
  readonly keepBad: boolean
  /** Immutable, append-only and no-dump flags are set again. */
  readonly flags: boolean
  /** Nothing is done; it is told what would be. */
  readonly dryRun: boolean
}
