/**
 * `lost`: a drive is gone. What is in the sources is copied anew by the next run, what is not is listed.
 *
 * Nothing on any drive is touched, and `adopt` takes it back when the drive turns up: so it is asked once at a
 * terminal, and done without a question elsewhere.
 */

import { nameBytes } from '../bytes.js'
import type { RunContext } from '../context.js'
import { displayName, jsonLine } from '../display.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import type { FsName } from '../native/names.js'
import {
  type Consequence,
  changeFate,
  type LostEntry,
  lostEntries,
  volumesOf,
} from '../native/query.js'
import type { Volume } from '../native/set.js'
import { nativeToUser } from '../set/faults.js'
import { findKnownSet, type SetClues } from '../set/find.js'
import { agreed, driveName } from '../set/messages.js'
import { counted } from '../size.js'
import { volumeNamed } from './drives.js'
import { dateText, Output, padEnd, padStart, sizeText } from './output.js'

/** Which drive is lost, or whose list is wanted, and how the list is given. */
export interface LostOptions extends SetClues {
  /** Number or label; undefined only with `list`: of all drives. */
  readonly volume: string | undefined
  /** Change nothing, print the list. */
  readonly list: boolean
  readonly yes: boolean
  readonly json: boolean
  readonly nul: boolean
  /** Digests in full. */
  readonly verbose: boolean
}

/** Declares a drive lost, or prints what is lost. Rejects with `UserError`. */
export async function runLost(options: LostOptions, context: RunContext): Promise<ExitCode> {
  const { file } = await findKnownSet(options, context)
  try {
    const volumes = volumesOf(file)
    const volume = options.volume === undefined ? undefined : volumeNamed(volumes, options.volume)
    if (!options.list && volume !== undefined && !(await declare(file, volume, options, context))) {
      return Exit.ok
    }
    const output = await print(file, volume, volumes, options, context)
    return context.stop.requested && !output.readerGone ? Exit.interrupted : Exit.ok
  } catch (error) {
    if (error instanceof CancelledError) return Exit.interrupted
    throw nativeToUser(error, Exit.catalog)
  }
}

/** Declares the drive lost; false where the user says no. */
async function declare(
  file: FsName,
  volume: Volume,
  options: LostOptions,
  context: RunContext,
): Promise<boolean> {
  const { report, prompter } = context
  const name = capital(driveName(volume.number, volume.label))
  if (volume.fate === 'lost') {
    report.note(`${name} was declared lost already.`)
    return true
  }
  if (prompter.canAsk && !options.yes) {
    const question = [
      `${name} holds ${counted(volume.files, 'file')} (${sizeText(volume.bytes)}). Declared lost, none of them counts as backed up any more.`,
      'Nothing is touched on any drive. Is it gone for good?',
    ]
    if (!(await agreed(context, question, false))) {
      report.note('Nothing was changed.')
      return false
    }
  }
  tell(name, await changeFate(file, volume.number, 'lose'), context)
  return true
}

function tell(name: string, { planned, unseen, alone }: Consequence, { report }: RunContext): void {
  const amount = ({ files, bytes }: { files: number; bytes: number }): string =>
    `${counted(files, 'file')} (${sizeText(bytes)})`
  report.note(`${name} counts as lost.`)
  if (planned.files > 0) {
    report.note(
      `${amount(planned)} on it ${planned.files === 1 ? 'is in the sources: the next run copies it' : 'are in the sources: the next run copies them'} to other drives.`,
    )
  }
  if (unseen.files > 0) {
    report.note(
      `${amount(unseen)} on it should be in the sources, which this host has not looked at yet: the next run will tell.`,
    )
  }
  report.note(
    alone.files > 0
      ? `${amount(alone)} cannot be had again: ${alone.files === 1 ? 'it is in no source and on no other drive. It is' : 'they are in no source and on no other drive. They are'} listed here, and by lost --list.`
      : 'As far as is known nothing is lost for good.',
  )
  report.note('If it turns up: multivolumecopy adopt -o OUTPUT takes it back.')
}

/** Prints what is lost for good, of one drive or of all. */
async function print(
  file: FsName,
  volume: Volume | undefined,
  volumes: readonly Volume[],
  options: LostOptions,
  context: RunContext,
): Promise<Output> {
  const output = new Output(context)
  const labels = new Map(volumes.map(({ number, label }) => [number, label]))
  let any = false
  for (const page of lostEntries(file, volume?.number)) {
    any = true
    await output.raw(
      options.nul
        ? Buffer.concat(page.flatMap((one) => [nameBytes(one.path), Buffer.of(0)]))
        : page.map((one) => `${line(one, labels, options)}\n`).join(''),
    )
    if (output.over) break
  }
  if (options.list && !any) context.report.note('Nothing is known to be lost for good.')
  return output
}

function line(
  one: LostEntry,
  labels: ReadonlyMap<number, string>,
  { json, verbose }: LostOptions,
): string {
  const label = labels.get(one.volume)
  if (json) {
    return jsonLine({
      type: 'lost',
      path: one.path,
      kind: one.kind,
      size: one.size,
      mtime: one.mtime,
      digest: one.digest ?? null,
      volume: { number: one.volume, label: label ?? '' },
      noted: one.noted,
    })
  }
  const digits = verbose ? 64 : 16
  const columns = [
    driveName(one.volume, label),
    padStart(sizeText(one.size), 8),
    dateText(one.seconds),
    padEnd((one.digest ?? '').replace(/^.*:/, '').slice(0, digits), digits),
    displayName(one.path),
  ]
  return columns.join('  ')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
