/** Breaking, cutting and fitting text by its width on the terminal. Pure. */
import stringWidth from 'fast-string-width'

/** A stream that may know its width, as a terminal does. */
export interface Terminal {
  readonly columns?: number
  readonly getWindowSize?: () => readonly [number, number]
}

/** The columns of a terminal as it is now; 80 where it does not know. */
export function terminalWidth(stream: Terminal): number {
  // Asked of the terminal itself: what the stream remembers is old until a signal has come.
  const [columns] = stream.getWindowSize?.() ?? [stream.columns]
  return columns === undefined || columns <= 0 ? 80 : columns
}

/** A sentence as lines for a terminal, broken at spaces; what is indented (a table, a list of names) stays as it is. */
export function folded(text: string, width: number): string {
  // A line that is as wide as the terminal leaves an empty row below on some.
  return text.startsWith(' ') ? text : wrap(text, Math.max(20, width - 1)).join('\n')
}

let segmenter: Intl.Segmenter | undefined
/** What the user sees as characters. Made when first needed: that takes as long as a tenth of a short command. */
function graphemes(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  return segmenter.segment(text)
}

/** Breaks a text at spaces into lines of at most `width` columns; longer words stay whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && stringWidth(`${line} ${word}`) > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  if (line !== '') lines.push(line)
  return lines
}

/** The text in at most `width` columns; what is cut off is marked with `…`. */
export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  if (width < 1) return ''
  let out = ''
  let used = 0
  for (const { segment } of graphemes(text)) {
    used += stringWidth(segment)
    if (used > width - 1) break
    out += segment
  }
  return `${out}…`
}

/** The same, with the beginning cut off: of a path the end tells most. */
export function cutStart(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  if (width < 1) return ''
  // Long names are looked at from the end, and no further than can ever be shown.
  const tail = [...graphemes(text.slice(-width * 8))].reverse()
  let out = ''
  let used = 0
  for (const { segment } of tail) {
    used += stringWidth(segment)
    if (used > width - 1) break
    out = segment + out
  }
  return `…${out}`
}

/** A part of a line; parts of the highest `rank` are left out first where there is no room. */
export interface Part {
  readonly text: string
  readonly rank: number
}

/** The parts joined by `separator`, as many as go into `width` columns. */
export function fitParts(parts: readonly Part[], width: number, separator = ' · '): string {
  const kept = [...parts]
  for (;;) {
    const line = kept.map((part) => part.text).join(separator)
    if (kept.length <= 1 || stringWidth(line) <= width) return cut(line, width)
    const worst = Math.max(...kept.map((part) => part.rank))
    kept.splice(
      kept.findLastIndex((part) => part.rank === worst),
      1,
    )
  }
}
