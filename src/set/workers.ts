/** How many files are worked on at a time. */

import { availableParallelism } from 'node:os'

/** Threads that copy, where nobody has said how many: at least two, so that one may wait for a drive. */
export function usualWorkers(): number {
  return Math.max(2, Math.min(availableParallelism(), 4))
}
