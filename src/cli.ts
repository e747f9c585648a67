/**
 * The command line as a function: arguments and a context in, an exit code out.
 *
 * Builds the clipanion Cli and mends what it does otherwise: errors go to stderr, wrong usage is exit
 * code 2, an unexpected error is told as an internal one without a stack, nothing is coloured that
 * should not be. Touches no process.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Cli, type CommandClass } from 'clipanion'
import { nameBytes } from './bytes.js'
import { AdoptCommand } from './commands/adopt.js'
import { type CommandFacts, RunCommand } from './commands/base.js'
// biome-ignore lint/suspicious/noImportCycles: it asks for the table of all commands, itself among them, when it runs
import { CompletionCommand } from './commands/completion.js'
import { CopyCommand } from './commands/copy.js'
import { commandHelp } from './commands/help.js'
import { LostCommand } from './commands/lost.js'
import { PlanCommand } from './commands/plan.js'
import { RepairCommand } from './commands/repair.js'
import { ReportCommand } from './commands/report.js'
import { RestoreCommand } from './commands/restore.js'
import { StatusCommand } from './commands/status.js'
import { type CommandEntry, commandEntry } from './commands/table.js'
import { VerifyCommand } from './commands/verify.js'
import { VolumesCommand } from './commands/volumes.js'
import { WhereCommand } from './commands/where.js'
import type { Context } from './context.js'
import { displayName, safeLine } from './display.js'
import { describeError, UserError, usageError } from './errors.js'
import { Exit, type ExitCode } from './exit.js'
import { PROGRAM } from './version.js'

/** The commands of this version. */
const COMMANDS = [
  CopyCommand,
  PlanCommand,
  StatusCommand,
  WhereCommand,
  RestoreCommand,
  VolumesCommand,
  LostCommand,
  AdoptCommand,
  RepairCommand,
  VerifyCommand,
  ReportCommand,
  CompletionCommand,
] as const

/** The Cli with these commands registered, all of them where none are named. */
export function createCli(commands: readonly CommandClass<Context>[] = COMMANDS): Cli<Context> {
  // Colours are the reporter's business: what clipanion itself prints never has any.
  const cli = new Cli<Context>({ binaryName: PROGRAM, enableColors: false })
  for (const command of commands) cli.register(command)
  return cli
}

/** Runs a command line. Never throws; whatever goes wrong is told on `context.stderr`. */
export async function runCli(args: readonly string[], context: Context): Promise<ExitCode> {
  try {
    return await dispatch(args, context)
  } catch (error) {
    const { lines, exit } = describeError(
      error,
      args.includes('-vv') || args.includes('--very-verbose'),
    )
    const [first = '', ...others] = lines.map(safeLine)
    context.stderr.write(`${PROGRAM}: ${first}\n${others.map((line) => `  ${line}\n`).join('')}`)
    return exit
  }
}

async function dispatch(args: readonly string[], context: Context): Promise<ExitCode> {
  const [first, second, ...others] = args
  if (first === 'help' && others.length === 0) {
    if (second === undefined) return help(CopyCommand, context)
    if (isCommand(second)) return help(commandOf(second), context)
  }
  if (first === 'help') {
    throw usageError(
      `there is no help on ${displayName(args.slice(1).join(' '))}`,
      'For a directory of that name write ./help',
    )
  }
  // Clipanion knows -h as the first word only; people add it to a line that they have written already.
  const end = args.indexOf('--')
  const words = end < 0 ? args : args.slice(0, end)
  if (words.includes('-h') || words.includes('--help')) return help(commandOf(first), context)
  await checkCommand(first, context)
  // Only the first word can name a command. Clipanion builds a state machine over every option of all
  // commands that it knows, before it reads a word: more work than all the rest of the start.
  const cli = createCli([commandOf(first)])
  const command = await parse(cli, args, context)
  if (!(command instanceof RunCommand)) return help(commandOf(first), context)
  command.context = context
  command.cli = { ...cli, definitions: () => cli.definitions() } as never
  return (await command.validateAndExecute()) as ExitCode
}

/** A first word that is nearly a command and nothing else is a slip, not a source. */
async function checkCommand(word: string | undefined, { cwd }: Context): Promise<void> {
  if (word === undefined || /^-|\//.test(word) || isCommand(word)) return
  if (existsSync(nameBytes(resolve(cwd, word)))) return
  const { nearest } = await import('./suggest.js')
  const near = nearest(
    word,
    table().map(({ name }) => name),
  )
  if (near === undefined) return
  throw usageError(
    `there is no command and no file or directory ${displayName(word)}`,
    `Did you mean ${near}? ${PROGRAM} help lists the commands.`,
  )
}

/** Everything that the command line knows, in the order of the help. */
export function table(): CommandEntry[] {
  const definitions = createCli().definitions()
  return COMMANDS.map((command, i) => commandEntry(command, definitions[i] ?? { options: [] }))
}

/** The man page. */
export async function manual(): Promise<string> {
  const { manPage } = await import('./commands/man.js')
  const definitions = createCli().definitions()
  const entries = table()
  return manPage(
    COMMANDS.map((command, i) => ({
      entry: entries[i] as CommandEntry,
      facts: command.facts,
      details: definitions[i]?.details ?? '',
      examples: (command.usage?.examples ?? []) as (readonly [string, string])[],
      shared: (entries[i]?.options ?? [])
        .flatMap(({ names }) => names)
        .filter((name) => SHARED.test(name) || name === '--help'),
    })),
  )
}

function isCommand(word: string): boolean {
  return COMMANDS.some(({ paths }) => paths.some(([name]) => name === word))
}

/** The command that a first word names, else the default one. */
function commandOf(word: string | undefined): HelpedClass {
  const named = COMMANDS.find((c) => c.paths.some(([name]) => name !== undefined && name === word))
  return named ?? CopyCommand
}

/** The first word with a space before it where it names a command, else nothing. */
function commandWord(word: string | undefined): string {
  return commandOf(word) === CopyCommand ? '' : ` ${word}`
}

type HelpedClass = CommandClass<Context> & { readonly facts: CommandFacts }

function help(commandClass: HelpedClass, context: Context): ExitCode {
  const definition = createCli().definitions()[COMMANDS.indexOf(commandClass as never)]
  const { columns } = context.stdout as { columns?: number }
  context.stdout.write(
    commandHelp({
      usage: (commandClass.usage ?? {}) as never,
      facts: commandClass.facts,
      options: ownFirst(definition?.options ?? []),
      ...(commandClass === CopyCommand ? { commands: table() } : {}),
      ...(context.stdoutIsTTY && columns !== undefined && columns > 0 ? { width: columns } : {}),
    }),
  )
  return Exit.ok
}

/** The command's own options before those that all commands share. */
function ownFirst<T extends { readonly definition: string }>(options: readonly T[]): T[] {
  const shared = (option: T): boolean => SHARED.test(option.definition)
  return [...options.filter((o) => !shared(o)), ...options.filter(shared)]
}

const SHARED =
  /--(?:quiet|verbose|very-verbose|hide-progress|progress-fd|log-file|json|color|version)\b/

/** `Cli.process`, with what it throws turned into usage errors. */
async function parse(cli: Cli<Context>, args: readonly string[], context: Context) {
  try {
    return cli.process([...args], context)
  } catch (error) {
    if (error instanceof UserError) throw error
    const message = parseMessage(error)
    const missing = /^not enough arguments to option (\S+?)\.?$/.exec(message)?.[1]
    if (missing?.startsWith('--')) {
      throw usageError(message, `A value that begins with - is written ${missing}=VALUE.`)
    }
    const unknown = /^(?:unsupported|invalid) option name \("(.*)"\)\.?$/s.exec(message)?.[1]
    if (unknown !== undefined) throw await unknownOption(unknown, args[0])
    throw usageError(message, helpHint(args[0]))
  }
}

/** An option that the command does not have: the nearest one that it has, or the command that has it. */
async function unknownOption(option: string, first: string | undefined): Promise<UserError> {
  const { nearest } = await import('./suggest.js')
  const commands = table()
  const namesOf = (entry: CommandEntry): string[] => entry.options.flatMap(({ names }) => names)
  const own = commands[COMMANDS.indexOf(commandOf(first) as never)]
  // What follows = is its value.
  const bare = option.split('=')[0] ?? option
  const near = own === undefined ? undefined : nearest(bare, namesOf(own))
  const others = commands.filter((entry) => namesOf(entry).includes(bare))
  const hints = [
    ...(others.length > 0
      ? [
          `${others.map((entry) => entry.name).join(' and ')} ${others.length > 1 ? 'have' : 'has'} it.`,
        ]
      : near !== undefined
        ? [`Did you mean ${near}?`]
        : []),
    helpHint(first),
  ]
  return usageError(`${own?.name} has no option ${displayName(option)}`, hints.join(' '))
}

function helpHint(first: string | undefined): string {
  return `${PROGRAM}${commandWord(first)} --help lists the options.`
}

/** What clipanion has to say, without the usage of every command. */
function parseMessage(error: unknown): string {
  const { message } = error as Error
  // Of an unknown option clipanion gives one "candidate" a command path, each with the same reason.
  const { candidates } = error as { candidates?: readonly { reason: string | null }[] }
  const reason = candidates?.find((candidate) => candidate.reason !== null)?.reason ?? message
  const [line = 'the command line is not understood'] = reason.split('\n')
  return displayName(line.charAt(0).toLowerCase() + line.slice(1))
}
