/** Facts about mounted paths, as the addon tells them. */

import type { MountJs, PathFactsJs } from '../../native/index.js'
import { runJob } from './job.js'
import { binding } from './load.js'
import type { FsName } from './names.js'
import { call } from './set.js'

/** What one look at a path told. */
export type PathFacts = PathFactsJs

/** One mount, as this process sees it. */
export type Mount = MountJs

/**
 * Looks at a path. That it is missing, closed or no directory is in the facts; rejects with
 * `BAD_INPUT` for an empty path or one with a NUL. On a dead network mount it may never settle.
 */
export function inspect(path: FsName): Promise<PathFacts> {
  return runJob(() => binding.inspect(path))
}

/** Whether a file system of this type holds what Windows can name and nothing else, whatever its driver takes. */
export function holdsWindowsNames(fsType: string): boolean {
  return call(() => binding.holdsWindowsNames(fsType))
}

/** Lists what is mounted, in the order of mounting. */
export function mounts(): Promise<Mount[]> {
  return runJob(() => binding.mounts())
}
