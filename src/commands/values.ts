/**
 * Checks and option kinds that clipanion does not have: paths, and options whose order among each
 * other matters.
 */
import { resolve } from 'node:path'
import { Option } from 'clipanion'
import type { FilterRule } from '../copy/options.js'
import { displayName } from '../display.js'
import { usageError } from '../errors.js'

const FILTERS = {
  '--exclude': 'leave out what matches; the first pattern that matches decides, as in rsync',
  '--include': "don't leave out what matches",
  '--exclude-from': 'read patterns from a file, one a line; "+ " before one includes',
} as const

/** `--exclude`, `--include` and `--exclude-from` as one list, in the order of the command line. */
export function FilterOptions(): FilterRule[] {
  return Option.makeCommandOption<FilterRule[]>({
    definition(builder) {
      for (const [name, description] of Object.entries(FILTERS)) {
        builder.addOption({ names: [name], arity: 1, description })
      }
    },
    transformer(_builder, _key, state) {
      return state.options
        .filter(({ name }) => Object.hasOwn(FILTERS, name))
        .map(({ name, value }) => filterRule(name, String(value)))
    },
  })
}

function filterRule(option: string, value: string): FilterRule {
  if (value === '') throw usageError(`${option} is empty`)
  checkNul(option, value)
  return { kind: option.slice(2) as FilterRule['kind'], value }
}

/** The value of an option that is a path: never empty, no NUL. */
export function pathOption(option: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  if (path === '') {
    throw usageError(
      `${option} is empty`,
      'A variable that is not set? Write . for the working directory.',
    )
  }
  checkNul(option, path)
  return path
}

/** The same for each of a list. */
export function pathList(option: string, paths: readonly string[]): string[] {
  return paths.map((path) => pathOption(option, path) as string)
}

/** `-o`, of which at least one is needed: `hint` says what it is for. Throws `UserError`. */
export function outputList(paths: readonly string[], cwd: string, hint: string): string[] {
  const outputs = pathList('-o', paths)
  if (outputs.length === 0) throw usageError('no output', hint)
  const again = twice(outputs, cwd)
  if (again !== undefined) throw usageError(`-o is given twice for ${again}`)
  return outputs
}

/** The first path of the list that names the same place as an earlier one, displayed. */
function twice(paths: readonly string[], cwd: string): string | undefined {
  const seen = new Set<string>()
  for (const path of paths) {
    const full = resolve(cwd, path)
    if (seen.has(full)) return displayName(path)
    seen.add(full)
  }
  return undefined
}

function checkNul(option: string, value: string): void {
  if (value.includes('\0')) throw usageError(`${option} holds a NUL byte`)
}

/** A name that people give: something to see, on one line, not longer than a file name. */
export function namedOption(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const name = text.trim()
  if (name === '') throw usageError(`${option} is empty`)
  if (/[\p{C}\u2028\u2029]/u.test(name)) {
    throw usageError(
      `${option} holds a character that can't be shown`,
      'Use letters, digits, spaces and marks.',
    )
  }
  if (Buffer.byteLength(name) > 255) throw usageError(`${option} is longer than 255 bytes`)
  return name
}
