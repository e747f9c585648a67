/** What can be done about the findings on a drive, and doing it, as the addon has it. */

import type { NamedJs, OutlookJs, RepairedJs, SpooledJs } from '../../native/index.js'
import { type RunJobOptions, runJob } from './job.js'
import { binding } from './load.js'
import type { FsName } from './names.js'
import { type Catalog, call, type OpenDrive } from './set.js'

/** So many entries, their bytes, and the first 1,000 of their paths. */
export type Named = NamedJs
/** What can be done about the findings on a volume; each entry is in one of its lists. */
export type Outlook = OutlookJs
/** What one pass over the findings came to; what is in none of its lists is still a finding. */
export type Repaired = RepairedJs

/** Another drive of the set that content is read from. */
export interface FromDrive {
  readonly path: FsName
  readonly volume: number
  /** That is a directory of this host with what was kept of the drive. */
  readonly spooled?: boolean
}

/** What was kept of another drive on this host, and what had no room. */
export type Spooled = SpooledJs

/**
 * Takes over the findings that a drive carries. Resolves with the number of our own files on it that are damaged and
 * that closing it puts right. Rejects with `NativeError`.
 */
export function learnFindings(
  catalog: Catalog,
  path: FsName,
  volume: number,
  job?: RunJobOptions,
): Promise<number> {
  return runJob(() => catalog.native.learnFindings(path, volume), job)
}

/** Findings on a volume. */
export function countFindings(catalog: Catalog, volume: number): number {
  return call(() => catalog.native.countFindings(volume))
}

/**
 * Finds out what can be done; no drive is looked at. `thorough`: files in the sources are read, and what is lost is
 * put on the list of what is. Rejects with `NativeError`.
 */
export function outlook(
  catalog: Catalog,
  volume: number,
  thorough: boolean,
  job?: RunJobOptions,
): Promise<Outlook> {
  return runJob(() => catalog.native.outlook(volume, thorough), job)
}

/**
 * Repairs what has a finding, as far as the sources (`from` undefined) or the other drive have it. `aside`: what was
 * changed on the drive is kept beside. Rejects with `DRIVE_FAILED`, `DRIVE_CHANGED`, `CANCELLED`.
 */
export function repairDrive(
  drive: OpenDrive,
  catalog: Catalog,
  from: FromDrive | undefined,
  aside: boolean,
  job?: RunJobOptions,
): Promise<Repaired> {
  return runJob(() => drive.native.repair(catalog.native, from ?? null, aside), job)
}

/**
 * Copies into `dir`, which is made anew, what the findings on `volume` need and the drive `from` has, at most `most`
 * bytes. Rejects with `DRIVE_CHANGED`, `IO`, `CANCELLED`.
 */
export function spool(
  catalog: Catalog,
  volume: number,
  from: FromDrive,
  to: { readonly dir: FsName; readonly aside: boolean; readonly most: number },
  job?: RunJobOptions,
): Promise<Spooled> {
  return runJob(() => catalog.native.spool(volume, from, to.dir, to.aside, to.most), job)
}

/** Removes what was kept in `dir`, and `dir`. Throws `NativeError`. */
export function clearSpool(dir: FsName): void {
  call(() => binding.clearSpool(dir))
}
