/**
 * `restore`: files come back from the drives of a set, and no drive is asked for that is not needed.
 *
 * What is where is known from a private copy of the host's catalog, or, where the host has none, from what the
 * mounted drives say; each drive is read anew when it comes in. Nothing of the set is changed, on the host or
 * on a drive.
 */

import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { RunContext } from '../context.js'
import { UserError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { Catalog, copyCatalog } from '../native/set.js'
import { inspect } from '../native/volume.js'
import { nativeToUser } from '../set/faults.js'
import { findSet, type KnownSet, type StrangeDrive } from '../set/find.js'
import { catalogsIn, stateDirectory } from '../set/state.js'
import { openDestination } from './destination.js'
import type { RestoreOptions } from './options.js'
import { Steps } from './steps.js'

/** Restores as `options` says and gives the exit code. Rejects with `UserError`. */
export async function runRestore(options: RestoreOptions, context: RunContext): Promise<ExitCode> {
  const outputs = options.outputs.map((one) => path.resolve(context.cwd, one))
  const set = await whichSet(options, outputs, context)
  const destination = await openDestination(options.to, context.cwd, options.dryRun)
  const directory = temporaryDirectory(context)
  try {
    const catalog = await knowledge(set, directory, context)
    try {
      return await new Steps({ options, context, catalog, destination, outputs }).run()
    } finally {
      catalog.close()
    }
  } catch (error) {
    if (error instanceof CancelledError) return Exit.interrupted
    throw nativeToUser(error)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The set, by the options or by whichever drive is mounted at one of the outputs. */
async function whichSet(
  { setName, catalog }: RestoreOptions,
  outputs: readonly FsName[],
  context: RunContext,
): Promise<KnownSet | StrangeDrive> {
  let output: FsName | undefined
  for (const one of outputs) {
    const { volume } = await inspect(one)
    if (volume !== undefined) {
      output = one
      break
    }
  }
  // Where nothing else can lead to a set, what is wrong with the output is what there is to say.
  const helpless =
    catalog === undefined && catalogsIn(stateDirectory(context.env)).found.length === 0
  if (helpless) output ??= outputs[0]
  return findSet({ setName, catalog, output }, context)
}

function temporaryDirectory({ env }: RunContext): string {
  const above = env.TMPDIR ?? tmpdir()
  try {
    return mkdtempSync(path.join(above, 'multivolumecopy-restore-'))
  } catch (error) {
    throw new UserError(
      `A restore needs room for its lists, and ${displayName(above)} cannot be written.`,
      {
        exit: Exit.catalog,
        hint: 'Set TMPDIR to a directory that you may write.',
        cause: error,
      },
    )
  }
}

/** A private copy of the catalog of the set, or a new one that the drives will fill. */
async function knowledge(
  set: KnownSet | StrangeDrive,
  directory: string,
  { stop }: RunContext,
): Promise<Catalog> {
  const file = path.join(directory, `${randomUUID()}.sqlite`)
  try {
    if (set.kind === 'drive') {
      const { setId: id, setName: name } = set.volume
      return Catalog.create(file, { id, name, created: Math.floor(Date.now() / 1000) })
    }
    await copyCatalog(set.file, file, { signal: stop.orderly })
    return Catalog.open(file)
  } catch (error) {
    throw nativeToUser(error, Exit.catalog)
  }
}
