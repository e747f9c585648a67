/**
 * Keeps what is shown from going backwards.
 *
 * What a flush has lost is copied again and counted twice, a source can grow, and what a drive is to get is
 * planned anew at each drive. Here counts that have a total never fall and never pass it, and the total never
 * rises, so the percentage does not fall: of all drives together for as long as the run has this kind of work, of one drive as long
 * as it is in hand.
 */
import type { Count, Phase, Progress } from './reporter.js'

/** What was shown last, of files and bytes. */
interface Shown {
  readonly files: Count
  readonly bytes: Count
}

export class Steady {
  readonly #shown = new Map<string, Shown>()

  /** The snapshot as it may be shown. */
  show(phase: Phase, progress: Progress): Progress {
    const { volume } = progress
    const whole = this.#counts(phase, progress)
    if (volume === undefined) return { ...progress, ...whole }
    const drive = this.#counts(`${phase} ${volume.index}`, volume)
    return { ...progress, ...whole, volume: { ...volume, ...drive } }
  }

  #counts(key: string, { files, bytes }: Shown): Shown {
    // Without a total there is no percentage, and the count may begin anew.
    if (bytes.total === undefined) return { files, bytes }
    const last = this.#shown.get(key)
    const now = { files: steady(files, last?.files), bytes: steady(bytes, last?.bytes) }
    this.#shown.set(key, now)
    return now
  }
}

/** The snapshot without what is told to nobody. */
export function withoutPace({ pace: _, volume, ...progress }: Progress): Progress {
  if (volume === undefined) return progress
  const { pace: __, ...drive } = volume
  return { ...progress, volume: drive }
}

function steady({ done, total }: Count, last: Count | undefined): Count {
  if (total === undefined) return { done: Math.max(done, last?.done ?? 0) }
  const most = Math.min(total, last?.total ?? total)
  return { done: Math.min(most, Math.max(done, last?.done ?? 0)), total: most }
}
