/** Questions to a set: what is where, how it stands, and what becomes of its drives. */

import type {
  ConsequenceJs,
  DriveListsJs,
  HeldJs,
  HitJs,
  LostEntryJs,
  PatternsJs,
  StatusJs,
} from '../../native/index.js'
import { fromNative } from './errors.js'
import { type RunJobOptions, runJob } from './job.js'
import { binding } from './load.js'
import type { FsName } from './names.js'
import type { Volume } from './set.js'

export type Hit = HitJs
export type Patterns = PatternsJs
export type DriveLists = DriveListsJs
export type Status = StatusJs
export type Held = HeldJs
export type LostEntry = LostEntryJs
export type Consequence = ConsequenceJs

/** What is to become of a drive. */
export type FateChange = 'retire' | 'unretire' | 'lose'

interface Session {
  next(): Promise<Hit[] | null>
  close(): void
}

/**
 * Searches a catalog file, or the lists on the drive that is mounted at `output`: yields pages of hits, each
 * made when it is asked for. Nothing is locked or written. Throws `NativeError`: `BAD_INPUT` for a pattern.
 */
export async function* search(
  where: { readonly catalog: FsName } | { readonly output: FsName },
  patterns: Patterns,
): AsyncGenerator<readonly Hit[]> {
  const session = call<Session>(() =>
    'catalog' in where
      ? binding.searchCatalog(where.catalog, patterns)
      : binding.searchDrive(where.output, patterns),
  )
  try {
    for (;;) {
      const page = await session.next().catch((error: unknown) => {
        throw fromNative(error)
      })
      if (page === null) return
      yield page
    }
  } finally {
    session.close()
  }
}

/** What the lists on the drive that is mounted at `output` say of the set. Rejects with `NativeError`. */
export function driveLists(output: FsName): Promise<DriveLists> {
  return runJob(() => binding.driveLists(output))
}

/** The state of the set of a catalog file, beside whoever writes it. Rejects with `NativeError`. */
export function statusOf(file: FsName, job?: RunJobOptions): Promise<Status> {
  return runJob(() => binding.statusOf(file), job)
}

/** What became of a report; without `bytes` something else is there, and was left alone. */
export interface WrittenReport {
  readonly bytes?: number
  readonly entries: number
}

/**
 * Writes the set of a catalog file as a page, beside whoever writes the catalog. `replace`: whatever file is there.
 * Rejects with `NativeError`.
 */
export function writeReport(
  file: FsName,
  to: FsName,
  replace: boolean,
  tool: string,
  job?: RunJobOptions,
): Promise<WrittenReport> {
  return runJob(() => binding.writeReport(file, to, replace, tool), job)
}

/** The drives of the set of a catalog file, beside whoever writes it. Throws `NativeError`. */
export function volumesOf(file: FsName): Volume[] {
  return call(() => binding.volumesOf(file))
}

/** What is lost for good, of one drive or of all, in pages. Throws `NativeError`. */
export function* lostEntries(file: FsName, volume?: number): Generator<readonly LostEntry[]> {
  let after = { path: '', volume: 0 }
  for (;;) {
    const page = call(() => binding.lostPage(file, volume ?? 0, after.path, after.volume))
    const last = page.at(-1)
    if (last === undefined) return
    yield page
    after = last
  }
}

/** Changes what becomes of a drive, with the catalog locked. Rejects with `NativeError`. */
export function changeFate(file: FsName, number: number, change: FateChange): Promise<Consequence> {
  return runJob(() => binding.changeFate(file, number, change))
}

/** Gives a drive another label, in the catalog. Throws `NativeError`. */
export function relabel(file: FsName, number: number, label: string): void {
  call(() => binding.relabel(file, number, label))
}

function call<T>(f: () => T): T {
  try {
    return f()
  } catch (error) {
    throw fromNative(error)
  }
}
