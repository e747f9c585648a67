/** The nearest of the words that would have been understood. Pure. */
import { distance } from 'fastest-levenshtein'

/** A word that is meant, most likely; undefined where none is near enough to be more than a guess. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const one of known) {
    const apart = apartness(word, one)
    if (apart < least) {
      least = apart
      best = one
    }
  }
  return best
}

/** How many letters are wrong, more than can be a slip counting as infinitely many. */
function apartness(word: string, known: string): number {
  const length = Math.min(bare(word).length, bare(known).length)
  // Of one or two letters a slip leaves nothing to go by.
  if (length < 3) return Number.POSITIVE_INFINITY
  // The beginning of a word is a word that was not finished.
  if (known.startsWith(word)) return 0.5
  const apart = distance(word, known)
  return apart <= Math.min(3, Math.ceil(length / 3)) ? apart : Number.POSITIVE_INFINITY
}

function bare(word: string): string {
  return word.replace(/^-+/, '')
}
