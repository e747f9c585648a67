/** Lines, and the words that stand in more than one kind of them: a drive, a time, what waits. Pure. */

import { counted } from '../size.js'
import type { VolumeName, WaitingVolume } from './reporter.js'

/** Makes a raw name fit to be shown. */
export type DisplayName = (name: string) => string

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

/** What waits for drives, a line each. */
export function waitingLines(waiting: readonly WaitingVolume[], name: DisplayName): Line[] {
  return waiting.map((drive) => {
    const what = [
      ...(drive.renames > 0 ? [`${counted(drive.renames, 'file')} to be renamed`] : []),
      ...(drive.removals > 0 ? [`${counted(drive.removals, 'file')} to be removed`] : []),
    ]
    return { tone: 'plain', text: `when ${volumeText(drive, name)} is next in: ${what.join(', ')}` }
  })
}
