/** The check of a drive against a job file, as the seed does it. */
import type { RunContext } from '../context.js'
import type { SeedVerifyOptions } from '../copy/options.js'
import type { ExitCode } from '../exit.js'

/** Compares as `options` says and returns the exit code. */
export function runSeedVerify(
  _options: SeedVerifyOptions,
  _context: RunContext,
): Promise<ExitCode> {
  return Promise.reject(new Error('verifying is not there yet'))
}
