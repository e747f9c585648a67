/**
 * The front part of a run, for a copy and for a plan: check the options, look at the sources, and find out
 * what there is to copy. Nothing here writes to a drive, or to a file but the catalog that it is given.
 */

import path from 'node:path'
import type { RunContext } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit } from '../exit.js'
import { displayName, type FsName } from '../native/names.js'
import { type Catalog, jobFileRoots, type Rule, rulesOf, type Tally } from '../native/set.js'
import { inspect } from '../native/volume.js'
import { nativeToUser, tellErrors } from '../set/faults.js'
import { describe } from '../volume/look.js'
import { compareContent, samenessOf } from './content.js'
import type { CopyOptions } from './options.js'
import { scanSources } from './scan.js'
import { type GivenSource, type JoinedSource, joinSources, lookAtSources } from './sources.js'
import type { RunTally } from './tally.js'

/** File systems that never compress, so that fewer bytes allocated than there are mean holes. */
const NO_COMPRESSION = /^(ext[234]|xfs|tmpfs)$/

/** What the command line asks for, looked at. */
export interface Prepared {
  readonly rules: Rule[]
  readonly sources: readonly GivenSource[]
  /** The job file is the list of what to copy. */
  readonly fromJobFile: boolean
  /** Whether fewer bytes allocated than there are means holes: not where a source compresses. */
  readonly trustAllocated: boolean
}

/** Refuses what makes no sense before anything is opened for writing. Rejects with `UserError`. */
export async function prepare(options: CopyOptions, context: RunContext): Promise<Prepared> {
  const { cwd } = context
  const rules = filterRules(options, cwd)
  const fromJobFile = options.sources.length === 0
  const paths = fromJobFile ? await rootsOfJobFile(options, cwd) : options.sources
  const sources = await lookAtSources(paths, cwd)
  await refuseBadOutputs(options, sources, context)
  const trustAllocated = sources.every(({ facts }) =>
    NO_COMPRESSION.test(facts.mount?.fsType ?? ''),
  )
  return { rules, sources, fromJobFile, trustAllocated }
}

/** A run that looks at its sources. */
export interface Looked extends Prepared {
  readonly options: CopyOptions
  readonly context: RunContext
  readonly catalog: Catalog
  readonly run: number
  readonly tally: RunTally
}

/** Notes how many copies and what digests are wanted, and lets the sources join the set: what is refused is refused before the walk. */
export function join(r: Looked): JoinedSource[] {
  refuseCopiesOfParts(r)
  if (r.options.copies !== undefined) r.catalog.setCopies(r.options.copies)
  if (r.options.digest !== undefined) r.catalog.setDigest(r.options.digest)
  if (r.options.startHere !== undefined) r.catalog.setStartHere(r.options.startHere)
  return joinSources(r.catalog, r.sources, r.options.flatten || r.fromJobFile)
}

/** Parts of files are not yet kept in several copies: said before anything is changed. */
function refuseCopiesOfParts({ options, catalog }: Looked): void {
  const several = (options.copies ?? catalog.copies()) > 1 || catalog.hasSeveralCopies()
  if (!several || !(options.splitLarge || catalog.hasParts())) return
  throw options.splitLarge
    ? usageError(
        '--split-large does not go with several copies of a set.',
        'Leave it out, or use a set with --copies 1.',
      )
    : usageError(
        'This set has files in parts, which are kept in one copy only.',
        'Leave --copies out, or make another set of these sources with --set.',
      )
}

/** Finds out what there is to copy and what is gone; the catalog knows it then. Rejects with `UserError`. */
export async function lookForWork(r: Looked, joined: readonly JoinedSource[]): Promise<Tally[]> {
  const { options, context, catalog, run, rules, tally } = r
  if (catalog.hasSeveralCopies()) await catalog.needForCopies()
  const tallies = r.fromJobFile
    ? [await readJobFile(r)]
    : await scanSources(catalog, run, joined, rules, options, context, tally)
  await leaveToOthers(r, joined)
  return tallies
}

/** Takes a job file for the list of what to copy. */
async function readJobFile(r: Looked): Promise<Tally> {
  const { options, context, catalog, run } = r
  const file = path.resolve(context.cwd, options.jobFile ?? '')
  context.report.phaseStart('scan')
  const found = await catalog.readJobFile(file, run, options.startIndex, samenessOf(options), {
    signal: context.stop.orderly,
    onErrors: (errors) => {
      r.tally.vanished += errors.length
      tellErrors(context.report)(errors)
    },
  })
  context.report.phaseEnd()
  if (!options.checksum) return found
  const [compared] = await compareContent(catalog, run, [found], options, context, r.tally)
  return compared ?? found
}

/** `-i`: entries of a lower index belong to other drives. */
async function leaveToOthers(r: Looked, joined: readonly JoinedSource[]): Promise<void> {
  const { options, context, catalog, run, rules } = r
  if (options.startIndex === 0 || r.fromJobFile) return
  const ids = joined.map(({ row }) => row.id)
  await catalog.leaveBefore(run, ids, rules, options.startIndex, { signal: context.stop.orderly })
}

/** The rules of the command line, with the files of `--exclude-from` read in. */
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
