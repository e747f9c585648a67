/**
 * Writing the drives of a run, one after the other: plan, open, apply, copy, close, next.
 *
 * A volume is called complete only after the addon has said that all of it is durable. The plan is made
 * anew at every drive: it binds for the drives that are known and is an estimate for the others.
 */

import path from 'node:path'
import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { inHand, type Progress as JobProgress } from '../native/job.js'
import type { FsName } from '../native/names.js'
import type { Catalog, CopyOutcome, Tally } from '../native/set.js'
import type { PlanSummary } from '../plan/page.js'
import type { SummaryEvent, VolumeName } from '../report/reporter.js'
import { tellErrors } from '../set/faults.js'
import { driveName, notKept } from '../set/messages.js'
import { usualWorkers } from '../set/workers.js'
import { counted } from '../size.js'
import { unmountAll } from '../volume/arrival.js'
import { timeStep } from './adopting.js'
import { Cases } from './cases.js'
import { DriveChange, type Filled, NoDrive, type Wanted } from './change.js'
import { type CopyPlan, copiesOf, planCopies, plus } from './copies.js'
import type { Drives, Mounted } from './drives.js'
import { type Copied, expectedOverhead, Medium, type Overhead, writtenCounter } from './medium.js'
import { OpenDrives } from './open.js'
import type { CopyOptions } from './options.js'
import { type PlanInForce, Planner } from './planning.js'
import type { Removal } from './scan.js'
import type { RunTally } from './tally.js'
import { Upkeep } from './upkeep.js'

/** Milliseconds after which a group of files is made durable. */
const EPOCH_MS = 5000
/** Bytes of a copy from which the rate of writing can be told. */
const RATE_FROM = 64 * 1024 ** 2

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
  /** A plan that stands, told which volumes are done; without it one is made and kept. */
  readonly fixedPlan?: (done: ReadonlySet<number>) => PlanInForce
}

/** Writes what a run has to copy. */
export class VolumeWriter {
  readonly #p: WriterParts
  readonly #change: DriveChange
  readonly #outputs: FsName[]
  readonly #open: OpenDrives
  /** Volumes that are to be read back and were not, or not with success. */
  readonly #unproven = new Set<number>()
  /** Volumes that this run is done with. */
  readonly #done = new Set<number>()
  readonly #plan: PlanInForce
  readonly #upkeep: Upkeep
  #total = { files: 0, bytes: 0 }
  #unchanged = 0
  #index = 0
  #labelUsed = false
  /** The copy of the set that is in hand; undefined for a set that has only one. */
  #copy: number | undefined
  /** What is planned for the copies that come after it. */
  #later: readonly CopyPlan[] = []
  /** What found no room in the copies before it. */
  #leftOver: PlanSummary['unplaced'] = { entries: 0, files: 0, bytes: 0 }
  #waiting: SummaryEvent['waiting'] = []
  /** What the drive before wrote for what was copied onto it. */
  #overhead: Overhead | undefined
  /** The drive that was written last, for the next drive change. */
  #full: Filled | undefined
  readonly #cases = new Cases()
  /** Where the drives that this run is done with were mounted. */
  readonly #doneAt = new Set<FsName>()
  /** What is gone from the sources, and whether it is removed from the drives that come in. */
  removal: Removal = { removes: false, files: 0, bytes: 0 }

  constructor(parts: WriterParts) {
    this.#p = parts
    this.#open = new OpenDrives(parts)
    this.#outputs = parts.options.outputs.map((one) => path.resolve(parts.context.cwd, one))
    this.#plan =
      parts.fixedPlan?.(this.#done) ??
      new Planner({
        ...parts,
        outputs: this.#outputs,
        done: this.#done,
        isOpen: (number) => this.#open.has(number),
        removesGone: () => this.removal.removes,
      })
    this.#upkeep = new Upkeep({
      ...parts,
      open: this.#open,
      plan: this.#plan,
      removal: () => this.removal,
      copy: () => this.#copy,
    })
    this.#change = new DriveChange({
      ...parts,
      serve: (output, seen) => this.#upkeep.serve(output, seen),
      byNumber: parts.fixedPlan !== undefined,
      done: this.#done,
      outputs: this.#outputs,
      newVolumeAt: async (output) => {
        const number = await this.#plan.newVolumeAt(output)
        return number === undefined ? undefined : { number, label: this.#labelFor(number) }
      },
    })
  }

  /** What fits nowhere, by the plan in force and those of the copies before. */
  get unplaced(): PlanSummary['unplaced'] {
    return plus(this.#leftOver, this.#plan.unplaced)
  }

  /** Opens the mounted volumes of this set that a broken run left, and finishes what can be finished. */
  async recoverMounted(): Promise<void> {
    const { catalog } = this.#p
    for (const output of this.#outputs) {
      const { verdict, facts } = await this.#p.drives.look(output)
      if (verdict.kind !== 'volume-of-set' || verdict.clone) continue
      const heard = catalog.volumes().find(({ id }) => id === verdict.id)?.asOf !== 0
      if (!facts.hasJournal && !verdict.ahead && verdict.known && !heard) continue
      await this.#open.opened(await this.#p.drives.openKnown(output, facts, verdict))
    }
  }

  /** The plan before anything is written, told as the summary of what will be done. */
  async firstPlan(sources: readonly FsName[], tallies: readonly Tally[]): Promise<void> {
    const { context, catalog, run } = this.#p
    const told = {
      planner: this.#plan,
      catalog,
      run,
      sources,
      tallies,
      removal: this.removal,
      labelFor: (number: number, next: boolean) => this.#labelFor(number, next),
    }
    const { event, parts } = await planCopies(told, () => this.#replan(), context.report)
    this.#later = parts
    for (const { files, bytes } of event.volumes) {
      this.#total.files += files
      this.#total.bytes += bytes
    }
    this.#unchanged = event.unchanged
  }

  /** Writes drive after drive until nothing is left that fits anywhere, or the run is stopped. */
  async writeAll(): Promise<void> {
    const { catalog, run, tally, context } = this.#p
    const copies = copiesOf(catalog)
    if (copies.length === 0 && !(await this.#writeCopy())) return
    for (const copy of copies) {
      if (this.#copy !== undefined) this.#leftOver = this.unplaced
      this.#copy = copy
      this.#later = this.#later.filter((one) => (one.copy ?? 0) > copy)
      await catalog.needForCopy(run, copy)
      this.#plan.takeCopy(copy)
      await this.#replan()
      if (!(await this.#writeCopy())) return
    }
    if (this.unplaced.entries > 0) tally.note(Exit.partial)
    if (!tally.interrupted && !context.stop.requested) await this.#open.refreshLists(this.#outputs)
  }

  /** Writes all of the copy in hand, or of the set where it has only one; false when that ended before. */
  async #writeCopy(): Promise<boolean> {
    for (;;) {
      // Again when all is written: older versions whose newer one came onto another drive may go then.
      await this.#upkeep.serveIdle(this.#outputs)
      if (this.#plan.volumes.length === 0) return true
      if (!(await this.writePlanned())) return false
    }
  }

  /** Writes what is planned, and does nothing on other drives; false when that ended before all was written. */
  async writePlanned(): Promise<boolean> {
    const { context, tally } = this.#p
    // Without copies there is nothing that comes after this plan.
    if (this.#copy === undefined) this.#later = []
    while (this.#plan.volumes.length > 0) {
      if (context.stop.requested) throw new CancelledError()
      let mounted: Mounted
      try {
        mounted = await this.#next(this.#full)
      } catch (error) {
        if (!(error instanceof NoDrive)) throw error
        tally.note(STOPPED[error.why])
        tally.interrupted = error.why === 'quit'
        return false
      }
      this.#full = await this.#fill(mounted)
      if (tally.interrupted) return false
    }
    return true
  }

  /** The drive to write next, open and recovered. */
  async #next(full: Filled | undefined): Promise<Mounted> {
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
      copy: this.#copy,
      roomForAll: shares
        .filter(({ number }) => !volumes.some((one) => one.number === number))
        .reduce((sum, { cost, bytes }) => sum + Math.max(cost, bytes), 0),
    }
    const mounted = await this.#change.obtain(wanted, full)
    if (mounted.fresh && options.label !== undefined) this.#labelUsed = true
    await this.#open.opened(mounted)
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

  /** Writes one drive and closes it. */
  async #fill(mounted: Mounted): Promise<Filled> {
    const { context, options, run, tally, catalog } = this.#p
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
    const applied = await this.#upkeep.apply(mounted)
    if (applied.changed) this.#plan.invalidate()
    if (options.adopt || options.selectIndex !== undefined) await this.#adopt(mounted)
    await this.#replan()
    const share = this.#plan.share(volume.number)
    let outcome: CopyOutcome | undefined
    if (share !== undefined) {
      const still = this.#still()
      // What was taken over, or found to be there, is no work.
      this.#total = { files: tally.files + still.files, bytes: tally.bytes + still.bytes }
      report.phaseStart('copy')
      const began = Date.now()
      const medium = new Medium(
        writtenCounter(mounted.facts.mount?.source),
        this.#overhead ?? expectedOverhead(share.cost, share),
      )
      outcome = await drive.copy(
        run,
        {
          workers: workersFor(options),
          // A drive that has to seek gets one long stream at a time, whatever reads ahead of it.
          oneLarge: options.workers === undefined && mounted.facts.rotational === true,
          digest: options.digest ?? catalog.digest(),
          adopt: options.adopt,
          epochMs: EPOCH_MS,
        },
        {
          signal: stop.orderly,
          immediate: stop.immediate,
          onErrors: tellErrors(report, name),
          onProgress: (progress, final) => {
            // The job ends with a flush.
            if (final) medium.finished({ bytes: progress.bytes, files: progress.written })
            this.#tellProgress(progress, name, share, medium)
          },
        },
      )
      report.phaseEnd()
      this.#overhead = medium.overhead
      const seconds = (Date.now() - began) / 1000
      if (outcome.bytes >= RATE_FROM && seconds > 0) catalog.noteRate(outcome.bytes / seconds)
      tally.add(outcome)
      for (const loss of outcome.losses) report.note(notKept(volume, loss))
      tally.interrupted = outcome.stopped
    }
    if (outcome !== undefined && outcome.noRoom > 0) {
      this.#plan.invalidate()
      report.detail(
        `${driveName(volume.number, volume.label)} was full before the plan said so; ${counted(outcome.noRoom, 'file goes', 'files go')} to another drive.`,
      )
    }
    this.#done.add(volume.number)
    this.#p.drives.justFilled = volume.id
    // A file that was planned for it and is not there, for whatever reason, leaves it unfinished.
    const missing = outcome === undefined ? 0 : outcome.failed + outcome.foreign + outcome.changing
    const isGood =
      outcome === undefined ||
      tally.interrupted ||
      !options.verifyWrites ||
      (await this.#isKept(mounted, outcome))
    const complete = !tally.interrupted && missing === 0 && isGood
    await this.#upkeep.close(mounted, complete, outcome, applied)
    tally.volumes.push(name)
    // Broken off: what is left is more than the plan for the other drives.
    if (tally.interrupted) this.#plan.invalidate()
    await this.#replan()
    const { isMountPoint, mount } = mounted.facts
    if (isMountPoint && mount !== undefined) this.#doneAt.add(mount.mountPoint)
    const text = `${driveName(volume.number, volume.label)} is done: everything on it is durable. It may be unplugged now.`
    // Its case says nothing yet, nor do those of drives that were done while this one was mounted beside them.
    const { label } = volume
    if (mounted.fresh) this.#cases.add({ label, path: mounted.path, isDrive: isMountPoint })
    let told: string | undefined
    const tell = (): string =>
      [text.replace(/^d/, 'D'), this.#cases.take(mounted.path)].join(' ').trimEnd()
    return {
      number: volume.number,
      get text() {
        told ??= tell()
        return told
      },
      mountPoints: this.#doneAt,
    }
  }

  /** Whether the drive keeps what was written on it; while that is not known it is not complete. */
  async #isKept(mounted: Mounted, written: CopyOutcome): Promise<boolean> {
    const { number } = mounted.volume
    this.#unproven.add(number)
    const isGood = await this.#upkeep.readBack(mounted, written)
    if (isGood) this.#unproven.delete(number)
    return isGood
  }

  async #adopt(mounted: Mounted): Promise<void> {
    const { context, run } = this.#p
    this.#plan.invalidate()
    context.report.phaseStart('compare')
    const taken = await mounted.drive.adopt(run, timeStep(mounted.volume.fsType), false, {
      signal: context.stop.orderly,
      onErrors: tellErrors(context.report),
    })
    context.report.phaseEnd(
      `${counted(taken.files, 'file')} (${prettyBytes(taken.bytes)}) on the drive already.`,
    )
  }

  /** Closes what is open, complete or not: nothing of the plan was meant for it any more. */
  async closeAll(): Promise<void> {
    for (const mounted of this.#open.all()) {
      try {
        const { number: own } = mounted.volume
        const planned = [...this.#plan.volumes, ...this.#later.flatMap(({ volumes }) => volumes)]
        const unfinished = planned.some(({ number }) => number === own)
        const complete = !unfinished && !this.#unproven.has(own) && !this.#p.tally.interrupted
        await this.#upkeep.close(mounted, complete, undefined)
      } catch (error) {
        this.#open.leave(mounted, error)
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
    medium: Medium,
  ): void {
    const { tally, context, options } = this.#p
    const own = inHand(progress)
    const copied = { bytes: progress.bytes, files: progress.written }
    const reached = medium.reached(copied, own.flushing === true)
    const { bytes } = reached ?? copied
    const drives = this.#index - 1 + this.#plan.volumes.length
    const before = { bytes: tally.bytes, files: tally.files }
    context.report.progress({
      files: { done: tally.files + progress.files, total: this.#total.files },
      bytes: { done: tally.bytes + bytes, total: this.#total.bytes },
      pace: {
        copied: sum(before, copied),
        reached: reached && sum(before, reached),
        before: before.bytes,
        lists: this.#outputs.length > 1 ? drives - 1 : 0,
        readBack: options.verifyWrites ? this.#total.bytes : 0,
        closings: this.#plan.volumes.length,
        perFile: medium.overhead.perFile,
      },
      volume: {
        ...volume,
        index: this.#index,
        of: drives,
        estimated: this.#plan.volumes.some(({ known }) => !known),
        files: { done: progress.files, total: share.files },
        bytes: { done: bytes, total: share.bytes },
        pace: { copied, reached, perFile: medium.overhead.perFile },
      },
      errors: progress.errors,
      ...own,
    })
  }

  /** What is planned and not written yet, for all drives and copies. */
  #still(): { files: number; bytes: number } {
    const later = this.#later.flatMap(({ volumes }) => volumes)
    return [...this.#plan.volumes, ...later].reduce(
      (sum, { files, bytes }) => ({ files: sum.files + files, bytes: sum.bytes + bytes }),
      { files: 0, bytes: 0 },
    )
  }

  /** What is on no drive yet, after drives were taken over. */
  async tellLeft(): Promise<void> {
    await this.#replan()
    const shares = [...this.#plan.volumes, this.#plan.unplaced]
    const files = shares.reduce((n, share) => n + share.files, 0)
    const bytes = shares.reduce((n, share) => n + share.bytes, 0)
    this.#p.context.report.note(
      files === 0
        ? 'Every file of the sources is on a drive.'
        : `${counted(files, 'file')} (${prettyBytes(bytes)}) of the sources ${files === 1 ? 'is on no drive yet: the next copy takes it' : 'are on no drive yet: the next copy takes them'}.`,
    )
  }

  /** What there is to do when all drives are closed: finds out what others wait for; `--unmount`. */
  async finish(): Promise<void> {
    this.#waiting = this.#upkeep.waiting()
    if (this.#p.options.unmount) await unmountAll(this.#doneAt, this.#p.context)
    const cases = this.#cases.atEnd()
    if (cases !== '') this.#p.context.report.note(cases)
  }

  /** The summary at the end. */
  tellSummary(exit: ExitCode, seconds: number): void {
    const { context, tally } = this.#p
    const left = this.#still()
    context.report.event({
      type: 'summary',
      exit,
      complete: exit === Exit.ok,
      interrupted: tally.interrupted,
      written: { files: tally.files, bytes: tally.bytes },
      unchanged: this.#unchanged,
      renamed: tally.renamed,
      removed: tally.removed,
      failed: tally.failed + tally.unreadable,
      vanished: tally.vanished,
      unplaced: { files: this.unplaced.files, bytes: this.unplaced.bytes },
      left,
      volumes: tally.volumes,
      waiting: this.#waiting,
      seconds,
    })
  }
}

function sum(a: Copied, b: Copied): Copied {
  return { bytes: a.bytes + b.bytes, files: a.files + b.files }
}

/** Copier threads; 0 is everything on one thread. */
function workersFor(options: CopyOptions): number {
  if (options.workers !== undefined) return options.workers === 1 ? 0 : options.workers
  return usualWorkers()
}
