/** The names that a command line can hold: of sets and of drives on this host, for completion. Only reads. */
import type { Context } from '../context.js'
import { safeLine } from '../display.js'
import { NativeError } from '../native/errors.js'
import { volumesOf } from '../native/query.js'
import { catalogsIn, stateDirectory } from '../set/state.js'

/**
 * Names of the sets, or a line a drive: number, tab, label. `set`: only its drives. What cannot be read, or could
 * not be typed, is left out: nobody is to see an error because of a tab key.
 */
export function knownNames(
  what: 'sets' | 'volumes',
  set: string | undefined,
  { env }: Pick<Context, 'env'>,
): string[] {
  const { found } = catalogsIn(stateDirectory(env))
  if (what === 'sets') return found.map((one) => one.set.name).filter(isPlain)
  const lines = found
    .filter((one) => set === undefined || one.set.name === set)
    .flatMap(({ file }) => drivesOf(file))
  return [...new Set(lines)]
}

function drivesOf(file: string): string[] {
  try {
    return volumesOf(file).map(({ number, label }) =>
      isPlain(label) ? `${number}\t${label}` : `${number}`,
    )
  } catch (error) {
    if (error instanceof NativeError) return []
    throw error
  }
}

function isPlain(name: string): boolean {
  return name !== '' && safeLine(name) === name
}
