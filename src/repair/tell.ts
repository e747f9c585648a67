/**
 * What a repair says: a line on stdout for each entry, what came of it, and at the end what is left and what can be
 * done about it.
 *
 * The lines are `WORD  PATH`; with `--json` they are objects. Of each word at most 1,000 entries are named.
 */

import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { Exit, type ExitCode } from '../exit.js'
import { displayName, type FsName } from '../native/names.js'
import type { Named, Outlook, Repaired } from '../native/repair.js'
import type { Volume } from '../native/set.js'
import { Output } from '../query/output.js'
import { driveName } from '../set/messages.js'
import { counted, formatCount } from '../size.js'

/** What became of an entry, or what would. */
type Word =
  | 'repaired'
  | 'good'
  | 'kept-beside'
  | 'from-source'
  | 'elsewhere'
  | 'changed'
  | 'newer'
  | 'differs'
  | 'unseen'
  | 'lost'

/** The words as lines have them, and in the order in which they come. */
const TEXT: Readonly<Record<Word, string>> = {
  repaired: 'repaired',
  good: 'good after all',
  'kept-beside': 'kept beside',
  'from-source': 'from the source',
  elsewhere: 'on another drive',
  changed: 'changed on the drive',
  newer: 'newer in the source',
  differs: 'other in the source',
  unseen: 'source not there',
  lost: 'lost',
}

const WIDTH = Math.max(...Object.values(TEXT).map((text) => text.length))

/** Tells what a repair does. */
export class Telling {
  readonly #context: RunContext
  readonly #json: boolean
  readonly #output: Output
  #repaired = { files: 0, bytes: 0 }
  #good = 0
  readonly #began = Date.now()

  constructor(context: RunContext, json: boolean) {
    this.#context = context
    this.#json = json
    this.#output = new Output(context)
  }

  /** What one go through the findings came to. */
  async done(volume: Volume, { repaired, good, aside }: Repaired): Promise<void> {
    this.#repaired.files += repaired.count
    this.#repaired.bytes += repaired.bytes
    this.#good += good.count
    await this.#named(volume, 'repaired', repaired)
    await this.#named(volume, 'good', good)
    for (const { path, name } of aside) {
      if (this.#json) {
        await this.#output.json([
          { type: 'repair-result', result: 'kept-beside', path, as: name, ...ofVolume(volume) },
        ])
      } else {
        await this.#output.lines([
          `${TEXT['kept-beside'].padEnd(WIDTH)}  ${displayName(path)} as ${displayName(name)}`,
        ])
      }
    }
  }

  /** `-n`: what would be done. */
  async dryRun(
    volume: Volume,
    outlook: Outlook,
    labels: ReadonlyMap<number, string>,
  ): Promise<ExitCode> {
    const { report } = this.#context
    await this.#named(volume, 'from-source', outlook.fromSource)
    await this.#rest(volume, outlook)
    this.#tellHolders(outlook, labels)
    report.note(
      `${counted(outlook.fromSource.count, 'entry', 'entries')} (${prettyBytes(outlook.fromSource.bytes)}) would be brought back from the sources. Nothing was written.`,
    )
    return Exit.ok
  }

  /** What is left at the end. */
  async left(
    volume: Volume,
    outlook: Outlook,
    labels: ReadonlyMap<number, string>,
    exit: ExitCode,
  ): Promise<void> {
    const { report } = this.#context
    await this.#rest(volume, outlook)
    const { files, bytes } = this.#repaired
    const name = driveName(volume.number, volume.label)
    report.note(
      `${counted(files, 'entry', 'entries')} (${prettyBytes(bytes)}) repaired on ${name} and read back${this.#good > 0 ? `; ${formatCount(this.#good)} good after all` : ''}.`,
    )
    this.#tellHolders(outlook, labels)
    const { changed, newer, differs, unseen, lost, again } = wordsOf(outlook)
    for (const line of [changed, newer, differs, unseen, lost, again]) {
      if (line !== undefined) report.warning(line)
    }
    if (!this.#json) return
    await this.#output.json([
      {
        type: 'summary',
        exit,
        complete: exit === Exit.ok,
        interrupted: false,
        repaired: { files, bytes },
        good: this.#good,
        remaining: Object.fromEntries(
          lists(outlook).map(([word, { count, bytes: size }]) => [
            word,
            { files: count, bytes: size },
          ]),
        ),
        volumes: [ofVolume(volume).volume],
        seconds: (Date.now() - this.#began) / 1000,
      },
    ])
  }

  async #rest(volume: Volume, outlook: Outlook): Promise<void> {
    for (const [word, list] of lists(outlook)) await this.#named(volume, word, list)
  }

  #tellHolders({ volumes, elsewhere }: Outlook, labels: ReadonlyMap<number, string>): void {
    if (elsewhere.count === 0) return
    const drives = volumes.map(
      ({ volume, files, bytes }) =>
        `  ${driveName(volume, labels.get(volume))}: ${counted(files, 'file')}, ${prettyBytes(bytes)}`,
    )
    this.#context.report.block([
      `${counted(elsewhere.count, 'file')} can be had from other drives:`,
      ...drives,
    ])
  }

  async #named(volume: Volume, word: Word, { count, names }: Named): Promise<void> {
    if (this.#json) {
      await this.#output.json(
        names.map((path: FsName) => ({
          type: 'repair-result',
          result: word,
          path,
          ...ofVolume(volume),
        })),
      )
    } else {
      await this.#output.lines(
        names.map((path) => `${TEXT[word].padEnd(WIDTH)}  ${displayName(path)}`),
      )
    }
    const more = count - names.length
    if (more > 0) {
      this.#context.report.note(`${TEXT[word]}: ${formatCount(more)} more.`)
    }
  }
}

function lists(outlook: Outlook): [Word, Named][] {
  return [
    ['elsewhere', outlook.elsewhere],
    ['changed', outlook.changed],
    ['newer', outlook.newer],
    ['differs', outlook.silent],
    ['unseen', outlook.unseen],
    ['lost', outlook.lost],
  ]
}

function ofVolume({ number, label }: Volume): { volume: { number: number; label: string } } {
  return { volume: { number, label } }
}

/** The sentences about what is left; undefined where there is nothing of the kind. */
function wordsOf(outlook: Outlook) {
  const say = ({ count }: Named, one: string, many: string): string | undefined =>
    count === 0 ? undefined : `${counted(count, 'file')} ${count === 1 ? one : many}`
  return {
    changed: say(
      outlook.changed,
      'was changed on the drive and is left alone; --set-aside brings back what was backed up and keeps the changed version beside it.',
      'were changed on the drive and are left alone; --set-aside brings back what was backed up and keeps the changed versions beside it.',
    ),
    newer: say(
      outlook.newer,
      'has another version in the source now: the next copy brings that.',
      'have another version in the source now: the next copy brings that.',
    ),
    differs: say(
      outlook.silent,
      'has other content in the source, under the same size and time: which of them is right nobody can tell. copy -c takes that of the source.',
      'have other content in the source, under the same size and time: which of them is right nobody can tell. copy -c takes that of the source.',
    ),
    unseen: say(
      outlook.unseen,
      'may be in a source that is not there now: mount it and repair again.',
      'may be in a source that is not there now: mount it and repair again.',
    ),
    lost: say(
      outlook.lost,
      'cannot be had again: it is in no source and whole on no drive (multivolumecopy lost --list). What is left of it stays on the drive.',
      'cannot be had again: they are in no source and whole on no drive (multivolumecopy lost --list). What is left of them stays on the drive.',
    ),
    again: say(
      outlook.fromSource,
      'is in the source and could not be brought back; see above.',
      'are in the source and could not be brought back; see above.',
    ),
  }
}
