/**
 * The drives of a run: what stands at the outputs, which of them is which volume, opening and closing.
 *
 * The drive's word counts: its generation is raised on the drive first and in the catalog afterwards, so
 * a crash between the two never makes a drive look like an old copy of itself.
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import type { RunContext } from '../context.js'
import { UserError } from '../errors.js'
import { Exit } from '../exit.js'
import type { FsName } from '../native/names.js'
import type { Catalog, OpenDrive, SetInfo, Volume } from '../native/set.js'
import { holdsWindowsNames, inspect, type PathFacts } from '../native/volume.js'
import type { VolumeSpace } from '../plan/ledger.js'
import { refusedNames } from '../plan/names.js'
import { rfc3339 } from '../set/messages.js'
import { PROGRAM, version } from '../version.js'
import type { JudgeContext, Verdict } from '../volume/facts.js'
import { describe, describeWarning, type Look, look } from '../volume/look.js'
import { mayLink } from '../volume/place.js'
import type { Amount } from './options.js'
import type { GivenSource } from './sources.js'

/** With less than this free, in bytes, a drive is of no use for a new volume. */
const SMALLEST = 1_000_000

/** A drive that is open, and what it is. */
export interface Mounted {
  readonly path: FsName
  readonly facts: PathFacts
  readonly volume: Volume
  readonly drive: OpenDrive
  /** It has just joined the set. */
  readonly fresh: boolean
  /** The catalog does not know it from itself, or not as it is now: its manifest is read anew. */
  readonly reread: boolean
}

/** What the drives of a run have in common. */
export class Drives {
  readonly #catalog: Catalog
  readonly #set: SetInfo
  readonly #context: RunContext
  readonly #sources: readonly GivenSource[]
  readonly #oneFileSystem: boolean
  readonly #onlyLooks: boolean
  /** Warnings that were told, so that each is told once. */
  readonly #told = new Set<string>()
  /** Outputs whose foreign files the user agreed to leave beside ours. */
  readonly foreignAgreed = new Set<string>()
  /** The id of the volume that was closed last in this run. */
  justFilled: string | null = null

  /** `onlyLooks`: nothing is made, not even a plain folder. */
  constructor(
    catalog: Catalog,
    context: RunContext,
    sources: readonly GivenSource[],
    oneFileSystem: boolean,
    onlyLooks = false,
  ) {
    this.#catalog = catalog
    this.#set = catalog.setInfo()
    this.#context = context
    this.#sources = sources
    this.#oneFileSystem = oneFileSystem
    this.#onlyLooks = onlyLooks
  }

  /** Looks at an output, makes a plain folder that may be made, and tells the warnings once. */
  async look(output: FsName): Promise<Look> {
    let seen = await look(output, this.#judgeContext())
    if (seen.verdict.kind === 'missing' && seen.verdict.creatable) {
      if (this.#onlyLooks) return this.#asIfMade(seen)
      mkdirSync(nameBytes(seen.facts.path))
      seen = await look(output, this.#judgeContext())
    }
    // Of what is not used there is nothing to warn.
    const usable = ['blank', 'foreign', 'volume-of-set'].includes(seen.verdict.kind)
    const texts = (usable ? seen.warnings : []).map((one) => describeWarning(one, output))
    if (seen.verdict.kind === 'lost') {
      // Other drives may do for this run, and nothing else would say that it has turned up.
      const { sentence, hint } = describe(seen.verdict, output)
      texts.push(`${sentence} ${hint}`)
    }
    for (const text of texts) {
      if (this.#told.has(text)) continue
      this.#told.add(text)
      this.#context.report.warning(text)
    }
    return seen
  }

  /** Whether a look at this output would make a folder: a slip of the keyboard is to make none. */
  async wouldMake(output: FsName): Promise<boolean> {
    const { verdict } = await look(output, this.#judgeContext())
    return verdict.kind === 'missing' && verdict.creatable
  }

  /** What a folder would be that is not made yet: empty, on the file system of the directory above. */
  async #asIfMade(seen: Look): Promise<Look> {
    const above = await inspect(path.dirname(seen.facts.path))
    return {
      ...seen,
      facts: { ...above, path: seen.facts.path, realPath: seen.facts.path, isMountPoint: false },
      verdict: { kind: 'blank' },
    }
  }

  #judgeContext(): JudgeContext {
    const volumes = this.#catalog.volumes()
    return {
      setId: this.#set.id,
      known: volumes,
      justFilledId: this.justFilled,
      sources: this.#sources.map(({ facts }) => facts),
      oneFileSystem: this.#oneFileSystem,
      hadDriveAt: this.#catalog.places(),
      smallest: SMALLEST,
      purpose: 'write',
    }
  }

  /** Opens a drive that is a volume of the set. Rejects with `NativeError`. */
  async openKnown(
    output: FsName,
    facts: PathFacts,
    verdict: Extract<Verdict, { kind: 'volume-of-set' }>,
  ): Promise<Mounted> {
    const known = this.#catalog.volumes().find(({ id }) => id === verdict.id)
    const volume = known ?? this.#blankVolume(facts, verdict.id, verdict.number, verdict.label)
    const reread = known === undefined || known.asOf !== 0 || known.files === 0 || verdict.ahead
    return this.#open(output, facts, { ...volume, generation: verdict.generation }, false, reread)
  }

  /** Makes a volume of a blank drive (or one with foreign files) and opens it. */
  async openNew(
    output: FsName,
    facts: PathFacts,
    number: number,
    label: string,
    copy = 1,
  ): Promise<Mounted> {
    const id = randomUUID().replaceAll('-', '')
    const volume = { ...this.#blankVolume(facts, id, number, label), copy }
    return this.#open(output, facts, volume, true, false)
  }

  #blankVolume(facts: PathFacts, id: string, number: number, label: string): Volume {
    const now = Math.floor(Date.now() / 1000)
    return {
      number,
      id,
      label,
      state: 'open',
      generation: 0,
      fsType: facts.mount?.fsType ?? '',
      fsUuid: facts.fsUuid ?? '',
      capacity: facts.space?.total ?? 0,
      available: facts.space?.free ?? 0,
      blockSize: facts.space?.block ?? 4096,
      inodesFree: facts.space?.freeInodes ?? 0,
      hasLinks: true,
      mount: '',
      created: now,
      written: now,
      files: 0,
      bytes: 0,
      fate: '',
      verified: 0,
      verifiedKind: '',
      verifiedBad: 0,
      listed: 0,
      asOf: 0,
      copy: facts.volume?.copy ?? 1,
    }
  }

  async #open(
    output: FsName,
    facts: PathFacts,
    volume: Volume,
    fresh: boolean,
    reread: boolean,
  ): Promise<Mounted> {
    const drive = await this.#catalog.openDrive({
      path: facts.path,
      ...(facts.mount === undefined ? {} : { mountId: facts.mount.id }),
      setId: this.#set.id,
      setName: this.#set.name,
      number: volume.number,
      copy: volume.copy,
      volumeId: volume.id,
      label: volume.label,
      generation: fresh ? 1 : volume.generation,
      now: rfc3339(new Date()),
      capacity: facts.space?.total ?? 0,
      tool: `${PROGRAM} ${version()}`,
      known: !fresh,
      session: randomBytes(8).toString('hex'),
    })
    const opened: Volume = {
      ...volume,
      ...spaceOf(facts),
      state: 'open',
      generation: drive.facts.generation,
      hasLinks: drive.facts.links,
      mount: facts.isMountPoint ? (facts.mount?.mountPoint ?? facts.path) : '',
      written: Math.floor(Date.now() / 1000),
      asOf: 0,
    }
    this.#catalog.putVolume(opened)
    return { path: output, facts, volume: opened, drive, fresh, reread }
  }

  /** Notes what a closed drive holds and how much room it has now. */
  async noteClosed(
    mounted: Mounted,
    complete: boolean,
    held: { files: number; bytes: number },
  ): Promise<void> {
    const { facts } = await look(mounted.path, this.#judgeContext())
    const sameDrive = facts.volume?.id === mounted.volume.id
    this.#catalog.putVolume({
      ...mounted.volume,
      ...(sameDrive ? spaceOf(facts) : {}),
      state: complete ? 'complete' : 'open',
      written: Math.floor(Date.now() / 1000),
      files: held.files,
      bytes: held.bytes,
    })
  }
}

function spaceOf(
  facts: PathFacts,
): Partial<Pick<Volume, 'available' | 'inodesFree' | 'capacity' | 'blockSize'>> {
  if (facts.space === undefined) return {}
  const { free, freeInodes, total, block } = facts.space
  return { available: free, inodesFree: freeInodes, capacity: total, blockSize: block }
}

/** Bytes to be left free on a drive of this capacity. */
export function reserveOf(amount: Amount, capacity: number): number {
  return amount.unit === 'bytes' ? amount.bytes : (capacity * amount.percent) / 100
}

/** The cap of `--volume-size` for the volume of this number; the last size is repeated. */
export function capOf(sizes: readonly number[], number: number): number | undefined {
  return sizes[Math.min(number, sizes.length) - 1]
}

/** A drive that is there, for the plan. */
export function spaceOfDrive(
  facts: PathFacts,
  number: number,
  volume: Volume | undefined,
  reserve: Amount,
  sizes: readonly number[],
): VolumeSpace {
  const capacity = facts.space?.total ?? 0
  const cap = capOf(sizes, number)
  return {
    number,
    capacity,
    available: facts.space?.free ?? 0,
    blockSize: facts.space?.block ?? 4096,
    inodesFree: facts.space?.freeInodes ?? 0,
    fsType: facts.mount?.fsType ?? '',
    reserve: reserveOf(reserve, capacity),
    ...(cap === undefined ? {} : { cap }),
    // A folder shares its file system with others: only what is ours counts against the cap.
    ...(facts.isMountPoint ? {} : { used: volume?.bytes ?? 0 }),
    hasLinks: volume?.hasLinks ?? mayLink(facts),
    known: true,
    opened: volume !== undefined,
    refuses: refusedNames(holdsWindowsNames(facts.mount?.fsType ?? '')),
    rewrite: rewriteOf(volume),
  }
}

/** A known volume that is not there, for the plan. */
export function spaceOfVolume(
  volume: Volume,
  reserve: Amount,
  sizes: readonly number[],
): VolumeSpace {
  const cap = capOf(sizes, volume.number)
  return {
    number: volume.number,
    capacity: volume.capacity,
    available: volume.available,
    blockSize: volume.blockSize,
    inodesFree: volume.inodesFree,
    fsType: volume.fsType,
    reserve: reserveOf(reserve, volume.capacity),
    ...(cap === undefined ? {} : { cap }),
    // As for a drive that is there: of a folder only what is ours counts.
    ...(volume.mount === '' ? { used: volume.bytes } : {}),
    hasLinks: volume.hasLinks,
    known: true,
    opened: true,
    refuses: refusedNames(holdsWindowsNames(volume.fsType)),
    rewrite: rewriteOf(volume),
  }
}

/** Bytes of manifest and sums, about: they are written anew beside the old ones. */
function rewriteOf(volume: Volume | undefined): number {
  return (volume?.files ?? 0) * 480
}

/** The error for an output that can never be one, whatever is mounted there. */
export function refusedOutput(
  verdict: Verdict,
  sentence: string,
  hint: string | undefined,
): UserError {
  const usage = ['not-a-directory', 'missing', 'inside-source', 'source-inside']
  const exit = usage.includes(verdict.kind)
    ? Exit.usage
    : verdict.kind === 'read-only'
      ? Exit.driveFailed
      : Exit.needed
  return new UserError(sentence, { exit, hint })
}
