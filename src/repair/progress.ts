/** How far a repair is: of so much that is to be brought back. */

import { inHand, type Progress as JobProgress } from '../native/job.js'
import type { Amount, Progress } from '../report/reporter.js'

/** The snapshot of a job that brings back `all`. */
export function snapshot(progress: JobProgress, all: Amount): Progress {
  return {
    files: { done: progress.files, total: all.files },
    bytes: { done: progress.bytes, total: all.bytes },
    errors: progress.errors,
    ...inHand(progress),
  }
}
