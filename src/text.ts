/** Breaking, cutting and fitting text by its width on the terminal. Pure. */
import stringWidth from 'fast-string-width'

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

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
  for (const { segment } of graphemes.segment(text)) {
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
  const tail = [...graphemes.segment(text.slice(-width * 8))].reverse()
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
