/** What the command line of `repair` says, checked and in plain data. */

import type { TalkOptions } from '../report/talk.js'

/** The options of a repair. Paths as the user wrote them. */
export interface RepairOptions extends TalkOptions {
  /** `-o`: where the drive is mounted. */
  readonly output: string
  /** `--from`: where other drives of the set are mounted. */
  readonly from: readonly string[]
  /** `--set-aside`: what was changed on the drive is kept beside, without a question. */
  readonly setAside: boolean
  /** `--spool`: where the content of another drive is kept meanwhile, where only one can be in at a time. */
  readonly spool: string | undefined
  /** `-n`: only tell what would be done. */
  readonly dryRun: boolean
  readonly json: boolean
  /** `--set NAME`. */
  readonly setName: string | undefined
  /** `--catalog FILE`. */
  readonly catalog: string | undefined
}
