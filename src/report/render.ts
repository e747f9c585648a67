/**
 * How events and progress read for people. Pure: facts in, lines out, no colour, no control characters
 * but through the `displayName` that is handed in.
 */
import { counted, formatCount, formatSize } from '../size.js'
import { cutStart, fitParts, type Part } from '../text.js'
import { type Canvas, planLines } from './plan.js'
import type { Speed } from './rate.js'
import type {
  Count,
  Phase,
  Progress,
  RunEvent,
  SummaryEvent,
  VolumeNeededEvent,
} from './reporter.js'
import { restorePlanLines, restoreSummaryLines, restoreVolumeLines } from './restore.js'
import { type DisplayName, durationText, type Line, volumeText, waitingLines } from './words.js'

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

/** A drive is wanted, as a line of a log. */
export function wantedText(event: VolumeNeededEvent, name: DisplayName): string {
  const kind = event.wanted.known ? '' : ', new,'
  return `${volumeText(event.wanted, name)}${kind} is wanted for ${amount(event)}`
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
    case 'file-error': {
      // That it failed is said already.
      const code = event.code === 'failed' ? '' : ` (${event.code})`
      return [error(`${name(event.path)}: ${event.doing}: ${event.message}${code}`)]
    }
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

function amount(of: { readonly files: number; readonly bytes: number }): string {
  return `${counted(of.files, 'file')} (${formatSize(of.bytes)})`
}

const plain = (text: string): Line => ({ tone: 'plain', text })
const strong = (text: string): Line => ({ tone: 'strong', text })
const warning = (text: string): Line => ({ tone: 'warning', text })
const error = (text: string): Line => ({ tone: 'error', text })

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

/** What is being done: a flush is told as one, so that a still display is no riddle. */
function doing(phase: Phase, { flushing }: Progress): string {
  return flushing === true ? 'flushing' : PHASE_TEXT[phase]
}

function perSecond(progress: Progress, speed: Speed): string | undefined {
  if (isOnlyCounting(progress)) {
    const { filesPerSecond } = speed
    return filesPerSecond === undefined ? undefined : `${formatCount(Math.round(filesPerSecond))}/s`
  }
  const { bytesPerSecond } = speed
  return bytesPerSecond === undefined ? undefined : `${formatSize(bytesPerSecond)}/s`
}

/** A walk: it counts entries, and nobody knows how many there will be. */
function isOnlyCounting({ bytes }: Progress): boolean {
  return bytes.done === 0 && bytes.total === undefined
}

const left = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : `${durationText(seconds)} left`

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
      ...part(doing(phase, progress), 0),
      ...part(volume === undefined ? undefined : `drive ${positionText(volume)}`, 6),
      ...wholeParts(progress, speed),
    ],
    width,
  )
}

function wholeParts(progress: Progress, speed: Speed): Part[] {
  const counting = isOnlyCounting(progress)
  return [
    ...part(percent(progress.bytes), 1),
    ...part(counting ? undefined : ofTotal(progress.bytes, formatSize), 4),
    ...part(
      nounOf(progress.files, counting ? 'entry' : 'file', counting ? 'entries' : 'files'),
      counting ? 1 : 7,
    ),
    ...part(perSecond(progress, speed), 5),
    ...part(left(speed.secondsLeft), 2),
    ...part(progress.errors ? `${counted(progress.errors, 'error')}` : undefined, 3),
  ]
}

/** `0 of 1 file`, `3 entries`: the last number decides. */
function nounOf(count: Count, one: string, many: string): string {
  return `${ofTotal(count, formatCount)} ${(count.total ?? count.done) === 1 ? one : many}`
}

/** `2 of about 5`. */
function positionText(volume: NonNullable<Progress['volume']>): string {
  if (volume.of === undefined) return String(volume.index)
  return `${volume.index} of ${volume.estimated === true ? 'about ' : ''}${volume.of}`
}

/** What a live display may draw with. */
export interface LiveCanvas extends Canvas {
  /** The terminal shows ASCII only. */
  readonly ascii: boolean
}

/** From this width on there are bars. */
const BARS_FROM = 60
const BAR = 16

/** The live display: the whole run, this drive, and what is being handled, none wider than the canvas. */
export function liveLines(
  phase: Phase,
  progress: Progress,
  speed: Speed,
  canvas: LiveCanvas,
  name: DisplayName,
): string[] {
  const { width } = canvas
  const { volume, current, currentBytes } = progress
  const whole = [...part(doing(phase, progress), 0), ...wholeParts(progress, speed)]
  const lines = [withBar(whole, progress.bytes, canvas)]
  if (volume !== undefined) {
    const parts = [
      ...part(`${volumeText(volume, name)}, ${positionText(volume)}`, 0),
      ...part(percent(volume.bytes), 1),
      ...part(ofTotal(volume.bytes, formatSize), 3),
      ...part(nounOf(volume.files, 'file', 'files'), 4),
      ...part(left(speed.driveSecondsLeft), 2),
    ]
    lines.push(withBar(parts, volume.bytes, canvas))
  }
  if (current !== undefined && current !== '') {
    const share = currentBytes && percent(currentBytes)
    const far = share === undefined ? '' : `${share} of ${formatSize(currentBytes?.total ?? 0)}: `
    // Of a very narrow line the name gets all.
    const room = width - far.length
    lines.push(room < 12 ? cutStart(name(current), width) : far + cutStart(name(current), room))
  }
  return canvas.ascii ? lines.map(asciiLine) : lines
}

/** The parts behind a bar, where there is room and something to draw. */
function withBar(parts: readonly Part[], { done, total }: Count, canvas: LiveCanvas): string {
  const { width, blocks } = canvas
  if (width < BARS_FROM || total === undefined || total <= 0) return fitParts(parts, width)
  const filled = Math.min(BAR, Math.floor((done / total) * BAR))
  const [on, off] = blocks ? ['█', '░'] : ['#', '.']
  const bar = on.repeat(filled) + off.repeat(BAR - filled)
  const framed = blocks ? bar : `[${bar}]`
  return `${framed} ${fitParts(parts, width - framed.length - 1)}`
}

/** The line for a terminal that shows ASCII only: as wide, and every other sign replaced. */
function asciiLine(line: string): string {
  return line.replaceAll('·', '-').replaceAll('…', '~').replaceAll(NOT_ASCII, '?')
}

const NOT_ASCII = /[^ -~]/gu
