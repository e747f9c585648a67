/**
 * Which set a command is about that is given no sources.
 *
 * `--catalog`, `--set` or the drive at `-o` lead to it; with none of them it is the only set there is.
 * Nothing is guessed: where there are several, they are listed. Only looks, never writes.
 */

import { existsSync } from 'node:fs'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import type { Context } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit } from '../exit.js'
import { displayName, type FsName } from '../native/names.js'
import { type Peek, peekCatalog } from '../native/set.js'
import { inspect, type PathFacts } from '../native/volume.js'
import { nativeToUser } from './faults.js'
import { driveName } from './messages.js'
import { catalogsIn, type Found, stateDirectory } from './state.js'

/** What leads to a set. Paths as the user wrote them. */
export interface SetClues {
  /** `--set`. */
  readonly setName: string | undefined
  /** `--catalog`. */
  readonly catalog: FsName | undefined
  /** `-o`. */
  readonly output: FsName | undefined
}

/** A set that this host has a catalog of. */
export interface KnownSet extends Peek {
  readonly kind: 'catalog'
  /** The catalog's file, absolute. */
  readonly file: FsName
}

/** A drive of a set that this host has no catalog of. */
export interface StrangeDrive {
  readonly kind: 'drive'
  /** Where it is mounted, absolute. */
  readonly path: FsName
  readonly volume: NonNullable<PathFacts['volume']>
}

type Catalogs = ReturnType<typeof catalogsIn>
type FindContext = Pick<Context, 'env' | 'cwd'>

/** Finds the set, or the drive that is all that is known of one. Rejects with `UserError`. */
export async function findSet(
  clues: SetClues,
  context: FindContext,
): Promise<KnownSet | StrangeDrive> {
  const drive = clues.output === undefined ? undefined : await driveAt(clues.output, context.cwd)
  const found = chosen(clues, drive, context)
  if (found === undefined) {
    if (drive !== undefined) return drive
    throw noSet(catalogsIn(stateDirectory(context.env)))
  }
  if (drive !== undefined && drive.volume.setId !== found.set.id) {
    const { number, label, setName } = drive.volume
    throw usageError(
      `${displayName(drive.path)} is ${driveName(number, label)} of the set ${displayName(setName)}, not of ${displayName(found.set.name)}.`,
      'Leave out --set and --catalog, or -o.',
    )
  }
  return { kind: 'catalog', ...found }
}

/** The set, which this host has to have a catalog of. Rejects with `UserError`. */
export async function findKnownSet(clues: SetClues, context: FindContext): Promise<KnownSet> {
  const found = await findSet(clues, context)
  if (found.kind === 'catalog') return found
  const { number, label, setName } = found.volume
  throw usageError(
    `${displayName(found.path)} is ${driveName(number, label)} of the set ${displayName(setName)}, of which this host has no catalog.`,
    `multivolumecopy adopt -o ${displayName(clues.output ?? found.path)} makes one from the drive.`,
  )
}

function chosen(
  clues: SetClues,
  drive: StrangeDrive | undefined,
  { env, cwd }: FindContext,
): Found | undefined {
  if (clues.catalog !== undefined) {
    const file = path.resolve(cwd, clues.catalog)
    if (!existsSync(nameBytes(file))) throw usageError(`There is no catalog ${displayName(file)}.`)
    try {
      return { file, ...peekCatalog(file) }
    } catch (error) {
      throw nativeToUser(error, Exit.catalog)
    }
  }
  const all = catalogsIn(stateDirectory(env))
  const { setName } = clues
  const fits = (set: Found): boolean =>
    (setName === undefined || set.set.name === setName) &&
    (drive === undefined || setName !== undefined || set.set.id === drive.volume.setId)
  const matches = all.found.filter(fits)
  const [match, second] = matches
  if (second !== undefined) throw several({ ...all, found: matches })
  if (match !== undefined) {
    // One that cannot be read may be the one that is meant.
    if (setName === undefined && drive === undefined && all.broken.length > 0) throw several(all)
    return match
  }
  if (setName !== undefined) {
    const [first] = all.broken
    if (first !== undefined) throw nativeToUser(first, Exit.catalog)
    throw usageError(`There is no set ${displayName(setName)} on this host.`, listed(all.found))
  }
  return undefined
}

async function driveAt(output: FsName, cwd: FsName): Promise<StrangeDrive> {
  const facts = await inspect(path.resolve(cwd, output))
  const at = displayName(output)
  if (facts.found !== 'dir')
    throw usageError(`${at} is not a directory.`, 'Name the directory where the drive is mounted.')
  if (facts.volumeProblem !== undefined) {
    throw new UserError(
      `${at} has a .mvcopy that cannot be understood: ${displayName(facts.volumeProblem)}.`,
      {
        exit: Exit.driveFailed,
        hint: facts.volumeNewer
          ? 'Use the newer multivolumecopy for this drive.'
          : 'Name the set with --set, or another drive of it with -o.',
      },
    )
  }
  if (facts.volume === undefined) {
    throw new UserError(`${at} is no drive of a set.`, {
      exit: Exit.needed,
      hint: 'Mount a drive of the set there, or name the set with --set.',
    })
  }
  return { kind: 'drive', path: facts.path, volume: facts.volume }
}

function several({ found, broken }: Catalogs): UserError {
  const unreadable =
    broken.length === 0 ? '' : `; ${broken.map(({ message }) => message).join('; ')}`
  return usageError(
    'There is more than one set.',
    `Name one with --set or --catalog, or one of its drives with -o: ${names(found)}${unreadable}.`,
  )
}

function noSet(all: Catalogs): unknown {
  const [first] = all.broken
  if (all.found.length > 0) return several(all)
  if (first !== undefined) return nativeToUser(first, Exit.catalog)
  return usageError(
    'There is no set on this host.',
    'Name a drive of one with -o, or a catalog with --catalog.',
  )
}

function listed(sets: readonly Found[]): string {
  return sets.length === 0 ? 'There is none at all.' : `There is: ${names(sets)}.`
}

function names(sets: readonly Found[]): string {
  return sets.map(({ set, file }) => `${displayName(set.name)} (${displayName(file)})`).join(', ')
}
