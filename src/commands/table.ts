/**
 * The one table of what the command line knows: commands, their options, what kind of value each takes.
 *
 * Made from what clipanion knows and from the commands' own facts; help, completion, the man page and
 * suggestions all read it. Here stands only what neither knows: what kind of thing a value is.
 */
import type { CommandFacts } from './base.js'

/** What can stand somewhere on the command line. */
export type Kind =
  | { readonly is: 'directory' | 'file' | 'set' | 'volume' | 'text' }
  | { readonly is: 'choice'; readonly of: readonly string[] }

/** An option as it is written. */
export interface OptionEntry {
  /** `['-o', '--output']`. */
  readonly names: readonly string[]
  readonly description: string
  /** What its value is called and what it is; absent where it takes none. */
  readonly value?: { readonly name: string; readonly kind: Kind }
}

/** A command as it is written; the main one, which may be left out, is `copy`. */
export interface CommandEntry {
  readonly name: string
  readonly description: string
  readonly options: readonly OptionEntry[]
  /** What its arguments are, the last one for all that follow; none: nothing can be completed. */
  readonly words: readonly Kind[]
}

/** What is needed of a command class. */
export interface TableSource {
  readonly paths: readonly (readonly string[])[] | undefined
  readonly facts: CommandFacts
}

/** What is needed of a definition of clipanion's. */
export interface Definition {
  readonly description?: string
  readonly options: readonly { readonly definition: string; readonly description?: string }[]
}

const TEXT: Kind = { is: 'text' }
const choice = (...of: string[]): Kind => ({ is: 'choice', of })

/** Values that are not what their name says by itself. */
const BY_OPTION: Readonly<Record<string, Kind>> = {
  '--set': { is: 'set' },
  '--volume': { is: 'volume' },
  '--color': choice('auto', 'always', 'never'),
  '--digest': choice('sha256', 'blake3', 'none'),
}

/** What the names of values mean. */
const BY_VALUE: Readonly<Record<string, Kind>> = {
  DIR: { is: 'directory' },
  OUTPUT: { is: 'directory' },
  OTHER: { is: 'directory' },
  FILE: { is: 'file' },
}

/** The arguments of the commands. */
const WORDS: Readonly<Record<string, readonly Kind[]>> = {
  copy: [{ is: 'file' }],
  plan: [{ is: 'file' }],
  adopt: [{ is: 'file' }],
  lost: [{ is: 'volume' }],
  volumes: [choice('relabel', 'retire'), { is: 'volume' }, TEXT],
  completion: [choice('bash', 'zsh', 'fish')],
}

/** The entry of one command. */
export function commandEntry(source: TableSource, definition: Definition): CommandEntry {
  const name = source.paths?.find(([word]) => word !== undefined)?.[0] ?? 'copy'
  return {
    name,
    description: sentence(definition.description),
    options: [
      ...definition.options.map((option) => optionEntry(option, source.facts)),
      { names: ['-h', '--help'], description: 'print this help' },
    ],
    words: WORDS[name] ?? [TEXT],
  }
}

function optionEntry(
  { definition, description }: Definition['options'][number],
  facts: CommandFacts,
): OptionEntry {
  const written = definition.replace(/ #\d+/g, '')
  const names = written.split(',')
  const entry = { names, description: sentence(description) }
  if (written === definition) return entry
  const first = <T>(of: Readonly<Record<string, T>>): T | undefined =>
    names.map((one) => of[one]).find((found) => found !== undefined)
  const name = first(facts.values) ?? 'VALUE'
  return { ...entry, value: { name, kind: first(BY_OPTION) ?? BY_VALUE[name] ?? TEXT } }
}

function sentence(text = ''): string {
  return text.replace(/\s+/g, ' ').trim()
}
