/**
 * The command line with names as bytes.
 *
 * Node decodes the arguments lossily: each byte that is not UTF-8 becomes U+FFFD, and the name is lost.
 * Where an argument holds a U+FFFD its true bytes are taken from /proc/self/cmdline and given back
 * as PEP 383 (a lone surrogate U+DC80–U+DCFF for each undecodable byte). Nothing else is changed.
 */
import { readFileSync } from 'node:fs'
import { usageError } from './errors.js'

/** What Node puts in the place of what it can't decode. */
const LOST = '\ufffd'

/**
 * The arguments without loss. `readCommandLine` gives the NUL-separated bytes of the process's command
 * line and may throw. A usage error where a name was lost and can't be had back.
 */
export function exactArguments(
  args: readonly string[],
  readCommandLine: () => Uint8Array = () => readFileSync('/proc/self/cmdline'),
): string[] {
  if (!args.some((arg) => arg.includes(LOST))) return [...args]
  const raw = lastArguments(readCommandLine, args.length)
  return args.map((arg, i) => {
    if (!arg.includes(LOST)) return arg
    const bytes = raw?.[i]
    // Only if it is the same argument: a changed process title would give other bytes.
    if (bytes !== undefined && Buffer.from(bytes).toString('utf8') === arg) return decodeName(bytes)
    throw usageError(
      `an argument is not valid UTF-8 and its bytes can't be recovered here: ${JSON.stringify(arg)}`,
      'Name a directory above it, or put the names into a file and give that with --files-from.',
    )
  })
}

/** The last `count` arguments of the command line (node's own options and the script come before them). */
function lastArguments(read: () => Uint8Array, count: number): Uint8Array[] | undefined {
  let line: Uint8Array
  try {
    line = read()
  } catch {
    return undefined
  }
  const found: Uint8Array[] = []
  let start = 0
  for (let end = line.indexOf(0); end >= 0; end = line.indexOf(0, start)) {
    found.push(line.subarray(start, end))
    start = end + 1
  }
  return found.length < count ? undefined : found.slice(found.length - count)
}

/** Bytes as a PEP 383 string: UTF-8 where it is valid, a lone surrogate for each other byte. */
export function decodeName(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let out = ''
  let valid = 0
  let i = 0
  while (i < buffer.length) {
    const length = sequenceLength(buffer, i)
    if (length > 0) {
      i += length
      continue
    }
    out += buffer.toString('utf8', valid, i) + String.fromCharCode(0xdc00 | (buffer[i] ?? 0))
    i += 1
    valid = i
  }
  return out + buffer.toString('utf8', valid)
}

/** The length of the valid UTF-8 sequence at `i` (Unicode table 3-7), 0 where there is none. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i] ?? 0
  if (lead < 0x80) return 1
  const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
  if (length === 0) return 0
  // The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF.
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  const second = bytes[i + 1] ?? 0
  if (second < low || second > high) return 0
  for (let k = 2; k < length; k += 1) {
    if (((bytes[i + k] ?? 0) & 0xc0) !== 0x80) return 0
  }
  return length
}
