/** What a failure means to the user: of the engine a sentence, what to do next, and the exit code; of a file an event. */

import { UserError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { NativeError } from '../native/errors.js'
import type { FileError } from '../native/job.js'
import type { Reporter, VolumeName } from '../report/reporter.js'

/** Exit code and advice for each code that is the user's business. */
const MEANING: Partial<Record<string, { exit: ExitCode; hint?: string }>> = {
  CATALOG_LOCKED: { exit: Exit.catalog, hint: 'Wait until it is done, or end it.' },
  CATALOG_NEWER: { exit: Exit.catalog, hint: 'Use the newer multivolumecopy for this set.' },
  CATALOG_DAMAGED: {
    exit: Exit.catalog,
    hint: 'What is on the drives stays as it is. multivolumecopy adopt -o DRIVE sets the file aside and makes a new catalog from the drives.',
  },
  DRIVE_FAILED: {
    exit: Exit.driveFailed,
    hint: 'What was said to be done is on the drive. Check the drive and its cable, then run the same command again.',
  },
  DRIVE_CHANGED: {
    exit: Exit.driveFailed,
    hint: 'Mount the drive again and run the same command.',
  },
  BAD_FORMAT: {
    exit: Exit.driveFailed,
    hint: 'Nothing was changed on the drive. Use another drive, or look at its .mvcopy directory.',
  },
  BAD_JOB_FILE: { exit: Exit.usage },
  BAD_INPUT: { exit: Exit.usage },
  COLLISION: {
    exit: Exit.usage,
    hint: 'Nothing was written. Without --flatten each source stands under its own name; or leave one out with --exclude.',
  },
}

/**
 * The engine's failure as an error of the user's; anything else as it is. `io`: what a failed system call
 * means where this is called; the default is that a drive fails.
 */
export function nativeToUser(error: unknown, io: ExitCode = Exit.driveFailed): unknown {
  if (!(error instanceof NativeError)) return error
  const meaning = error.code === 'IO' ? { exit: io } : MEANING[error.code]
  if (meaning === undefined) return error
  return new UserError(sentence(error.message), { ...meaning, cause: error })
}

/** A message of the engine as a sentence. */
function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** Tells the failures of single files as they come. */
export function tellErrors(report: Reporter, volume?: VolumeName) {
  return (errors: readonly FileError[]): void => {
    for (const error of errors) {
      report.event({
        type: 'file-error',
        path: error.path,
        doing: error.doing,
        code: error.fault,
        message: error.message,
        ...(volume === undefined ? {} : { volume }),
      })
    }
  }
}
