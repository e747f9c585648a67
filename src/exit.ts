/**
 * The exit codes: the one table, what each means, and which wins when several hold.
 *
 * Nothing else in the program names a number. Help texts are made from this table.
 */

/** Every exit code of the program by name. */
export const Exit = {
  /** All done. */
  ok: 0,
  /** Differences found, or a search found nothing. */
  differences: 1,
  /** Wrong usage. */
  usage: 2,
  /** A drive or an answer is needed and nobody can be asked. */
  needed: 4,
  /** The catalog is locked, newer or damaged. */
  catalog: 5,
  /** The drive failed. */
  driveFailed: 11,
  /** Some files could not be copied. */
  partial: 23,
  /** Some source files vanished or kept changing. */
  vanished: 24,
  /** A guard stopped the run. */
  guard: 25,
  /** An internal error. */
  internal: 70,
  /** Interrupted; can be resumed. */
  interrupted: 130,
} as const

/** One of the codes of the table. */
export type ExitCode = (typeof Exit)[keyof typeof Exit]

/** What each code means, in the words of the help. */
export const EXIT_TEXT: Readonly<Record<ExitCode, string>> = {
  0: 'all done',
  1: 'differences found',
  2: 'wrong usage',
  4: 'a drive or an answer is needed and nobody can be asked, or a hook failed',
  5: 'the catalog is locked, newer than this program, or damaged',
  11: 'the drive failed (I/O error, read-only, unplugged)',
  23: 'some files could not be copied',
  24: 'some source files vanished or kept changing; all else is done',
  25: 'a guard stopped it (--max-delete, a source that looks unmounted)',
  70: 'an internal error',
  130: 'interrupted; the same command again goes on from there',
}

/** The codes that can hold together, the strongest first. */
const ORDER: readonly ExitCode[] = [
  Exit.interrupted,
  Exit.driveFailed,
  Exit.needed,
  Exit.partial,
  Exit.vanished,
  Exit.differences,
]

/**
 * The one code for a run for which all of `codes` hold. Codes that end a run by themselves (2, 5, 25,
 * 70) come before the order of those that add up, an internal error first; 0 only when there is nothing else.
 */
export function mergeExit(codes: Iterable<ExitCode>): ExitCode {
  const all = new Set(codes)
  for (const code of [Exit.internal, Exit.usage, Exit.catalog, Exit.guard] as const) {
    if (all.has(code)) return code
  }
  return ORDER.find((code) => all.has(code)) ?? Exit.ok
}
