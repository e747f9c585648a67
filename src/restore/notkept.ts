/** What a restore could not set or make: each is said once, with how many entries it concerns. */

import type { Reporter } from '../report/reporter.js'
import { counted } from '../size.js'

/** How many entries lost what. */
export interface NotKept {
  readonly ownersLost: number
  readonly attributesLost: number
  readonly linksLost: number
  readonly notMade: number
}

/** Tells it; `flagged`: entries that had flags and were not to get them. */
export function tellNotKept(
  report: Pick<Reporter, 'warning' | 'note'>,
  lost: NotKept,
  flagged: number,
): void {
  if (lost.ownersLost > 0) {
    report.warning(
      `The owner of ${counted(lost.ownersLost, 'entry', 'entries')} could not be set: only root may give files away.`,
    )
  }
  if (lost.attributesLost > 0) {
    report.warning(
      `Some extended attributes or ACLs of ${counted(lost.attributesLost, 'entry', 'entries')} could not be set.`,
    )
  }
  if (lost.linksLost > 0) {
    report.warning(
      `${counted(lost.linksLost, 'further name of a file is a file of its own', 'further names of files are files of their own')}: the file system here takes no hard links, or no more of one file.`,
    )
  }
  if (lost.notMade > 0) {
    report.warning(
      `${counted(lost.notMade, 'device was', 'devices were')} not made: only root may make devices.`,
    )
  }
  if (flagged > 0) {
    report.note(
      `${counted(flagged, 'entry was', 'entries were')} immutable, append-only or not to be dumped: --flags, as root, makes that so again.`,
    )
  }
}
