/**
 * The look at the sources: walk, guards, what is gone, the job file.
 *
 * Unknown is not gone: after a walk with errors nothing of that source counts as removed, and a source
 * that is empty, on another file system than before, or has lost more than half of its files is taken
 * as not mounted until the user says otherwise. Nothing is removed here.
 */

import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import type { RunContext } from '../context.js'
import { UserError } from '../errors.js'
import { Exit } from '../exit.js'
import { displayName, type FsName } from '../native/names.js'
import type { Catalog, Rule, Tally } from '../native/set.js'
import { nativeToUser, tellErrors } from '../set/faults.js'
import { agreed } from '../set/messages.js'
import { ensureStateDirectory, stateDirectory } from '../set/state.js'
import { counted, formatCount } from '../size.js'
import { compareContent, samenessOf } from './content.js'
import { type CopyOptions, DEFAULT_JOB_FILE } from './options.js'
import { fileSystemId, type JoinedSource } from './sources.js'
import type { RunTally } from './tally.js'

/** Paths that are gone and are shown. */
const NAMED = 20

/** Walks the sources into the catalog. Rejects with `UserError` where a guard stops the run. */
export async function scanSources(
  catalog: Catalog,
  run: number,
  sources: readonly JoinedSource[],
  rules: Rule[],
  options: CopyOptions,
  context: RunContext,
  tally: RunTally,
): Promise<Tally[]> {
  const { report, stop } = context
  report.phaseStart('scan')
  const found = await catalog
    .scan(
      {
        run,
        sources: sources.map(({ row }) => row.id),
        oneFileSystem: options.oneFileSystem,
        rules,
        ...(options.filesFrom === undefined
          ? {}
          : { filesFrom: listFile(options.filesFrom, context.cwd) }),
        nulSeparated: options.nulSeparated,
        threads: 0,
        same: samenessOf(options),
      },
      {
        signal: stop.orderly,
        onErrors: tellErrors(report),
        onProgress: ({ entries }) =>
          report.progress({ files: { done: entries }, bytes: { done: 0 } }),
      },
    )
    .catch((error: unknown) => {
      throw nativeToUser(error, Exit.usage)
    })
  report.phaseEnd()
  for (const one of found) tally.unreadable += one.unreadable
  const tallies = options.checksum
    ? await compareContent(catalog, run, found, options, context, tally)
    : found
  for (const source of sources) {
    const one = tallies.find((each) => each.source === source.row.id)
    if (one !== undefined && one.unmounted > 0) {
      report.warning(
        `${displayName(source.path)}: ${counted(one.unmounted, 'place')} below it had something mounted before and has not now; what was there counts as not looked at.`,
      )
    }
    if (one !== undefined) await guardSource(catalog, run, source, one, options, context)
    const fsid = fileSystemId(source.facts)
    if (fsid !== '' && fsid !== source.row.fsid) catalog.setSourceFsid(source.row.id, fsid)
  }
  catalog.dropGoneUnplaced()
  return tallies
}

/** The file with the names of `--files-from`; `-` is standard input. */
function listFile(given: FsName, cwd: FsName): FsName {
  return given === '-' ? '/dev/stdin' : path.resolve(cwd, given)
}

/** Why a source looks as if it were not mounted; undefined when it does not. */
export function suspicion(source: JoinedSource, found: Tally): string | undefined {
  if (found.knownFiles === 0) return undefined
  if (found.rootEmpty) return 'it is empty now'
  const fsid = fileSystemId(source.facts)
  if (source.row.fsid !== '' && fsid !== source.row.fsid) {
    return 'it is on another file system than before'
  }
  if (found.goneFiles * 2 > found.knownFiles) {
    const { goneFiles, knownFiles } = found
    if (knownFiles === 1) return 'its only file is gone'
    return `${counted(goneFiles, 'file')} of ${formatCount(knownFiles)} ${goneFiles === 1 ? 'is' : 'are'} gone`
  }
  return undefined
}

async function guardSource(
  catalog: Catalog,
  run: number,
  source: JoinedSource,
  found: Tally,
  options: CopyOptions,
  context: RunContext,
): Promise<void> {
  const why = suspicion(source, found)
  if (why === undefined) return
  // Somebody who says how many files may go has thought about it.
  if (options.maxDelete !== undefined && found.goneFiles <= options.maxDelete) return
  const name = displayName(source.path)
  const question = [
    `The source ${name} looks as if it were not mounted: ${why}.`,
    'Is it as it should be?',
  ]
  if (await agreed(context, question, false)) return
  catalog.forgetGone(run, source.row.id)
  throw new UserError(`The source ${name} looks as if it were not mounted: ${why}.`, {
    exit: Exit.guard,
    hint: 'Mount it and run again. If it is as it should be, say how many files may be gone with --max-delete N.',
  })
}

/** What is gone from the sources and still on drives, and whether it is removed as these come in. */
export interface Removal {
  readonly removes: boolean
  /** Regular files, a name for each drive that holds one. */
  readonly files: number
  readonly bytes: number
}

/**
 * Whether what is gone from the sources is to be removed from its drives: said beforehand, asked at a
 * terminal, else no. Throws `UserError` where `--max-delete` stops the run.
 */
export async function decideRemoval(
  catalog: Catalog,
  options: CopyOptions,
  context: RunContext,
): Promise<Removal> {
  const gone = catalog.goneOnVolumes()
  const kept: Removal = { ...gone, removes: false }
  const shown = catalog.gonePaths(NAMED)
  if (shown.length === 0) return kept
  const { report, prompter } = context
  const what =
    gone.files > 0
      ? counted(gone.files, 'file')
      : `${counted(shown.length, 'entry', 'entries')}${shown.length < NAMED ? '' : ' or more'}`
  if (options.deletePolicy === 'keep') {
    report.note(`${what} gone from the source: kept on the drives (--keep).`)
    return kept
  }
  if (options.maxDelete !== undefined && gone.files > options.maxDelete) {
    throw new UserError(
      `${counted(gone.files, 'file')} would be removed from the drives; --max-delete allows ${options.maxDelete}.`,
      { exit: Exit.guard, hint: 'Nothing was written. Raise --max-delete, or use --keep.' },
    )
  }
  const lines = shown.map(
    ({ path: gonePath, value }) => `  ${displayName(gonePath)} (drive ${value})`,
  )
  if (gone.files > shown.length) lines.push(`  and ${formatCount(gone.files - shown.length)} more`)
  const title = `${what} gone from the source and still on the drives:`
  if (options.deletePolicy === 'delete') {
    report.block([title, ...lines])
    return { ...gone, removes: true }
  }
  if (!prompter.canAsk) {
    report.note(`${title.slice(0, -1)}: kept (--delete removes them).`)
    return kept
  }
  const question = [title, ...lines, 'Remove them from their drives as these come in?']
  return { ...gone, removes: await agreed(context, question, false) }
}

/** Writes the seed's job file and says where it is when that is not the usual place. */
export async function writeJobFile(
  catalog: Catalog,
  sources: readonly JoinedSource[],
  rules: Rule[],
  options: CopyOptions,
  context: RunContext,
): Promise<string | undefined> {
  const { report, cwd, env, stop } = context
  const [output] = options.outputs
  if (output === undefined) return undefined
  const ids = sources.map(({ row }) => row.id)
  const write = (file: FsName): Promise<string | undefined> =>
    catalog
      .writeJobFile(file, ids, rules, path.resolve(cwd, output), {
        signal: stop.orderly,
        onErrors: tellErrors(report),
      })
      .catch((error: unknown) => {
        throw nativeToUser(error, Exit.usage)
      })
  if (options.jobFile !== undefined) {
    return write(path.resolve(cwd, options.jobFile))
  }
  const inSource = sources.some(({ facts }) => isWithin(cwd, facts.realPath))
  if (!inSource && isWritable(cwd)) {
    return write(path.join(cwd, DEFAULT_JOB_FILE))
  }
  const directory = stateDirectory(env)
  ensureStateDirectory(directory)
  const file = path.join(directory, `${catalog.setInfo().id}${DEFAULT_JOB_FILE}`)
  const why = inSource ? 'lies in a source' : 'cannot be written'
  report.note(`The working directory ${why}: the job file is ${displayName(file)}.`)
  return write(file)
}

function isWithin(inner: FsName, outer: FsName): boolean {
  return inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`)
}

function isWritable(directory: FsName): boolean {
  try {
    accessSync(nameBytes(directory), constants.W_OK)
    return true
  } catch {
    return false
  }
}
