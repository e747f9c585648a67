/**
 * The catalog that drives are taken over into: the one of their set on this host, or a new one.
 *
 * One that is damaged is set aside under another name, never changed or removed, and said so.
 */

import { existsSync } from 'node:fs'
import path from 'node:path'
import { nameBytes } from '../bytes.js'
import type { RunContext } from '../context.js'
import { UserError, usageError } from '../errors.js'
import { Exit } from '../exit.js'
import { checkCatalog, setCatalogAside } from '../native/adopt.js'
import { NativeError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { Catalog, peekCatalog, type SetInfo } from '../native/set.js'
import { nativeToUser } from '../set/faults.js'
import { catalogsIn, ensureStateDirectory, stateDirectory } from '../set/state.js'
import type { AdoptOptions } from './options.js'

/** A catalog that is open. */
export interface Opened {
  readonly catalog: Catalog
  /** It has just been made. */
  readonly created: boolean
}

/** Opens the catalog of this set, or makes it. Throws `UserError`. */
export async function openFor(
  set: SetInfo,
  options: AdoptOptions,
  context: RunContext,
): Promise<Opened> {
  if (options.setName !== undefined && options.setName !== set.name) {
    throw usageError(
      `The drive belongs to the set ${displayName(set.name)}, not to ${displayName(options.setName)}.`,
      'Leave --set out, or mount a drive of that set.',
    )
  }
  const file =
    options.catalog === undefined
      ? placeFor(set, context)
      : path.resolve(context.cwd, options.catalog)
  if (existsSync(nameBytes(file))) {
    const catalog = await openSound(file, set, context)
    if (catalog !== undefined) return { catalog, created: false }
  }
  if (options.catalog === undefined) ensureStateDirectory(path.dirname(file))
  try {
    return { catalog: Catalog.create(file, set), created: true }
  } catch (error) {
    throw nativeToUser(error, Exit.catalog)
  }
}

/** The set's catalog in the state directory, or a free name for it. */
function placeFor(set: SetInfo, { env }: RunContext): FsName {
  const directory = stateDirectory(env)
  const { found } = catalogsIn(directory)
  const known = found.find((one) => one.set.id === set.id)
  if (known !== undefined) return known.file
  const base = set.name.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').slice(0, 100) || 'backup'
  for (let n = 1; ; n += 1) {
    const file = path.join(directory, `${n === 1 ? base : `${base}-${n}`}.sqlite`)
    // Another set of that name stands there; a file that is no catalog any more is this one's.
    if (!found.some((one) => one.file === file)) return file
  }
}

/** The catalog, checked; undefined when it was damaged and is set aside now. */
async function openSound(
  file: FsName,
  set: SetInfo,
  context: RunContext,
): Promise<Catalog | undefined> {
  let catalog: Catalog | undefined
  try {
    const peeked = peekCatalog(file)
    if (peeked.set.id !== set.id) {
      throw new UserError(
        `${displayName(file)} is the catalog of the set ${displayName(peeked.set.name)}, and the drive belongs to ${displayName(set.name)}.`,
        { exit: Exit.usage, hint: 'Name another file with --catalog, or leave it out.' },
      )
    }
    catalog = Catalog.open(file)
    await checkCatalog(catalog)
    return catalog
  } catch (error) {
    catalog?.close()
    if (!(error instanceof NativeError) || error.code !== 'CATALOG_DAMAGED') {
      throw nativeToUser(error, Exit.catalog)
    }
    const aside = setAside(file)
    context.report.warning(
      `The catalog ${displayName(file)} is damaged. It is kept as ${displayName(aside)}, and a new one is made from the drives.`,
    )
    return undefined
  }
}

function setAside(file: FsName): FsName {
  // Seconds, without what file systems refuse in names.
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '')
  try {
    return setCatalogAside(file, `damaged-${stamp}`)
  } catch (error) {
    throw nativeToUser(error, Exit.catalog)
  }
}
