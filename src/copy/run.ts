/** The flow of a copy. */
import type { RunContext } from '../context.js'
import type { ExitCode } from '../exit.js'
import type { CopyOptions } from './options.js'

/** Backs up as `options` says and returns the exit code. */
export function runCopy(_options: CopyOptions, _context: RunContext): Promise<ExitCode> {
  return Promise.reject(new Error('copying is not there yet'))
}
