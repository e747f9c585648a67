/** What is to be written on the cases of drives that are new: told once for each, when it can be done. */

import { displayName, type FsName } from '../native/names.js'

interface Case {
  readonly label: string
  readonly path: FsName
  /** A drive of its own, which has a case. */
  readonly isDrive: boolean
}

export class Cases {
  #untold: Case[] = []

  /** A new drive is done with. */
  add(one: Case): void {
    this.#untold.push(one)
  }

  /** A sentence for the drives of which nothing was told yet, or nothing. `here`: the drive that is spoken of already. */
  take(here?: FsName): string {
    const untold = this.#untold
    this.#untold = []
    const [first] = untold
    if (first === undefined) return ''
    if (untold.length === 1 && first.path === here) return `Write ${quoted(first)} on its case.`
    const parts = untold.map(
      (one, n) =>
        `${quoted(one)} on ${n === 0 ? 'the case of the drive' : 'that of the one'} at ${displayName(one.path)}`,
    )
    const last = parts.pop() as string
    return `Write ${parts.length === 0 ? last : `${parts.join(', ')} and ${last}`}.`
  }

  /** The same at the end of a run, where a plain folder needs no label. */
  atEnd(): string {
    this.#untold = this.#untold.filter(({ isDrive }) => isDrive)
    return this.take()
  }
}

function quoted({ label }: Case): string {
  return `"${displayName(label)}"`
}
