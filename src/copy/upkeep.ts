/**
 * What is to be done on a drive besides copying: renames, removals, owners and times; and closing it.
 *
 * A drive that is in is served whether or not the plan gives it anything: at the outputs (`serveIdle`), and
 * at the drive change, where the user brings one that only such work waits for (`serve`).
 */

import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { Exit } from '../exit.js'
import { displayName, type FsName } from '../native/names.js'
import { countFindings, repairDrive } from '../native/repair.js'
import type { Catalog, CopyOutcome, Foreign } from '../native/set.js'
import type { Amount, WaitingVolume } from '../report/reporter.js'
import { tellErrors } from '../set/faults.js'
import { driveName } from '../set/messages.js'
import { counted, formatCount } from '../size.js'
import type { Look } from '../volume/look.js'
import { copyOf } from './copies.js'
import type { Drives, Mounted } from './drives.js'
import type { OpenDrives } from './open.js'
import type { CopyOptions } from './options.js'
import { waitingOf } from './planned.js'
import type { PlanInForce } from './planning.js'
import type { Removal } from './scan.js'
import type { RunTally } from './tally.js'

/** What was done on a drive before the copying. */
export interface AppliedNow {
  /** Regular files. */
  readonly removed: number
  readonly renamed: number
  /** Whether there is another plan to be made. */
  readonly changed: boolean
}

export const NOTHING_APPLIED: AppliedNow = { removed: 0, renamed: 0, changed: false }

/** What this works with. */
export interface UpkeepParts {
  readonly catalog: Catalog
  readonly options: CopyOptions
  readonly context: RunContext
  readonly drives: Drives
  readonly tally: RunTally
  readonly open: OpenDrives
  readonly plan: PlanInForce
  /** What is gone from the sources, and whether it is removed. */
  readonly removal: () => Removal
  /** The copy of the set that is in hand; undefined for a set that has only one. */
  readonly copy: () => number | undefined
}

/** Renames, removes, mends and closes. */
export class Upkeep {
  readonly #p: UpkeepParts
  /** Volumes from which what is foreign has been removed, or was to be. */
  readonly #cleansed = new Set<number>()

  constructor(parts: UpkeepParts) {
    this.#p = parts
  }

  /** Does on an open drive what waits for it. Rejects with `NativeError`. */
  async apply(mounted: Mounted): Promise<AppliedNow> {
    const applied = await this.#applyOwn(mounted)
    if (mounted.fresh || !this.#cleansForeign(mounted.volume.number)) return applied
    return { ...applied, changed: (await this.#removeForeign(mounted)) || applied.changed }
  }

  #cleansForeign(number: number): boolean {
    return this.#p.options.deleteForeign && !this.#cleansed.has(number)
  }

  /** Removes what the set knows nothing about, within `--max-delete`; whether there was anything. */
  async #removeForeign(mounted: Mounted): Promise<boolean> {
    const { context, tally, options, plan } = this.#p
    const { report, stop } = context
    const { number, label } = mounted.volume
    const name = driveName(number, label)
    this.#cleansed.add(number)
    const job = { signal: stop.orderly, onErrors: tellErrors(report) }
    report.phaseStart('delete')
    const found = await mounted.drive.foreign(false, { signal: stop.orderly })
    report.phaseEnd()
    if (found.files + found.directories === 0) return false
    const what = `${counted(found.files, 'foreign file')} (${prettyBytes(found.bytes)})`
    if (options.maxDelete !== undefined && found.files > options.maxDelete) {
      report.error(
        `${what} would be removed from ${name}; --max-delete allows ${options.maxDelete}. Nothing of it is touched.`,
      )
      tally.note(Exit.guard)
      return false
    }
    const more = found.files - found.names.length
    report.block([
      `${foreignText(found)} on ${name} ${found.files + found.directories === 1 ? 'is' : 'are'} removed (--delete-foreign):`,
      ...found.names.map((one) => `  ${displayName(one)}`),
      ...(more > 0 ? [`  and ${formatCount(more)} more`] : []),
    ])
    report.phaseStart('delete')
    const removed = await mounted.drive.foreign(true, job)
    report.phaseEnd()
    tally.failed += removed.left
    plan.invalidate()
    return true
  }

  async #applyOwn(mounted: Mounted): Promise<AppliedNow> {
    const { context, tally, plan, removal } = this.#p
    if (mounted.fresh) return NOTHING_APPLIED
    context.report.phaseStart('delete')
    const applied = await mounted.drive.apply(removal().removes, {
      signal: context.stop.orderly,
      onErrors: tellErrors(context.report),
    })
    context.report.phaseEnd()
    if (applied.removedFiles > 0) plan.cleared(mounted.volume.number, applied.left === 0)
    tally.removed += applied.removedFiles
    tally.renamed += applied.renamedFiles
    tally.failed += applied.left
    return {
      removed: applied.removedFiles,
      renamed: applied.renamedFiles,
      changed: applied.givenUp > 0,
    }
  }

  /**
   * `--verify-writes`: reads back what was written on a drive, so much of it, and copies once more what is not as it was written. The
   * answer is whether all of it is good now. Rejects with `NativeError`: `DRIVE_FAILED` where what was copied once
   * more is bad again.
   */
  async readBack(mounted: Mounted, { files: all, bytes: allBytes }: Amount): Promise<boolean> {
    const { catalog, context, tally } = this.#p
    const { report, stop } = context
    const { number, label, fsType } = mounted.volume
    const name = driveName(number, label)
    const job = { signal: stop.orderly, onErrors: tellErrors(report) }
    report.phaseStart('verify')
    const found = await mounted.drive.readBack({
      ...job,
      onProgress: ({ files, bytes }) =>
        report.progress({
          files: { done: files, total: all },
          bytes: { done: bytes, total: allBytes },
        }),
    })
    report.phaseEnd()
    const what = `${counted(found.files, 'file')} (${prettyBytes(found.bytes)})`
    // Also what a run before this one found.
    const bad = countFindings(catalog, number)
    if (bad === 0) {
      report.note(
        `${what} read back from ${name}: ${found.files === 1 ? 'as it was' : 'all as they were'} written.`,
      )
      if (/fuse|^tmpfs$|^ramfs$/.test(fsType)) {
        report.note(
          'On this file system that is no proof: verify the drive when it was unmounted and mounted again.',
        )
      }
      return true
    }
    report.warning(
      `Of ${what} read back from ${name}, ${counted(bad, 'is', 'are')} not as written: copied once more.`,
    )
    report.phaseStart('copy')
    await repairDrive(mounted.drive, catalog, undefined, false, job)
    report.phaseEnd()
    if (countFindings(catalog, number) === 0) return true
    report.error(`${name} does not keep what is written on it: it is faulty. Don't trust it.`)
    tally.note(Exit.driveFailed)
    return false
  }

  /** Closes a drive and tells what was written on it. Rejects with `NativeError`. */
  async close(
    mounted: Mounted,
    complete: boolean,
    outcome: CopyOutcome | undefined,
    { removed, renamed } = NOTHING_APPLIED,
  ): Promise<void> {
    const { volume } = mounted
    const closed = await this.#p.open.close(mounted, complete)
    this.#p.context.report.event({
      type: 'volume-closed',
      volume: { number: volume.number, label: volume.label },
      path: mounted.path,
      complete,
      written: { files: outcome?.files ?? 0, bytes: outcome?.bytes ?? 0 },
      removed,
      kept: closed.files - (outcome?.files ?? 0),
      renamed,
      failed: outcome === undefined ? 0 : outcome.failed + outcome.foreign,
    })
  }

  /** What drives that were not in have to come in for, besides copying. */
  waiting(): WaitingVolume[] {
    return waitingOf(this.#p.catalog, this.#p.removal())
  }

  /** Serves the drives of this set at `outputs` that the plan gives nothing. Rejects with `NativeError`. */
  async serveIdle(outputs: readonly FsName[]): Promise<void> {
    const { drives, plan } = this.#p
    const wanted = new Set(plan.volumes.map(({ number }) => number))
    for (const output of outputs) {
      const seen = await drives.look(output)
      const { verdict } = seen
      if (verdict.kind !== 'volume-of-set' || verdict.clone || wanted.has(verdict.number)) continue
      await this.serve(output, seen)
    }
  }

  /**
   * Does on a drive of this set, of which nothing else is wanted, what waits for it, and closes it. The answer is
   * what was done, as a sentence; undefined where there is nothing to do. Rejects with `NativeError`.
   */
  async serve(output: FsName, { verdict, facts }: Look): Promise<string | undefined> {
    const { catalog, drives, open, plan, removal, copy } = this.#p
    if (verdict.kind !== 'volume-of-set') return undefined
    const inHand = copy()
    if (inHand !== undefined && copyOf(catalog, verdict, facts) !== inHand) return undefined
    const hasWork =
      this.#cleansForeign(verdict.number) ||
      (await catalog.hasWork(verdict.number, removal().removes))
    if (!hasWork) return undefined
    const already = open.get(verdict.number)
    const mounted = already ?? (await drives.openKnown(output, facts, verdict))
    if (already === undefined) await open.opened(mounted)
    const applied = await this.apply(mounted)
    await this.close(mounted, true, undefined, applied)
    plan.invalidate()
    // A rename that the drive cannot have makes something to copy.
    if (applied.changed) await plan.refresh()
    const done = [
      ...(applied.renamed > 0 ? [`${counted(applied.renamed, 'file')} renamed`] : []),
      ...(applied.removed > 0 ? [`${counted(applied.removed, 'file')} removed`] : []),
    ]
    return `What waited for it has been done${done.length > 0 ? ` (${done.join(', ')})` : ''}. It may be unplugged now`
  }
}

/** What is there, without what there is nothing of. */
function foreignText({ files, bytes, directories }: Foreign): string {
  if (files === 0) return counted(directories, 'foreign directory', 'foreign directories')
  const what = `${counted(files, 'foreign file')} (${prettyBytes(bytes)})`
  const below = counted(directories, 'directory', 'directories')
  return directories === 0 ? what : `${what} and ${below}`
}
