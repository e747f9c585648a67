/**
 * The flow of a plan: everything that a copy does before it writes, on a private copy of the catalog.
 *
 * No drive is opened, no job file is written, nothing of the set changes, and nothing is asked. So it works
 * beside a run that goes on, and where the state directory can't be written. A set that does not exist yet
 * lives in the private copy only.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { RunContext } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { learnDrive } from '../native/adopt.js'
import { CancelledError } from '../native/errors.js'
import { displayName } from '../native/names.js'
import { Catalog, copyCatalog } from '../native/set.js'
import { unattended } from '../prompt/prompter.js'
import { nativeToUser } from '../set/faults.js'
import { driveName } from '../set/messages.js'
import { type Choice, openCatalog } from '../set/state.js'
import { placeOf } from '../volume/place.js'
import { planCopies } from './copies.js'
import { Drives } from './drives.js'
import type { CopyOptions } from './options.js'
import { Planner } from './planning.js'
import { join, type Looked, lookForWork, prepare } from './prepare.js'
import { findSet } from './run.js'
import { keepPlan, placeToSave } from './save.js'
import { decideRemoval } from './scan.js'
import { RunTally } from './tally.js'

/** Tells what a copy with these options would do and returns the exit code. Rejects with `UserError`. */
export async function runPlan(options: CopyOptions, asked: RunContext): Promise<ExitCode> {
  // What a copy would ask is answered as where nobody can be asked.
  const context: RunContext = { ...asked, prompter: unattended }
  const { savePlan } = options
  const saveAs = savePlan === undefined ? undefined : placeToSave(savePlan, context.cwd)
  const prepared = await prepare(options, context)
  const choice = await findSet(options, prepared.sources, context)
  const directory = temporaryDirectory(context)
  try {
    const catalog = await privateCopy(choice, directory, context)
    try {
      const run = catalog.beginRun(now())
      const tally = new RunTally()
      return await steps({ ...prepared, options, context, catalog, run, tally }, saveAs)
    } finally {
      catalog.close()
    }
  } catch (error) {
    if (error instanceof CancelledError) return Exit.interrupted
    throw nativeToUser(error, Exit.catalog)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function temporaryDirectory({ env }: RunContext): string {
  const above = env.TMPDIR ?? tmpdir()
  try {
    return mkdtempSync(path.join(above, 'multivolumecopy-plan-'))
  } catch (error) {
    throw new UserError(
      `A plan needs room for a while, and ${displayName(above)} cannot be written.`,
      {
        exit: Exit.catalog,
        hint: 'Set TMPDIR to a directory that you may write.',
        cause: error,
      },
    )
  }
}

/** The catalog of the set as it is now, or a new one, in a directory of its own. */
async function privateCopy(
  choice: Choice,
  directory: string,
  { stop }: RunContext,
): Promise<Catalog> {
  const file = path.join(directory, 'catalog.sqlite')
  if (!choice.exists) return openCatalog({ ...choice, file }, now())
  await copyCatalog(choice.file, file, { signal: stop.orderly })
  return Catalog.open(file)
}

async function steps(r: Looked, saveAs: string | undefined): Promise<ExitCode> {
  const { options, context, catalog, run, tally } = r
  const { report } = context
  const joined = join(r)
  const drives = new Drives(catalog, context, r.sources, options.oneFileSystem, true)
  const outputs = options.outputs.map((one) => path.resolve(context.cwd, one))
  await learnMounted(catalog, drives, outputs, context)
  if (options.adopt || options.selectIndex !== undefined) {
    report.note('The plan does not look for files on the drives that a copy would take over.')
  }
  const tallies = await lookForWork(r, joined)
  const removal = await decideRemoval(catalog, options, context)
  const planner = new Planner({
    ...r,
    drives,
    outputs,
    done: new Set(),
    isOpen: () => false,
    removesGone: () => removal.removes,
  })
  const told = {
    planner,
    catalog,
    run,
    sources: joined.map((one) => one.path),
    tallies,
    removal,
    labelFor: (number: number, next: boolean): string =>
      next && options.label !== undefined ? options.label : `${catalog.setInfo().name}-${number}`,
    dryRun: true,
  }
  const refresh = async (): Promise<void> => {
    report.phaseStart('plan')
    await planner.refresh()
    report.phaseEnd()
  }
  if (saveAs !== undefined && catalog.copies() > 1) {
    throw usageError(
      'A saved plan is that of one copy, and this set has more of them.',
      'Save a plan of a set of its own for each copy (--set NAME).',
    )
  }
  const { event, unplaced } = await planCopies(told, refresh, report)
  if (event.volumes.some(({ capacity }) => capacity === undefined)) {
    report.note(
      'No drive is known yet. Mount one and name it with -o, or give the size of the drives with --volume-size.',
    )
  }
  if (saveAs !== undefined) await keepPlan(catalog, run, saveAs, event, context)
  return tally.exit(unplaced.files + unplaced.entries > 0)
}

/**
 * Reads the drives at `outputs` of which the catalog knows nothing, only what others told, or an older state, as a copy
 * does: here into the private copy, and changing nothing on them. What a broken run left open on one only a copy finds out.
 */
async function learnMounted(
  catalog: Catalog,
  drives: Drives,
  outputs: readonly string[],
  { report, stop }: RunContext,
): Promise<void> {
  for (const output of outputs) {
    const { verdict, facts } = await drives.look(output)
    if (verdict.kind !== 'volume-of-set' || verdict.clone) continue
    const isHeard = catalog.volumes().find(({ id }) => id === verdict.id)?.asOf !== 0
    if (!facts.hasJournal && !verdict.ahead && verdict.known && !isHeard) continue
    const job = { signal: stop.orderly, immediate: stop.immediate }
    const isOpen = await learnDrive(catalog, placeOf(facts), job).then(
      ({ journal }) => journal,
      (error: unknown) => {
        if (error instanceof CancelledError) throw error
        return true
      },
    )
    if (!isOpen) continue
    const name = driveName(verdict.number, verdict.label)
    report.warning(
      `${name} holds something that this host does not know of yet; a copy finds out first, and may copy less.`,
    )
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
