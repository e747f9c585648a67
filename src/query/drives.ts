/** Drives as the commands name and describe them: by number or label, with their state in words. */

import { usageError } from '../errors.js'
import { displayName } from '../native/names.js'
import type { Volume } from '../native/set.js'
import { driveName } from '../set/messages.js'
import { dateText } from './output.js'

/** The drive that `VOLUME` names: a number, or a label. Throws `UserError`. */
export function volumeNamed(volumes: readonly Volume[], given: string): Volume {
  const byNumber = /^\d+$/.test(given)
    ? volumes.find(({ number }) => number === Number(given))
    : undefined
  if (byNumber !== undefined) return byNumber
  const [match, second] = volumes.filter(({ label }) => label === given)
  if (second !== undefined) {
    throw usageError(
      `More than one drive has the label ${displayName(given)}.`,
      'Give its number: multivolumecopy volumes lists them.',
    )
  }
  if (match !== undefined) return match
  const all = volumes.map(({ number, label }) => driveName(number, label)).join(', ')
  throw usageError(
    `The set has no drive ${displayName(given)}.`,
    all === '' ? 'It has no drives yet.' : `It has: ${all}.`,
  )
}

/** What state a drive is in, in words. */
export function stateText({ fate, state, asOf }: Volume): string {
  const known = asOf === 0 ? '' : `, known only from another drive's list of ${dateText(asOf)}`
  if (fate !== '') return `${fate}${known}`
  return `${state === 'complete' ? 'complete' : 'not finished'}${known}`
}

/** A drive as `--json` has it. */
export function volumeFields(v: Volume): object {
  return {
    number: v.number,
    label: v.label,
    id: v.id,
    fate: v.fate,
    complete: v.state === 'complete',
    capacity: v.capacity,
    available: v.available,
    fileSystem: v.fsType,
    mount: v.mount,
    created: v.created,
    written: v.written,
    verified:
      v.verified === 0 ? null : { date: v.verified, kind: v.verifiedKind, bad: v.verifiedBad },
    asOf: v.asOf === 0 ? null : v.asOf,
    copy: v.copy,
  }
}
