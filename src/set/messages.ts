/** Words, dates and questions of a run that stand in more than one place. */

import type { RunContext } from '../context.js'
import { CancelledError } from '../native/errors.js'
import { displayName } from '../native/names.js'
import type { Volume } from '../native/set.js'
import { confirm } from '../prompt/questions.js'
import { volumeText } from '../report/words.js'
import { counted } from '../size.js'

/** A drive by number and label. */
export function driveName(number: number, label: string | undefined): string {
  return volumeText({ number, ...(label === undefined ? {} : { label }) }, displayName)
}

/** What a drive could not be given, and what becomes of it. */
export function notKept(
  volume: Pick<Volume, 'number' | 'label'>,
  { what, count, recorded }: { what: string; count: number; recorded: boolean },
): string {
  const entries = counted(count, 'entry', 'entries')
  const where = driveName(volume.number, volume.label)
  const then = recorded ? ' The manifest has them; a restore as root brings them back.' : ''
  return `Not kept on ${where}: ${what} (${entries}).${then}`
}

/**
 * Whether the user says yes. An end of input is no yes; Ctrl-C at the question rejects with
 * `CancelledError`: the run is to end, whatever the question was.
 */
export async function agreed(
  { prompter, stop }: Pick<RunContext, 'prompter' | 'stop'>,
  question: readonly string[],
  fallback: boolean,
): Promise<boolean> {
  const answer = await confirm(prompter, question, fallback)
  if (stop.requested) throw new CancelledError()
  return answer === 'yes'
}

/** The drives of a set, a line each, for `l` at the prompt. */
export function listVolumes(volumes: readonly Volume[], size: (bytes: number) => string): string[] {
  return volumes.map((v) => {
    const state = v.fate !== '' ? v.fate : v.state === 'complete' ? 'complete' : 'not finished'
    const name = driveName(v.number, v.label)
    return `  ${name}: ${counted(v.files, 'file')}, ${size(v.bytes)}, ${size(v.available)} free, ${state}`
  })
}

/** A date as the formats on the drive have it: RFC 3339, UTC, whole seconds. */
export function rfc3339(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}
