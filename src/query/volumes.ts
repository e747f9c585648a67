/** `volumes`: the drives of a set in short; relabelled, retired, taken back into use. */

import type { RunContext } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { displayName } from '../native/names.js'
import { changeFate, relabel, volumesOf } from '../native/query.js'
import type { Volume } from '../native/set.js'
import { nativeToUser } from '../set/faults.js'
import { findKnownSet, type SetClues } from '../set/find.js'
import { driveName } from '../set/messages.js'
import { counted } from '../size.js'
import { stateText, volumeFields, volumeNamed } from './drives.js'
import { dateText, Output, sizeText, table } from './output.js'

/** What is to be done. */
export type VolumesAction =
  | { readonly kind: 'list' }
  | { readonly kind: 'relabel'; readonly volume: string; readonly label: string }
  | { readonly kind: 'retire'; readonly volume: string; readonly undo: boolean }

/** What is to be done with the drives of which set. */
export interface VolumesOptions extends SetClues {
  readonly action: VolumesAction
  readonly json: boolean
}

/** Lists or changes the drives. Rejects with `UserError`. */
export async function runVolumes(options: VolumesOptions, context: RunContext): Promise<ExitCode> {
  const { file } = await findKnownSet(options, context)
  const { action } = options
  try {
    const volumes = volumesOf(file)
    if (action.kind === 'list') {
      await list(volumes, options.json, context)
      return Exit.ok
    }
    const volume = volumeNamed(volumes, action.volume)
    if (action.kind === 'relabel') {
      rename(file, volumes, volume, action.label, context)
    } else {
      await retire(file, volume, action.undo, context)
    }
    return Exit.ok
  } catch (error) {
    throw nativeToUser(error, Exit.catalog)
  }
}

async function list(volumes: readonly Volume[], json: boolean, context: RunContext): Promise<void> {
  const output = new Output(context)
  if (json) {
    await output.json(
      volumes.map((v) => ({ type: 'volume', ...volumeFields(v), files: v.files, bytes: v.bytes })),
    )
    return
  }
  if (volumes.length === 0) context.report.note('The set has no drives yet.')
  const rows = volumes.map((v) => [
    driveName(v.number, v.label),
    counted(v.files, 'file'),
    sizeText(v.bytes),
    `${sizeText(v.available)} free`,
    `written ${dateText(v.written)}`,
    stateText(v),
  ])
  await output.lines(table(rows, [1, 2, 3]))
}

function rename(
  file: string,
  volumes: readonly Volume[],
  volume: Volume,
  label: string,
  { report }: RunContext,
): void {
  if (/^\d+$/.test(label)) {
    throw usageError(
      'A label of digits alone would be taken for the number of a drive.',
      'Add a letter.',
    )
  }
  const other = volumes.find((one) => one.label === label && one.number !== volume.number)
  if (other !== undefined) {
    throw usageError(`${label} is the label of drive ${other.number} already.`, 'Choose another.')
  }
  relabel(file, volume.number, label)
  report.note(
    `Drive ${volume.number} is ${displayName(label)} now. The drive itself and the lists on the others say so when they are next written.`,
  )
}

async function retire(
  file: string,
  volume: Volume,
  undo: boolean,
  { report }: RunContext,
): Promise<void> {
  const name = driveName(volume.number, volume.label)
  if (volume.fate === 'lost') {
    throw new UserError(`${capital(name)} was declared lost.`, {
      exit: Exit.usage,
      hint: 'If it is there: multivolumecopy adopt -o OUTPUT takes it back.',
    })
  }
  if (undo) {
    if (volume.fate === '') throw usageError(`${capital(name)} is not retired.`)
    await changeFate(file, volume.number, 'unretire')
    report.note(`${capital(name)} is in use again: what is on it counts.`)
    return
  }
  const { planned, alone } = await changeFate(file, volume.number, 'retire')
  const amount = (files: number, bytes: number): string =>
    `${counted(files, 'file')} (${sizeText(bytes)})`
  report.note(`${capital(name)} is retired: it gets nothing new, and nothing on it is touched.`)
  report.note(
    planned.files === 0
      ? 'All of the source that is on it is on other drives too.'
      : `${amount(planned.files, planned.bytes)} on it ${planned.files === 1 ? 'is' : 'are'} copied to other drives by the next run. Keep the drive until then.`,
  )
  if (alone.files > 0) {
    report.warning(
      `${amount(alone.files, alone.bytes)} on it ${alone.files === 1 ? 'is in no source and on no other drive: it stays' : 'are in no source and on no other drive: they stay'} on this drive alone.`,
    )
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
