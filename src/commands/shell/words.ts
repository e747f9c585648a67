/** What the scripts for all shells share: quoting, and which argument is of which kind. */
import type { Kind } from '../table.js'

/** A word in single quotes, as bash and zsh read it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Patterns for the number of an argument (from 0) and its kind; the last kind holds for all that follow. */
export function conditions(kinds: readonly Kind[]): { test: string; kind: Kind }[] {
  return kinds.map((kind, i) => ({ test: i === kinds.length - 1 ? '*' : String(i), kind }))
}
