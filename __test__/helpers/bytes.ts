/** Names as bytes: joining, walking and showing paths that need not be UTF-8. */

const slash = Buffer.from('/')

/** Joins parts with a slash; strings are taken as UTF-8. */
export function join(...parts: (Buffer | string)[]): Buffer {
  const pieces = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))
  const filled = pieces.filter((piece) => piece.length > 0)
  return Buffer.concat(filled.flatMap((piece, index) => (index === 0 ? [piece] : [slash, piece])))
}

/** The name on one line of plain text: controls, backslashes and bytes that are no UTF-8 escaped. */
export function printable(name: Buffer): string {
  const text = name.toString('utf8')
  if (Buffer.from(text).equals(name) && !/[\p{C}\\]/u.test(text)) return text
  return name
    .toString('latin1')
    .replace(/[^ -[\]-~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
