/**
 * The man page, from the same table as help and completion: `man/multivolumecopy.1` is made by `scripts/man.mjs`.
 *
 * Plain man(7) macros, which every man program reads.
 */
import { EXIT_TEXT, type ExitCode } from '../exit.js'
import { wrap } from '../text.js'
import { PROGRAM, version } from '../version.js'
import type { CommandFacts } from './base.js'
import type { CommandEntry, OptionEntry } from './table.js'

/** What is needed of a command. */
export interface ManCommand {
  readonly entry: CommandEntry
  readonly facts: CommandFacts
  readonly details: string
  readonly examples: readonly (readonly [string, string])[]
  /** The options that all commands have are told once. */
  readonly shared: readonly string[]
}

/** When the page was last looked through. */
const DATE = '2026-11-27'

/** The page. */
export function manPage(commands: readonly ManCommand[]): string {
  const [main] = commands
  const shared = main?.entry.options.filter((option) => isShared(option, main.shared)) ?? []
  const lines = [
    '.\\" Made by scripts/man.mjs from the table of commands and options; not to be edited.',
    `.TH ${PROGRAM.toUpperCase()} 1 ${DATE} "${PROGRAM} ${version()}" "User Commands"`,
    '.SH NAME',
    `${PROGRAM} \\- back a fileserver up onto several smaller drives`,
    '.SH SYNOPSIS',
    ...commands.flatMap(({ facts }, at) =>
      facts.forms.flatMap((form, i) => synopsis(form, i, at === 0)),
    ),
    '.SH DESCRIPTION',
    ...(main === undefined ? [] : [...filled(main.entry.description), ...paragraphs(main.details)]),
    '.SH COMMANDS',
    'Without a command it is',
    '.BR copy .',
    ...commands.flatMap(command),
    '.SH OPTIONS OF ALL COMMANDS',
    ...shared.flatMap(option),
    '.SH EXIT STATUS',
    ...Object.entries(EXIT_TEXT).flatMap(([code, text]) => ['.TP', `.B ${code}`, ...filled(text)]),
    '.PP',
    'Each command gives only some of them;',
    `.B "${PROGRAM} COMMAND \\-h"`,
    'lists its own.',
    '.SH EXAMPLES',
    'Each with what it is for.',
    ...commands.flatMap(({ examples }) => examples.flatMap(example)),
    ...FIXED,
  ]
  return `${lines.join('\n')}\n`
}

const FIXED = [
  '.SH ENVIRONMENT',
  ...['XDG_STATE_HOME', 'The state of sets is kept in its directory multivolumecopy.'].flatMap(tag),
  ...['NO_COLOR', 'Set and not empty: no colours.'].flatMap(tag),
  ...['LC_ALL, LC_CTYPE, LANG', 'Without UTF-8 in the first that is set, bars are ASCII.'].flatMap(
    tag,
  ),
  '.PP',
  'What the command of',
  '.B \\-\\-on\\-volume\\-full',
  'finds in its environment is told in docs/automation.md.',
  '.SH FILES',
  ...[
    '/var/lib/multivolumecopy/, ~/.local/state/multivolumecopy/',
    'The catalogs of the sets, for root and for everybody else. They can be had back from any drive (adopt).',
  ].flatMap(tag),
  ...[
    './.mvcopy-jobdata.json',
    'The job file: the list of what is copied, written at each run.',
  ].flatMap(tag),
  ...[
    'OUTPUT/.mvcopy/',
    'On each drive: README.txt, the lists of what is on it and of what the whole set holds, checksums.',
  ].flatMap(tag),
  '.SH SIGNALS',
  'The first SIGINT, SIGTERM or SIGHUP ends a run in order, the second at',
  'once; the same command goes on from there.',
  'SIGUSR1 prints a line of progress.',
  '.SH SEE ALSO',
  '.BR rsync (1),',
  '.BR sha256sum (1),',
  '.BR umount (8)',
]

function tag(text: string, i: number): string[] {
  return i % 2 === 0 ? ['.TP', `.B ${roff(text)}`] : filled(text)
}

function synopsis(form: string, i: number, first: boolean): string[] {
  // A line each, without filling.
  return [...(i > 0 ? ['.br'] : first ? [] : ['.PP']), `.B ${PROGRAM}`, roff(form)]
}

function command({ entry, details, shared, facts }: ManCommand, index: number): string[] {
  const exits = facts.exits.map((code: ExitCode) => String(code)).join(', ')
  return [
    `.SS ${entry.name}`,
    ...(index === 0 ? [] : [...filled(entry.description), ...paragraphs(details)]),
    ...entry.options.filter((one) => !isShared(one, shared)).flatMap(option),
    '.PP',
    roff(`Exit status: ${exits}.`),
  ]
}

function isShared({ names }: OptionEntry, shared: readonly string[]): boolean {
  return names.some((name) => shared.includes(name))
}

function option({ names, description, value }: OptionEntry): string[] {
  const written = names.map((name) => `\\fB${roff(name)}\\fR`).join(', ')
  const what = value === undefined ? '' : ` \\fI${roff(value.name)}\\fR`
  return ['.TP', `${written}${what}`, ...filled(`${description}.`)]
}

function example([what, line]: readonly [string, string]): string[] {
  return [
    '.PP',
    ...filled(`${what}:`),
    '.PP',
    '.nf',
    '.RS',
    roff(line.replaceAll('$0', PROGRAM)),
    '.RE',
    '.fi',
  ]
}

function paragraphs(text: string): string[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s+/g, ' ').trim())
    .filter((paragraph) => paragraph !== '')
    .flatMap((paragraph) => ['.PP', ...filled(paragraph)])
}

/** Text as roff reads it, in lines that are not too long: nothing in it is a request or an escape. */
function filled(text: string): string[] {
  return wrap(text, 70).map(roff)
}

/** One line of the same. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/^(?=[.'])/, '\\&')
}
