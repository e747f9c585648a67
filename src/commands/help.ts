/**
 * The help of a command, made from what clipanion knows of it and from the exit-code table.
 *
 * Clipanion's own help has no names for values and no exit codes.
 */

import { EXIT_TEXT } from '../exit.js'
import { wrap } from '../text.js'
import { PROGRAM } from '../version.js'
import type { CommandFacts } from './base.js'

/** What is needed of a command class and its clipanion definition. */
export interface HelpInput {
  readonly usage: {
    readonly description?: string
    readonly details?: string
    readonly examples?: readonly (readonly [string, string])[]
  }
  readonly facts: CommandFacts
  readonly options: readonly { readonly definition: string; readonly description?: string }[]
  /** All commands, for the help of the program. */
  readonly commands?: readonly { readonly name: string; readonly description: string }[]
  /** Columns of the terminal; without one 80. */
  readonly width?: number
}

/** Lines of text are no longer than this, however wide the terminal is; narrower than that nothing fits. */
const WIDEST = 100
const NARROWEST = 30
const INDENT = 6

/** The help as one text, without colours. */
export function commandHelp(input: HelpInput): string {
  const { usage, facts } = input
  const width = Math.max(NARROWEST, Math.min(WIDEST, input.width ?? 80))
  const hanging = (text: string, first: string, indent: number): string[] =>
    hang(text, first, indent, width)
  const lines = [...wrap(usage.description ?? '', width), '', 'Usage']
  for (const form of facts.forms) lines.push(...hanging(`${PROGRAM} ${form}`, '  ', INDENT))
  lines.push('', ...paragraphs(usage.details ?? '', width))
  if (input.commands !== undefined) {
    lines.push('Commands')
    for (const { name, description } of input.commands) {
      lines.push(...hanging(description, `  ${name.padEnd(10)}  `, 14))
    }
    lines.push(
      ...hanging(`${PROGRAM} COMMAND -h tells more. Without a command it is copy.`, '  ', 2),
      '',
    )
  }
  lines.push('Options')
  for (const option of input.options) {
    lines.push(`  ${head(option.definition, facts.values)}`)
    lines.push(...hanging(clean(option.description ?? ''), ' '.repeat(INDENT), INDENT))
  }
  lines.push('  -h,--help', `${' '.repeat(INDENT)}print this help`)
  lines.push('', 'Examples')
  for (const [what, example] of usage.examples ?? []) {
    // An example stays whole, so that it can be copied.
    lines.push(...hanging(`# ${what}`, '  ', 4), `  ${example.replaceAll('$0', PROGRAM)}`)
  }
  lines.push('', 'Exit codes')
  for (const code of facts.exits) {
    lines.push(...hanging(EXIT_TEXT[code], `  ${String(code).padStart(3)}  `, 7))
  }
  return `${lines.join('\n')}\n`
}

/** `-o,--output #0` becomes `-o,--output DIR`. */
function head(definition: string, values: CommandFacts['values']): string {
  const names = definition.replace(/ #\d+/g, '')
  if (names === definition) return names
  const value = names
    .split(',')
    .map((name) => values[name])
    .find((found) => found !== undefined)
  return `${names} ${value ?? 'VALUE'}`
}

function paragraphs(text: string, width: number): string[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .flatMap((paragraph) => [...wrap(clean(paragraph), width), ''])
}

/** A text whose first line begins with `first` and whose others are indented. */
function hang(text: string, first: string, indent: number, width: number): string[] {
  const [line = '', ...more] = wrap(text, width - Math.max(first.length, indent))
  return [first + line, ...more.map((one) => ' '.repeat(indent) + one)]
}

function clean(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}
