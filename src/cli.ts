/**
 * The command line as a function: arguments and a context in, an exit code out.
 *
 * Builds the clipanion Cli and mends what it does otherwise: errors go to stderr, wrong usage is exit
 * code 2, an unexpected error is told as an internal one without a stack, nothing is coloured that
 * should not be. Touches no process.
 */
import { Cli, type CommandClass } from 'clipanion'
import { AdoptCommand } from './commands/adopt.js'
import { type CommandFacts, RunCommand } from './commands/base.js'
import { CopyCommand } from './commands/copy.js'
import { commandHelp } from './commands/help.js'
import { LostCommand } from './commands/lost.js'
import { PlanCommand } from './commands/plan.js'
import { RepairCommand } from './commands/repair.js'
import { ReportCommand } from './commands/report.js'
import { RestoreCommand } from './commands/restore.js'
import { StatusCommand } from './commands/status.js'
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
] as const

/** Words that are commands of the documented command line but not of this version: never a directory's name. */
const RESERVED = new Set(['completion', 'help'])

/** The Cli with all commands registered. */
export function createCli(): Cli<Context> {
  // Colours are the reporter's business: what clipanion itself prints never has any.
  const cli = new Cli<Context>({ binaryName: PROGRAM, enableColors: false })
  for (const command of COMMANDS) cli.register(command)
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
  const [first] = args
  if (args.length === 1 && first === 'help') return help(CopyCommand, context)
  if (first !== undefined && RESERVED.has(first)) {
    throw usageError(
      `"${first}" is the name of a command, and this version does not have it yet`,
      `For a directory of that name write ./${first}`,
    )
  }
  const cli = createCli()
  // Clipanion knows -h as the first word only; people add it to a line that they have written already.
  const end = args.indexOf('--')
  const words = end < 0 ? args : args.slice(0, end)
  if (words.includes('-h') || words.includes('--help')) return help(commandOf(first), context)
  const command = parse(cli, args, context)
  if (!(command instanceof RunCommand)) return help(commandOf(first), context)
  command.context = context
  command.cli = { ...cli, definitions: () => cli.definitions() } as never
  return (await command.validateAndExecute()) as ExitCode
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
  context.stdout.write(
    commandHelp({
      usage: (commandClass.usage ?? {}) as never,
      facts: commandClass.facts,
      options: ownFirst(definition?.options ?? []),
    }),
  )
  return Exit.ok
}

/** The command's own options before those that all commands share. */
function ownFirst<T extends { readonly definition: string }>(options: readonly T[]): T[] {
  const shared = (option: T): boolean => SHARED.test(option.definition)
  return [...options.filter((o) => !shared(o)), ...options.filter(shared)]
}

const SHARED = /--(?:quiet|verbose|very-verbose|hide-progress|json|color|version)\b/

/** `Cli.process`, with what it throws turned into usage errors. */
function parse(cli: Cli<Context>, args: readonly string[], context: Context) {
  try {
    return cli.process([...args], context)
  } catch (error) {
    if (error instanceof UserError) throw error
    const message = parseMessage(error)
    const missing = /^not enough arguments to option (\S+?)\.?$/.exec(message)?.[1]
    throw usageError(
      message,
      missing?.startsWith('--')
        ? `A value that begins with - is written ${missing}=VALUE.`
        : `${PROGRAM}${commandWord(args[0])} --help lists the options.`,
    )
  }
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
