/**
 * The help of a command, made from what clipanion knows of it and from the exit-code table.
 *
 * Clipanion's own help has no names for values and no exit codes.
 */

import { exitHelp } from '../exit.js'
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
}

const WIDTH = 80
const INDENT = 6

/** The help as one text, without colours. */
export function commandHelp(input: HelpInput): string {
  const { usage, facts } = input
  const lines = [usage.description ?? '', '', 'Usage']
  for (const form of facts.forms) lines.push(`  ${PROGRAM} ${form}`)
  lines.push('', ...paragraphs(usage.details ?? ''), 'Options')
  for (const option of input.options) {
    lines.push(`  ${head(option.definition, facts.values)}`)
    lines.push(...wrap(clean(option.description ?? ''), WIDTH - INDENT).map(indent))
  }
  lines.push('  -h,--help', indent('print this help'))
  lines.push('', 'Examples')
  for (const [what, example] of usage.examples ?? []) {
    lines.push(`  # ${what}`, `  ${example.replace('$0', PROGRAM)}`)
  }
  lines.push('', 'Exit codes', ...exitHelp(facts.exits).map((line) => `  ${line}`))
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

function paragraphs(text: string): string[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .flatMap((paragraph) => [...wrap(clean(paragraph), WIDTH), ''])
}

function clean(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

function indent(line: string): string {
  return ' '.repeat(INDENT) + line
}
