/**
 * Failures of the addon as error classes.
 *
 * What the addon throws is an `Error` with fields; `fromNative` makes a `NativeError` of it, the only
 * class that the rest of the program sees. The list of codes is closed and is the core's own: a test
 * compares the two.
 */

import { getSystemErrorName } from 'node:util'
import { displayName, type FsName } from './names.js'

/** Every code, in the order of `Code::ALL` in crates/core/src/error.rs. */
export const NATIVE_CODES = [
  'IO',
  'CANCELLED',
  'CATALOG_LOCKED',
  'CATALOG_NEWER',
  'CATALOG_DAMAGED',
  'DRIVE_FAILED',
  'DRIVE_CHANGED',
  'BAD_FORMAT',
  'BAD_JOB_FILE',
  'BAD_INPUT',
  'COLLISION',
  'INTERNAL',
] as const

/** Why something failed. */
export type NativeCode = (typeof NATIVE_CODES)[number]

/** What is known of a failure beside its cause in words. */
export interface NativeFailure {
  readonly code: NativeCode
  /** What was being done: "opening". */
  readonly doing: string
  /** The path it was about, in the form that goes back to the addon; not for printing. */
  readonly path?: FsName | undefined
  /** The errno of the system call that failed. */
  readonly errno?: number | undefined
}

/** A failure of the addon that stops what was asked for. Its message is one printable line. */
export class NativeError extends Error implements NativeFailure {
  override readonly name: string = 'NativeError'
  readonly code: NativeCode
  readonly doing: string
  readonly path: FsName | undefined
  readonly errno: number | undefined

  /** `why` is the bare cause: "Permission denied". */
  constructor(why: string, failure: NativeFailure, options?: ErrorOptions) {
    const where = failure.path === undefined ? '' : ` ${displayName(failure.path)}`
    super(`${failure.doing}${where}: ${why}`, options)
    this.code = failure.code
    this.doing = failure.doing
    this.path = failure.path
    this.errno = failure.errno
  }

  /** The errno's name, `ENOSPC`; undefined where no system call failed. */
  get errnoName(): string | undefined {
    return this.errno === undefined ? undefined : errnoName(this.errno)
  }
}

/** The work was cancelled by its owner. */
export class CancelledError extends NativeError {
  override readonly name = 'CancelledError'

  constructor(options?: ErrorOptions) {
    super('cancelled', { code: 'CANCELLED', doing: 'working' }, options)
  }
}

/** The name of an errno as a system call answers it (positive); `errno 1234` for an unknown one. */
export function errnoName(errno: number): string {
  // The function knows negative numbers only and refuses everything else.
  const name = errno > 0 ? getSystemErrorName(-errno) : ''
  return name === '' || name.startsWith('Unknown') ? `errno ${errno}` : name
}

/** What the addon threw, as one of the classes here; anything else is an internal error. */
export function fromNative(thrown: unknown): NativeError {
  if (thrown instanceof NativeError) return thrown
  const { code, doing, path, errno, message } = (thrown ?? {}) as Record<string, unknown>
  if (!isNativeCode(code) || typeof doing !== 'string') {
    // A wrong type of argument, say: a fault of the caller, which the addon tells in napi's own codes.
    const why = typeof message === 'string' ? message : String(thrown)
    return new NativeError(why, { code: 'INTERNAL', doing: 'calling the addon' }, { cause: thrown })
  }
  if (code === 'CANCELLED') return new CancelledError({ cause: thrown })
  return new NativeError(
    typeof message === 'string' ? message : '',
    {
      code,
      doing,
      path: typeof path === 'string' ? path : undefined,
      errno: typeof errno === 'number' ? errno : undefined,
    },
    { cause: thrown },
  )
}

function isNativeCode(code: unknown): code is NativeCode {
  return NATIVE_CODES.some((known) => known === code)
}
