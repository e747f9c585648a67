/**
 * Making volumes of drives that somebody else has filled: what is equal to the sources is taken over, and
 * nothing else is done. Nothing is copied, replaced or removed.
 *
 * A drive on which nothing is equal is left as it is: it is not what was meant.
 */

import path from 'node:path'
import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { UserError } from '../errors.js'
import { Exit } from '../exit.js'
import { surveyDrive } from '../native/adopt.js'
import { displayName, type FsName } from '../native/names.js'
import type { Adopted, Catalog, Closed } from '../native/set.js'
import type { PathFacts } from '../native/volume.js'
import { tellErrors } from '../set/faults.js'
import { driveName, rfc3339 } from '../set/messages.js'
import { counted, formatCount } from '../size.js'
import { describe } from '../volume/look.js'
import { type Drives, type Mounted, refusedOutput } from './drives.js'
import type { CopyOptions } from './options.js'
import type { RunTally } from './tally.js'

/** What has to be free on a drive beside the lists, in bytes. */
const MARGIN = 256 * 1024
/** Names of what differs that are told. */
const NAMED = 10

/** What the taking over works with. */
export interface AdoptingParts {
  readonly catalog: Catalog
  readonly run: number
  readonly options: CopyOptions
  readonly context: RunContext
  readonly drives: Drives
  readonly tally: RunTally
}

/** Files that are equal to what the sources have. */
interface Equal {
  readonly files: number
  readonly bytes: number
}

/** The coarser time step of the file systems, in seconds: FAT has steps of two. */
export function timeStep(fsType: string): number {
  return /^(vfat|msdos|exfat|fuse\.exfat|fuseblk|fuse)$/.test(fsType) ? 2 : 0
}

/** Takes over what is equal on each of the outputs, in their order. Rejects with `UserError`. */
export async function adoptDrives(parts: AdoptingParts): Promise<void> {
  const { options, context, drives, catalog } = parts
  let label = options.label
  for (const given of options.outputs) {
    const output = path.resolve(context.cwd, given)
    const { verdict, facts } = await drives.look(output)
    if (verdict.kind !== 'foreign') {
      const { sentence, hint } = describe(verdict, given)
      if (verdict.kind === 'blank') throw nothingThere(given)
      throw refusedOutput(verdict, sentence, hint)
    }
    const equal = await refuseHopeless(parts, given, facts)
    const number = Math.max(0, ...catalog.volumes().map((one) => one.number)) + 1
    const name = label ?? `${catalog.setInfo().name}-${number}`
    label = undefined
    const mounted = await drives.openNew(output, facts, number, name)
    try {
      await takeOver(parts, mounted, equal)
    } catch (error) {
      // What was promised stands in its journal: the next opening goes on from there.
      mounted.drive.abandon()
      throw error
    }
  }
}

/** Refuses a drive that holds nothing equal, or has no room for our own files; tells how much is equal. */
async function refuseHopeless(
  { catalog, run, context }: AdoptingParts,
  given: FsName,
  facts: PathFacts,
): Promise<Equal> {
  const { report, stop } = context
  report.phaseStart('compare')
  const step = timeStep(facts.mount?.fsType ?? '')
  const found = await surveyDrive(catalog, facts.path, run, step, { signal: stop.orderly })
  report.phaseEnd()
  if (found.files + found.others === 0) throw nothingThere(given)
  const free = facts.space?.free ?? 0
  const needed = found.ownBytes + MARGIN
  if (free < needed) {
    throw new UserError(
      `${displayName(given)} has ${prettyBytes(free)} free; the lists of what it holds need about ${prettyBytes(needed)}.`,
      { exit: Exit.needed, hint: 'Make room on it and run the same command again.' },
    )
  }
  return found
}

function nothingThere(given: FsName): UserError {
  return new UserError(
    `Nothing on ${displayName(given)} is equal to what the sources have and no drive holds yet. It is left as it is.`,
    {
      exit: Exit.differences,
      hint: 'Check that it is the right drive, and that the sources lie on it as a copy would put them.',
    },
  )
}

async function takeOver(parts: AdoptingParts, mounted: Mounted, equal: Equal): Promise<void> {
  const { context, run, drives } = parts
  const { report, stop } = context
  const { volume } = mounted
  report.phaseStart('compare')
  const taken = await mounted.drive.adopt(run, timeStep(volume.fsType), true, {
    signal: stop.orderly,
    immediate: stop.immediate,
    onErrors: tellErrors(report, volume),
    onProgress: ({ files, bytes, current }) =>
      report.progress({
        files: { done: files, total: equal.files },
        bytes: { done: bytes, total: equal.bytes },
        current,
      }),
  })
  report.phaseEnd()
  report.phaseStart('close')
  const closed: Closed = await mounted.drive.close(rfc3339(new Date()), {
    immediate: stop.immediate,
    onErrors: tellErrors(report),
  })
  report.phaseEnd()
  await drives.noteClosed(mounted, true, closed)
  parts.tally.volumes.push({ number: volume.number, label: volume.label })
  tell(context, mounted, taken)
}

function tell({ report }: RunContext, mounted: Mounted, taken: Adopted): void {
  const { volume } = mounted
  const foreign = Math.max(0, (taken.onDrive ?? 0) - taken.files - taken.differing)
  report.event({
    type: 'adopted',
    volume: { number: volume.number, label: volume.label },
    path: mounted.path,
    fresh: true,
    files: taken.files,
    bytes: taken.bytes,
    differing: taken.differing,
    foreign,
  })
  const name = driveName(volume.number, volume.label)
  if (taken.differing > 0) {
    report.warning(
      `Different from the source on ${name}: ${counted(taken.differing, 'entry', 'entries')}, left as on the drive; the next copy takes the source's:`,
    )
    const shown = taken.differingNames.slice(0, NAMED)
    report.block(shown.map((one) => `  ${displayName(one)}`))
    const more = taken.differing - shown.length
    if (more > 0) report.block([`  and ${formatCount(more)} more`])
  }
  if (foreign > 0) {
    report.note(
      `Unknown to the set on ${name}: ${counted(foreign, 'file')}, left alone and no part of the backup.`,
    )
  }
}
