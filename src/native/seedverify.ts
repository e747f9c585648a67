/** The seed's check of a drive, as the addon does it. */

import type {
  ElsewhereJs,
  SeedFindingJs,
  SeedReportJs,
  SeedVerifyOptionsJs,
} from '../../native/index.js'
import { type RunJobOptions, runJob } from './job.js'
import { binding } from './load.js'

/** What to compare with what. */
export type SeedVerifyInput = SeedVerifyOptionsJs

/** What was found. */
export type SeedReport = SeedReportJs

/** One entry that is not as it should be. */
export type SeedFinding = SeedFindingJs

/** Entries in a row that are not on the drive. */
export type Elsewhere = ElsewhereJs

/**
 * Compares a range of a job file's entries with a drive. Rejects with `BAD_JOB_FILE` (naming the line),
 * `BAD_INPUT` for an output that is no directory, `BAD_FORMAT` for records on the drive that cannot be
 * used, `DRIVE_FAILED`, `CANCELLED`, `IO`.
 */
export function seedVerify(input: SeedVerifyInput, options: RunJobOptions): Promise<SeedReport> {
  return runJob(() => binding.seedVerify(input), options)
}
