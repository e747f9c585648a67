/**
 * A computer with one place for drives: the drive that is repaired makes room for the one that has what it needs.
 *
 * What is needed is kept in a directory of this host, readable by its owner alone, until the first drive is back;
 * then it is removed, whatever happens. Nothing is held open on a drive while it asks.
 */

import { statfs } from 'node:fs/promises'
import path from 'node:path'
import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import type { Drives } from '../copy/drives.js'
import { usageError } from '../errors.js'
import { CancelledError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { clearSpool, type FromDrive, type Spooled, spool } from '../native/repair.js'
import type { Catalog, Volume } from '../native/set.js'
import { askForVolume } from '../prompt/questions.js'
import { driveName, listVolumes } from '../set/messages.js'
import { ensureStateDirectory, stateDirectory } from '../set/state.js'
import { counted } from '../size.js'
import { describe } from '../volume/look.js'
import type { HolderAt } from './holders.js'
import type { RepairOptions } from './options.js'
import { snapshot } from './progress.js'

/** What is left free on the host's disk, at least. */
const KEPT_FREE = 64 * 1024 * 1024

/** What was kept of another drive, and where a repair reads it. */
export interface Kept extends Spooled {
  readonly from: FromDrive
}

/** The place of the drive that is repaired. */
export class Slot {
  readonly #catalog: Catalog
  readonly #options: RepairOptions
  readonly #context: RunContext
  readonly #drives: Drives
  readonly #volume: Volume
  #dir: FsName | undefined

  constructor(
    catalog: Catalog,
    options: RepairOptions,
    context: RunContext,
    drives: Drives,
    volume: Volume,
  ) {
    this.#catalog = catalog
    this.#options = options
    this.#context = context
    this.#drives = drives
    this.#volume = volume
  }

  get #at(): FsName {
    return path.resolve(this.#context.cwd, this.#options.output)
  }

  /** Whether the drive that is repaired is still in. */
  async isIn(): Promise<boolean> {
    const { verdict } = await this.#drives.look(this.#at)
    return verdict.kind === 'volume-of-set' && verdict.id === this.#volume.id && !verdict.clone
  }

  /** Keeps what `from` has of what is needed, as far as there is room. */
  async keep(from: HolderAt, aside: boolean): Promise<Kept> {
    const { report, stop } = this.#context
    const parent = this.#parent()
    const dir = path.join(parent, `mvcopy-repair-${this.#volume.id}`)
    const { bavail, blocks, bsize } = await statfs(parent)
    const most = Math.max(0, bavail * bsize - Math.max(KEPT_FREE, (blocks * bsize) / 20))
    this.#dir = dir
    report.phaseStart('copy')
    try {
      const kept = await spool(
        this.#catalog,
        this.#volume.number,
        from,
        { dir, aside, most },
        {
          signal: stop.orderly,
          immediate: stop.immediate,
          onProgress: (progress) => report.progress(snapshot(progress, from)),
        },
      )
      if (kept.stopped) throw new CancelledError()
      this.#tell(kept, parent)
      return { ...kept, from: { path: dir, volume: from.volume, spooled: true } }
    } catch (error) {
      this.clear()
      throw error
    } finally {
      report.phaseEnd()
    }
  }

  #tell({ files, bytes, left, leftBytes }: Spooled, parent: FsName): void {
    const { report } = this.#context
    if (files > 0) {
      report.note(
        `${counted(files, 'file')} (${prettyBytes(bytes)}) kept in ${displayName(parent)} until ${this.#name} is back.`,
      )
    }
    if (left === 0) return
    const what = `${counted(left, 'file')} (${prettyBytes(leftBytes)})`
    if (files > 0) report.note(`${what} found no room there: they come in another round.`)
    else
      report.error(
        `${displayName(parent)} has no room for ${what}: name another place with --spool.`,
      )
  }

  #parent(): FsName {
    const { cwd, env } = this.#context
    const { spool: given, output } = this.#options
    if (given === undefined) {
      const directory = stateDirectory(env)
      ensureStateDirectory(directory)
      return directory
    }
    const parent = path.resolve(cwd, given)
    if (`${parent}/`.startsWith(`${this.#at}/`)) {
      throw usageError(`--spool ${displayName(given)} is on the drive at ${displayName(output)}.`)
    }
    return parent
  }

  get #name(): string {
    return driveName(this.#volume.number, this.#volume.label)
  }

  /** Asks for the drive that is repaired; false: it is not coming. */
  async askBack(): Promise<boolean> {
    const { prompter, report, stop, env } = this.#context
    const { number, label } = this.#volume
    report.event({
      type: 'volume-needed',
      wanted: { number, ...(label === '' ? {} : { label }), known: true },
      files: 0,
      bytes: 0,
    })
    if (!prompter.canAsk) {
      report.error(`${this.#name} is needed again, and nobody can be asked.`)
      return false
    }
    let said: readonly string[] = ['That is all that is needed of this drive for now.']
    for (;;) {
      const answer = await askForVolume(prompter, {
        wanted: `${this.#name} again`,
        full: said,
        path: displayName(this.#options.output),
        list: () => listVolumes(this.#catalog.volumes(), prettyBytes),
        help: ['q leaves it as it is; what was kept for it is removed.'],
        home: env.HOME,
      })
      if (stop.requested) throw new CancelledError()
      if (answer.action !== 'continue') return false
      if (await this.isIn()) return true
      const { verdict } = await this.#drives.look(this.#at)
      said = [
        describe(verdict, displayName(this.#options.output)).sentence,
        ...(answer.path === undefined ? [] : [`${this.#name} has to be where it was.`]),
      ]
    }
  }

  /** Removes what was kept. */
  clear(): void {
    if (this.#dir !== undefined) clearSpool(this.#dir)
    this.#dir = undefined
  }
}
