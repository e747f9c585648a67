/**
 * `plan --save FILE`: the plan as a file from which each of its volumes can be written apart, on any host.
 *
 * What can be refused is refused before the sources are looked at. A file that is there is never replaced.
 */

import { accessSync, constants, existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import type { RunContext } from '../context.js'
import { usageError } from '../errors.js'
import { Exit } from '../exit.js'
import { displayName, type FsName } from '../native/names.js'
import type { Catalog } from '../native/set.js'
import { savePlan } from '../native/volumejob.js'
import type { PlanEvent } from '../report/reporter.js'
import { nativeToUser } from '../set/faults.js'
import { counted } from '../size.js'

/** Where the plan is to be saved, absolute. Throws a usage error where it can't be. */
export function placeToSave(file: FsName, cwd: FsName): FsName {
  const absolute = path.resolve(cwd, file)
  const name = displayName(file)
  if (existsSync(nameBytes(absolute))) {
    throw usageError(
      `${name} is there already, and is not replaced.`,
      'Name another file with --save, or remove this one.',
    )
  }
  const above = path.dirname(absolute)
  try {
    if (!statSync(nameBytes(above)).isDirectory()) throw new Error('no directory')
    accessSync(nameBytes(above), constants.W_OK)
  } catch {
    throw usageError(
      `The plan cannot be saved: ${displayName(above)} is no directory that can be written.`,
      'Name a file in one that all hosts can read.',
    )
  }
  return absolute
}

/** Saves the plan of `run`, and tells how its volumes are written. Rejects with `UserError`. */
export async function keepPlan(
  catalog: Catalog,
  run: number,
  file: FsName,
  event: PlanEvent,
  { report, stop }: RunContext,
): Promise<void> {
  const numbers = event.volumes.map(({ number }) => number)
  const [first] = numbers
  if (first === undefined) {
    report.note(`Nothing is to be copied; no plan is saved.`)
    return
  }
  if (event.volumes.some(({ capacity }) => capacity === undefined)) {
    throw usageError(
      'A plan for drives of unknown size cannot be saved.',
      'Give the size of the drives with --volume-size, several times for unequal ones.',
    )
  }
  await savePlan(catalog, run, file, { signal: stop.orderly }).catch((error: unknown) => {
    throw nativeToUser(error, Exit.catalog)
  })
  const name = displayName(file)
  report.note(
    `The plan is saved in ${name}: ${counted(numbers.length, 'drive')} (${numbersOf(numbers)}).`,
  )
  report.note(
    numbers.length === 1
      ? `Write it where you like: multivolumecopy copy --volume ${first} --catalog ${name} -o DRIVE. Then adopt it.`
      : `Write each where you like: multivolumecopy copy --volume ${first} --catalog ${name} -o DRIVE. Then adopt them.`,
  )
}

/** Volume numbers for a sentence; a row of them as its ends. */
export function numbersOf(numbers: readonly number[]): string {
  const spans: [number, number][] = []
  for (const n of numbers.toSorted((a, b) => a - b)) {
    const last = spans.at(-1)
    if (last !== undefined && n === last[1] + 1) last[1] = n
    else spans.push([n, n])
  }
  return spans.map(([a, b]) => (a === b ? `${a}` : `${a} to ${b}`)).join(', ')
}
