/**
 * The flow of a copy: look at the sources, plan, write drive after drive, sum up.
 *
 * It decides; the addon walks, plans' rows are numbers, and bytes never pass here. Broken off anywhere it
 * is continued by the same command: the catalog knows what is durable, and a drive knows it better.
 */

import path from 'node:path'
import type { RunContext } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { type Catalog, jobFileRoots, type Rule, rulesOf, type Tally } from '../native/set.js'
import { inspect } from '../native/volume.js'
import { describe } from '../volume/look.js'
import { Drives } from './drives.js'
import { nativeToUser } from './faults.js'
import type { CopyOptions } from './options.js'
import { decideRemoval, scanSources, writeJobFile } from './scan.js'
import { type GivenSource, type JoinedSource, joinSources, lookAtSources } from './sources.js'
import {
  chooseSet,
  ensureStateDirectory,
  openCatalog,
  otherUsersSet,
  removeCatalog,
  stateDirectory,
} from './state.js'
import { RunTally, tellErrors } from './tally.js'
import { VolumeWriter } from './write.js'

/** File systems that never compress, so that fewer bytes allocated than there are mean holes. */
const NO_COMPRESSION = /^(ext[234]|xfs|tmpfs)$/

/** Backs up as `options` says and returns the exit code. Rejects with `UserError`. */
export async function runCopy(options: CopyOptions, context: RunContext): Promise<ExitCode> {
  const started = Date.now()
  const { report, cwd } = context
  const tally = new RunTally()
  // What makes no sense is refused before anything is opened for writing.
  const rules = filterRules(options, cwd)
  const fromJobFile = options.sources.length === 0
  const paths = fromJobFile ? await rootsOfJobFile(options, cwd) : options.sources
  const sources = await lookAtSources(paths, cwd)
  await refuseBadOutputs(options, sources, context)

  const { catalog, created } = await openSet(options, sources, context)
  const run = catalog.beginRun(now())
  const stopInfo = context.onInfoSignal(() => report.line())
  let outcome: { exit: ExitCode; writer: VolumeWriter } | undefined
  try {
    outcome = await steps({ options, context, catalog, run, rules, sources, tally, fromJobFile })
  } catch (error) {
    if (error instanceof CancelledError) {
      tally.interrupted = true
      report.note('Stopped. The same command again goes on from here.')
      return Exit.interrupted
    }
    throw nativeToUser(error)
  } finally {
    stopInfo()
    catalog.endRun(run, now(), outcome === undefined ? 'broken off' : `exit ${outcome.exit}`)
    // A set that has no drive never began: nothing of it is to lead a later run astray.
    const never = created && catalog.volumes().length === 0
    catalog.close()
    if (never) removeCatalog(catalog.file)
  }
  outcome.writer.tellSummary(outcome.exit, (Date.now() - started) / 1000)
  return outcome.exit
}

interface Run {
  readonly options: CopyOptions
  readonly context: RunContext
  readonly catalog: Catalog
  readonly run: number
  readonly rules: Rule[]
  readonly sources: readonly GivenSource[]
  readonly tally: RunTally
  readonly fromJobFile: boolean
}

async function steps(r: Run): Promise<{ exit: ExitCode; writer: VolumeWriter }> {
  const { options, context, catalog, run, rules, tally } = r
  const joined = joinSources(catalog, r.sources, options.flatten || r.fromJobFile)
  const drives = new Drives(catalog, context, r.sources, options.oneFileSystem)
  const writer = new VolumeWriter({
    catalog,
    run,
    options,
    context,
    drives,
    tally,
    trustAllocated: r.sources.every(({ facts }) => NO_COMPRESSION.test(facts.mount?.fsType ?? '')),
  })
  try {
    // What a broken run left on a mounted drive is finished first: the plan counts on it.
    await writer.recoverMounted()
    const tallies = r.fromJobFile
      ? [await readJobFile(r)]
      : await scanSources(catalog, run, joined, rules, options, context, tally)
    await leaveToOthers(r, joined)
    writer.removeGone = await decideRemoval(catalog, options, context)
    // Both only read what the scan found, each on a thread of its own.
    await Promise.all([
      r.fromJobFile ? undefined : writeJobFile(catalog, joined, rules, options, context),
      writer.firstPlan(
        joined.map((one) => one.path),
        tallies,
      ),
    ])
    await writer.writeAll()
  } finally {
    await writer.closeAll()
  }
  return { exit: tally.exit(writer.unplaced.files > 0 || writer.unplaced.entries > 0), writer }
}

async function readJobFile(r: Run): Promise<Tally> {
  const { options, context, catalog, run } = r
  const file = path.resolve(context.cwd, options.jobFile ?? '')
  context.report.phaseStart('scan')
  const found = await catalog.readJobFile(file, run, options.startIndex, {
    signal: context.stop.orderly,
    onErrors: (errors) => {
      r.tally.vanished += errors.length
      tellErrors(context.report)(errors)
    },
  })
  context.report.phaseEnd()
  return found
}

/** `-i`: entries of a lower index belong to other drives. */
async function leaveToOthers(r: Run, joined: readonly JoinedSource[]): Promise<void> {
  const { options, context, catalog, run, rules } = r
  if (options.startIndex === 0 || r.fromJobFile) return
  const ids = joined.map(({ row }) => row.id)
  await catalog.leaveBefore(run, ids, rules, options.startIndex, { signal: context.stop.orderly })
}

function filterRules(options: CopyOptions, cwd: FsName): Rule[] {
  try {
    return rulesOf(
      options.filters.map((rule) =>
        rule.kind === 'exclude-from' ? { ...rule, value: path.resolve(cwd, rule.value) } : rule,
      ),
    )
  } catch (error) {
    throw nativeToUser(error, Exit.usage)
  }
}

async function rootsOfJobFile(options: CopyOptions, cwd: FsName): Promise<FsName[]> {
  const file = path.resolve(cwd, options.jobFile ?? '')
  const roots = await jobFileRoots(file).catch((error: unknown) => {
    throw nativeToUser(error, Exit.usage)
  })
  if (roots.length === 0) {
    throw usageError(
      `The job file ${displayName(file)} names nothing to copy.`,
      'Name the sources on the command line.',
    )
  }
  return roots
}

/** Refuses outputs that can never be one: no directory, inside a source, around a source. */
async function refuseBadOutputs(
  options: CopyOptions,
  sources: readonly GivenSource[],
  context: RunContext,
): Promise<void> {
  const never = ['not-a-directory', 'inside-source', 'source-inside']
  const { judge } = await import('../volume/judge.js')
  for (const output of options.outputs) {
    const facts = await inspect(path.resolve(context.cwd, output))
    const { verdict } = judge(facts, {
      setId: null,
      known: [],
      justFilledId: null,
      sources: sources.map((one) => one.facts),
      oneFileSystem: options.oneFileSystem,
      hadDriveAt: [],
      smallest: 0,
      purpose: 'write',
    })
    const impossible =
      never.includes(verdict.kind) || (verdict.kind === 'missing' && !verdict.creatable)
    if (!impossible) continue
    const { sentence, hint } = describe(verdict, output)
    throw new UserError(sentence, { exit: Exit.usage, hint })
  }
}

async function openSet(
  options: CopyOptions,
  sources: readonly GivenSource[],
  context: RunContext,
): Promise<{ catalog: Catalog; created: boolean }> {
  const { env, cwd, report } = context
  const directory = stateDirectory(env)
  const facts = await Promise.all(options.outputs.map((one) => inspect(path.resolve(cwd, one))))
  const clues = {
    setName: options.setName,
    catalog: options.catalog === undefined ? undefined : path.resolve(cwd, options.catalog),
    mounted: facts.flatMap(({ volume }) => (volume === undefined ? [] : [volume.setId])),
    sources: sources.map((one) => one.path),
  }
  const choice = chooseSet(clues, directory)
  if (!choice.exists) {
    if (clues.catalog === undefined) ensureStateDirectory(directory)
    const twin = otherUsersSet(env, clues.sources)
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
