/**
 * The errors that a user can do something about, and how any error is told.
 *
 * A `UserError` is one clear sentence, what to do next, and an exit code. Everything else that
 * reaches the top is a fault of the program (exit 70). Messages hold names only in their displayed
 * form (`display.ts`).
 */
import { Exit, type ExitCode } from './exit.js'

/** Something that the user can put right; told without a stack. */
export class UserError extends Error {
  override readonly name = 'UserError'
  readonly exit: ExitCode
  /** What to do next, as a sentence. */
  readonly hint: string | undefined

  constructor(
    message: string,
    options: { exit?: ExitCode; hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.exit = options.exit ?? Exit.usage
    this.hint = options.hint
  }
}

/** Wrong usage: exit 2, and where to read more. */
export function usageError(message: string, hint?: string): UserError {
  return new UserError(message, { exit: Exit.usage, hint })
}
