/** The check of one drive by itself, as the addon does it. */

import type {
  InSourceFindingJs,
  InSourceJs,
  VerifyFindingJs,
  VerifyOptionsJs,
  VerifySummaryJs,
} from '../../native/index.js'
import { type RunJobOptions, runJob } from './job.js'
import { binding } from './load.js'
import type { FsName } from './names.js'
import { call } from './set.js'

/** What to check, and how. */
export type VerifyInput = VerifyOptionsJs

/** What a check found, in numbers. */
export type VerifySummary = VerifySummaryJs

/** One finding. */
export type VerifyFinding = VerifyFindingJs

/** How the drive and the source compare, in numbers. */
export type InSource = InSourceJs

/** What was found of one entry in its source. */
export type InSourceFinding = InSourceFindingJs

/** A check that is over. */
export interface Verified {
  readonly summary: VerifySummary
  /** The findings in path order, a page at a time; throws `NativeError` (`IO`). */
  findings(): Iterable<readonly VerifyFinding[]>
  /** What was found in the source, as `findings`. */
  inSource(): Iterable<readonly InSourceFinding[]>
}

const PAGE = 1000

/**
 * Checks the drive at `input.output`. A stop does not reject: the summary says so. Rejects with `BAD_INPUT`
 * (no drive of ours, a senseless pattern), `BAD_FORMAT` (nothing can be told of it), `DRIVE_FAILED`,
 * `DRIVE_CHANGED`, `CANCELLED` (before the first file), `IO`.
 */
export async function verifyDrive(input: VerifyInput, options: RunJobOptions): Promise<Verified> {
  const result = await runJob(() => binding.verifyDrive(input), options)
  const summary = result.summary()
  if (summary === null || summary === undefined) throw new Error('a check without a summary')
  return {
    summary,
    findings: () => pages((after) => result.findings(after, PAGE)),
    inSource: () => pages((after) => result.inSource(after, PAGE)),
  }
}

function* pages<T extends { path: FsName }>(page: (after: FsName | null) => T[]): Iterable<T[]> {
  let after: FsName | null = null
  for (;;) {
    const from: FsName | null = after
    const found: T[] = call((): T[] => page(from))
    const last: T | undefined = found.at(-1)
    if (last === undefined) return
    yield found
    after = last.path
  }
}
