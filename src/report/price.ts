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

/** Bytes that a drive writes for a file besides, as long as nobody has counted them: the rest of a block, and metadata. */
const USUAL_BYTES = 4 * 1024
/** Seconds that a computer takes to open, name and close a file: measured, 3,000 to 5,000 files a second. */
const USUAL_SECONDS = 0.25e-3
/** How far the price may be from what is expected: powers of two, and how fine they are. */
const [LEAST, MOST, FINE] = [-4, 8, 0.5]
/** How much better a price has to be than the expected one, times the square of the power: one slow moment proves nothing. */
const DOUBT = 0.1
/** How uneven an even rate is seen, as a share: without it the rounding of a sum would choose among prices that fit alike. */
const NOISE = 0.05
/** So few steps say nothing. */
const FEWEST = 4

/**
 * What a file is expected to cost, in bytes of copying: what the drive has to write for it, or what is copied in the
 * time that the computer takes for it, where that is more; both go on side by side. So it is little on a slow stick and
 * more on a fast drive.
 */
export function expectedPrice(bytesPerSecond: number, perFile = USUAL_BYTES): number {
  return Math.max(1024, perFile, bytesPerSecond * USUAL_SECONDS)
}

/** The price of a file in bytes, by what was seen and what was `expected`. */
export function filePrice(steps: readonly Step[], expected: number): number {
  if (steps.length < FEWEST) return expected
  const noise = steps.reduce((sum, { ms }) => sum + (ms * NOISE) ** 2, 0)
  let [best, least] = [expected, unevenness(steps, expected) + noise]
  for (let power = LEAST; power <= MOST; power += FINE) {
    const price = expected * 2 ** power
    const off = (unevenness(steps, price) + noise) * (1 + DOUBT * power ** 2)
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
