/**
 * `where`: which drive holds what matches a pattern.
 *
 * Answered from the host's catalog, beside a run that is going on; where the host knows nothing of the set,
 * from the lists on the drive at `-o` alone. Hits stream in pages; nothing is locked or written.
 */

import stringWidth from 'fast-string-width'
import { nameBytes } from '../bytes.js'
import type { RunContext } from '../context.js'
import { displayName, jsonLine } from '../display.js'
import { Exit, type ExitCode } from '../exit.js'
import type { FsName } from '../native/names.js'
import { driveLists, type Hit, search, volumesOf } from '../native/query.js'
import { nativeToUser } from '../set/faults.js'
import { findSet, type SetClues, type StrangeDrive } from '../set/find.js'
import { driveName } from '../set/messages.js'
import { dateText, Output, padEnd, padStart, sizeText } from './output.js'

/** What is looked for, and how the answer is given. */
export interface WhereOptions extends SetClues {
  readonly patterns: readonly FsName[]
  readonly regex: boolean
  readonly ignoreCase: boolean
  readonly json: boolean
  /** Paths only, each with a NUL behind it. */
  readonly nul: boolean
  /** Digests in full. */
  readonly verbose: boolean
}

/** A drive as a hit names it. */
interface DriveFacts {
  readonly number: number
  readonly label: string
  readonly fate: '' | 'retired' | 'lost'
}

/** Digits of a digest that are shown; `-v` and `--json` give all. */
const DIGITS = 16

/** What a standing adds to a line. */
const MARKS: Readonly<Record<Hit['standing'], string>> = {
  current: '',
  older: 'an older version',
  other: 'another version',
  gone: 'removed from the source',
  renamed: '',
  'not-backed-up': '',
  lost: 'lost with this drive',
  planned: 'planned for this drive when the list was written',
}

/** Searches and prints; exit code 1 where nothing is found. Rejects with `UserError`. */
export async function runWhere(options: WhereOptions, context: RunContext): Promise<ExitCode> {
  const set = await findSet(options, context)
  const output = new Output(context)
  let found = false
  try {
    const drives = set.kind === 'catalog' ? volumesOf(set.file) : await drivesOfList(set, context)
    const print = printer(drives, options)
    const place = set.kind === 'catalog' ? { catalog: set.file } : { output: set.path }
    const { regex, ignoreCase } = options
    const patterns = { patterns: [...options.patterns], regex, ignoreCase }
    for await (const page of search(place, patterns)) {
      found = true
      await output.raw(print(page))
      if (output.over) break
    }
  } catch (error) {
    throw nativeToUser(error, set.kind === 'catalog' ? Exit.catalog : Exit.driveFailed)
  }
  if (context.stop.requested && !output.readerGone) return Exit.interrupted
  if (found) return Exit.ok
  context.report.note('Nothing matches.')
  return Exit.differences
}

/** The drives as the list on one of them has them; says what the answer is worth. */
async function drivesOfList(drive: StrangeDrive, { report }: RunContext): Promise<DriveFacts[]> {
  const lists = await driveLists(drive.path)
  const name = driveName(lists.number, lists.label)
  report.note(
    lists.date === undefined
      ? `Answered from ${name} alone, which has no list of the whole set: only what is on it is known.`
      : `Answered from ${name} alone: its list of the set ${displayName(lists.setName)} is of ${dateText(lists.date)}.`,
  )
  if (lists.hasJournal) {
    report.warning(`A run on ${name} was broken off: it may hold more than its lists say.`)
  }
  const own = { number: lists.number, label: lists.label, fate: '' as const }
  return [own, ...lists.volumes.filter(({ number }) => number !== lists.number)]
}

/** What makes of a page the bytes that are printed. */
function printer(
  drives: readonly DriveFacts[],
  options: WhereOptions,
): (page: readonly Hit[]) => string | Buffer {
  const byNumber = new Map(drives.map((drive) => [drive.number, drive]))
  if (options.nul) {
    let last: FsName | undefined
    return (page) => {
      const parts: Buffer[] = []
      for (const { path } of page) {
        // Several copies are one path.
        if (path !== last) parts.push(nameBytes(path), Buffer.of(0))
        last = path
      }
      return Buffer.concat(parts)
    }
  }
  if (options.json) {
    return (page) => page.map((hit) => `${jsonLine(asObject(hit, byNumber))}\n`).join('')
  }
  const nowhere = 'not backed up'
  const names = new Map(drives.map(({ number, label }) => [number, driveName(number, label)]))
  const width = Math.max(nowhere.length, ...[...names.values()].map((name) => stringWidth(name)))
  const digits = options.verbose ? 64 : DIGITS
  return (page) =>
    page
      .map((hit) => {
        const name = hit.volume === 0 ? nowhere : (names.get(hit.volume) ?? `drive ${hit.volume}`)
        const columns = [
          padEnd(name, width),
          padStart(hit.kind === 'dir' ? '' : sizeText(hit.size), 8),
          dateText(hit.seconds),
          padEnd((hit.digest ?? '').replace(/^.*:/, '').slice(0, digits), digits),
        ]
        const path = displayName(hit.path) + (hit.kind === 'dir' ? '/' : '')
        const drive = byNumber.get(hit.volume)
        return `${columns.join('  ')}  ${path}${marks(hit, drive, options.verbose)}\n`
      })
      .join('')
}

/** What has to be known of a hit beside its columns. */
function marks(hit: Hit, drive: DriveFacts | undefined, verbose: boolean): string {
  const all = [
    hit.kind === 'file' || hit.kind === 'dir' ? '' : hit.kind,
    MARKS[hit.standing],
    hit.now === undefined ? '' : `now ${displayName(hit.now)}`,
    hit.stored ? '' : 'only recorded: the drive could not hold it',
    hit.there === undefined ? '' : `there ${displayName(hit.there)}`,
    verbose && hit.digest?.startsWith('blake3:') ? 'BLAKE3' : '',
    drive === undefined || drive.fate === '' || hit.standing === 'lost'
      ? ''
      : `drive ${drive.fate}`,
  ].filter((mark) => mark !== '')
  return all.length === 0 ? '' : `  (${all.join(', ')})`
}

function asObject(hit: Hit, drives: ReadonlyMap<number, DriveFacts>): object {
  const drive = drives.get(hit.volume)
  return {
    type: 'where',
    path: hit.path,
    kind: hit.kind,
    size: hit.size,
    mtime: hit.mtime,
    volume:
      hit.volume === 0
        ? null
        : { number: hit.volume, label: drive?.label ?? '', fate: drive?.fate ?? '' },
    standing: hit.standing,
    digest: hit.digest ?? null,
    ...(hit.now === undefined ? {} : { now: hit.now }),
    ...(hit.stored ? {} : { stored: false }),
    ...(hit.there === undefined ? {} : { as: hit.there }),
  }
}
