/** Restoring as the addon has it: the work list, one drive after the other, the end. */

import type {
  FinishedJs,
  GroupJs,
  MissingJs,
  RestoreDriveJs,
  RestoredJs,
  StagedJs,
} from '../../native/index.js'
import { type RunJobOptions, runJob } from './job.js'
import { binding } from './load.js'
import type { FsName } from './names.js'
import { type Catalog, call } from './set.js'

/** What is wanted, in numbers. */
export type Staged = StagedJs
/** Entries whose best version is on the same volumes. */
export type Group = GroupJs
/** What was not brought back. */
export type Missing = MissingJs
/** What came of one drive. */
export type Restored = RestoredJs
/** What came of the end. */
export type Finished = FinishedJs
/** How to restore from one drive. */
export type RestoreDriveOptions = RestoreDriveJs

/**
 * Makes the work list in a private copy of a catalog, or brings it up to date. `paths`: none is everything.
 * Rejects with `BAD_INPUT` for a pattern that makes no sense.
 */
export function stageRestore(
  catalog: Catalog,
  paths: readonly FsName[],
  job?: RunJobOptions,
): Promise<Staged> {
  return runJob(() => binding.restoreStage(catalog.native, [...paths]), job)
}

/** What is still wanted, by the volumes that hold its best version. */
export function restoreGroups(catalog: Catalog): Promise<Group[]> {
  return runJob(() => binding.restoreGroups(catalog.native))
}

/** What was not brought back, with the first `limit` paths. */
export function restoreMissing(catalog: Catalog, limit: number): Promise<Missing> {
  return runJob(() => binding.restoreMissing(catalog.native, limit))
}

/** A destination that is open; its descriptors are held until `close`. */
export class RestoreTarget {
  readonly #native: InstanceType<typeof binding.RestoreTarget>
  readonly #catalog: Catalog

  private constructor(native: InstanceType<typeof binding.RestoreTarget>, catalog: Catalog) {
    this.#native = native
    this.#catalog = catalog
  }

  /** Opens a directory. `session`: 16 hex digits that nobody else has. Throws `BAD_INPUT`, `IO`. */
  static open(path: FsName, session: string, catalog: Catalog): RestoreTarget {
    return new RestoreTarget(
      call(() => binding.openRestoreTarget(path, session)),
      catalog,
    )
  }

  /** Takes over what broken runs have left there: what is right of files in parts is read, and counts as brought. */
  takeOver(job?: RunJobOptions): Promise<void> {
    return runJob(() => this.#native.takeOver(this.#catalog.native), job)
  }

  /** Brings back what is wanted of a drive. Rejects with `DRIVE_CHANGED`, `DRIVE_FAILED`, `IO`. */
  drive(drive: RestoreDriveOptions, job?: RunJobOptions): Promise<Restored> {
    return runJob(() => this.#native.drive(this.#catalog.native, drive), job)
  }

  /** Sets directories right and, if asked for, flags, and flushes; all is durable when it resolves. */
  finish(setFlags: boolean, job?: RunJobOptions): Promise<Finished> {
    return runJob(() => this.#native.finish(this.#catalog.native, setFlags), job)
  }

  close(): void {
    call(() => this.#native.close())
  }
}
