/**
 * Where the state of sets is kept on this host, and which set a run is about.
 *
 * A set is its id. `--catalog`, `--set`, the drive that is mounted and the sources all lead to it; when
 * two of them lead to different sets the run stops before anything is opened for writing. Nothing here
 * changes a catalog of which anything has come.
 */

import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import type { Context } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit } from '../exit.js'
import { NativeError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { Catalog, type Peek, peekCatalog } from '../native/set.js'
import { nativeToUser } from './faults.js'

const SUFFIX = '.sqlite'

/** The state directory of this user: an absolute path. It need not exist. */
export function stateDirectory(env: Context['env']): FsName {
  const { XDG_STATE_HOME, HOME } = env
  if (XDG_STATE_HOME !== undefined && path.isAbsolute(XDG_STATE_HOME)) {
    return path.join(XDG_STATE_HOME, 'multivolumecopy')
  }
  if (userInfo().uid === 0) return '/var/lib/multivolumecopy'
  return path.join(HOME ?? userInfo().homedir, '.local/state/multivolumecopy')
}

/** Makes the state directory, for its owner alone. */
export function ensureStateDirectory(directory: FsName): void {
  try {
    makeDirectories(directory)
  } catch (error) {
    throw new UserError(`The state directory ${displayName(directory)} cannot be made.`, {
      exit: Exit.catalog,
      hint: 'Set XDG_STATE_HOME to a directory that you may write, or name a file with --catalog.',
      cause: error,
    })
  }
}

/** As mkdir -p. Node's own recursive form does not come back from places such as /proc. */
function makeDirectories(directory: FsName): void {
  const missing: FsName[] = []
  for (let at = directory; !existsSync(at) && at !== path.dirname(at); at = path.dirname(at)) {
    missing.unshift(at)
  }
  for (const one of missing) mkdirSync(one, { mode: 0o700 })
}

/** A catalog that is there. */
export interface Found extends Peek {
  readonly file: FsName
}

/** What is known of a set before its catalog is opened. */
export interface Choice {
  /** The catalog's file. */
  readonly file: FsName
  /** Whether the catalog is there already. */
  readonly exists: boolean
  /** The name of a new set. */
  readonly name: string
}

/** What leads to a set. */
export interface Clues {
  /** `--set`. */
  readonly setName: string | undefined
  /** `--catalog`, absolute. */
  readonly catalog: FsName | undefined
  /** The ids of the sets that the mounted drives say they belong to. */
  readonly mounted: readonly string[]
  /** Absolute paths of the sources. */
  readonly sources: readonly FsName[]
}

/** Finds the set that a run is about, or a place and a name for a new one. Throws `UserError`. */
export function chooseSet(clues: Clues, directory: FsName): Choice {
  if (clues.catalog !== undefined) {
    const exists = existsSync(nameBytes(clues.catalog))
    return { file: clues.catalog, exists, name: clues.setName ?? nameOf(clues.sources) }
  }
  const { found, broken } = catalogsIn(directory)
  const named = clues.setName
  const bySource = found.filter((set) =>
    set.sources.some((source) => clues.sources.includes(source.path)),
  )
  const byDrive = (sets: readonly Found[]): Found[] =>
    sets.filter((set) => clues.mounted.includes(set.set.id))
  // The sources say what is meant; a drive of another set that happens to be mounted does not. Where
  // the sources are in several sets, or in none, the drive decides.
  const several = bySource.length > 1 && byDrive(bySource).length === 1
  const matches =
    named !== undefined
      ? found.filter((set) => set.set.name === named)
      : several
        ? byDrive(bySource)
        : bySource.length > 0
          ? bySource
          : byDrive(found)
  const [match, second] = matches
  if (match !== undefined && second !== undefined) {
    const names = matches.map(({ set }) => displayName(set.name)).join(', ')
    throw usageError(
      `The sources belong to more than one set: ${names}.`,
      'Name the set that is meant with --set.',
    )
  }
  if (match !== undefined) return { file: match.file, exists: true, name: match.set.name }
  const [first] = broken
  if (first !== undefined) throw nativeToUser(first)
  const name = freshName(named ?? nameOf(clues.sources), found)
  return { file: path.join(directory, `${name.file}${SUFFIX}`), exists: false, name: name.name }
}

/** Opens the chosen catalog, or makes it. Throws `UserError`. */
export function openCatalog(choice: Choice, now: number): Catalog {
  try {
    if (choice.exists) return Catalog.open(choice.file)
    const id = randomUUID().replaceAll('-', '')
    return Catalog.create(choice.file, { id, name: choice.name, created: now })
  } catch (error) {
    throw nativeToUser(error)
  }
}

/** Removes a catalog of which nothing has come, with what SQLite and the lock keep beside it. */
export function removeCatalog(file: FsName): void {
  for (const suffix of ['', '-wal', '-shm', '-journal', '.lock'])
    rmSync(nameBytes(file + suffix), { force: true })
}

/**
 * A sentence for somebody who is about to make a second set of the same sources because sudo, or its
 * absence, leads to another state directory. Undefined where there is nothing to say.
 */
export function otherUsersSet(env: Context['env'], sources: readonly FsName[]): string | undefined {
  if (env.XDG_STATE_HOME !== undefined) return undefined
  const { SUDO_USER } = env
  const root = userInfo().uid === 0
  const other =
    root && SUDO_USER !== undefined
      ? path.join('/home', SUDO_USER, '.local/state/multivolumecopy')
      : root
        ? undefined
        : '/var/lib/multivolumecopy'
  if (other === undefined) return undefined
  const twin = catalogsIn(other).found.find((set) =>
    set.sources.some((source) => sources.includes(source.path)),
  )
  if (twin === undefined) return undefined
  const who = root ? `user ${displayName(SUDO_USER ?? '')}` : 'root'
  return `A set of the same sources, ${displayName(twin.set.name)}, is kept for ${who} in ${displayName(other)}; this run begins another one.`
}

/** The catalogs in a state directory: those that can be read, and why the others cannot. */
export function catalogsIn(directory: FsName): { found: Found[]; broken: NativeError[] } {
  let names: string[]
  try {
    names = readdirSync(directory)
      .filter((name) => name.endsWith(SUFFIX))
      .sort()
  } catch {
    return { found: [], broken: [] }
  }
  const found: Found[] = []
  const broken: NativeError[] = []
  for (const name of names) {
    const file = path.join(directory, name)
    try {
      found.push({ file, ...peekCatalog(file) })
    } catch (error) {
      if (!(error instanceof NativeError)) throw error
      broken.push(error)
    }
  }
  return { found, broken }
}

/** A name made from the first source: its last component, or `backup`. */
function nameOf([first]: readonly FsName[]): string {
  const base = path.basename(first ?? '')
  // A set's name goes into file names and onto labels: only what is safe everywhere.
  const name = base.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').slice(0, 60)
  return name.replace(/^[-.]+/, '') || 'backup'
}

function freshName(wanted: string, found: readonly Found[]): { name: string; file: string } {
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? wanted : `${wanted}-${n}`
    const file = name.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').slice(0, 100)
    const taken = found.some(
      (set) => set.set.name === name || path.basename(set.file) === `${file}${SUFFIX}`,
    )
    if (!taken) return { name, file }
  }
}
