/**
 * When a file counts as changed, and comparing by content (`-c`).
 *
 * Content is compared in the source with the digests that are known of the drives: no drive is needed for it.
 * A file of equal content whose time differs is not copied; its time is mended when its drive is in.
 */

import { availableParallelism } from 'node:os'
import type { RunContext } from '../context.js'
import type { Catalog, Sameness, Tally } from '../native/set.js'
import { tellErrors } from '../set/faults.js'
import { counted, formatSize } from '../size.js'
import type { CopyOptions } from './options.js'
import type { RunTally } from './tally.js'

/** What the options say of when a file is unchanged. */
export function samenessOf(options: CopyOptions): Sameness {
  return {
    sizeOnly: options.sizeOnly,
    window: options.modifyWindow,
    content: options.checksum,
  }
}

/**
 * Compares the files that the scan noted and gives its numbers as they are then. Rejects with
 * `CancelledError` when it is stopped; what was compared until then stays known.
 */
export async function compareContent(
  catalog: Catalog,
  run: number,
  tallies: readonly Tally[],
  options: CopyOptions,
  context: RunContext,
  tally: RunTally,
): Promise<Tally[]> {
  const { report, stop } = context
  report.phaseStart('compare')
  const threads = options.workers ?? Math.min(availableParallelism(), 4)
  const compared = await catalog.compareContent(run, threads, {
    signal: stop.orderly,
    immediate: stop.immediate,
    onErrors: tellErrors(report),
    onProgress: ({ files, bytes, errors, current }) =>
      report.progress({ files: { done: files }, bytes: { done: bytes }, errors, current }),
  })
  report.phaseEnd()
  report.detail(
    `${counted(compared.files, 'file')} (${formatSize(compared.bytes)}) compared: ${compared.spared.files} only touched, ${compared.changed.files} changed behind an old time.`,
  )
  tally.failed += compared.failed
  tally.vanished += compared.vanished
  return tallies.map((one, n) => {
    const renamed = compared.renamed.find(({ source }) => source === one.source)
    // What was only touched belongs to no single source here: the sum is what is told.
    const [spared, changed] = n === 0 ? [compared.spared, compared.changed] : [NONE, NONE]
    return {
      ...one,
      changedFiles: Math.max(0, one.changedFiles - spared.files + changed.files),
      changedBytes: Math.max(0, one.changedBytes - spared.bytes + changed.bytes),
      newFiles: Math.max(0, one.newFiles - (renamed?.toFiles ?? 0)),
      goneFiles: Math.max(0, one.goneFiles - (renamed?.fromFiles ?? 0)),
      renamedFiles: one.renamedFiles + (renamed?.toFiles ?? 0),
    }
  })
}

const NONE = { files: 0, bytes: 0 } as const
