/** How a restore reads for people: what comes back and from where, each drive, the end. Pure. */
import { counted, formatCount, formatSize } from '../size.js'
import type {
  Amount,
  RestorePlanEvent,
  RestoreSummaryEvent,
  RestoreVolumeEvent,
} from './reporter.js'
import { type DisplayName, durationText, type Line, volumeText } from './words.js'

/** What comes back, and a line a drive. */
export function restorePlanLines(plan: RestorePlanEvent, name: DisplayName): Line[] {
  const lines = [strong(`${amount(plan)}${others(plan.others)} to restore to ${name(plan.to)}`)]
  const width = Math.max(0, ...plan.volumes.map((one) => volumeText(one, name).length))
  for (const one of plan.volumes) {
    const where = one.mounted ? ', mounted' : ''
    lines.push(plain(`  ${volumeText(one, name).padEnd(width)}  ${amount(one)}${where}`))
  }
  if (plan.dryRun === true) {
    const asked = plan.volumes.filter(({ mounted }) => !mounted).length
    lines.push(plain(asked === 0 ? 'no drive is asked for' : `${counted(asked, 'drive')} to fetch`))
  }
  for (const [count, text] of [
    [plan.notBackedUp, 'was never backed up', 'were never backed up'],
    [plan.outdated, 'comes back in an older version', 'come back in an older version'],
    [plan.lost, 'is lost with its drive', 'are lost with their drives'],
  ].map(([n, one, many]) => [n, n === 1 ? one : many] as [number, string])) {
    if (count > 0) lines.push(warning(`${counted(count, 'entry', 'entries')} ${text}`))
  }
  return lines
}

/** What came of one drive. */
export function restoreVolumeLines(event: RestoreVolumeEvent, name: DisplayName): Line[] {
  const parts = [`${amount(event.restored)}${others(event.restored.others)} restored`]
  if (event.equal > 0) parts.push(`${formatCount(event.equal)} there already`)
  if (event.kept > 0) parts.push(`${formatCount(event.kept)} left alone`)
  const lines = [strong(`${volumeText(event.volume, name)} is done: ${parts.join(', ')}`)]
  if (event.bad > 0) {
    lines.push(
      error(`${counted(event.bad, 'copy', 'copies')} on this drive ${are(event.bad)} no good`),
    )
  }
  return lines
}

/** The end. */
export function restoreSummaryLines(event: RestoreSummaryEvent, name: DisplayName): Line[] {
  const state = event.complete ? 'done' : event.interrupted ? 'interrupted' : 'not all done'
  const parts = [`${amount(event.restored)}${others(event.restored.others)} restored`]
  for (const [count, text] of [
    [event.equal, 'there already'],
    [event.newer, 'left because newer'],
    [event.beside, 'under another name'],
  ] as const) {
    if (count > 0) parts.push(`${formatCount(count)} ${text}`)
  }
  parts.push(durationText(event.seconds))
  const lines = [strong(`${state}: ${parts.join(', ')}`)]
  if (event.volumes.length > 0) {
    lines.push(plain(`read from ${event.volumes.map((one) => volumeText(one, name)).join(', ')}`))
  }
  if (event.unchecked > 0) {
    lines.push(
      warning(
        `${counted(event.unchecked, 'file')} ${event.unchecked === 1 ? 'has' : 'have'} no digest: only the size was checked`,
      ),
    )
  }
  if (event.kept > 0) {
    lines.push(
      warning(
        `${counted(event.kept, 'entry', 'entries')} left alone: something else stands there (--overwrite, --update, --keep-both)`,
      ),
    )
  }
  if (event.bad > 0) {
    lines.push(
      error(`${counted(event.bad, 'copy', 'copies')} on the drives ${are(event.bad)} no good`),
    )
  }
  if (event.failed > 0) {
    lines.push(error(`${counted(event.failed, 'entry', 'entries')} could not be restored`))
  }
  if (event.missing.entries > 0) {
    const { entries, ...missing } = event.missing
    lines.push(error(`${amount(missing)}${others(entries - missing.files)} still missing`))
  }
  return lines
}

function amount(of: Amount): string {
  return `${counted(of.files, 'file')} (${formatSize(of.bytes)})`
}

function others(count: number): string {
  return count === 0 ? '' : ` and ${counted(count, 'other entry', 'other entries')}`
}

function are(count: number): string {
  return count === 1 ? 'is' : 'are'
}

const plain = (text: string): Line => ({ tone: 'plain', text })
const strong = (text: string): Line => ({ tone: 'strong', text })
const warning = (text: string): Line => ({ tone: 'warning', text })
const error = (text: string): Line => ({ tone: 'error', text })
