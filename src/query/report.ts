/** `report --html FILE`: the set as a page, with its history, from the catalog of this host alone. */

import path from 'node:path'
import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { displayName, type FsName } from '../native/names.js'
import { writeReport } from '../native/query.js'
import { nativeToUser } from '../set/faults.js'
import { findKnownSet, type SetClues } from '../set/find.js'
import { counted } from '../size.js'
import { PROGRAM, version } from '../version.js'
import { Output } from './output.js'

/** What is reported, and where to. */
export interface ReportOptions extends SetClues {
  /** `--html`, as the user wrote it. */
  readonly html: FsName
  /** `--force`: a file that is no report is replaced. */
  readonly force: boolean
  readonly json: boolean
}

/** Writes the report. Rejects with `UserError`. */
export async function runReport(options: ReportOptions, context: RunContext): Promise<ExitCode> {
  const { file } = await findKnownSet(options, context)
  const to = path.resolve(context.cwd, options.html)
  const written = await writeReport(file, to, options.force, `${PROGRAM} ${version()}`, {
    signal: context.stop.orderly,
  }).catch((error: unknown) => {
    throw nativeToUser(error, Exit.catalog)
  })
  if (written.bytes === undefined) {
    throw usageError(
      `${displayName(to)} is there, and is no page of ours.`,
      'Give another name, or replace it with --force.',
    )
  }
  if (options.json) {
    const { bytes, entries } = written
    await new Output(context).json([{ type: 'report', path: to, bytes, entries }])
  } else {
    context.report.note(
      `${displayName(to)}: ${counted(written.entries, 'entry', 'entries')}, ${prettyBytes(written.bytes)}.`,
    )
  }
  return Exit.ok
}
