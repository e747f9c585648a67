/** What the check of a drive has to say: findings, how much it proves, what became of the result. */

import { displayName } from '../display.js'
import type { ExitCode } from '../exit.js'
import { errnoName } from '../native/errors.js'
import type {
  InSource,
  InSourceFinding,
  Verified,
  VerifyFinding,
  VerifySummary,
} from '../native/verify.js'
import type { PathFacts } from '../native/volume.js'
import type { Reporter } from '../report/reporter.js'
import { driveName } from '../set/messages.js'
import { counted, formatCount, formatSize } from '../size.js'
import type { VerifyOptions } from './options.js'

/** What is told beside the findings. */
export interface Circumstances {
  readonly options: VerifyOptions
  readonly facts: PathFacts
  readonly exit: ExitCode
  readonly seconds: number
}

const WORDS = ['corrupt', 'changed', 'missing', 'unreadable', 'damaged', 'extra'] as const

/** Tells everything. */
export function tell(found: Verified, about: Circumstances, report: Reporter): void {
  const { summary } = found
  const { options } = about
  if (summary.resumed !== undefined) {
    report.note(`continued from ${counted(summary.resumed, 'file')} (--restart begins anew)`)
  }
  if (summary.stale) {
    report.note('an earlier check was stopped, and the drive was written since: begun anew')
  }
  for (const page of found.findings()) {
    for (const finding of page) tellFinding(finding, options, report)
  }
  for (const page of found.inSource()) {
    for (const finding of page) tellInSource(finding, options, report)
  }
  if (options.json) tellSummary(summary, about, report)
  tellProof(summary, report)
  tellKept(summary, report)
  tellResult(summary, about, report)
}

function tellFinding(finding: VerifyFinding, options: VerifyOptions, report: Reporter): void {
  const { word, path, errno, why } = finding
  if (options.json) {
    report.event({
      type: 'verify-result',
      result: word,
      path,
      ...(why === '' ? {} : { reason: why }),
      ...(errno === undefined ? {} : { errno: errnoName(errno) }),
    })
    return
  }
  const reason = why === '' ? '' : `: ${why}`
  const line = `${word.toUpperCase()} ${displayName(path)}${reason}`
  // With -q what is not good is still told.
  if (options.verbosity === 'quiet') report.error(line)
  else report.warning(line)
}

const IN_SOURCE = {
  newer: 'newer in the source',
  gone: 'gone from the source',
  differs: 'DIFFERS FROM THE SOURCE',
  'source-unreadable': 'UNREADABLE IN THE SOURCE',
  unseen: 'source not there',
} as const

/** A source that moved on is worth a line, and no warning. */
function tellInSource(finding: InSourceFinding, options: VerifyOptions, report: Reporter): void {
  const { word, path, errno, why } = finding
  if (options.json) {
    report.event({
      type: 'verify-result',
      result: word,
      path,
      ...(why === '' ? {} : { reason: why }),
      ...(errno === undefined ? {} : { errno: errnoName(errno) }),
    })
    return
  }
  // What is missing a source that is not there is told once, by its number.
  if (word === 'unseen') return
  const line = `${IN_SOURCE[word]}: ${displayName(path)}${why === '' ? '' : `: ${why}`}`
  if (word === 'newer' || word === 'gone') report.note(line)
  else if (options.verbosity === 'quiet') report.error(line)
  else report.warning(line)
}

/** Whether something is wrong, or could not be compared; a source that moved on is neither. */
export function isOff(inSource: InSource | undefined): boolean {
  if (inSource === undefined) return false
  return inSource.differs + inSource.unreadable + inSource.unseen > 0
}

/** Since a drive was mounted anew, what is in memory came from it. */
function isProof({ kind, fuse, cached }: VerifySummary): boolean {
  return kind !== 'same-session' || (!fuse && cached === 0)
}

/** How much the check proves. */
function tellProof(summary: VerifySummary, report: Reporter): void {
  const again = 'Unmount the drive, or better unplug it, mount it again and check it once more.'
  if (summary.kind !== 'same-session') {
    report.note(
      summary.kind === 'remounted'
        ? 'kind of check: remounted since it was written'
        : 'kind of check: re-inserted since it was written',
    )
  } else if (summary.fuse) {
    report.warning(
      `not a proof: the drive is served by a user-space file system (FUSE) and may not have been unmounted since it was written, so this was read from memory perhaps. ${again}`,
    )
  } else if (summary.cached > 0) {
    report.warning(
      `not a proof: ${formatSize(summary.cached)} stayed in memory and were perhaps read from there. ${again}`,
    )
  } else {
    report.note(
      'kind of check: same session. The drive was asked past the memory of this computer; what the device itself keeps in memory is seen only after it was unplugged.',
    )
  }
}

function tellKept(summary: VerifySummary, report: Reporter): void {
  if (summary.driveFault !== undefined) {
    report.warning(`the result is not kept on the drive: ${summary.driveFault}`)
  }
  if (summary.catalogFault !== undefined) {
    report.warning(`the result is not kept in the catalog: ${summary.catalogFault}`)
  }
  if (summary.driveFault === undefined && !summary.onDrive) {
    report.note(
      summary.inCatalog
        ? 'the drive is read-only: the result is kept in the catalog alone'
        : 'the drive is read-only and this host has no catalog of it: the result is kept nowhere',
    )
  }
  if (summary.journal) {
    report.warning(
      'a run on the drive was broken off: what it had not recorded as durable was left out. The next copy finishes it.',
    )
  }
  if (summary.noManifest) {
    report.warning(
      'the manifest cannot be used: content was held against SHA256SUMS and B3SUMS; sizes, times, links and directories were not checked',
    )
  }
  if (summary.sizeOnly > 0) {
    report.warning(
      `${counted(summary.sizeOnly, 'file')} without a checksum (--digest none): only compared by size and time`,
    )
  }
}

function tellResult(summary: VerifySummary, about: Circumstances, report: Reporter): void {
  const drive = driveName(summary.number, summary.label)
  const { counts, files, bytes } = summary
  const parts = WORDS.filter((word) => counts[word] > 0).map(
    (word) => `${formatCount(counts[word])} ${word}`,
  )
  const what = `${counted(files, 'file')} checked, ${formatSize(bytes)} read`
  const state = parts.length === 0 ? 'all as recorded' : parts.join(', ')
  const part = summary.whole
    ? ''
    : ' This was a part of the drive and does not count as a check of it.'
  if (summary.stopped) {
    report.note(`${drive}: stopped after ${what}; ${state}. The same command goes on from there.`)
  } else if (summary.bad > 0 && about.options.verbosity === 'quiet') {
    report.error(`${drive}: ${what}; ${state}.${part}`)
  } else {
    report.note(`${drive}: ${what}; ${state}.${part}`)
  }
  if (summary.inSource !== undefined) tellSides(summary.inSource, about, report)
}

function tellSides(inSource: InSource, about: Circumstances, report: Reporter): void {
  for (const path of inSource.absent) {
    report.warning(
      `the source ${displayName(path)} is not there, or empty: nothing of it was compared`,
    )
  }
  const parts = [
    [inSource.differs, 'with other content under the same size and time'],
    [inSource.unreadable, 'unreadable in the source'],
    [inSource.unseen, 'not compared, the source is not there'],
    [inSource.newer, 'changed in the source since'],
    [inSource.gone, 'gone from the source since'],
  ] as const
  const text = [
    `${formatCount(inSource.same)} the same`,
    ...parts.filter(([n]) => n > 0).map(([n, words]) => `${formatCount(n)} ${words}`),
  ].join(', ')
  const line = `against the source: ${text}.`
  if (isOff(inSource) && about.options.verbosity === 'quiet') report.error(line)
  else report.note(line)
}

function tellSummary(summary: VerifySummary, about: Circumstances, report: Reporter): void {
  const { counts, files, bytes, bad } = summary
  const nothing = { files: 0, bytes: 0 }
  report.event({
    type: 'summary',
    exit: about.exit,
    complete: !summary.stopped && bad + counts.extra === 0 && !isOff(summary.inSource),
    interrupted: summary.stopped,
    written: nothing,
    unchanged: files,
    renamed: 0,
    removed: 0,
    failed: bad,
    vanished: 0,
    unplaced: nothing,
    left: nothing,
    volumes: [{ number: summary.number, label: summary.label }],
    waiting: [],
    seconds: about.seconds,
    check: {
      kind: summary.kind,
      proof: isProof(summary),
      whole: summary.whole,
      begun: summary.begun,
      resumed: summary.resumed ?? null,
      entries: summary.entries,
      files,
      bytes,
      sizeOnly: summary.sizeOnly,
      recordedOnly: summary.recordedOnly,
      bad,
      ...counts,
      keptOnDrive: summary.onDrive,
      keptInCatalog: summary.inCatalog,
      ...(summary.inSource === undefined ? {} : { inSource: sides(summary.inSource) }),
    },
  })
}

function sides({ same, newer, gone, differs, unreadable, unseen }: InSource) {
  return { same, newer, gone, differs, unreadable, unseen }
}
