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

/** The lines and the exit code with which an error is told. `trace`: with the stack, for debugging. */
export function describeError(
  error: unknown,
  trace: boolean,
): { readonly lines: readonly string[]; readonly exit: ExitCode } {
  if (error instanceof UserError) {
    const lines = [error.message]
    if (error.hint !== undefined) lines.push(error.hint)
    if (trace) lines.push(...causes(error))
    return { lines, exit: error.exit }
  }
  if (error instanceof Error && error.name === 'NativeLoadError') {
    // By its name: importing its class from here would put the edge below the native layer.
    return {
      lines: [...error.message.split('\n'), ...(trace ? causes(error) : [])],
      exit: Exit.internal,
    }
  }
  const lines = [`internal error: ${error instanceof Error ? error.message : String(error)}`]
  if (trace) {
    if (error instanceof Error) lines.push(...(error.stack ?? '').split('\n').slice(1))
    lines.push(...causes(error))
  } else {
    lines.push('This is a fault of the program, not yours. With -vv it tells where it happened.')
  }
  return { lines, exit: Exit.internal }
}

/** One line for each cause, to a depth that ends a cycle. */
function causes(error: unknown): string[] {
  const lines: string[] = []
  let cause = error instanceof Error ? error.cause : undefined
  for (let depth = 0; cause !== undefined && depth < 8; depth += 1) {
    lines.push(`caused by: ${cause instanceof Error ? cause.message : String(cause)}`)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return lines
}
