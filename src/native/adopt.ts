/** Taking over what drives say, and the lists of the set on them, as the addon has it. */

import type { LearnedJs, LearnJs, SurveyedJs } from '../../native/index.js'
import { type RunJobOptions, runJob } from './job.js'
import { binding } from './load.js'
import type { FsName } from './names.js'
import { type Catalog, call } from './set.js'

/** A mounted drive that is to be learned from. */
export type LearnOptions = LearnJs
/** What a drive told. */
export type Learned = LearnedJs
/** What a drive that is no volume holds of what a run has to copy. */
export type Surveyed = SurveyedJs

/**
 * Reads a drive, changing nothing on it, and brings the catalog into agreement with it. Rejects with
 * `DRIVE_CHANGED` for an old copy, `BAD_INPUT`, `BAD_FORMAT`, `IO`; the catalog is then as before.
 */
export function learnDrive(
  catalog: Catalog,
  drive: LearnOptions,
  job?: RunJobOptions,
): Promise<Learned> {
  return runJob(() => binding.learnDrive(catalog.native, drive), job)
}

/** Reads a catalog from end to end. Rejects with `CATALOG_DAMAGED` where it does not hang together. */
export function checkCatalog(catalog: Catalog, job?: RunJobOptions): Promise<void> {
  return runJob(() => binding.checkCatalog(catalog.native), job)
}

/** Puts a catalog aside as `FILE.SUFFIX`; gives its new path. Throws `CATALOG_LOCKED`, `IO`. */
export function setCatalogAside(file: FsName, suffix: string): FsName {
  return call(() => binding.setCatalogAside(file, suffix))
}

/** Looks on a drive for what a run has to copy; writes nothing there. */
export function surveyDrive(
  catalog: Catalog,
  path: FsName,
  run: number,
  stepSeconds: number,
  job?: RunJobOptions,
): Promise<Surveyed> {
  return runJob(() => binding.surveyDrive(catalog.native, path, run, stepSeconds), job)
}

/**
 * Compares the list of the set on a drive that was read with the catalog; where it tells the same it counts as up to
 * date, and the answer is true. Rejects with `NativeError`.
 */
export function noteList(catalog: Catalog, path: FsName, job?: RunJobOptions): Promise<boolean> {
  return runJob(() => binding.noteList(catalog.native, path), job)
}

/** Whether a volume carries no list of the set, or one that is not up to date. */
export function listIsStale(catalog: Catalog, volume: number): boolean {
  return call(() => binding.listIsStale(catalog.native, volume))
}

/** Bytes of the list that was written last; 0 when there was none. */
export function listBytes(catalog: Catalog): number {
  return call(() => binding.listBytes(catalog.native))
}

/** About how many bytes the list will have when all that is known is on drives. */
export function projectedList(catalog: Catalog): Promise<number> {
  return runJob(() => binding.projectedList(catalog.native))
}

/** Notes that a source lies elsewhere on this host now. */
export function moveSource(catalog: Catalog, id: number, path: FsName): void {
  call(() => binding.moveSource(catalog.native, id, path))
}

/** Numbers of volumes of which nothing is known, below the highest that is. */
export function unknownVolumes(catalog: Catalog): number[] {
  return call(() => binding.unknownVolumes(catalog.native))
}
