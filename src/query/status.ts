/**
 * `status`: how a set stands. Its sources, its drives, what waits for a copy, what could be reclaimed, what is
 * lost, what was not checked for long.
 *
 * It tells what the last run knew; neither sources nor drives are looked at.
 */

import type { Context, RunContext } from '../context.js'
import { EXIT_TEXT, Exit, type ExitCode } from '../exit.js'
import { displayName } from '../native/names.js'
import { type Held, type Status, statusOf } from '../native/query.js'
import { nativeToUser } from '../set/faults.js'
import { findKnownSet, type KnownSet, type SetClues } from '../set/find.js'
import { driveName } from '../set/messages.js'
import { counted } from '../size.js'
import { stateText, volumeFields } from './drives.js'
import { dateText, Output, sizeText, table } from './output.js'

/** Which set, and how the answer is given. */
export interface StatusOptions extends SetClues {
  readonly json: boolean
}

type Amount = Status['source']

/** Columns of the bar that shows how full a drive is. */
const BAR = 20

/** Prints how the set stands. Rejects with `UserError`. */
export async function runStatus(options: StatusOptions, context: RunContext): Promise<ExitCode> {
  const set = await findKnownSet(options, context)
  const status = await statusOf(set.file, { signal: context.stop.orderly }).catch(
    (error: unknown) => {
      throw nativeToUser(error, Exit.catalog)
    },
  )
  const output = new Output(context)
  if (options.json) await output.json(asObjects(set, status))
  else await output.lines(asText(set, status, context.env))
  return Exit.ok
}

function asObjects({ set, file, sources }: KnownSet, status: Status): object[] {
  const { volumes, lastRun, ...sums } = status
  return [
    {
      type: 'set',
      id: set.id,
      name: set.name,
      catalog: file,
      sources: sources.map(({ path, prefix, isFile }) => ({ path, prefix, isFile })),
    },
    ...volumes.map(({ volume, all, gone, renamed, superseded, alone, staleList }) => ({
      type: 'volume',
      ...volumeFields(volume),
      files: all.files,
      bytes: all.bytes,
      gone,
      renamed,
      superseded,
      alone,
      staleList,
    })),
    { type: 'status', ...sums, lastRun: lastRun ?? null },
  ]
}

function asText(set: KnownSet, status: Status, env: Context['env']): string[] {
  const lines = [`set ${displayName(set.set.name)}`]
  lines.push(
    ...table([
      ['  id', set.set.id],
      ['  catalog', displayName(set.file)],
    ]),
  )
  lines.push('', 'sources')
  if (set.sources.length === 0) lines.push('  none that this host knows')
  lines.push(
    ...table(
      set.sources.map(({ path, prefix }) => [
        `  ${displayName(path)}`,
        prefix === '' ? 'at the root of the drives' : `at ${displayName(prefix)} on the drives`,
      ]),
    ),
  )
  lines.push('', 'drives')
  if (status.volumes.length === 0) lines.push('  none yet')
  const width = Math.max(0, ...status.volumes.map(({ volume: v }) => v.number))
  for (const held of status.volumes) {
    lines.push(...driveLines(held, status, String(width).length, isUtf8(env)))
  }
  lines.push('', ...sums(status))
  return lines
}

/** Which copy of the set a drive belongs to, where there are several, or were. */
function copyText({ copy }: Held['volume'], { several, copies }: Status): string {
  if (!several) return ''
  return `, copy ${copy}${copy > copies ? ' (not wanted any more)' : ''}`
}

function driveLines(
  { volume: v, all }: Held,
  status: Status,
  digits: number,
  utf8: boolean,
): string[] {
  const used = Math.max(0, v.capacity - v.available)
  const share = v.capacity > 0 ? Math.min(1, used / v.capacity) : 0
  const room =
    v.capacity > 0
      ? `${bar(share, utf8)} ${String(Math.round(share * 100)).padStart(3)}%  ${sizeText(used)} of ${sizeText(v.capacity)}, ${sizeText(v.available)} free`
      : 'size unknown'
  // What a lost drive held is no longer placed on it; its own row still tells how much it was.
  const { files, bytes } = v.fate === 'lost' ? v : all
  const label = v.label === '' ? 'no label' : displayName(v.label)
  const verified =
    v.verified === 0
      ? 'never verified'
      : `verified ${dateText(v.verified)}${v.verifiedKind === '' ? '' : ` (${displayName(v.verifiedKind)})`}${v.verifiedBad > 0 ? `: ${counted(v.verifiedBad, 'entry', 'entries')} not good` : ''}`
  const where = v.mount === '' ? '' : `, last at ${displayName(v.mount)}`
  const indent = ' '.repeat(digits + 4)
  return [
    `  ${String(v.number).padStart(digits)}  ${label}: ${stateText(v)}${copyText(v, status)}`,
    `${indent}${room}`,
    `${indent}${counted(files, 'file')} (${sizeText(bytes)}), first written ${dateText(v.created)}, last ${dateText(v.written)}${where}`,
    `${indent}${verified}`,
  ]
}

function bar(share: number, utf8: boolean): string {
  const full = Math.round(share * BAR)
  return (utf8 ? '█' : '#').repeat(full) + (utf8 ? '░' : '.').repeat(BAR - full)
}

/** Whether the terminal is told to take UTF-8 (locale(7): the first of these that is set counts). */
function isUtf8(env: Context['env']): boolean {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((one) => (one ?? '') !== '')
  return /utf-?8/i.test(locale ?? '')
}

/** What is to be known of the set as a whole, a line each. */
function sums(status: Status): string[] {
  const { source, waiting, waitingOthers, failed, onRetired, fewer, copies, several, lost } = status
  const rows: string[][] = [['last run', lastRunText(status)]]
  // A catalog that was taken over from drives knows what they hold, and nothing of the sources yet.
  const looked = status.lastRun !== undefined
  rows.push([
    'in the sources',
    looked ? `${amount(source)}, when they were last looked at` : 'not looked at yet on this host',
  ])
  const others =
    waitingOthers > 0
      ? ` and ${counted(waitingOthers, 'directory or link', 'directories and links')}`
      : ''
  rows.push([
    'not backed up',
    waiting.files + waitingOthers === 0
      ? looked
        ? 'nothing'
        : 'not known before the next copy'
      : `${amount(waiting)}${others}`,
  ])
  if (failed.files > 0) rows.push(['', `of these ${amount(failed)} that could not be copied`])
  if (onRetired.files > 0) rows.push(['', `of these ${amount(onRetired)} on retired drives only`])
  if (copies > 1) {
    rows.push([
      `on fewer than ${copies}`,
      fewer.files === 0 ? 'nothing' : `${amount(fewer)} on fewer drives than wanted`,
    ])
  }
  const unwanted = inUse(status).filter(({ volume }) => volume.copy > copies)
  if (several && unwanted.length > 0) {
    rows.push(['not wanted any more', `${unwanted.map(nameOf).join(', ')}: left as they are`])
  }
  for (const [title, pick] of [
    ['removed from source', (h: Held) => h.gone],
    ['older versions', (h: Held) => h.superseded],
    ['to be renamed', (h: Held) => h.renamed],
  ] as const) {
    const some = inUse(status).filter((held) => pick(held).files > 0)
    some.forEach((held, n) => {
      rows.push([n === 0 ? title : '', `${amount(pick(held))} on ${nameOf(held)}`])
    })
  }
  if (lost.files > 0) {
    rows.push(['lost for good', `${amount(lost)}: multivolumecopy lost --list`])
  }
  const stale = inUse(status).filter(({ staleList, volume }) => staleList && volume.copy <= copies)
  if (stale.length > 0) {
    rows.push(['lists of the set', `not up to date on ${stale.map(nameOf).join(', ')}`])
  }
  const checked = leastChecked(status)
  if (checked !== undefined) rows.push(['to be verified', checked])
  return table(rows)
}

/** Drives that are there: a retired one too. */
function inUse({ volumes }: Status): Held[] {
  return volumes.filter(({ volume }) => volume.fate !== 'lost')
}

function nameOf({ volume }: Held): string {
  return driveName(volume.number, volume.label)
}

/** The drive that was not verified for longest, or the ones that never were. */
function leastChecked(status: Status): string | undefined {
  const drives = inUse(status)
  const never = drives.filter(({ volume }) => volume.verified === 0)
  if (never.length > 0) return `${never.map(nameOf).join(', ')}: never verified`
  const [first] = [...drives].sort((a, b) => a.volume.verified - b.volume.verified)
  return first === undefined
    ? undefined
    : `${nameOf(first)}, not since ${dateText(first.volume.verified)}`
}

function lastRunText({ lastRun }: Status): string {
  if (lastRun === undefined) return 'none'
  const { started, ended, outcome } = lastRun
  const code = /^exit (\d+)$/.exec(outcome ?? '')?.[1]
  const how =
    ended === undefined
      ? 'not ended: it is going on, or it was cut off'
      : code === undefined
        ? displayName(outcome ?? '')
        : (EXIT_TEXT[Number(code) as ExitCode] ?? `exit ${code}`)
  return `${dateText(started)}${ended === undefined ? '' : ` to ${dateText(ended)}`}: ${how}`
}

function amount({ files, bytes }: Amount): string {
  return `${counted(files, 'file')} (${sizeText(bytes)})`
}
