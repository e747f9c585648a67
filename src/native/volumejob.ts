/** Saved plans, as the addon has them. */

import type { SavedPlanJs } from '../../native/index.js'
import { type RunJobOptions, runJob } from './job.js'
import { binding } from './load.js'
import type { FsName } from './names.js'
import { type Catalog, call } from './set.js'

/** What a file says that holds a saved plan. */
export type SavedPlan = SavedPlanJs

/** Saves a catalog with its stored plan for `run` as a new file. Rejects with `IO`, also where it is there. */
export function savePlan(
  catalog: Catalog,
  run: number,
  file: FsName,
  job?: RunJobOptions,
): Promise<void> {
  return runJob(() => binding.savePlan(catalog.native, run, file), job)
}

/** Reads what plan a file holds; nothing is written. Throws `IO`, `CATALOG_DAMAGED`, `BAD_INPUT`. */
export function readSavedPlan(file: FsName): SavedPlan {
  return call(() => binding.readSavedPlan(file))
}

/**
 * Makes a catalog to work with out of a saved plan, in place of one that an earlier attempt left. Rejects
 * with `CATALOG_LOCKED` where somebody works with `to`.
 */
export function takeSavedPlan(from: FsName, to: FsName, job?: RunJobOptions): Promise<void> {
  return runJob(() => binding.takeSavedPlan(from, to), job)
}

/** What of the share of a volume in the stored plan is still to be copied. */
export function leftOfPlan(
  catalog: Catalog,
  run: number,
  volume: number,
): { entries: number; files: number; bytes: number } {
  return call(() => binding.leftOfPlan(catalog.native, run, volume))
}

/** Whether a run has to copy something of a source that is no directory. */
export function needsOfSource(catalog: Catalog, run: number, source: number): boolean {
  return call(() => binding.needsOfSource(catalog.native, run, source))
}
