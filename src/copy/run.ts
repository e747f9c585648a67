/**
 * The flow of a copy: look at the sources, plan, write drive after drive (copy after copy), sum up.
 *
 * It decides; the addon walks, plans' rows are numbers, and bytes never pass here. Broken off anywhere it
 * is continued by the same command: the catalog knows what is durable, and a drive knows it better.
 */

import path from 'node:path'
import type { RunContext } from '../context.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { displayName } from '../native/names.js'
import type { Catalog } from '../native/set.js'
import { inspect } from '../native/volume.js'
import { nativeToUser } from '../set/faults.js'
import {
  type Choice,
  chooseSet,
  ensureStateDirectory,
  openCatalog,
  otherUsersSet,
  removeCatalog,
  stateDirectory,
} from '../set/state.js'
import { adoptDrives } from './adopting.js'
import { Drives } from './drives.js'
import type { CopyOptions } from './options.js'
import { join, type Looked, lookForWork, prepare } from './prepare.js'
import { decideRemoval, writeJobFile } from './scan.js'
import type { GivenSource } from './sources.js'
import { RunTally } from './tally.js'
import { VolumeWriter } from './write.js'

/** Backs up as `options` says and returns the exit code. Rejects with `UserError`. */
export async function runCopy(options: CopyOptions, context: RunContext): Promise<ExitCode> {
  const started = Date.now()
  const { report } = context
  const tally = new RunTally()
  const prepared = await prepare(options, context)
  const { catalog, created } = await openSet(options, prepared.sources, context)
  const run = catalog.beginRun(now())
  let outcome: { exit: ExitCode; writer: VolumeWriter } | undefined
  try {
    outcome = await steps({ ...prepared, options, context, catalog, run, tally })
  } catch (error) {
    if (error instanceof CancelledError) {
      tally.interrupted = true
      report.note('Stopped. The same command again goes on from here.')
      return Exit.interrupted
    }
    throw nativeToUser(error)
  } finally {
    catalog.endRun(run, now(), outcome === undefined ? 'broken off' : `exit ${outcome.exit}`)
    // A set that has no drive never began: nothing of it is to lead a later run astray.
    const never = created && catalog.volumes().length === 0
    catalog.close()
    if (never) removeCatalog(catalog.file)
  }
  if (options.adoptOnly !== true) {
    outcome.writer.tellSummary(outcome.exit, (Date.now() - started) / 1000)
  }
  return outcome.exit
}

async function steps(r: Looked): Promise<{ exit: ExitCode; writer: VolumeWriter }> {
  const { options, context, catalog, run, rules, tally } = r
  const joined = join(r)
  const drives = new Drives(catalog, context, r.sources, options.oneFileSystem)
  const writer = new VolumeWriter({
    catalog,
    run,
    options,
    context,
    drives,
    tally,
    trustAllocated: r.trustAllocated,
  })
  try {
    // What a broken run left on a mounted drive is finished first: the plan counts on it.
    if (options.adoptOnly !== true) await writer.recoverMounted()
    const tallies = await lookForWork(r, joined)
    if (options.adoptOnly === true) {
      await adoptDrives({ catalog, run, options, context, drives, tally })
      await writer.tellLeft()
      return { exit: tally.exit(false), writer }
    }
    writer.removal = await decideRemoval(catalog, options, context)
    // Both only read what the scan found, each on a thread of its own.
    const [mark] = await Promise.all([
      r.fromJobFile ? undefined : writeJobFile(catalog, joined, rules, options, context),
      writer.firstPlan(
        joined.map((one) => one.path),
        tallies,
      ),
    ])
    if (mark !== undefined) catalog.noteJobFile(mark)
    await writer.writeAll()
  } finally {
    await writer.closeAll()
    if (catalog.hasSeveralCopies()) await catalog.endCopies(run)
  }
  await writer.finish()
  return { exit: tally.exit(writer.unplaced.files > 0 || writer.unplaced.entries > 0), writer }
}

/** Finds the set that a run is about: by its options, the mounted drives and the sources. */
export async function findSet(
  options: CopyOptions,
  sources: readonly GivenSource[],
  { env, cwd }: RunContext,
): Promise<Choice> {
  const facts = await Promise.all(options.outputs.map((one) => inspect(path.resolve(cwd, one))))
  const clues = {
    setName: options.setName,
    catalog: options.catalog === undefined ? undefined : path.resolve(cwd, options.catalog),
    mounted: facts.flatMap(({ volume }) => (volume === undefined ? [] : [volume.setId])),
    sources: sources.map((one) => one.path),
  }
  return chooseSet(clues, stateDirectory(env))
}

async function openSet(
  options: CopyOptions,
  sources: readonly GivenSource[],
  context: RunContext,
): Promise<{ catalog: Catalog; created: boolean }> {
  const { env, report } = context
  const choice = await findSet(options, sources, context)
  if (!choice.exists) {
    if (options.catalog === undefined) ensureStateDirectory(stateDirectory(env))
    const twin = otherUsersSet(
      env,
      sources.map((one) => one.path),
    )
    if (twin !== undefined) report.warning(twin)
  }
  report.detail(
    `Set ${displayName(choice.name)}, catalog ${displayName(choice.file)}${choice.exists ? '' : ' (new)'}.`,
  )
  return { catalog: openCatalog(choice, now()), created: !choice.exists }
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
