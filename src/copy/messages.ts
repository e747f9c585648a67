/** Words of a run that stand in more than one place. */

import { displayName } from '../native/names.js'

/** A drive by number and label. */
export function driveName(number: number, label: string | undefined): string {
  return label === undefined || label === ''
    ? `drive ${number}`
    : `drive ${number} (${displayName(label)})`
}

/** A count with its noun. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en-US')} ${n === 1 ? one : many}`
}
