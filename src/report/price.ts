/**
 * What a file costs beside its bytes: opening, naming, closing it, and what a file system writes for it. Pure.
 *
 * It differs by three powers of ten between drives, and shows only where large files and small ones have been met. So
 * of several prices the one is taken by which what was seen went at the most even rate.
 */

/** Bytes, and files. */
export interface Work {
  readonly bytes: number
  readonly files: number
}

/** What was done, and how long it took. */
export interface Step extends Work {
  readonly ms: number
}

/** As long as nothing is known: in bytes of copying. */
const USUAL = 32 * 1024
/** How far the price may be from that: powers of two. */
const [LEAST, MOST] = [-4, 6]
/** How much better a price has to be than the usual one, times the square of the power: one slow moment proves nothing. */
const DOUBT = 0.1
/** So few steps say nothing. */
const FEWEST = 4

/** The price of a file in bytes, by what was seen. */
export function filePrice(steps: readonly Step[]): number {
  if (steps.length < FEWEST) return USUAL
  let [best, least] = [USUAL, unevenness(steps, USUAL)]
  for (let power = LEAST; power <= MOST; power += 1) {
    const price = USUAL * 2 ** power
    const off = unevenness(steps, price) * (1 + DOUBT * power ** 2)
    if (off < least) [best, least] = [price, off]
  }
  return best
}

/** How far the steps are from one rate: the sum of squares of what each took too long or too short. */
function unevenness(steps: readonly Step[], price: number): number {
  const work = ({ bytes, files }: Work) => bytes + files * price
  const all = steps.reduce((sum, step) => sum + work(step), 0)
  const ms = steps.reduce((sum, step) => sum + step.ms, 0)
  if (all <= 0) return Number.POSITIVE_INFINITY
  return steps.reduce((sum, step) => sum + (step.ms - (work(step) * ms) / all) ** 2, 0)
}
