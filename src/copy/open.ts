/**
 * The drives that a run has open: recovered when they are opened, noted when they are closed.
 *
 * A drive counts as open from here on until it is closed or left as it is; nothing else holds on to one. What
 * is written on it, and whether it is complete then, is the caller's business.
 */

import type { RunContext } from '../context.js'
import { listBytes, listIsStale } from '../native/adopt.js'
import { displayName, type FsName } from '../native/names.js'
import type { Catalog, Closed } from '../native/set.js'
import { tellErrors } from '../set/faults.js'
import { driveName, rfc3339 } from '../set/messages.js'
import { counted, formatCount } from '../size.js'
import { copyOf } from './copies.js'
import type { Drives, Mounted } from './drives.js'

/** What has to be free on a drive, in bytes, beside a new list of the set. */
const LIST_MARGIN = 256 * 1024

/** What the open drives of a run work with. */
export interface OpenDrivesParts {
  readonly catalog: Catalog
  readonly context: RunContext
  readonly drives: Drives
}

/** The open drives, by volume number. */
export class OpenDrives {
  readonly #p: OpenDrivesParts
  readonly #open = new Map<number, Mounted>()

  constructor(parts: OpenDrivesParts) {
    this.#p = parts
  }

  has(number: number): boolean {
    return this.#open.has(number)
  }

  get(number: number): Mounted | undefined {
    return this.#open.get(number)
  }

  /** Those that are open now; closing one while going through them does no harm. */
  all(): readonly Mounted[] {
    return [...this.#open.values()]
  }

  /** Recovers a drive that has just been opened. Rejects with `NativeError`. */
  async opened(mounted: Mounted): Promise<void> {
    const { context } = this.#p
    const { number, label } = mounted.volume
    this.#open.set(number, mounted)
    if (mounted.fresh) return
    context.report.phaseStart('recover')
    const recovered = await mounted.drive.recover(mounted.reread, {
      immediate: context.stop.immediate,
    })
    context.report.phaseEnd()
    if (recovered.finished + recovered.dropped > 0) {
      context.report.detail(
        `${driveName(number, label)}: a run was broken off on it; ${counted(recovered.finished, 'entry', 'entries')} finished, ${formatCount(recovered.dropped)} to be copied again.`,
      )
    }
  }

  /** Closes a drive and notes it. Rejects with `NativeError`. */
  async close(mounted: Mounted, complete: boolean): Promise<Closed> {
    const { context, drives } = this.#p
    const { report, stop } = context
    const { number, label } = mounted.volume
    this.#open.delete(number)
    report.phaseStart('close')
    const closed = await mounted.drive.close(complete ? rfc3339(new Date()) : undefined, {
      immediate: stop.immediate,
      onErrors: tellErrors(report),
    })
    report.phaseEnd()
    await drives.noteClosed(mounted, complete, closed)
    if (closed.list === 'no-room') {
      const old =
        closed.listDate === undefined
          ? 'it carries none'
          : `the one on it is from ${rfc3339(new Date(closed.listDate * 1000))}`
      report.warning(
        `There is no room on ${driveName(number, label)} for the list of the whole set: ${old}.`,
      )
    } else if (closed.page === 'no-room') {
      report.warning(
        `There is no room on ${driveName(number, label)} for START-HERE.html: it has none, or an older one.`,
      )
    }
    return closed
  }

  /** Lets go of a drive that cannot be closed: its journal stays, and why the run ends is known already. */
  leave(mounted: Mounted, error: unknown): void {
    const { number, label } = mounted.volume
    this.#open.delete(number)
    mounted.drive.abandon()
    this.#p.context.report.detail(
      `${driveName(number, label)} was left as it is: ${displayName(String(error))}`,
    )
  }

  /**
   * Brings the list of the set up to date on the drives at `outputs` that were done before others, or had
   * nothing to do. Nothing is written where all of them are. Rejects with `NativeError`.
   */
  async refreshLists(outputs: readonly FsName[]): Promise<void> {
    const { drives, catalog, context } = this.#p
    for (const output of outputs) {
      const { verdict, facts } = await drives.look(output)
      if (verdict.kind !== 'volume-of-set' || verdict.clone || !verdict.known) continue
      const name = driveName(verdict.number, verdict.label)
      // What belongs to a copy that is not wanted any more stays as it is.
      if (copyOf(catalog, verdict, facts) > catalog.copies()) continue
      if (this.#open.has(verdict.number) || !listIsStale(catalog, verdict.number)) continue
      if ((facts.space?.free ?? 0) < listBytes(catalog) + LIST_MARGIN) {
        context.report.detail(`There is no room on ${name} for a new list of the whole set.`)
        continue
      }
      const mounted = await drives.openKnown(output, facts, verdict)
      await this.opened(mounted)
      await this.close(mounted, verdict.closed)
      context.report.detail(`The list of the whole set on ${name} is up to date.`)
    }
  }
}
