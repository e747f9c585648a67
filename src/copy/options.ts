/**
 * What the command line of a copy says, checked and in plain data: the input of `runCopy` and
 * `runSeedVerify`.
 *
 * Every path and pattern is as the user gave it (relative ones are relative to `Context.cwd`), with
 * each byte that is not UTF-8 as a lone surrogate U+DC80–U+DCFF (PEP 383), so names survive byte for
 * byte. Contradictions have been refused before one of these exists. Nothing here touches a file.
 */

import type { TalkOptions } from '../report/talk.js'

export type { TalkOptions, Verbosity } from '../report/talk.js'

/** An amount of space: bytes, or hundredths of the drive's capacity. */
export type Amount =
  | { readonly unit: 'bytes'; readonly bytes: number }
  | { readonly unit: 'percent'; readonly percent: number }

/** One `--exclude`, `--include` or `--exclude-from`, in the order given (the first match wins). */
export interface FilterRule {
  readonly kind: 'exclude' | 'include' | 'exclude-from'
  /** The pattern, or the file that holds patterns. */
  readonly value: string
}

/** What becomes of files that are gone from the source: asked about, removed, kept. */
export type DeletePolicy = 'ask' | 'delete' | 'keep'

/** The digests that this version writes. */
export type DigestName = 'sha256' | 'blake3' | 'none'

/** The options of a copy. */
export interface CopyOptions extends TalkOptions {
  /** `SRC...`; empty only where `jobFile` is the list of what to copy. */
  readonly sources: readonly string[]
  /** `-o`, in the order in which the drives are used; at least one, but for a plan. */
  readonly outputs: readonly string[]
  /**
   * `-f`. With sources: where the job file is written. Without: the list of what to copy, which is
   * only read. `undefined`: written to the default place.
   */
  readonly jobFile: string | undefined
  /** `-i`: entries of a lower index belong to other drives. Default 0. */
  readonly startIndex: number
  /** `-si`: entries from `startIndex` up to this index (exclusive) are taken to be on this drive already. */
  readonly selectIndex: number | undefined
  /** `-w`: number of workers; `undefined`: by kind of drive. */
  readonly workers: number | undefined
  /** `--reserve`/`--device-padding`: space to be left free on each drive. */
  readonly reserve: Amount
  /** `-x`: stay on the mount of each source. */
  readonly oneFileSystem: boolean
  readonly filters: readonly FilterRule[]
  /** `--files-from`: the file with the names to copy, `-` for stdin (nothing can be asked then). */
  readonly filesFrom: string | undefined
  /** `-0`: the names in `filesFrom` end with NUL instead of a newline. */
  readonly nulSeparated: boolean
  readonly deletePolicy: DeletePolicy
  /** `--delete-foreign`: what the set knows nothing about is removed from drives that are of the set already. */
  readonly deleteForeign: boolean
  /** `--max-delete N`: stop with 25 rather than remove more files than this. */
  readonly maxDelete: number | undefined
  /** `--volume-size`: most bytes used on drive 1, 2, …; the last one is repeated; empty: no cap. */
  readonly volumeSizes: readonly number[]
  /** `--pack`: as few drives as possible instead of path order. */
  readonly pack: boolean
  /** `--split-large`: what fits on no drive is written in parts. */
  readonly splitLarge: boolean
  /** `--keep-together`: directories at this depth stay on one drive; 0: none do. */
  readonly keepTogether: number
  /** `--copies`: each file on so many distinct drives; `undefined`: as before, 1 at first. */
  readonly copies: number | undefined
  /** `--flatten`: the contents of all sources at the root of the drive. */
  readonly flatten: boolean
  /** `--adopt`: take over what is already on the drive. */
  readonly adopt: boolean
  /** The command `adopt`: take over what is equal, and do nothing else. */
  readonly adoptOnly?: boolean
  /** `--set NAME`. */
  readonly setName: string | undefined
  /** `--catalog FILE`. */
  readonly catalog: string | undefined
  /** `plan --save FILE`: the plan is kept as this file. */
  readonly savePlan?: string | undefined
  /** `--label LABEL` for the next drive that joins the set. */
  readonly label: string | undefined
  /** `--digest`; `undefined`: as before, SHA-256 at first. */
  readonly digest: DigestName | undefined
  /** `-c`: content decides what has changed, not size and time alone. */
  readonly checksum: boolean
  /** `--size-only`: a file of equal size is unchanged. */
  readonly sizeOnly: boolean
  /** `--modify-window`: times that differ by no more than so many seconds are equal. Default 0. */
  readonly modifyWindow: number
  /** `--verify-writes`: each drive is read back before it is called complete. */
  readonly verifyWrites: boolean
  /** `--on-volume-full CMD`: run when a drive is wanted. */
  readonly onVolumeFull: string | undefined
  /** `--wait-for-volume`: seconds to wait for a drive instead of asking; 0: for as long as it takes. */
  readonly waitForVolume: number | undefined
  /** `--unmount`: a drive that is done is unmounted. */
  readonly unmount: boolean
  /** `--notify`: a bell and a desktop notification when a drive is wanted. */
  readonly notify: boolean
  /** `-y`: yes to using a drive beside foreign files; never to a deletion or a drive change. */
  readonly yes: boolean
  /** `--start-here`, `--no-start-here`: whether drives get a START-HERE.html; `undefined`: as before, yes at first. */
  readonly startHere: boolean | undefined
}

/** The options of the seed's `--verify`: entries `startIndex <= index < endIndex` against one drive. */
export interface SeedVerifyOptions extends TalkOptions {
  /** `-f`; the default name in the working directory when it was not given. */
  readonly jobFile: string
  /** `-o`. */
  readonly output: string
  readonly startIndex: number
  /** `-si`, exclusive; `undefined`: to the end. */
  readonly endIndex: number | undefined
  /** `-c`: content is compared too. */
  readonly checksum: boolean
}

/** The job file's name where `-f` gives no other: the seed's. */
export const DEFAULT_JOB_FILE = '.mvcopy-jobdata.json'
