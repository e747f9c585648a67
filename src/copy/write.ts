/**
 * Writing the drives of a run, one after the other: plan, open, apply, copy, close, next.
 *
 * A volume is called complete only after the addon has said that all of it is durable. The plan is made
 * anew at every drive: it binds for the drives that are known and is an estimate for the others.
 */

import { availableParallelism } from 'node:os'
import path from 'node:path'
import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import type { Progress as JobProgress } from '../native/job.js'
import { displayName, type FsName } from '../native/names.js'
import type { Catalog, CopyOutcome, Tally } from '../native/set.js'
import type { PlanSummary } from '../plan/page.js'
import type { VolumeName } from '../report/reporter.js'
import { DriveChange, NoDrive, type Wanted } from './change.js'
import { type Drives, type Mounted, rfc3339 } from './drives.js'
import { counted, driveName } from './messages.js'
import type { CopyOptions } from './options.js'
import { Planner } from './planning.js'
import { type RunTally, tellErrors } from './tally.js'

/** Milliseconds after which a group of files is made durable. */
const EPOCH_MS = 5000
/** Names of unplaced files that are told. */
const NAMED = 20

/** The exit code when a drive is wanted and does not come. */
const STOPPED = {
  quit: Exit.interrupted,
  nobody: Exit.needed,
  'read-only': Exit.driveFailed,
} as const

/** What a writer works with. */
export interface WriterParts {
  readonly catalog: Catalog
  readonly run: number
  readonly options: CopyOptions
  readonly context: RunContext
  readonly drives: Drives
  readonly tally: RunTally
  /** Whether fewer bytes allocated than there are means holes: not where a source compresses. */
  readonly trustAllocated: boolean
}

/** Writes what a run has to copy. */
export class VolumeWriter {
  readonly #p: WriterParts
  readonly #change: DriveChange
  readonly #outputs: FsName[]
  /** Drives that are open, by volume number. */
  readonly #open = new Map<number, Mounted>()
  /** Volumes that this run is done with. */
  readonly #done = new Set<number>()
  readonly #plan: Planner
  #total = { files: 0, bytes: 0 }
  #unchanged = 0
  #index = 0
  #labelUsed = false
  /** Whether what is gone from the sources is removed from the drives that come in. */
  removeGone = false

  constructor(parts: WriterParts) {
    this.#p = parts
    this.#outputs = parts.options.outputs.map((one) => path.resolve(parts.context.cwd, one))
    this.#plan = new Planner({
      ...parts,
      outputs: this.#outputs,
      done: this.#done,
      isOpen: (number) => this.#open.has(number),
    })
    this.#change = new DriveChange({
      ...parts,
      done: this.#done,
      outputs: this.#outputs,
      newVolumeAt: async (output) => {
        const number = await this.#plan.newVolumeAt(output)
        return number === undefined ? undefined : { number, label: this.#labelFor(number) }
      },
    })
  }

  /** What fits nowhere, by the plan in force. */
  get unplaced(): PlanSummary['unplaced'] {
    return this.#plan.unplaced
  }

  /** Opens the mounted volumes of this set that a broken run left, and finishes what can be finished. */
  async recoverMounted(): Promise<void> {
    for (const output of this.#outputs) {
      const { verdict, facts } = await this.#p.drives.look(output)
      if (verdict.kind !== 'volume-of-set' || verdict.clone) continue
      if (!facts.hasJournal && !verdict.ahead && verdict.known) continue
      await this.#opened(await this.#p.drives.openKnown(output, facts, verdict))
    }
  }

  /** Recovers a drive that has just been opened; it counts as open from here on. */
  async #opened(mounted: Mounted): Promise<void> {
    const { context, catalog } = this.#p
    this.#open.set(mounted.volume.number, mounted)
    if (mounted.fresh) return
    const known = catalog.volumes().find(({ id }) => id === mounted.volume.id)
    const reread = mounted.facts.volume === undefined || known === undefined || known.files === 0
    context.report.phaseStart('recover')
    const recovered = await mounted.drive.recover(reread, { immediate: context.stop.immediate })
    context.report.phaseEnd()
    if (recovered.finished + recovered.dropped > 0) {
      context.report.detail(
        `${driveName(mounted.volume.number, mounted.volume.label)}: ${recovered.finished} entries of a broken run were finished, ${recovered.dropped} are copied again.`,
      )
    }
  }

  /** The plan before anything is written, told as the summary of what will be done. */
  async firstPlan(sources: readonly FsName[], tallies: readonly Tally[]): Promise<void> {
    const { context, catalog, run } = this.#p
    await this.#replan()
    const sum = (pick: (one: Tally) => number): number => tallies.reduce((n, t) => n + pick(t), 0)
    for (const volume of this.#plan.volumes) {
      this.#total.files += volume.files
      this.#total.bytes += volume.bytes
    }
    const files = this.#total.files + this.#plan.unplaced.files
    this.#unchanged = Math.max(0, sum((t) => t.files) - files)
    const labels = new Map(catalog.volumes().map((v) => [v.number, v.label]))
    const firstNew = this.#plan.volumes.find(({ number }) => !labels.has(number))?.number
    context.report.event({
      type: 'plan',
      sources,
      files,
      bytes: this.#total.bytes + this.#plan.unplaced.bytes,
      unchanged: this.#unchanged,
      changed: sum((t) => t.changedFiles),
      renamed: 0,
      gone: sum((t) => t.goneFiles),
      unreadable: sum((t) => t.unreadable),
      volumes: this.#plan.volumes.map(({ number, known, files: n, bytes, left, cost }) => ({
        number,
        label: labels.get(number) ?? this.#labelFor(number, number === firstNew),
        known,
        files: n,
        bytes,
        available: left + cost,
      })),
      unplaced: { files: this.#plan.unplaced.files, bytes: this.#plan.unplaced.bytes },
    })
    for (const { path: name, value } of catalog.planned(run, 0, NAMED)) {
      context.report.event({
        type: 'file-error',
        path: name,
        doing: 'planning',
        code: 'too-large',
        message: `its ${prettyBytes(value)} fit on no drive that is known`,
      })
    }
  }

  /** Writes drive after drive until nothing is left that fits anywhere, or the run is stopped. */
  async writeAll(): Promise<void> {
    const { context, tally } = this.#p
    let full: string | undefined
    await this.#applyToIdle()
    while (this.#plan.volumes.length > 0) {
      if (context.stop.requested) throw new CancelledError()
      let mounted: Mounted
      try {
        mounted = await this.#next(full)
      } catch (error) {
        if (!(error instanceof NoDrive)) throw error
        tally.note(STOPPED[error.why])
        tally.interrupted = error.why === 'quit'
        return
      }
      full = await this.#fill(mounted)
      if (tally.interrupted) return
    }
    if (this.#plan.unplaced.entries > 0) tally.note(Exit.partial)
  }

  /** Removes and mends what there is on the drives of this set that are in and that the plan gives nothing. */
  async #applyToIdle(): Promise<void> {
    const { drives, catalog } = this.#p
    const wanted = new Set(this.#plan.volumes.map(({ number }) => number))
    for (const output of this.#outputs) {
      const { verdict, facts } = await drives.look(output)
      if (verdict.kind !== 'volume-of-set' || verdict.clone || wanted.has(verdict.number)) continue
      if (!this.removeGone && !catalog.needsMending(verdict.number)) continue
      const open = this.#open.get(verdict.number)
      const mounted = open ?? (await drives.openKnown(output, facts, verdict))
      if (open === undefined) await this.#opened(mounted)
      const removed = await this.#apply(mounted)
      await this.#close(mounted, true, undefined, removed)
      this.#plan.invalidate()
    }
  }

  /** The drive to write next, open and recovered. */
  async #next(full: string | undefined): Promise<Mounted> {
    const { catalog, options } = this.#p
    for (const { number } of this.#plan.volumes) {
      const open = this.#open.get(number)
      if (open !== undefined) return open
    }
    // Nothing may be held on any drive while somebody is asked to change one.
    await this.closeAll()
    const volumes = catalog.volumes()
    const shares = this.#plan.volumes
    const mountedFirst = await this.#mountedFirst(shares.map(({ number }) => number))
    const share = shares.find(({ number }) => number === mountedFirst) ?? shares[0]
    if (share === undefined) throw new Error('a plan without volumes')
    const known = volumes.find(({ number }) => number === share.number)
    const label = known?.label ?? this.#labelFor(share.number)
    const wanted: Wanted = {
      number: share.number,
      label,
      known: known !== undefined,
      files: share.files,
      bytes: share.bytes,
      newToo: shares.some(({ number }) => !volumes.some((v) => v.number === number)),
      alsoGood: new Set(shares.map(({ number }) => number)),
    }
    const mounted = await this.#change.obtain(wanted, full)
    if (mounted.fresh && options.label !== undefined) this.#labelUsed = true
    await this.#opened(mounted)
    return mounted
  }

  /** What to write on the case of a new drive: `--label` for the next one, else the set and the number. */
  #labelFor(number: number, next = true): string {
    const { options, catalog } = this.#p
    if (next && options.label !== undefined && !this.#labelUsed) return options.label
    return `${catalog.setInfo().name}-${number}`
  }

  /** The first of these volumes that is mounted at an output. */
  async #mountedFirst(numbers: readonly number[]): Promise<number | undefined> {
    for (const output of this.#outputs) {
      const { verdict } = await this.#p.drives.look(output)
      if (verdict.kind === 'volume-of-set' && numbers.includes(verdict.number)) {
        return verdict.number
      }
    }
    return undefined
  }

  /** Writes one drive and closes it. The answer is what to say at the drive change after it. */
  async #fill(mounted: Mounted): Promise<string> {
    const { context, options, run, tally } = this.#p
    const { report, stop } = context
    const { volume, drive } = mounted
    const name: VolumeName = { number: volume.number, label: volume.label }
    report.event({
      type: 'volume-opened',
      volume: name,
      path: mounted.path,
      fresh: mounted.fresh,
      capacity: mounted.facts.space?.total ?? 0,
      available: mounted.facts.space?.free ?? 0,
    })
    this.#index += 1
    const removed = await this.#apply(mounted)
    if (removed > 0) this.#plan.invalidate()
    if (options.adopt || options.selectIndex !== undefined) await this.#adopt(mounted)
    await this.#replan()
    const share = this.#plan.share(volume.number)
    let outcome: CopyOutcome | undefined
    if (share !== undefined) {
      report.phaseStart('copy')
      outcome = await drive.copy(
        run,
        {
          workers: workersFor(options, mounted.facts.rotational),
          digest: options.digest !== 'none',
          adopt: options.adopt,
          epochMs: EPOCH_MS,
        },
        {
          signal: stop.orderly,
          immediate: stop.immediate,
          onErrors: tellErrors(report, name),
          onProgress: (progress) => this.#tellProgress(progress, name, share),
        },
      )
      report.phaseEnd()
      tally.add(outcome)
      for (const { what, count } of outcome.losses) {
        report.note(
          `${driveName(volume.number, volume.label)} cannot keep ${what} (${counted(count, 'entry', 'entries')}).`,
        )
      }
      tally.interrupted = outcome.stopped
    }
    if (outcome !== undefined && outcome.noRoom > 0) {
      this.#plan.invalidate()
      report.detail(
        `${driveName(volume.number, volume.label)} was full before the plan said so; ${counted(outcome.noRoom, 'file')} go to another drive.`,
      )
    }
    this.#done.add(volume.number)
    this.#p.drives.justFilled = volume.id
    // A file that was planned for it and is not there, for whatever reason, leaves it unfinished.
    const missing = outcome === undefined ? 0 : outcome.failed + outcome.foreign + outcome.changing
    await this.#close(mounted, !tally.interrupted && missing === 0, outcome, removed)
    tally.volumes.push(name)
    // Broken off: what is left is more than the plan for the other drives.
    if (tally.interrupted) this.#plan.invalidate()
    await this.#replan()
    return `${driveName(volume.number, volume.label)} is done: everything on it is durable. It may be unplugged now.`.replace(
      /^d/,
      'D',
    )
  }

  async #apply(mounted: Mounted): Promise<number> {
    const { context, tally } = this.#p
    if (mounted.fresh) return 0
    context.report.phaseStart('delete')
    const applied = await mounted.drive.apply(this.removeGone, {
      signal: context.stop.orderly,
      onErrors: tellErrors(context.report),
    })
    context.report.phaseEnd()
    tally.removed += applied.removedFiles
    tally.failed += applied.left
    return applied.removedFiles
  }

  async #adopt(mounted: Mounted): Promise<void> {
    const { context, run } = this.#p
    const coarse = /^(vfat|msdos|exfat|fuse\.exfat|fuseblk|fuse)$/.test(mounted.volume.fsType)
    this.#plan.invalidate()
    context.report.phaseStart('compare')
    const taken = await mounted.drive.adopt(run, coarse ? 2 : 0, {
      signal: context.stop.orderly,
      onErrors: tellErrors(context.report),
    })
    context.report.phaseEnd(
      `${counted(taken.files, 'file')} (${prettyBytes(taken.bytes)}) on the drive already.`,
    )
  }

  async #close(
    mounted: Mounted,
    complete: boolean,
    outcome: CopyOutcome | undefined,
    removed = 0,
  ): Promise<void> {
    const { context, drives } = this.#p
    const { report, stop } = context
    const { volume } = mounted
    this.#open.delete(volume.number)
    report.phaseStart('close')
    const closed = await mounted.drive.close(complete ? rfc3339(new Date()) : undefined, {
      immediate: stop.immediate,
      onErrors: tellErrors(report),
    })
    report.phaseEnd()
    await drives.noteClosed(mounted, complete, closed)
    report.event({
      type: 'volume-closed',
      volume: { number: volume.number, label: volume.label },
      path: mounted.path,
      complete,
      written: { files: outcome?.files ?? 0, bytes: outcome?.bytes ?? 0 },
      removed,
      kept: closed.files - (outcome?.files ?? 0),
      renamed: 0,
      failed: outcome === undefined ? 0 : outcome.failed + outcome.foreign,
    })
  }

  /** Closes what is open, complete or not: nothing of the plan was meant for it any more. */
  async closeAll(): Promise<void> {
    for (const mounted of [...this.#open.values()]) {
      try {
        const unfinished = this.#plan.volumes.some(({ number }) => number === mounted.volume.number)
        await this.#close(mounted, !unfinished && !this.#p.tally.interrupted, undefined)
      } catch (error) {
        // Why the run ends is known already; a drive that cannot be closed keeps its journal.
        this.#open.delete(mounted.volume.number)
        mounted.drive.abandon()
        this.#p.context.report.detail(
          `${driveName(mounted.volume.number, mounted.volume.label)} was left as it is: ${displayName(String(error))}`,
        )
      }
    }
  }

  /** Sees to it that the plan is one for what is left and for the drives that are left. */
  async #replan(): Promise<void> {
    const { context } = this.#p
    context.report.phaseStart('plan')
    await this.#plan.refresh()
    context.report.phaseEnd()
  }

  #tellProgress(
    progress: JobProgress,
    volume: VolumeName,
    share: { files: number; bytes: number },
  ): void {
    const { tally, context } = this.#p
    context.report.progress({
      files: { done: tally.files + progress.files, total: this.#total.files },
      bytes: { done: tally.bytes + progress.bytes, total: this.#total.bytes },
      volume: {
        ...volume,
        index: this.#index,
        of: this.#index - 1 + this.#plan.volumes.length,
        estimated: this.#plan.volumes.some(({ known }) => !known),
        files: { done: progress.files, total: share.files },
        bytes: { done: progress.bytes, total: share.bytes },
      },
      errors: progress.errors,
      current: progress.current,
    })
  }

  /** The summary at the end. */
  tellSummary(exit: ExitCode, seconds: number): void {
    const { context, tally } = this.#p
    const left = this.#plan.volumes.reduce(
      (sum, { files, bytes }) => ({ files: sum.files + files, bytes: sum.bytes + bytes }),
      { files: 0, bytes: 0 },
    )
    context.report.event({
      type: 'summary',
      exit,
      complete: exit === Exit.ok,
      interrupted: tally.interrupted,
      written: { files: tally.files, bytes: tally.bytes },
      unchanged: this.#unchanged,
      renamed: 0,
      removed: tally.removed,
      failed: tally.failed + tally.unreadable,
      vanished: tally.vanished,
      unplaced: { files: this.#plan.unplaced.files, bytes: this.#plan.unplaced.bytes },
      left,
      volumes: tally.volumes,
      seconds,
    })
  }
}

/** Copier threads: 0 is everything on one thread; one on a drive that has to seek, several on others. */
function workersFor(options: CopyOptions, rotational: boolean | undefined): number {
  if (options.workers !== undefined) return options.workers === 1 ? 0 : options.workers
  if (rotational === true) return 1
  return Math.max(2, Math.min(availableParallelism(), 4))
}
