/**
 * `adopt`: makes drives part of the set on this host.
 *
 * A drive that carries a volume is read, never written: what it says of itself replaces what was known of
 * it, and its list of the set tells of the others. A drive without anything of ours is compared with the
 * sources and becomes a volume by what is equal.
 */

import { existsSync } from 'node:fs'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import type { RunContext } from '../context.js'
import type { CopyOptions } from '../copy/options.js'
import { UserError, usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { peekCatalog } from '../native/set.js'
import type { PathFacts } from '../native/volume.js'
import { nativeToUser } from '../set/faults.js'
import { catalogsIn, type Found, stateDirectory } from '../set/state.js'
import type { JudgeContext } from '../volume/facts.js'
import { describe, look } from '../volume/look.js'
import type { AdoptOptions } from './options.js'
import { type OurDrive, takeOverOurs } from './ours.js'

/** Takes drives over as `options` says and gives the exit code. Rejects with `UserError`. */
export async function runAdopt(options: AdoptOptions, context: RunContext): Promise<ExitCode> {
  const { ours, others } = await sort(options, context)
  try {
    const file = ours.length > 0 ? await takeOverOurs(ours, options, context) : undefined
    if (others.length === 0) return Exit.ok
    return await compareOthers(others, file, options, context)
  } catch (error) {
    if (error instanceof CancelledError) {
      context.report.note('Stopped. The same command again goes on from here.')
      return Exit.interrupted
    }
    throw nativeToUser(error)
  }
}

/** Which of the outputs carry a volume and which do not. Throws where one can be neither. */
async function sort(
  options: AdoptOptions,
  { cwd }: RunContext,
): Promise<{ ours: OurDrive[]; others: string[] }> {
  const ours: OurDrive[] = []
  const others: string[] = []
  for (const output of options.outputs) {
    const { verdict, facts } = await lookAt(path.resolve(cwd, output))
    if (verdict.kind === 'foreign') others.push(output)
    else if (facts.volume !== undefined && verdict.kind === 'volume-of-set') {
      ours.push({ output, facts, volume: facts.volume })
    } else if (verdict.kind === 'blank') {
      throw usageError(
        `${displayName(output)} is empty: there is nothing to take over.`,
        'A copy makes an empty drive part of a set by itself.',
      )
    } else {
      const { sentence, hint } = describe(verdict, output)
      throw new UserError(sentence, {
        exit: verdict.kind === 'unmounted' ? Exit.needed : refusal(verdict.kind),
        hint,
      })
    }
  }
  return { ours, others }
}

function refusal(kind: string): ExitCode {
  return kind === 'not-a-directory' || kind === 'missing' ? Exit.usage : Exit.driveFailed
}

/** A look that only reads, whatever set the drive belongs to. */
async function lookAt(output: FsName) {
  const blank: JudgeContext = {
    setId: null,
    known: [],
    justFilledId: null,
    sources: [],
    oneFileSystem: false,
    hadDriveAt: [],
    smallest: 0,
    purpose: 'read',
  }
  const seen = await look(output, blank)
  const setId = setOf(seen.facts)
  return setId === undefined ? seen : look(output, { ...blank, setId })
}

function setOf(facts: PathFacts): string | undefined {
  return facts.volume?.setId
}

/** Compares drives that carry nothing of ours with the sources, or with a job file. */
async function compareOthers(
  outputs: readonly string[],
  file: FsName | undefined,
  options: AdoptOptions,
  context: RunContext,
): Promise<ExitCode> {
  const named = options.sources.length > 0 || options.jobFile !== undefined
  const known = named ? undefined : knownSet(file, options, context)
  const { runCopy } = await import('../copy/run.js')
  const catalog = file ?? known?.file ?? options.catalog
  const copy: CopyOptions = {
    ...options,
    sources: known === undefined ? options.sources : known.sources,
    outputs,
    catalog,
    setName: catalog === undefined ? options.setName : undefined,
    startIndex: 0,
    selectIndex: undefined,
    workers: undefined,
    reserve: { unit: 'bytes', bytes: 0 },
    oneFileSystem: false,
    filters: [],
    filesFrom: undefined,
    nulSeparated: false,
    deletePolicy: 'keep',
    deleteForeign: false,
    maxDelete: undefined,
    verifyWrites: false,
    onVolumeFull: undefined,
    waitForVolume: undefined,
    unmount: false,
    notify: false,
    volumeSizes: [],
    adopt: true,
    adoptOnly: true,
    digest: undefined,
    startHere: undefined,
    checksum: false,
    sizeOnly: false,
    modifyWindow: 0,
    pack: false,
    splitLarge: false,
    keepTogether: 0,
    copies: undefined,
    yes: false,
  }
  return runCopy(copy, context)
}

/** The set that is meant where no sources are named: the one just read, that of the options, the only one. */
function knownSet(
  file: FsName | undefined,
  options: AdoptOptions,
  { env, cwd }: RunContext,
): { file: FsName; sources: readonly FsName[] } {
  const { found } = catalogsIn(stateDirectory(env))
  const wanted = file ?? (options.catalog && path.resolve(cwd, options.catalog))
  const sets =
    wanted !== undefined
      ? peeked(wanted)
      : found.filter((one) => options.setName === undefined || one.set.name === options.setName)
  const [set, second] = sets
  if (set === undefined) {
    throw usageError(
      'There is nothing to compare the drive with.',
      'Name the sources, or the job file with which it was written: -f JOBFILE.',
    )
  }
  if (second !== undefined) {
    const names = sets.map((one) => displayName(one.set.name)).join(', ')
    throw usageError(
      `There is more than one set: ${names}.`,
      'Name the set that is meant with --set, or the sources.',
    )
  }
  if (set.sources.length === 0) {
    throw usageError(
      `The set ${displayName(set.set.name)} has no sources yet.`,
      'Name the sources, or the job file with which the drive was written: -f JOBFILE.',
    )
  }
  return { file: set.file, sources: set.sources.map((one) => one.path) }
}

function peeked(file: FsName): Found[] {
  if (!existsSync(nameBytes(file))) return []
  try {
    return [{ file, ...peekCatalog(file) }]
  } catch (error) {
    throw nativeToUser(error)
  }
}
