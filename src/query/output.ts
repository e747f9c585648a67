/**
 * What the commands that answer questions write on stdout: text, JSON lines, raw names.
 *
 * A reader that is slow is waited for, and one that has gone (`… | head`) ends the work quietly. The lines of
 * text are safe for a terminal; `-0` and `--json` are for programs and give names byte for byte.
 */

import { once } from 'node:events'
import stringWidth from 'fast-string-width'
import prettyBytes from 'pretty-bytes'
import type { Context } from '../context.js'
import { jsonLine, safeLine } from '../display.js'

/** Writes to stdout as fast as it is read. */
export class Output {
  readonly #context: Pick<Context, 'stdout' | 'stop'>

  constructor(context: Pick<Context, 'stdout' | 'stop'>) {
    this.#context = context
  }

  /** Whether nobody wants more: the reader has gone, or the user stopped it. */
  get over(): boolean {
    return this.#context.stop.requested || this.readerGone
  }

  /** Whether the reader has gone. */
  get readerGone(): boolean {
    return this.#context.stdout.errored != null || this.#context.stdout.destroyed
  }

  /** Lines of text; resolves when there is room for more. */
  lines(lines: readonly string[]): Promise<void> {
    return this.raw(lines.map((line) => `${safeLine(line)}\n`).join(''))
  }

  /** Objects, one a line. */
  json(objects: readonly object[]): Promise<void> {
    return this.raw(objects.map((one) => `${jsonLine(one)}\n`).join(''))
  }

  /** Text or bytes as they are. */
  async raw(data: string | Buffer): Promise<void> {
    const { stdout, stop } = this.#context
    if (data.length === 0 || this.over || stdout.write(data)) return
    // Whatever ends the waiting otherwise, `over` tells.
    await once(stdout, 'drain', { signal: stop.orderly }).catch(() => {})
  }
}

/** Seconds since 1970 as local date and time, `2026-11-22 19:05`; a time that is no date as a number. */
export function dateText(seconds: number): string {
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) return `${seconds} s`
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}

/** Bytes for people: `1.5 GB`. */
export function sizeText(bytes: number): string {
  return prettyBytes(bytes)
}

/** The text with blanks to its right, `width` columns of a terminal in all. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)))
}

/** The same with blanks to its left. */
export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - stringWidth(text))) + text
}

/** Rows as lines with their columns under each other; `right`: the columns that end under each other. */
export function table(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, n) => {
      widths[n] = Math.max(widths[n] ?? 0, stringWidth(cell))
    })
  }
  return rows.map((row) =>
    row
      .map((cell, n) => (right.includes(n) ? padStart : padEnd)(cell, widths[n] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
