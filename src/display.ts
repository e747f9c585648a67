/**
 * How names and texts are shown: nothing in them can move the cursor, turn text round or forge a line.
 *
 * Names are PEP 383 strings (each byte that is not UTF-8 is a lone surrogate U+DC80–U+DCFF). The
 * rules are those of `crates/core/src/name.rs`; they stand here too because usage errors are told
 * before the addon is loaded. This file only shows: nothing reads a displayed name back.
 */

// C0, DEL, C1, bidi marks and controls, line and paragraph separators, lone surrogates.
const HAZARD =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu
const HAZARD_OR_BACKSLASH =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
  /[\\\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu

function escaped(char: string): string {
  const code = char.charCodeAt(0)
  if (char === '\\') return '\\\\'
  if (char === '\n') return '\\n'
  if (char === '\r') return '\\r'
  if (char === '\t') return '\\t'
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code & 0xff).toString(16)}`
  return `\\u{${code.toString(16)}}`
}

/**
 * A name for people: hazards, undecodable bytes and `\` escaped as in C or Rust (`\n`, `\x1b`, `\xe9`,
 * `\u{202e}`, `\\`), all other text unchanged. No two names look the same.
 */
export function displayName(name: string): string {
  return name.replace(HAZARD_OR_BACKSLASH, escaped)
}

/**
 * A line of text for people, names in it displayed already: hazards escaped, `\` left alone. The last
 * guard of everything that is printed.
 */
export function safeLine(text: string): string {
  return text.replace(HAZARD, escaped)
}

/**
 * JSON on one line, of ASCII hazards free: what `JSON.stringify` leaves raw (DEL, C1, bidi, U+2028) is
 * escaped too. Lone surrogates come out as `\udcXX`, as Python writes undecodable bytes.
 */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(
    HAZARD,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
