/**
 * How events and progress read for people. Pure: facts in, lines out, no colour, no control characters
 * but through the `displayName` that is handed in.
 */
import { counted, formatCount, formatSize } from '../size.js'
import { cutStart, fitParts, type Part } from '../text.js'
import { type Canvas, planLines } from './plan.js'
import type {
  Count,
  Phase,
  Progress,
  RunEvent,
  SummaryEvent,
  VolumeName,
  WaitingVolume,
} from './reporter.js'
import { restorePlanLines, restoreSummaryLines, restoreVolumeLines } from './restore.js'

/** Makes a raw name fit to be shown. */
export type DisplayName = (name: string) => string

/** What a phase is called while it runs. */
export const PHASE_TEXT: Readonly<Record<Phase, string>> = {
  scan: 'scanning',
  compare: 'comparing',
  plan: 'planning',
  recover: 'recovering',
  delete: 'removing',
  copy: 'copying',
  close: 'closing',
  verify: 'verifying',
  restore: 'restoring',
}

/** How urgent the line is; decides the colour and whether `-q` shows it. */
export type Tone = 'plain' | 'strong' | 'warning' | 'error'

export interface Line {
  readonly tone: Tone
  readonly text: string
}

/** `drive 2 (blue)`. */
export function volumeText(volume: VolumeName, name: DisplayName): string {
  const { number, label } = volume
  return label === undefined || label === ''
    ? `drive ${number}`
    : `drive ${number} (${name(label)})`
}

/** `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function durationText(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  const minutes = Math.round(s / 60)
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  const hours = Math.round(s / 3600)
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** An event as lines. `canvas`: what bars may be drawn with; without it there are none. */
export function eventLines(event: RunEvent, name: DisplayName, canvas?: Canvas): Line[] {
  switch (event.type) {
    case 'plan':
      return 'to' in event ? restorePlanLines(event, name) : planLines(event, name, canvas)
    case 'volume-needed':
      // The question says it, or the error where nobody can be asked.
      return []
    case 'volume-opened':
      return [
        strong(
          `${volumeText(event.volume, name)}${event.fresh ? ', new,' : ''} at ${name(event.path)}: ${formatSize(event.available)} free of ${formatSize(event.capacity)}`,
        ),
      ]
    case 'volume-closed': {
      if ('restored' in event) return restoreVolumeLines(event, name)
      const done = [`${amount(event.written)} written`]
      if (event.renamed > 0) done.push(`${formatCount(event.renamed)} renamed`)
      if (event.removed > 0) done.push(`${formatCount(event.removed)} removed`)
      if (event.kept > 0) done.push(`${formatCount(event.kept)} kept`)
      const state = event.complete ? 'complete' : 'NOT complete'
      const lines = [strong(`${volumeText(event.volume, name)} is ${state}: ${done.join(', ')}`)]
      if (event.failed > 0)
        lines.push(warning(`${counted(event.failed, 'file')} could not be copied`))
      return lines
    }
    case 'file-error':
      return [error(`${name(event.path)}: ${event.doing}: ${event.message} (${event.code})`)]
    case 'verify-result': {
      if (event.result === 'same') return []
      const where = event.index === undefined ? '' : `[${event.index}] `
      const reason = event.reason === undefined ? '' : ` (${event.reason})`
      return [error(`${event.result.toUpperCase()} ${where}${name(event.path)}${reason}`)]
    }
    case 'adopted': {
      const what = event.fresh ? 'taken over' : 'on it'
      const text = `${volumeText(event.volume, name)} at ${name(event.path)}: ${amount(event)} ${what}`
      return [strong(text)]
    }
    case 'summary':
      return 'to' in event ? restoreSummaryLines(event, name) : summaryLines(event, name)
  }
}

function summaryLines(event: SummaryEvent, name: DisplayName): Line[] {
  const state = event.complete ? 'done' : event.interrupted ? 'interrupted' : 'not all done'
  const parts = [`${amount(event.written)} written`]
  for (const [count, text] of [
    [event.unchanged, 'unchanged'],
    [event.renamed, 'renamed'],
    [event.removed, 'removed'],
  ] as const) {
    if (count > 0) parts.push(`${formatCount(count)} ${text}`)
  }
  parts.push(durationText(event.seconds))
  const lines = [strong(`${state}: ${parts.join(', ')}`)]
  if (event.volumes.length > 0) {
    lines.push(plain(`written to ${event.volumes.map((v) => volumeText(v, name)).join(', ')}`))
  }
  if (event.failed > 0) lines.push(error(`${counted(event.failed, 'file')} could not be copied`))
  if (event.vanished > 0) {
    lines.push(warning(`${counted(event.vanished, 'file')} vanished or kept changing`))
  }
  if (event.unplaced.files > 0) lines.push(error(`${amount(event.unplaced)} fit on no drive`))
  lines.push(...waitingLines(event.waiting, name))
  if (event.left.files > 0) {
    lines.push(warning(`${amount(event.left)} left; the same command again goes on from here`))
  }
  return lines
}

/** What waits for drives, a line each. */
export function waitingLines(waiting: readonly WaitingVolume[], name: DisplayName): Line[] {
  return waiting.map((drive) => {
    const what = [
      ...(drive.renames > 0 ? [`${counted(drive.renames, 'file')} to be renamed`] : []),
      ...(drive.removals > 0 ? [`${counted(drive.removals, 'file')} to be removed`] : []),
    ]
    return plain(`when ${volumeText(drive, name)} is next in: ${what.join(', ')}`)
  })
}

function amount(of: { readonly files: number; readonly bytes: number }): string {
  return `${counted(of.files, 'file')} (${formatSize(of.bytes)})`
}

const plain = (text: string): Line => ({ tone: 'plain', text })
const strong = (text: string): Line => ({ tone: 'strong', text })
const warning = (text: string): Line => ({ tone: 'warning', text })
const error = (text: string): Line => ({ tone: 'error', text })

/** What the rate meter says. */
export interface Speed {
  readonly bytesPerSecond: number | undefined
  readonly secondsLeft: number | undefined
}

function ofTotal(count: Count, format: (n: number) => string): string {
  return count.total === undefined
    ? format(count.done)
    : `${format(count.done)} of ${format(count.total)}`
}

function percent(count: Count): string | undefined {
  if (count.total === undefined || count.total <= 0) return undefined
  // Never 100 % before the end.
  const share = Math.floor((count.done / count.total) * 100)
  return `${Math.min(share, count.done < count.total ? 99 : 100)}%`
}

function part(text: string | undefined, rank: number): Part[] {
  return text === undefined ? [] : [{ text, rank }]
}

/** The whole run in one line. */
export function progressLine(
  phase: Phase,
  progress: Progress,
  speed: Speed,
  width = Number.POSITIVE_INFINITY,
): string {
  const { volume } = progress
  return fitParts(
    [
      ...part(PHASE_TEXT[phase], 0),
      ...part(volume === undefined ? undefined : `drive ${positionText(volume)}`, 4),
      ...part(percent(progress.bytes), 1),
      ...part(ofTotal(progress.bytes, formatSize), 2),
      ...part(`${ofTotal(progress.files, formatCount)} files`, 5),
      ...part(
        speed.bytesPerSecond === undefined ? undefined : `${formatSize(speed.bytesPerSecond)}/s`,
        6,
      ),
      ...part(
        speed.secondsLeft === undefined ? undefined : `${durationText(speed.secondsLeft)} left`,
        3,
      ),
      ...part(progress.errors ? `${counted(progress.errors, 'error')}` : undefined, 3),
    ],
    width,
  )
}

/** `2 of about 5`. */
function positionText(volume: NonNullable<Progress['volume']>): string {
  if (volume.of === undefined) return String(volume.index)
  return `${volume.index} of ${volume.estimated === true ? 'about ' : ''}${volume.of}`
}

/** The live display: the whole run, this drive, and what is being handled, none wider than `width`. */
export function liveLines(
  phase: Phase,
  progress: Progress,
  speed: Speed,
  width: number,
  name: DisplayName,
): string[] {
  const lines = [progressLine(phase, progress, speed, width)]
  const { volume, current } = progress
  if (volume !== undefined) {
    lines.push(
      fitParts(
        [
          ...part(volumeText(volume, name), 0),
          ...part(percent(volume.bytes), 1),
          ...part(ofTotal(volume.bytes, formatSize), 2),
          ...part(`${ofTotal(volume.files, formatCount)} files`, 3),
        ],
        width,
      ),
    )
  }
  if (current !== undefined) lines.push(cutStart(name(current), width))
  return lines
}
