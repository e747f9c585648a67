/**
 * The destination of a restore: whether files may be written there at all.
 *
 * Refused are drives of a set, whose own lists would not be true any more; a place where a drive should be
 * mounted and none is; and anything that lies on one of the drives that are read.
 */

import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import { UserError, usageError } from '../errors.js'
import { Exit } from '../exit.js'
import { displayName, type FsName } from '../native/names.js'
import type { PathFacts } from '../native/volume.js'
import { driveName } from '../set/messages.js'
import type { JudgeContext } from '../volume/facts.js'
import { describe, look } from '../volume/look.js'

const NOTHING_KNOWN: JudgeContext = {
  setId: null,
  known: [],
  justFilledId: null,
  sources: [],
  oneFileSystem: false,
  hadDriveAt: [],
  smallest: 0,
  purpose: 'write',
}

/**
 * Looks at the destination and makes it where only the last directory is missing (not with `dryRun`). Rejects
 * with `UserError` where nothing may be written.
 */
export async function openDestination(
  to: FsName,
  cwd: FsName,
  dryRun: boolean,
): Promise<PathFacts> {
  const place = path.resolve(cwd, to)
  const { verdict, facts } = await look(place, NOTHING_KNOWN)
  const { sentence, hint } = describe(verdict, to)
  switch (verdict.kind) {
    case 'blank':
    case 'foreign':
    case 'too-small':
      return facts
    case 'missing':
      if (!verdict.creatable) throw usageError(sentence, 'Make it, or name another directory.')
      if (dryRun) return facts
      mkdirSync(nameBytes(place))
      return (await look(place, NOTHING_KNOWN)).facts
    case 'other-set':
      throw usageError(
        `${displayName(to)} is ${driveName(verdict.number, verdict.label)} of the set ${displayName(verdict.setName)}: nothing is restored onto a drive.`,
        'Name another directory with --to. The drive itself is what -o is for.',
      )
    case 'unmounted':
      throw new UserError(sentence, { exit: Exit.needed, hint })
    case 'read-only':
    case 'unreadable':
      throw new UserError(sentence, { exit: Exit.driveFailed, hint })
    default:
      throw usageError(sentence, hint)
  }
}

/** Refuses a drive on which the destination lies, or that lies in the destination. Throws `UserError`. */
export function keepApart(destination: PathFacts, drive: PathFacts): void {
  const [itself] = drive.chain
  const [there] = destination.chain
  const names = `${displayName(destination.path)} and the drive ${displayName(drive.path)}`
  if (itself !== undefined && destination.chain.includes(itself)) {
    throw usageError(
      `${names} lie in each other.`,
      'Name a directory outside of the drive with --to.',
    )
  }
  // A drive that is mounted below the destination is out of reach: no other file system is entered.
  // What is not there yet (a dry run) holds nothing, and its chain begins with what it would lie in.
  const sameMount = destination.found === 'dir' && drive.mount?.id === destination.mount?.id
  if (sameMount && there !== undefined && drive.chain.includes(there)) {
    throw usageError(
      `${names} lie in each other.`,
      'Name a directory outside of the drive with --to.',
    )
  }
}
