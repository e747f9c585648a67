/**
 * The drives of a restore: what stands at the outputs, and asking for one that is not there.
 *
 * Drives are only looked at and read. While it asks nothing is open on any drive. A drive that is not wanted
 * is named, and the question comes again; where nobody can be asked the run ends and says what is needed.
 */

import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { displayName, type FsName } from '../native/names.js'
import type { Catalog } from '../native/set.js'
import { type Mount, mounts, type PathFacts } from '../native/volume.js'
import { askForVolume } from '../prompt/questions.js'
import { agreed, driveName, listVolumes } from '../set/messages.js'
import { counted } from '../size.js'
import { newMounts } from '../volume/arrival.js'
import { describe, look } from '../volume/look.js'
import { typedPath } from '../volume/place.js'
import type { Share } from './cover.js'
import { keepApart } from './destination.js'

/** A drive of the set that is mounted. */
export interface Found {
  readonly number: number
  readonly facts: PathFacts
}

/** What asking for a drive came to. */
export type Obtained =
  | { readonly kind: 'drive'; readonly drive: Found }
  /** The user goes on without this one. */
  | { readonly kind: 'skip'; readonly number: number }
  | { readonly kind: 'quit' }
  | { readonly kind: 'nobody' }

/** What the shelf works with. */
export interface ShelfParts {
  readonly catalog: Catalog
  readonly context: RunContext
  readonly destination: PathFacts
  /** Where drives are looked for; a path that the user types joins them. */
  readonly outputs: FsName[]
  /** Drives that can't be used, by number, and why. */
  readonly refused: ReadonlyMap<number, string>
}

/** Finds and asks for drives. */
export class Shelf {
  readonly #p: ShelfParts

  constructor(parts: ShelfParts) {
    this.#p = parts
  }

  /** The drives of the set that are mounted at the outputs now, in the order of the outputs. */
  async mounted(): Promise<Found[]> {
    const found: Found[] = []
    for (const output of this.#p.outputs) {
      const seen = await this.#look(output)
      if ('drive' in seen && !found.some(({ number }) => number === seen.drive.number)) {
        found.push(seen.drive)
      }
    }
    return found
  }

  /** What stands at a path: a drive of the set, or why it is none that can be used. */
  async #look(output: FsName): Promise<{ drive: Found } | { no: string[]; number?: number }> {
    const { catalog, destination, refused } = this.#p
    const { verdict, facts } = await look(output, {
      setId: catalog.setInfo().id,
      known: catalog.volumes(),
      justFilledId: null,
      sources: [],
      oneFileSystem: false,
      hadDriveAt: catalog.places(),
      smallest: 0,
      purpose: 'read',
    })
    const { sentence, hint } = describe(verdict, output)
    const no = hint === undefined ? [sentence] : [sentence, hint]
    switch (verdict.kind) {
      case 'volume-of-set': {
        if (verdict.clone) return { no }
        const why = refused.get(verdict.number)
        if (why !== undefined) return { no: [sentence, why], number: verdict.number }
        keepApart(destination, facts)
        return { drive: { number: verdict.number, facts } }
      }
      case 'lost':
        // It has turned up: what is on it can be read, whatever the set thinks of it.
        keepApart(destination, facts)
        return { drive: { number: verdict.number, facts } }
      case 'blank':
      case 'foreign':
        return { no: [`${displayName(output)} is no drive of a set.`] }
      default:
        return { no }
    }
  }

  /** Asks for one of the drives; `wanted`: what each is to give, those that are asked for first at the front. */
  async ask(wanted: readonly Share[], done: string | undefined): Promise<Obtained> {
    const [first] = wanted
    if (first === undefined) throw new Error('no drive is wanted')
    const { catalog, context } = this.#p
    const { prompter, report, cwd, env, stop } = context
    const labels = new Map(catalog.volumes().map(({ number, label }) => [number, label]))
    const named = (number: number): string => driveName(number, labels.get(number))
    report.event({
      type: 'volume-needed',
      wanted: { number: first.volume, label: labels.get(first.volume), known: true },
      files: first.files,
      bytes: first.bytes,
    })
    if (stop.requested) return { kind: 'quit' }
    if (!prompter.canAsk) {
      for (const output of this.#p.outputs) {
        const seen = await this.#look(output)
        if ('no' in seen) for (const line of seen.no) report.error(line)
      }
      const needed = wanted.map((one) => `${named(one.volume)} for ${amount(one)}`).join('; ')
      report.error(`Needed: ${needed}. Nobody can be asked.`)
      report.note('Mount what is needed and run the same command again: it goes on from here.')
      return { kind: 'nobody' }
    }
    const others = wanted.slice(1).map(({ volume }) => named(volume))
    const later = others.length === 0 ? [] : [`After it: ${others.join(', ')}; any order will do.`]
    let said: readonly string[] = [...(done === undefined ? [] : [done]), ...later]
    let before = await mounts()
    for (;;) {
      const [place] = this.#p.outputs
      const answer = await askForVolume(prompter, {
        wanted: `${named(first.volume)} for ${amount(first)}`,
        full: said,
        path: place === undefined ? undefined : displayName(place),
        list: () => listVolumes(catalog.volumes(), prettyBytes),
        help: ['Drives are only read.'],
        home: env.HOME,
        skip: `go on without ${named(first.volume)}: what is only there stays missing`,
      })
      if (answer.action === 'quit') return { kind: 'quit' }
      if (answer.action === 'skip') return { kind: 'skip', number: first.volume }
      if (answer.action === 'eof') return { kind: stop.requested ? 'quit' : 'nobody' }
      const typed = answer.path === undefined ? undefined : typedPath(cwd, answer.path)
      const refused: string[] = []
      for (const output of typed === undefined ? this.#p.outputs : [typed]) {
        const tried = await this.#try(output, wanted, named)
        if ('drive' in tried) return { kind: 'drive', drive: tried.drive }
        refused.push(...tried.no)
      }
      const now = await mounts()
      const offered =
        typed === undefined ? await this.#offer(before, now, wanted, named) : undefined
      if (offered !== undefined) return { kind: 'drive', drive: offered }
      before = now
      said = refused
    }
  }

  async #try(
    output: FsName,
    wanted: readonly Share[],
    named: (number: number) => string,
  ): Promise<{ drive: Found } | { no: string[] }> {
    const seen = await this.#look(output)
    if ('no' in seen) return seen
    const { number } = seen.drive
    if (!wanted.some(({ volume }) => volume === number)) {
      const [first] = wanted
      const name = first === undefined ? 'another drive' : named(first.volume)
      return {
        no: [
          `${displayName(output)} is ${named(number)}: nothing more is wanted of it; ${name} is.`,
        ],
      }
    }
    if (!this.#p.outputs.includes(output)) this.#p.outputs.unshift(output)
    return seen
  }

  /** Offers a wanted drive that was mounted somewhere else since the question came. */
  async #offer(
    before: readonly Mount[],
    now: readonly Mount[],
    wanted: readonly Share[],
    named: (number: number) => string,
  ): Promise<Found | undefined> {
    for (const mount of newMounts(before, now, this.#p.outputs)) {
      const seen = await this.#look(mount.mountPoint)
      if (!('drive' in seen)) continue
      const { number } = seen.drive
      if (!wanted.some(({ volume }) => volume === number)) continue
      const at = displayName(mount.mountPoint)
      const question = `${named(number)} has been mounted at ${at}. Use it?`
      if (!(await agreed(this.#p.context, [question], true))) continue
      this.#p.outputs.unshift(mount.mountPoint)
      return seen.drive
    }
    return undefined
  }
}

function amount({ files, bytes, entries }: Share): string {
  const text = `${counted(files, 'file')} (${prettyBytes(bytes)})`
  return entries > files
    ? `${text} and ${counted(entries - files, 'other entry', 'other entries')}`
    : text
}
