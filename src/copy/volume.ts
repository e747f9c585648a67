/**
 * `copy --volume K`: writes one volume of a saved plan, and nothing else.
 *
 * It works with a private copy of the saved plan's catalog, made anew each time: what an attempt before has
 * done the drive itself tells, so it may be continued on another host. The sources are not walked again; each
 * file is looked at when it is copied. What is left over is named, and for the set's next plan.
 */

import path from 'node:path'
import type { RunContext } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { Catalog } from '../native/set.js'
import {
  leftOfPlan,
  needsOfSource,
  readSavedPlan,
  type SavedPlan,
  takeSavedPlan,
} from '../native/volumejob.js'
import { UNKNOWN_CAPACITY } from '../plan/ledger.js'
import type { PlanSummary, VolumePlan } from '../plan/page.js'
import { nativeToUser } from '../set/faults.js'
import { driveName } from '../set/messages.js'
import { ensureStateDirectory, removeCatalog, stateDirectory } from '../set/state.js'
import type { Taken } from './copies.js'
import { Drives } from './drives.js'
import type { CopyOptions } from './options.js'
import type { PlanInForce } from './planning.js'
import { numbersOf } from './save.js'
import { type GivenSource, lookAtSources } from './sources.js'
import { RunTally } from './tally.js'
import { VolumeWriter } from './write.js'

/** Files that found no room and are named. */
const NAMED = 20

/** The options of a volume job: `catalog` is the saved plan, `sources` are none. */
export interface VolumeOptions extends CopyOptions {
  readonly catalog: string
  /** `--volume`: the number of the volume that is written. */
  readonly volume: number
}

/** Writes one volume of a saved plan and returns the exit code. Rejects with `UserError`. */
export async function runVolume(options: VolumeOptions, context: RunContext): Promise<ExitCode> {
  const started = Date.now()
  const { report, env, cwd, stop } = context
  const file = path.resolve(cwd, options.catalog)
  const tally = new RunTally()
  let taken: Catalog | undefined
  try {
    const saved = readSaved(file)
    const plan = new SavedVolume(saved, options.volume, file)
    const directory = path.join(stateDirectory(env), 'jobs')
    ensureStateDirectory(directory)
    const copy = path.join(directory, `${saved.setId}.volume-${options.volume}.sqlite`)
    await takeSavedPlan(file, copy, { signal: stop.orderly })
    taken = Catalog.open(copy)
    plan.catalog = taken
    report.detail(`Set ${displayName(taken.setInfo().name)}, saved plan ${displayName(file)}.`)
    const writer = await steps(taken, plan, options, context, tally)
    const exit = tally.exit(plan.unplaced.entries > 0)
    writer.tellSummary(exit, (Date.now() - started) / 1000)
    return exit
  } catch (error) {
    if (error instanceof CancelledError) {
      report.note('Stopped. The same command again goes on from here.')
      return Exit.interrupted
    }
    throw nativeToUser(error)
  } finally {
    if (taken !== undefined) {
      taken.close()
      // What was done the drive tells.
      removeCatalog(taken.file)
    }
  }
}

function readSaved(file: FsName): SavedPlan {
  try {
    return readSavedPlan(file)
  } catch (error) {
    throw nativeToUser(error, Exit.usage)
  }
}

async function steps(
  catalog: Catalog,
  plan: SavedVolume,
  options: VolumeOptions,
  context: RunContext,
  tally: RunTally,
): Promise<VolumeWriter> {
  const { run } = plan
  const sources = await sourcesOf(catalog, run, context)
  const drives = new Drives(catalog, context, sources, false)
  plan.brokenOff = () => tally.interrupted
  const writer = new VolumeWriter({
    ...{ catalog, run, options, context, drives, tally },
    trustAllocated: false,
    fixedPlan: (done) => {
      plan.done = done
      return plan
    },
  })
  try {
    await writer.firstPlan(
      sources.map((one) => one.path),
      [],
    )
    await writer.writePlanned()
  } finally {
    await writer.closeAll()
  }
  await writer.finish()
  const label = catalog.volumes().find((one) => one.number === options.volume)?.label ?? ''
  for (const { path: left } of plan.homeless) {
    context.report.event({
      type: 'file-error',
      path: left,
      doing: 'copying',
      code: 'no-room',
      message: `there was no room for it on ${driveName(options.volume, label)}; the next plan of the set finds a place`,
      volume: { number: options.volume, label },
    })
  }
  return writer
}

/** The sources of the set as they are on this host. Rejects with `UserError` where one can't be meant. */
async function sourcesOf(
  catalog: Catalog,
  run: number,
  { cwd }: RunContext,
): Promise<GivenSource[]> {
  // What is left out of a plan need not be here.
  const rows = catalog.sources().filter(({ id }) => needsOfSource(catalog, run, id))
  const sources = await lookAtSources(
    rows.map((row) => row.path),
    cwd,
  )
  for (const { path: source, facts, isFile } of sources) {
    const top = facts.top
    if (isFile || top === undefined || top.others > 0 || top.more || top.ours) continue
    throw new UserError(
      `The source ${displayName(source)} is empty on this host, and the plan has files of it.`,
      { exit: Exit.guard, hint: 'Mount what holds it and run again. Nothing was written.' },
    )
  }
  return sources
}

/** The share of one volume of a saved plan, which stands whatever drive comes. */
class SavedVolume implements PlanInForce {
  readonly run: number
  #share: VolumePlan
  #over = false
  /** The catalog that is worked with, once it is there. */
  catalog: Catalog | undefined
  /** Whether the run was broken off: what is left then is left, and did not lack room. */
  brokenOff: () => boolean = () => false
  done: ReadonlySet<number> = new Set()
  /** The first entries of the share that found no room. */
  homeless: readonly { readonly path: FsName; readonly value: number }[] = []
  unplaced: PlanSummary['unplaced'] = { entries: 0, files: 0, bytes: 0 }
  readonly refusing = []
  readonly spaces = []

  /** Throws a usage error where the plan has no such volume. */
  constructor(saved: SavedPlan, number: number, file: FsName) {
    this.run = saved.run
    const shares = saved.shares.filter(({ volume }) => volume > 0)
    const share = shares.find(({ volume }) => volume === number)
    if (share === undefined) {
      throw usageError(
        `The plan in ${displayName(file)} has no drive ${number}.`,
        `It has: ${numbersOf(shares.map(({ volume }) => volume))}.`,
      )
    }
    this.#share = {
      number,
      known: saved.volumes.some((one) => one.number === number),
      entries: share.files,
      files: share.files,
      bytes: share.bytes,
      cost: 0,
      left: UNKNOWN_CAPACITY,
      capacity: UNKNOWN_CAPACITY,
      refusedNames: 0,
      copiedNames: 0,
    }
  }

  get volumes(): readonly VolumePlan[] {
    return this.#over ? [] : [this.#share]
  }

  share(number: number): VolumePlan | undefined {
    return this.volumes.find((volume) => volume.number === number)
  }

  async newVolumeAt(): Promise<number | undefined> {
    return this.#share.known ? undefined : this.#share.number
  }

  /** When the volume was written: what the catalog still has of its share is left over. */
  async refresh(): Promise<void> {
    const { number } = this.#share
    if (this.#over || this.catalog === undefined || !this.done.has(number)) return
    const rest = leftOfPlan(this.catalog, this.run, number)
    if (this.brokenOff()) {
      this.#share = { ...this.#share, files: rest.files, bytes: rest.bytes }
      return
    }
    this.#over = true
    this.unplaced = rest
    if (rest.entries > 0) this.homeless = this.catalog.planned(this.run, number, NAMED)
  }

  // The plan does not depend on what there is on the drives.
  invalidate(): void {}

  cleared(): void {}

  // A saved plan is that of one copy.
  takeCopy(): void {}

  taken(): Taken {
    return { outputs: new Set(), last: 0, spaces: [] }
  }
}
