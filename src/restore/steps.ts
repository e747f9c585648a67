/**
 * The steps of a restore: learn from the drives that are there, work out what is needed, drive after drive,
 * the end. The numbers of it add up to the summary and the exit code.
 */

import { randomBytes } from 'node:crypto'
import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { UserError } from '../errors.js'
import { Exit, type ExitCode, mergeExit } from '../exit.js'
import { learnDrive } from '../native/adopt.js'
import { CancelledError, NativeError } from '../native/errors.js'
import { counts, inHand } from '../native/job.js'
import { displayName, type FsName } from '../native/names.js'
import {
  type Finished,
  type Restored,
  RestoreTarget,
  restoreGroups,
  restoreMissing,
  type Staged,
  stageRestore,
} from '../native/restore.js'
import type { Catalog, Volume } from '../native/set.js'
import type { PathFacts } from '../native/volume.js'
import { dateText } from '../query/output.js'
import type { VolumeName } from '../report/reporter.js'
import { nativeToUser, tellErrors } from '../set/faults.js'
import { driveName } from '../set/messages.js'
import { usualWorkers } from '../set/workers.js'
import { counted, formatCount } from '../size.js'
import { placeOf } from '../volume/place.js'
import { fewestToRead, type Share } from './cover.js'
import { tellNotKept } from './notkept.js'
import type { RestoreOptions } from './options.js'
import { type Found, Shelf } from './shelf.js'

/** Paths of what is missing that are told. */
const NAMED = 20

/** A drive is read again only where other copies turned out bad; more often it is of no use. */
const MOST_READINGS = 3

/** What the steps work with. */
export interface StepsParts {
  readonly options: RestoreOptions
  readonly context: RunContext
  /** A private one, which nobody else uses. */
  readonly catalog: Catalog
  readonly destination: PathFacts
  readonly outputs: FsName[]
}

/** One restore. */
export class Steps {
  readonly #p: StepsParts
  readonly #shelf: Shelf
  /** Drives whose own word is known, by number: the generation that it was of. */
  readonly #learned = new Map<number, number>()
  /** Drives that can't be used, and why. */
  readonly #refused = new Map<number, string>()
  /** Drives that the user goes on without, and those that can't be used. */
  readonly #without = new Set<number>()
  readonly #readings = new Map<number, number>()
  readonly #read: VolumeName[] = []
  readonly #codes: ExitCode[] = []
  readonly #started = Date.now()
  readonly #sum = {
    files: 0,
    bytes: 0,
    others: 0,
    equal: 0,
    kept: 0,
    newer: 0,
    beside: 0,
    bad: 0,
    failed: 0,
    unchecked: 0,
    ownersLost: 0,
    attributesLost: 0,
    notMade: 0,
    linksLost: 0,
  }
  /** Entries that had flags and were not to get them. */
  #flagged = 0
  #staged: Staged = { files: 0, bytes: 0, others: 0, notBackedUp: 0, outdated: 0, lost: 0 }
  #interrupted = false
  /** What is done with: restored, or left as it stands there. */
  #passed = { files: 0, bytes: 0 }

  constructor(parts: StepsParts) {
    this.#p = parts
    this.#shelf = new Shelf({ ...parts, refused: this.#refused })
  }

  /** Restores and gives the exit code. Rejects with `UserError` and `NativeError`. */
  async run(): Promise<ExitCode> {
    const { options, context, catalog, destination } = this.#p
    for (const drive of await this.#shelf.mounted()) await this.#learn(drive)
    await this.#stage()
    const { files, others, notBackedUp, lost } = this.#staged
    if (files + others === 0) return this.#nothing(notBackedUp + lost)
    await this.#tellPlan()
    if (options.dryRun) return Exit.ok
    const session = randomBytes(8).toString('hex')
    const target = this.#openTarget(destination.path, session)
    try {
      // What has come is safe, also after a stop: the next run finds it.
      const goesOn = await this.#takeOver(target)
      if (goesOn && (await this.#drives(target))) await this.#finish(target)
    } finally {
      target.close()
    }
    context.report.phaseEnd()
    return this.#summary(await restoreMissing(catalog, NAMED))
  }

  /** Takes over from broken runs; false when it was stopped. */
  async #takeOver(target: RestoreTarget): Promise<boolean> {
    const { report, stop } = this.#p.context
    let isTold = false
    try {
      await target.takeOver({
        signal: stop.orderly,
        immediate: stop.immediate,
        onProgress: (progress) => {
          const hand = inHand(progress)
          if (!isTold && hand.currentBytes === undefined && progress.bytes === 0) return
          if (!isTold) report.phaseStart('restore')
          isTold = true
          report.progress({
            files: { done: 0, total: this.#staged.files },
            bytes: { done: progress.bytes, total: this.#staged.bytes },
            errors: progress.errors,
            ...hand,
          })
        },
      })
      return true
    } catch (error) {
      if (!(error instanceof CancelledError)) throw nativeToUser(error, Exit.partial)
      this.#interrupted = true
      return false
    }
  }

  #openTarget(place: FsName, session: string): RestoreTarget {
    try {
      return RestoreTarget.open(place, session, this.#p.catalog)
    } catch (error) {
      throw nativeToUser(error, Exit.partial)
    }
  }

  #nothing(unavailable: number): ExitCode {
    const { report } = this.#p.context
    report.note(
      unavailable === 0
        ? 'Nothing matches.'
        : `Nothing can be restored: of ${counted(unavailable, 'entry that matches', 'entries that match')} there is no copy.`,
    )
    return Exit.differences
  }

  /** Reads what a drive says of itself. False: it can't be used, and that was said. */
  async #learn({ number, facts }: Found): Promise<boolean> {
    const { catalog, context } = this.#p
    const { report, stop } = context
    const generation = facts.volume?.generation ?? 0
    if (this.#learned.get(number) === generation) return true
    const before = this.#volume(number)
    const name = driveName(number, facts.volume?.label ?? before?.label)
    report.phaseStart('compare')
    try {
      const learned = await learnDrive(catalog, placeOf(facts), {
        signal: stop.orderly,
        immediate: stop.immediate,
        onProgress: (progress) =>
          report.progress({ ...counts(progress), files: { done: progress.entries } }),
      })
      report.phaseEnd()
      this.#learned.set(number, generation)
      const { differences: d, list } = learned
      const news =
        !learned.known ||
        learned.wasLost ||
        learned.heardOf !== 0 ||
        learned.journal ||
        list.volumes.length > 0 ||
        (d !== undefined && d.added + d.changed + d.missing > 0)
      if (learned.journal) {
        report.warning(
          `A copy to ${name} was broken off: ${counted(learned.unfinished, 'entry', 'entries')} that it did not finish ${learned.unfinished === 1 ? 'is' : 'are'} left out.`,
        )
      }
      if (list.unusable !== undefined) {
        report.warning(
          `The list of the set on ${name} is not used: ${displayName(list.unusable)}. What it says of other drives is unknown.`,
        )
      }
      if (!learned.known && list.date === undefined) {
        report.warning(
          `${name} tells nothing of the other drives of the set: what is on them is unknown.`,
        )
        this.#codes.push(Exit.differences)
      } else if (list.date !== undefined && list.volumes.length > 0) {
        report.note(
          `What is on other drives is known from the list on ${name}, of ${dateText(list.date)}.`,
        )
      }
      if (news && this.#staged.files + this.#staged.others > 0) await this.#stage()
      return true
    } catch (error) {
      report.phaseEnd()
      if (!(error instanceof NativeError) || error.code === 'CANCELLED') throw error
      const own = before !== undefined && before.asOf === 0 && before.fate !== 'lost'
      if (error.code === 'BAD_FORMAT' && own) {
        // The catalog has what the drive held, with digests: each file is checked all the same.
        report.warning(
          `${name} can't be asked what it holds; the catalog says it: ${error.message}`,
        )
        this.#learned.set(number, generation)
        this.#codes.push(Exit.differences)
        return true
      }
      report.error(`${name} can't be used: ${error.message}`)
      this.#refused.set(number, `It can't be used: ${error.message}`)
      this.#without.add(number)
      this.#codes.push(Exit.driveFailed)
      return false
    }
  }

  async #stage(): Promise<void> {
    const { catalog, context, options } = this.#p
    const { report, stop } = context
    report.phaseStart('plan')
    this.#staged = await stageRestore(catalog, options.paths, {
      signal: stop.orderly,
      immediate: stop.immediate,
    })
    report.phaseEnd()
  }

  #volume(number: number): Volume | undefined {
    return this.#p.catalog.volumes().find((one) => one.number === number)
  }

  #name(number: number): VolumeName {
    const label = this.#volume(number)?.label
    return { number, ...(label === undefined || label === '' ? {} : { label }) }
  }

  async #wanted(mounted: readonly Found[]): Promise<Share[]> {
    const there = new Set(mounted.map(({ number }) => number))
    return fewestToRead(await restoreGroups(this.#p.catalog), there, this.#without)
  }

  async #tellPlan(): Promise<void> {
    const { context, destination, options } = this.#p
    const mounted = await this.#shelf.mounted()
    const shares = await this.#wanted(mounted)
    const { files, bytes, others, notBackedUp, outdated, lost } = this.#staged
    context.report.event({
      type: 'plan',
      to: destination.path,
      files,
      bytes,
      others,
      ...(options.dryRun ? { dryRun: true } : {}),
      volumes: shares.map((share) => ({
        ...this.#name(share.volume),
        files: share.files,
        bytes: share.bytes,
        mounted: mounted.some(({ number }) => number === share.volume),
      })),
      notBackedUp,
      outdated,
      lost,
    })
    if (notBackedUp + outdated + lost > 0) this.#codes.push(Exit.differences)
    const free = destination.space?.free
    if (free !== undefined && bytes > free) {
      context.report.warning(
        `${displayName(destination.path)} has ${prettyBytes(free)} free, and up to ${prettyBytes(bytes)} are to come.`,
      )
    }
  }

  /** Drive after drive. False: the destination can't be relied on any more. */
  async #drives(target: RestoreTarget): Promise<boolean> {
    const { context } = this.#p
    let done: string | undefined
    for (;;) {
      const mounted = await this.#shelf.mounted()
      const shares = await this.#wanted(mounted)
      if (shares.length === 0) return true
      let drive = mounted.find(({ number }) => shares.some(({ volume }) => volume === number))
      if (drive === undefined) {
        const obtained = await this.#shelf.ask(shares, done)
        if (obtained.kind === 'skip') {
          this.#without.add(obtained.number)
          continue
        }
        if (obtained.kind !== 'drive') {
          if (obtained.kind === 'quit') this.#interrupted = true
          else this.#codes.push(Exit.needed)
          return true
        }
        drive = obtained.drive
      }
      if (!(await this.#learn(drive))) continue
      const readings = (this.#readings.get(drive.number) ?? 0) + 1
      this.#readings.set(drive.number, readings)
      const goesOn = await this.#readDrive(target, drive, shares)
      if (goesOn !== 'on') return goesOn === 'end'
      if (readings >= MOST_READINGS) this.#without.add(drive.number)
      const name = this.#name(drive.number)
      done = `${capital(driveName(name.number, name.label))} is done and can be taken out.`
      if (context.stop.requested) {
        this.#interrupted = true
        return true
      }
    }
  }

  async #readDrive(
    target: RestoreTarget,
    drive: Found,
    shares: readonly Share[],
  ): Promise<'on' | 'end' | 'broken'> {
    const { context, options } = this.#p
    const { report, stop } = context
    const { facts, number } = drive
    const volume = this.#name(number)
    const before = { ...this.#passed }
    const share = shares.find((one) => one.volume === number)
    const index = this.#read.length + 1
    report.event({
      type: 'volume-opened',
      volume,
      path: facts.path,
      fresh: false,
      capacity: facts.space?.total ?? 0,
      available: facts.space?.free ?? 0,
    })
    report.phaseStart('restore')
    try {
      const came = await target.drive(
        {
          path: facts.path,
          ...(facts.mount === undefined ? {} : { mountId: facts.mount.id }),
          volume: number,
          existing: options.existing,
          keepBad: options.keepBad,
          copiers: usualWorkers(),
          // A drive that has to seek gives one long stream at a time.
          oneLarge: facts.rotational === true,
        },
        {
          signal: stop.orderly,
          immediate: stop.immediate,
          onErrors: tellErrors(report, volume),
          onProgress: (progress) => {
            const { files, bytes } = progress
            this.#passed = { files: before.files + files, bytes: before.bytes + bytes }
            report.progress({
              files: { done: this.#passed.files, total: this.#staged.files },
              bytes: { done: this.#passed.bytes, total: this.#staged.bytes },
              volume: {
                ...volume,
                index,
                of: index - 1 + shares.length,
                files: { done: files, total: share?.files },
                bytes: { done: bytes, total: share?.bytes },
              },
              errors: progress.errors,
              pace: { before: before.bytes },
              ...inHand(progress),
            })
          },
        },
      )
      report.phaseEnd()
      this.#add(came)
      if (!this.#read.some((one) => one.number === number)) this.#read.push(volume)
      report.event({
        type: 'volume-closed',
        volume,
        path: facts.path,
        restored: { files: came.files, bytes: came.bytes, others: came.others },
        equal: came.equal,
        kept: came.kept,
        bad: came.bad,
        failed: came.failed,
      })
      if (came.stopped) this.#interrupted = true
      return came.stopped ? 'end' : 'on'
    } catch (error) {
      report.phaseEnd()
      return this.#broken(error, drive)
    }
  }

  /** What a failure that ends the run means. */
  #broken(error: unknown, { facts }: Found): 'end' | 'broken' {
    const { report } = this.#p.context
    const { destination } = this.#p
    if (!(error instanceof NativeError) || error.code === 'INTERNAL') throw error
    const user = nativeToUser(error)
    report.error(user instanceof UserError ? user.message : error.message)
    const atDestination = error.path?.startsWith(destination.path) === true
    if (error.code === 'IO' && atDestination) {
      report.note('Make room or mend it, then run the same command again: it goes on from here.')
      this.#codes.push(Exit.partial)
      return 'end'
    }
    this.#codes.push(Exit.driveFailed)
    report.note(
      atDestination
        ? 'What was not yet confirmed may be lost. Check that disk, then run the same command again.'
        : `Mount ${displayName(facts.path)} again and run the same command: it goes on from here.`,
    )
    return error.code === 'DRIVE_FAILED' && atDestination ? 'broken' : 'end'
  }

  #add(came: Restored): void {
    const sum = this.#sum
    const keys = Object.keys(sum) as Array<keyof typeof sum>
    for (const key of keys) sum[key] += came[key]
  }

  async #finish(target: RestoreTarget): Promise<void> {
    const { context, options } = this.#p
    const { report, stop } = context
    report.phaseStart('close')
    let came: Finished
    try {
      came = await target.finish(options.flags, {
        immediate: stop.immediate,
        onErrors: tellErrors(report),
      })
    } catch (error) {
      report.phaseEnd()
      if (!(error instanceof NativeError) || error.code === 'INTERNAL') throw error
      if (error.code === 'CANCELLED') {
        this.#interrupted = true
        return
      }
      report.error(`${capital(error.message)}.`)
      this.#codes.push(Exit.driveFailed)
      return
    }
    report.phaseEnd()
    this.#sum.failed += came.failed
    this.#sum.ownersLost += came.ownersLost
    this.#sum.attributesLost += came.attributesLost
    this.#sum.failed += came.flagsFailed
    this.#flagged = came.flagged - came.flagsSet - came.flagsFailed
  }

  #summary(missing: Awaited<ReturnType<typeof restoreMissing>>): ExitCode {
    const { report } = this.#p.context
    const sum = this.#sum
    if (this.#interrupted) this.#codes.push(Exit.interrupted)
    if (sum.failed > 0 || missing.entries > 0) this.#codes.push(Exit.partial)
    if (sum.kept > 0 || sum.bad > 0) this.#codes.push(Exit.differences)
    const exit = mergeExit(this.#codes)
    tellNotKept(report, sum, this.#flagged)
    if (missing.entries > 0 && !this.#interrupted) {
      report.error('Not restored:')
      for (const one of missing.paths) report.error(`  ${displayName(one)}`)
      const more = missing.entries - missing.paths.length
      if (more > 0) report.error(`  and ${formatCount(more)} more`)
    }
    report.event({
      type: 'summary',
      exit,
      complete: exit === Exit.ok || exit === Exit.differences,
      interrupted: this.#interrupted,
      to: this.#p.destination.path,
      restored: { files: sum.files, bytes: sum.bytes, others: sum.others },
      equal: sum.equal,
      kept: sum.kept,
      newer: sum.newer,
      beside: sum.beside,
      bad: sum.bad,
      failed: sum.failed,
      unchecked: sum.unchecked,
      missing: { entries: missing.entries, files: missing.files, bytes: missing.bytes },
      volumes: this.#read,
      seconds: (Date.now() - this.#started) / 1000,
    })
    return exit
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
