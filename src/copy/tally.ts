/** What a run has done so far: the numbers behind the summary and the exit code. */

import { Exit, type ExitCode, mergeExit } from '../exit.js'
import type { CopyOutcome } from '../native/set.js'
import type { VolumeName } from '../report/reporter.js'

/** Running totals of one run. */
export class RunTally {
  files = 0
  bytes = 0
  removed = 0
  renamed = 0
  failed = 0
  vanished = 0
  unreadable = 0
  interrupted = false
  readonly volumes: VolumeName[] = []
  readonly #codes: ExitCode[] = []

  /** Notes that an exit code holds. */
  note(code: ExitCode): void {
    this.#codes.push(code)
  }

  /** Adds what came of writing one volume. */
  add(outcome: CopyOutcome): void {
    this.files += outcome.files
    this.bytes += outcome.bytes
    this.failed += outcome.failed + outcome.foreign
    this.vanished += outcome.vanished + outcome.changing
  }

  /** The exit code of the run. `left`: something that was planned is not on a drive. */
  exit(unplaced: boolean): ExitCode {
    const codes = [...this.#codes]
    if (this.interrupted) codes.push(Exit.interrupted)
    if (this.failed > 0 || this.unreadable > 0 || unplaced) codes.push(Exit.partial)
    if (this.vanished > 0) codes.push(Exit.vanished)
    return mergeExit(codes)
  }
}
