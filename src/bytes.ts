/** Names for node:fs, which would make another name of a string that holds undecodable bytes. */

/** The bytes of a name, each lone surrogate of its string one byte (PEP 383). */
export function nameBytes(name: string): Buffer {
  const parts: Buffer[] = []
  let from = 0
  for (const match of name.matchAll(/[\udc80-\udcff]/gu)) {
    parts.push(Buffer.from(name.slice(from, match.index)))
    parts.push(Buffer.of(match[0].charCodeAt(0) & 0xff))
    from = match.index + 1
  }
  parts.push(Buffer.from(name.slice(from)))
  return Buffer.concat(parts)
}
