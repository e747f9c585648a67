/**
 * Sizes as people write and read them.
 *
 * A bare number is bytes. K or KB, M, G, T, P, E are powers of 1000, as in the seed; Ki or KiB and so on
 * powers of 1024; upper or lower case is all the same. Up to 2^53 bytes, so every size is an exact number.
 */
import prettyBytes from 'pretty-bytes'
import type { Amount } from './copy/options.js'
import { usageError } from './errors.js'

const UNITS = 'kmgtpe'
const SIZE = /^(\d+(?:\.\d*)?|\.\d+)\s*(?:([kmgtpe])(i)?)?(b)?$/i
const PERCENT = /^(\d+(?:\.\d*)?|\.\d+)\s*%$/

/** For help texts and errors: which unit is which. */
export const SIZE_HELP =
  'bytes, or a number with K, M, G, T, P (powers of 1000: 1K = 1,000) or Ki, Mi, Gi, Ti, Pi (powers of 1024: 1Ki = 1,024)'

/** The bytes that `text` says, rounded to whole ones; `undefined` when it says none, or more than 2^53. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text.trim())
  if (match === null) return undefined
  const [, digits = '', unit, binary] = match
  // A fraction of a byte is a slip (a unit that was forgotten), not a size.
  if (unit === undefined && digits.includes('.')) return undefined
  const power = unit === undefined ? 0 : UNITS.indexOf(unit.toLowerCase()) + 1
  const bytes = Math.round(Number(digits) * (binary === undefined ? 1000 : 1024) ** power)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** A size, or `N%` with 0 ≤ N < 100; `undefined` when it is neither. */
export function parseAmount(text: string): Amount | undefined {
  const match = PERCENT.exec(text.trim())
  if (match !== null) {
    const percent = Number(match[1])
    return percent < 100 ? { unit: 'percent', percent } : undefined
  }
  const bytes = parseSize(text)
  return bytes === undefined ? undefined : { unit: 'bytes', bytes }
}

/** `parseSize` for the value of `option`; a usage error says what is wanted. */
export function sizeOption(option: string, text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined) {
    throw usageError(`${option}: ${JSON.stringify(text)} is not a size`, `A size is ${SIZE_HELP}.`)
  }
  return bytes
}

/** `parseAmount` for the value of `option`. */
export function amountOption(option: string, text: string): Amount {
  const amount = parseAmount(text)
  if (amount === undefined) {
    throw usageError(
      `${option}: ${JSON.stringify(text)} is neither a size nor a percentage below 100`,
      `A size is ${SIZE_HELP}; a percentage is written 5%.`,
    )
  }
  return amount
}

/** The bytes that `amount` is on a drive of `capacity` bytes. */
export function amountBytes(amount: Amount, capacity: number): number {
  return amount.unit === 'bytes' ? amount.bytes : Math.ceil((capacity / 100) * amount.percent)
}

/** Bytes for people, in powers of 1000: `1.5 GB`. */
export function formatSize(bytes: number): string {
  return prettyBytes(bytes)
}

/** A whole number for people: `1,234,567`. By hand, as Intl takes a tenth of a short command to load. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
}

/** A count with its noun: `1 file`, `2 files`, `3 entries` (with `plural` given). */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`
}
