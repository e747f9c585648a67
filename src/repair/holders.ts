/**
 * The other drives that a repair reads from: found where they are mounted, or asked for, one at a time.
 *
 * They are only read. Each is used once a run: what it turns out not to have is a finding about it.
 */

import path from 'node:path'
import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import type { Drives } from '../copy/drives.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import type { FromDrive } from '../native/repair.js'
import type { Catalog } from '../native/set.js'
import { askForVolume } from '../prompt/questions.js'
import { driveName, listVolumes } from '../set/messages.js'
import { counted } from '../size.js'
import { describe, look } from '../volume/look.js'
import { typedPath } from '../volume/place.js'
import type { RepairOptions } from './options.js'

/** What a volume has of what is needed. */
export interface Holder {
  readonly volume: number
  readonly files: number
  readonly bytes: number
}

/** A drive to read from, and how much it has of what is needed. */
export type HolderAt = FromDrive & Holder

/** Finds or asks for drives to read from. */
export class Holders {
  readonly #catalog: Catalog
  readonly #options: RepairOptions
  readonly #context: RunContext
  readonly #tried = new Set<number>()
  readonly #drives: Drives
  readonly #needing: string
  /** The code that holds because a drive was not to be had. */
  exit: ExitCode | undefined

  /** `needing`: how the drive that is repaired is called. */
  constructor(
    catalog: Catalog,
    options: RepairOptions,
    context: RunContext,
    drives: Drives,
    needing: string,
  ) {
    this.#catalog = catalog
    this.#options = options
    this.#context = context
    this.#drives = drives
    this.#needing = needing
  }

  /** Forgets that a drive was used: not all that it has could be kept. */
  again(volume: number): void {
    this.#tried.delete(volume)
  }

  /** The next drive to read from; `undefined`: there is none to be had. */
  async next(holders: readonly Holder[]): Promise<HolderAt | undefined> {
    const wanted = holders
      .filter(({ volume }) => !this.#tried.has(volume))
      .sort((a, b) => b.files - a.files || a.volume - b.volume)
    for (const place of this.#places(wanted)) {
      const volume = await this.#volumeAt(place)
      const found = wanted.find((one) => one.volume === volume)
      if (found === undefined) continue
      this.#tried.add(found.volume)
      return { path: place, ...found }
    }
    const [best] = wanted
    return best === undefined ? undefined : this.#ask(best, wanted)
  }

  /** Where drives may be: as the user said, and where they were last. */
  #places(wanted: readonly Holder[]): FsName[] {
    const given = this.#options.from.map((one) => path.resolve(this.#context.cwd, one))
    const last = this.#catalog
      .volumes()
      .filter(({ number, mount }) => mount !== '' && wanted.some(({ volume }) => volume === number))
      .map(({ mount }) => mount)
    // The one that is repaired may have made place for it.
    const here = path.resolve(this.#context.cwd, this.#options.output)
    return [...new Set([...given, ...last, here])]
  }

  /** The volume of this set that stands there, if one does. */
  async #volumeAt(place: FsName): Promise<number | undefined> {
    const { verdict } = await this.#look(place)
    return verdict.kind === 'volume-of-set' && !verdict.clone ? verdict.number : undefined
  }

  #look(place: FsName) {
    return look(place, {
      setId: this.#catalog.setInfo().id,
      known: this.#catalog.volumes(),
      justFilledId: this.#drives.justFilled,
      sources: [],
      oneFileSystem: false,
      hadDriveAt: this.#catalog.places(),
      smallest: 0,
      purpose: 'read',
    })
  }

  async #ask(best: Holder, wanted: readonly Holder[]): Promise<HolderAt | undefined> {
    const { prompter, report, stop, cwd, env } = this.#context
    const label = this.#label(best.volume)
    const name = driveName(best.volume, label)
    const what = `${counted(best.files, 'file')} (${prettyBytes(best.bytes)})`
    report.event({
      type: 'volume-needed',
      wanted: { number: best.volume, ...(label === undefined ? {} : { label }), known: true },
      files: best.files,
      bytes: best.bytes,
    })
    if (!prompter.canAsk) {
      report.error(
        `${name} has ${what} that ${best.files === 1 ? 'is' : 'are'} needed, and nobody can be asked.`,
      )
      report.note(
        'Mount it beside this one, and say where with --from. Where only one can be in at a time, run the same command at a terminal: it asks for one after the other.',
      )
      this.exit = Exit.needed
      return undefined
    }
    let said: readonly string[] = [
      `${what} that cannot be had from the sources are on ${name}.`,
      `Mount it beside ${this.#needing} and type its path; or, where only one can be in at a time, put it in the place of ${this.#needing}: what is needed is kept on this computer until that one is back.`,
    ]
    for (;;) {
      const answer = await askForVolume(prompter, {
        wanted: name,
        full: said,
        list: () => listVolumes(this.#catalog.volumes(), prettyBytes),
        help: [
          'It is only read. q leaves what it has as it is.',
          `${this.#needing} may be unmounted and unplugged now.`,
        ],
        home: env.HOME,
      })
      if (stop.requested) throw new CancelledError()
      if (answer.action !== 'continue') {
        this.exit = Exit.needed
        return undefined
      }
      const places =
        answer.path === undefined ? this.#places(wanted) : [typedPath(cwd, answer.path)]
      const refused: string[] = []
      for (const place of places) {
        const { verdict } = await this.#look(place)
        if (verdict.kind === 'volume-of-set' && !verdict.clone) {
          const found = wanted.find(({ volume }) => volume === verdict.number)
          if (found !== undefined) {
            this.#tried.add(found.volume)
            return { path: place, ...found }
          }
        }
        refused.push(describe(verdict, displayName(place)).sentence)
      }
      said = refused.length > 0 ? refused : [`${name} is not mounted where it was: type its path.`]
    }
  }

  #label(number: number): string | undefined {
    return this.#catalog.volumes().find((one) => one.number === number)?.label
  }
}
