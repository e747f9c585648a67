/** What the command line says about the check of a drive. */

import type { FsName } from '../native/names.js'
import type { TalkOptions } from '../report/talk.js'
import type { SetClues } from '../set/find.js'

/** The files that are to be written; paths as the user wrote them. */
export interface VerifyLists {
  readonly report: FsName | undefined
  readonly matched: FsName | undefined
  readonly differ: FsName | undefined
  readonly missingOnDst: FsName | undefined
  readonly missingOnSrc: FsName | undefined
  readonly error: FsName | undefined
  readonly combined: FsName | undefined
}

/** What to check, and how. */
export interface VerifyOptions extends SetClues {
  /** Where the drive is mounted. */
  readonly output: FsName
  readonly patterns: readonly FsName[]
  /** Only what was not checked for so many days. */
  readonly since: number | undefined
  /** Only so many percent of the bytes. */
  readonly sample: number | undefined
  /** Files that are read at once. */
  readonly workers: number | undefined
  readonly restart: boolean
  readonly oneWay: boolean
  /** The drive is compared with the sources of the set, too. */
  readonly againstSource: boolean
  readonly json: boolean
  readonly verbosity: TalkOptions['verbosity']
  readonly lists: VerifyLists
}
