/**
 * Drives that carry volumes: each is read, the catalog is brought into agreement with it, and what that
 * changed is told, as is what nobody knows yet.
 */

import path from 'node:path'
import type { RunContext } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit } from '../exit.js'
import { type Learned, learnDrive, moveSource, noteList, unknownVolumes } from '../native/adopt.js'
import { counts } from '../native/job.js'
import { displayName, type FsName } from '../native/names.js'
import type { Catalog, Volume } from '../native/set.js'
import type { PathFacts } from '../native/volume.js'
import { dateText } from '../query/output.js'
import { driveName, rfc3339 } from '../set/messages.js'
import { removeCatalog } from '../set/state.js'
import { counted, formatCount } from '../size.js'
import { placeOf } from '../volume/place.js'
import { openFor } from './catalog.js'
import type { AdoptOptions } from './options.js'

/** A mounted drive that carries a volume. */
export interface OurDrive {
  /** As the user gave it. */
  readonly output: FsName
  readonly facts: PathFacts
  readonly volume: NonNullable<PathFacts['volume']>
}

/** Names of what differs that are told, of each kind. */
const NAMED = 10

/** Takes the drives over and gives the catalog's file. Rejects with `UserError` and `NativeError`. */
export async function takeOverOurs(
  drives: readonly OurDrive[],
  options: AdoptOptions,
  context: RunContext,
): Promise<FsName> {
  const [first] = drives
  if (first === undefined) throw new Error('no drive')
  const { setId, setName } = first.volume
  const stranger = drives.find(({ volume }) => volume.setId !== setId)
  if (stranger !== undefined) {
    throw usageError(
      `The drives belong to two sets: ${displayName(setName)} and ${displayName(stranger.volume.setName)}.`,
      'Take over one set at a time.',
    )
  }
  const set = { id: setId, name: setName, created: Math.floor(Date.now() / 1000) }
  const { catalog, created } = await openFor(set, options, context)
  try {
    refuseClones(catalog, drives)
    for (const drive of drives) await takeOver(catalog, drive, context)
    placeSources(catalog, options, context)
    const job = { signal: context.stop.orderly, immediate: context.stop.immediate }
    for (const { facts } of drives) await noteList(catalog, facts.path, job)
    tellRest(catalog, context)
    return catalog.file
  } finally {
    const never = created && catalog.volumes().length === 0
    catalog.close()
    if (never) removeCatalog(catalog.file)
  }
}

/** An old copy of a drive is refused before anything of any drive is taken over. */
function refuseClones(catalog: Catalog, drives: readonly OurDrive[]): void {
  const known = catalog.volumes()
  const newest = new Map(known.map((one) => [one.id, one.generation]))
  for (const { volume } of drives) {
    newest.set(volume.id, Math.max(newest.get(volume.id) ?? 0, volume.generation))
  }
  const ids = new Set<string>()
  for (const { output, volume } of drives) {
    const twice = ids.has(volume.id)
    ids.add(volume.id)
    if (!twice && volume.generation >= (newest.get(volume.id) ?? 0)) continue
    throw new UserError(
      twice
        ? `${displayName(output)} is a second copy of ${driveName(volume.number, volume.label)}.`
        : `${displayName(output)} is an old copy of ${driveName(volume.number, volume.label)}: the drive itself has been written since.`,
      { exit: Exit.needed, hint: 'Nothing was taken over. Mount the drive itself.' },
    )
  }
}

async function takeOver(
  catalog: Catalog,
  { output, facts }: OurDrive,
  context: RunContext,
): Promise<void> {
  const { report, stop } = context
  report.phaseStart('compare')
  const learned = await learnDrive(catalog, placeOf(facts), {
    signal: stop.orderly,
    immediate: stop.immediate,
    onProgress: (progress) =>
      report.progress({ ...counts(progress), files: { done: progress.entries } }),
  })
  report.phaseEnd()
  tell(context, output, learned)
}

function tell({ report }: RunContext, output: FsName, learned: Learned): void {
  const { volume, differences, list } = learned
  const { number, label, files, bytes } = volume
  const name = driveName(number, label)
  report.event({
    type: 'adopted',
    volume: { number, label },
    path: output,
    fresh: false,
    files,
    bytes,
    differing: differences?.changed ?? 0,
    ...(differences === undefined
      ? {}
      : { added: differences.added, missing: differences.missing }),
    ...(list.date === undefined
      ? {}
      : { listed: rfc3339(new Date(list.date * 1000)), heard: list.volumes }),
  })
  if (learned.wasLost) report.note(`  It had been given up as lost; what is on it counts again.`)
  if (learned.journal) {
    report.note(
      `  A run on it was broken off: ${counted(learned.promised, 'entry', 'entries')} of it ${learned.promised === 1 ? 'counts' : 'count'}, ${counted(learned.unfinished, 'entry', 'entries')} the next copy looks at.`,
    )
  }
  tellDifferences(report, learned)
  if (list.unusable !== undefined) {
    report.warning(
      `The list of the set on ${name} is not used: ${displayName(list.unusable)}. What it says of other drives is unknown.`,
    )
  } else if (list.date === undefined) {
    report.note('  It carries no list of the set: it tells of no other drive.')
  } else if (list.volumes.length > 0) {
    report.note(
      `  Its list of the set, of ${dateText(list.date)}, tells what is on ${numbers(list.volumes)}.`,
    )
  }
  for (const clash of list.clashes) {
    report.warning(
      `The list on ${name} has another drive ${clash} than the catalog. The catalog's is kept; mount that drive to see.`,
    )
  }
  for (const source of list.misplaced) {
    report.warning(
      `The list on ${name} has the source ${displayName(source)} at another place on the drives than the catalog, which is kept.`,
    )
  }
}

function tellDifferences(report: RunContext['report'], { differences, heardOf }: Learned): void {
  if (differences === undefined) return
  const { added, changed, missing, names } = differences
  if (added + changed + missing === 0) return
  const before = heardOf === 0 ? 'the catalog had' : `the list of ${dateText(heardOf)} told`
  report.note(
    `  It differs from what ${before}: ${added} more, ${counted(changed, 'other version')}, ${missing} missing.`,
  )
  const sign = { added: '+', changed: '~', missing: '-' } as const
  for (const what of ['added', 'changed', 'missing'] as const) {
    const shown = names.filter((one) => one.what === what).slice(0, NAMED)
    report.block(shown.map((one) => `    ${sign[what]} ${displayName(one.path)}`))
    const more = differences[what] - shown.length
    if (more > 0) report.block([`    ${sign[what]} and ${formatCount(more)} more`])
  }
}

/** Notes where the sources lie on this host, where the user says so. */
function placeSources(catalog: Catalog, options: AdoptOptions, { report, cwd }: RunContext): void {
  const given = options.sources.map((one) => path.resolve(cwd, one))
  for (const one of given) {
    const rows = catalog.sources()
    if (rows.length === 0 || rows.some((row) => row.path === one)) continue
    const free = rows.filter((row) => !given.includes(row.path))
    const fits =
      rows.length === 1 && given.length === 1
        ? free
        : free.filter((row) => row.prefix === path.basename(one))
    const [source, second] = fits
    if (source === undefined || second !== undefined) {
      throw usageError(
        `${displayName(one)} is none of the sources of the set: ${rows.map((row) => displayName(row.path)).join(', ')}.`,
        'The drives are taken over. Name a directory that has the name of the source.',
      )
    }
    moveSource(catalog, source.id, one)
    report.note(`The source ${displayName(source.path)} lies at ${displayName(one)} on this host.`)
  }
}

/** What is known from lists only, and what nobody knows. */
function tellRest(catalog: Catalog, { report }: RunContext): void {
  const volumes = catalog.volumes().filter(({ fate }) => fate !== 'lost')
  const heard = volumes.filter(({ asOf }) => asOf !== 0)
  if (heard.length > 0) {
    report.note('Known from the lists on other drives only, until they are mounted:')
    report.block(heard.map((one) => `  ${heardLine(one)}`))
  }
  const unknown = unknownVolumes(catalog)
  if (unknown.length > 0) {
    report.warning(
      `Nothing is known of ${numbers(unknown)}: take ${unknown.length === 1 ? 'it' : 'them'} over too, or what is there is copied again.`,
    )
  }
  const sources = catalog.sources()
  if (sources.length === 0) {
    report.note('The sources of the set are unknown: name them in the next copy.')
  } else {
    report.note(`Sources of the set: ${sources.map((one) => displayName(one.path)).join(', ')}`)
  }
}

function heardLine({ number, label, files, asOf }: Volume): string {
  return `${driveName(number, label)}: ${counted(files, 'file')}, as of ${dateText(asOf)}`
}

function numbers(list: readonly number[]): string {
  const shown = list.slice(0, 20).join(', ')
  const more = list.length > 20 ? ', …' : ''
  return `${list.length === 1 ? 'drive' : 'drives'} ${shown}${more}`
}
