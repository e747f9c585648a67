/**
 * `repair`: brings back on a drive what a check found not to be as recorded.
 *
 * Content comes from the sources first, then from other drives of the set: those of `--from`, those that are
 * mounted where they were last, and at a terminal those that are brought. Nothing is held open while somebody is
 * asked. What was changed on the drive is its user's: it is left alone, or kept beside by agreement.
 */

import path from 'node:path'
import type { RunContext } from '../context.js'
import { Drives, type Mounted } from '../copy/drives.js'
import { OpenDrives } from '../copy/open.js'
import { UserError } from '../errors.js'
import { Exit, type ExitCode, mergeExit } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { displayName } from '../native/names.js'
import {
  countFindings,
  type FromDrive,
  learnFindings,
  type Outlook,
  outlook,
  type Repaired,
  repairDrive,
} from '../native/repair.js'
import { Catalog, type Volume } from '../native/set.js'
import type { Amount } from '../report/reporter.js'
import { nativeToUser, tellErrors } from '../set/faults.js'
import { findKnownSet } from '../set/find.js'
import { agreed, driveName } from '../set/messages.js'
import { counted, formatCount } from '../size.js'
import type { Verdict } from '../volume/facts.js'
import { describe } from '../volume/look.js'
import { Holders } from './holders.js'
import type { RepairOptions } from './options.js'
import { snapshot } from './progress.js'
import { Slot } from './slot.js'
import { Telling } from './tell.js'

/** Repairs a drive as `options` says and gives the exit code. Rejects with `UserError`. */
export async function runRepair(options: RepairOptions, context: RunContext): Promise<ExitCode> {
  const known = await findKnownSet({ ...options, output: options.output }, context)
  let catalog: Catalog | undefined
  try {
    catalog = Catalog.open(known.file)
    return await new Repair(catalog, options, context).run()
  } catch (error) {
    if (error instanceof CancelledError) {
      context.report.note('Stopped. The same command again goes on from here.')
      return Exit.interrupted
    }
    throw nativeToUser(error)
  } finally {
    catalog?.close()
  }
}

type OfSet = Extract<Verdict, { kind: 'volume-of-set' }>

class Repair {
  readonly #catalog: Catalog
  readonly #options: RepairOptions
  readonly #context: RunContext
  readonly #drives: Drives
  readonly #open: OpenDrives
  readonly #telling: Telling
  readonly #codes: ExitCode[] = []
  #aside = false
  #failed = 0

  constructor(catalog: Catalog, options: RepairOptions, context: RunContext) {
    this.#catalog = catalog
    this.#options = options
    this.#context = context
    this.#drives = new Drives(catalog, context, [], false)
    this.#open = new OpenDrives({ catalog, context, drives: this.#drives })
    this.#telling = new Telling(context, options.json)
  }

  async run(): Promise<ExitCode> {
    const { report } = this.#context
    const verdict = await this.#look()
    const volume = this.#catalog.volumes().find(({ id }) => id === verdict.id)
    if (volume === undefined) throw strange(this.#options.output, verdict)
    const name = driveName(volume.number, volume.label)
    const job = { signal: this.#context.stop.orderly }
    const at = path.resolve(this.#context.cwd, this.#options.output)
    const damaged = await learnFindings(this.#catalog, at, volume.number, job)
    if (countFindings(this.#catalog, volume.number) + damaged === 0) {
      report.note(`Nothing is known to be wrong with ${name}.`)
      report.note(
        volume.verified === 0
          ? `It was never checked: multivolumecopy verify -o ${displayName(this.#options.output)} does.`
          : 'multivolumecopy verify checks it again.',
      )
      return Exit.ok
    }
    const before = await outlook(this.#catalog, volume.number, false, job)
    if (this.#options.dryRun) return this.#telling.dryRun(volume, before, this.#labels())
    this.#aside = await this.#mayKeepBeside(before)
    await this.#pass(volume, undefined, amountOf(before.fromSource))
    if (damaged > 0) {
      const files = counted(damaged, 'file')
      report.note(
        `${files} of our own on ${name} ${damaged === 1 ? 'was' : 'were'} damaged, and written anew.`,
      )
    }
    await this.#fromOthers(volume)
    return this.#end(volume)
  }

  /** What stands at the output: the drive that is to be repaired. Throws where it is another one. */
  async #look(): Promise<OfSet> {
    const { output } = this.#options
    const { verdict } = await this.#drives.look(path.resolve(this.#context.cwd, output))
    if (verdict.kind === 'volume-of-set' && !verdict.clone) return verdict
    const { sentence, hint } = describe(verdict, output)
    const failed = verdict.kind === 'read-only' || verdict.kind === 'unreadable'
    throw new UserError(sentence, { exit: failed ? Exit.driveFailed : Exit.needed, hint })
  }

  /** Asked once at a terminal; elsewhere what was changed is left alone. */
  async #mayKeepBeside({ changed }: Outlook): Promise<boolean> {
    if (this.#options.setAside || changed.count === 0) return this.#options.setAside
    if (!this.#context.prompter.canAsk) return false
    const more = changed.count - Math.min(changed.names.length, 20)
    return agreed(
      this.#context,
      [
        `${counted(changed.count, 'file was', 'files were')} changed on the drive since ${changed.count === 1 ? 'it was' : 'they were'} backed up:`,
        ...changed.names.slice(0, 20).map((one) => `  ${displayName(one)}`),
        ...(more > 0 ? [`  and ${formatCount(more)} more`] : []),
        'Bring back what was backed up, and keep the changed version beside it as NAME.mvcopy-changed?',
      ],
      false,
    )
  }

  /** Opens the drive, does something on it, and closes it. Nothing is open on it afterwards. */
  async #onDrive<T>(volume: Volume, work: (mounted: Mounted) => Promise<T>): Promise<T> {
    const { cwd } = this.#context
    const seen = await this.#drives.look(path.resolve(cwd, this.#options.output))
    const { verdict, facts } = seen
    if (verdict.kind !== 'volume-of-set' || verdict.id !== volume.id || verdict.clone) {
      const { sentence } = describe(verdict, this.#options.output)
      throw new UserError(sentence, {
        exit: Exit.needed,
        hint: `Mount ${driveName(volume.number, volume.label)} there again.`,
      })
    }
    const mounted = await this.#drives.openKnown(facts.path, facts, verdict)
    try {
      await this.#open.opened(mounted)
      const done = await work(mounted)
      await this.#open.close(mounted, verdict.closed)
      return done
    } catch (error) {
      this.#open.leave(mounted, error)
      throw error
    }
  }

  /** One go through the findings, with content from the sources or from another drive. */
  async #pass(volume: Volume, from: FromDrive | undefined, all: Amount): Promise<void> {
    const done = await this.#onDrive(volume, (mounted) => this.#repair(mounted, from, all))
    this.#failed += done.failed
    await this.#telling.done(volume, done)
    // What was repaired until then is durable, and the drive is closed.
    if (done.stopped) throw new CancelledError()
  }

  async #repair(mounted: Mounted, from: FromDrive | undefined, all: Amount): Promise<Repaired> {
    const { report, stop } = this.#context
    const { number, label } = mounted.volume
    report.phaseStart('copy')
    const done = await repairDrive(mounted.drive, this.#catalog, from, this.#aside, {
      signal: stop.orderly,
      immediate: stop.immediate,
      onErrors: tellErrors(report, { number, label }),
      onProgress: (progress) => report.progress(snapshot(progress, all)),
    })
    report.phaseEnd()
    return done
  }

  /** Fetches from other drives what the sources do not have. */
  async #fromOthers(volume: Volume): Promise<void> {
    const name = driveName(volume.number, volume.label)
    const holders = new Holders(this.#catalog, this.#options, this.#context, this.#drives, name)
    const slot = new Slot(this.#catalog, this.#options, this.#context, this.#drives, volume)
    const job = { signal: this.#context.stop.orderly }
    for (;;) {
      const left = await outlook(this.#catalog, volume.number, true, job)
      if (left.volumes.length === 0) return
      const from = await holders.next(left.volumes)
      if (from === undefined) {
        const code = holders.exit
        if (code !== undefined) this.#codes.push(code)
        return
      }
      if (await slot.isIn()) {
        await this.#pass(volume, from, from)
        continue
      }
      const kept = await slot.keep(from, this.#aside)
      try {
        if (kept.left > 0) holders.again(from.volume)
        // Nothing at all: neither is it there, or there is no room for it.
        if (kept.files === 0 && kept.left > 0) {
          this.#codes.push(Exit.needed)
          return
        }
        if (!(await slot.askBack())) {
          this.#codes.push(Exit.needed)
          return
        }
        if (kept.files > 0) await this.#pass(volume, kept.from, kept)
      } finally {
        slot.clear()
      }
    }
  }

  #labels(): Map<number, string> {
    return new Map(this.#catalog.volumes().map(({ number, label }) => [number, label]))
  }

  /** Tells what is left, and gives the exit code. */
  async #end(volume: Volume): Promise<ExitCode> {
    const job = { signal: this.#context.stop.orderly }
    const left = await outlook(this.#catalog, volume.number, true, job)
    const without = [left.newer, left.silent, left.unseen, left.lost, left.elsewhere]
    if (without.some(({ count }) => count > 0) || left.fromSource.count + this.#failed > 0) {
      this.#codes.push(Exit.partial)
    }
    if (left.changed.count > 0) this.#codes.push(Exit.differences)
    const exit = mergeExit(this.#codes)
    await this.#telling.left(volume, left, this.#labels(), exit)
    return exit
  }
}

function amountOf({ count, bytes }: Outlook['fromSource']): Amount {
  return { files: count, bytes }
}

function strange(output: string, { number, label }: OfSet): UserError {
  return new UserError(
    `This host knows nothing yet of ${driveName(number, label)} at ${displayName(output)}.`,
    { exit: Exit.usage, hint: `multivolumecopy adopt -o ${displayName(output)} reads it.` },
  )
}
