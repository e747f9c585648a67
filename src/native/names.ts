/**
 * Names as JavaScript holds them: strings in which each byte that is not UTF-8 is a lone surrogate.
 *
 * Such a string may be compared, kept and handed back to the addon. It is not for node:fs, which would
 * open another name, and not for printing: print what `displayName` makes of it.
 */

import { binding } from './load.js'

/** A file name or path, byte for byte, as it crosses the boundary (PEP 383). */
export type FsName = string

/** The name as it may be printed: nothing in it can move the cursor or forge a line. */
export function displayName(name: FsName): string {
  return binding.displayName(name)
}
