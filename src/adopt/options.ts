/** What the command line of `adopt` says, checked and in plain data. */

import type { TalkOptions } from '../report/talk.js'

/** The options of `adopt`. Paths are as the user gave them. */
export interface AdoptOptions extends TalkOptions {
  /** `-o`: where the drives are mounted; at least one. */
  readonly outputs: readonly string[]
  /** `SRC...`: what drives without a catalog are compared with, or where the set's sources lie now. */
  readonly sources: readonly string[]
  /** `-f`: a job file to compare with, instead of sources. */
  readonly jobFile: string | undefined
  /** `--flatten`: all sources lie at the root of drives without a catalog. */
  readonly flatten: boolean
  /** `--set NAME`. */
  readonly setName: string | undefined
  /** `--catalog FILE`. */
  readonly catalog: string | undefined
  /** `--label LABEL` for the next drive that becomes a volume. */
  readonly label: string | undefined
}
