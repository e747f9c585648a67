/**
 * `verify`: the check of one drive by itself.
 *
 * Needs nothing but the drive; where this host has a catalog of the set, the result goes there too. Decides
 * what is said and the exit code; the checking is the addon's.
 */

import { existsSync } from 'node:fs'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import type { RunContext } from '../context.js'
import { displayName } from '../display.js'
import { UserError, usageError } from '../errors.js'
import { Exit, type ExitCode, mergeExit } from '../exit.js'
import { CancelledError, NativeError } from '../native/errors.js'
import { counts, inHand, type Progress } from '../native/job.js'
import type { FsName } from '../native/names.js'
import { peekCatalog } from '../native/set.js'
import { type VerifyInput, verifyDrive } from '../native/verify.js'
import { inspect, type PathFacts } from '../native/volume.js'
import { nativeToUser } from '../set/faults.js'
import { catalogsIn, ensureStateDirectory, stateDirectory } from '../set/state.js'
import type { JudgeContext } from '../volume/facts.js'
import { judge } from '../volume/judge.js'
import { describe } from '../volume/look.js'
import type { VerifyOptions } from './options.js'
import { isOff, tell } from './tell.js'

/** Checks the drive as `options` says and gives the exit code. Rejects with `UserError`. */
export async function runVerify(options: VerifyOptions, context: RunContext): Promise<ExitCode> {
  const { report, stop } = context
  const started = performance.now()
  try {
    const facts = await lookAt(options, context)
    const input = inputOf(options, facts, context)
    report.phaseStart('verify')
    const found = await verifyDrive(input, {
      signal: stop.orderly,
      immediate: stop.immediate,
      onProgress: (progress) => report.progress(snapshot(progress)),
    }).finally(() => report.phaseEnd())
    const { counts, bad, stopped, inSource } = found.summary
    const codes: ExitCode[] = [Exit.ok]
    if (bad + counts.extra > 0 || isOff(inSource)) codes.push(Exit.differences)
    if (stopped) codes.push(Exit.interrupted)
    const exit = mergeExit(codes)
    tell(found, { options, facts, exit, seconds: (performance.now() - started) / 1000 }, report)
    return exit
  } catch (error) {
    if (error instanceof CancelledError) {
      report.note('Stopped before the first file. The same command begins again.')
      return Exit.interrupted
    }
    throw withoutSource(error) ?? nativeToUser(error)
  }
}

/** Why the drive cannot be compared with the source, where that is the matter. */
function withoutSource(error: unknown): UserError | undefined {
  if (!(error instanceof NativeError) || error.doing !== 'comparing with the source')
    return undefined
  const why = error.message.slice(error.doing.length + 2)
  return new UserError(`The drive cannot be compared with its source (${why}).`, {
    exit: Exit.guard,
    hint: 'Mount the source, or leave out --against-source: the drive is checked by itself then.',
    cause: error,
  })
}

/** The drive; throws where there is none. */
async function lookAt({ output }: VerifyOptions, { cwd }: RunContext): Promise<PathFacts> {
  const facts = await inspect(path.resolve(cwd, output))
  if (facts.found === 'dir' && (facts.hasManifest || facts.hasJournal || facts.top?.ours)) {
    return facts
  }
  const { verdict } = judge(facts, READING)
  if (verdict.kind === 'blank' || verdict.kind === 'foreign') {
    throw usageError(
      `${displayName(output)} is no drive of a set: it has no .mvcopy.`,
      'A drive that was written by something else is compared with its source by: multivolumecopy adopt',
    )
  }
  const { sentence, hint } = describe(verdict, output)
  const exit = verdict.kind === 'unmounted' ? Exit.needed : Exit.usage
  throw new UserError(sentence, { exit, hint })
}

const READING: JudgeContext = {
  setId: null,
  known: [],
  justFilledId: null,
  sources: [],
  oneFileSystem: false,
  hadDriveAt: [],
  smallest: 0,
  purpose: 'read',
}

function inputOf(options: VerifyOptions, facts: PathFacts, context: RunContext): VerifyInput {
  const { cwd, env } = context
  const readOnly = facts.readOnly || facts.writeErrno !== undefined
  const { lists } = options
  const named = Object.entries(lists as unknown as Record<string, FsName | undefined>).flatMap(
    ([name, file]) => (file === undefined ? [] : [[name, path.resolve(cwd, file)] as const]),
  )
  const catalog = catalogFor(options, facts, context)
  if (options.againstSource && catalog === undefined) {
    throw usageError(
      'This host does not know the set of that drive, so where its source is.',
      `multivolumecopy adopt -o ${displayName(options.output)} makes it known; or leave out --against-source.`,
    )
  }
  return {
    output: facts.path,
    patterns: [...options.patterns],
    scope: scopeOf(options),
    threads: options.workers ?? 0,
    restart: options.restart,
    oneWay: options.oneWay,
    againstSource: options.againstSource,
    ...(options.since === undefined ? {} : { since: options.since }),
    ...(options.sample === undefined || options.sample === 100 ? {} : { sample: options.sample }),
    ...(readOnly ? stateFile(facts, env) : {}),
    ...(catalog === undefined ? {} : { catalog }),
    ...Object.fromEntries(named),
  }
}

/** The part that is asked for, as it would be written again: the same words mean the same check. */
function scopeOf({ since, sample, patterns, againstSource }: VerifyOptions): string {
  const words = [
    ...(againstSource ? ['--against-source'] : []),
    ...(since === undefined ? [] : [`--since ${since}`]),
    ...(sample === undefined || sample === 100 ? [] : [`--sample ${sample}%`]),
    ...patterns.map((pattern) => JSON.stringify(pattern)),
  ]
  return words.length === 0 ? 'all' : words.join(' ')
}

/** Where a check goes on from that cannot be kept on the drive. */
function stateFile(facts: PathFacts, env: RunContext['env']): { state?: FsName } {
  const id = facts.volume?.id
  if (id === undefined) return {}
  const directory = stateDirectory(env)
  try {
    ensureStateDirectory(directory)
  } catch {
    // Then it begins anew when it is stopped; the check itself needs nothing of the host.
    return {}
  }
  return { state: path.join(directory, `verify-${id}.jsonl`) }
}

/** The host's catalog of the drive's set; undefined where there is none. Throws `UserError`. */
function catalogFor(
  { catalog, setName }: VerifyOptions,
  { volume }: PathFacts,
  { cwd, env }: RunContext,
): FsName | undefined {
  if (catalog !== undefined) {
    const file = path.resolve(cwd, catalog)
    if (!existsSync(nameBytes(file))) throw usageError(`There is no catalog ${displayName(file)}.`)
    const { set } = peekCatalog(file)
    if (volume !== undefined && set.id !== volume.setId) throw otherSet(volume.setName, set.name)
    return file
  }
  const { found } = catalogsIn(stateDirectory(env))
  if (setName !== undefined) {
    const named = found.find(({ set }) => set.name === setName)
    if (named === undefined)
      throw usageError(`There is no set ${displayName(setName)} on this host.`)
    if (volume !== undefined && named.set.id !== volume.setId) {
      throw otherSet(volume.setName, setName)
    }
    return named.file
  }
  return found.find(({ set }) => set.id === volume?.setId)?.file
}

function otherSet(drive: string, named: string): UserError {
  return usageError(
    `The drive belongs to the set ${displayName(drive)}, not to ${displayName(named)}.`,
    'Leave out --set and --catalog.',
  )
}

function snapshot(progress: Progress) {
  return {
    ...counts(progress),
    errors: progress.errors,
    ...inHand(progress),
  }
}
