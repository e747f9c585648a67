/**
 * What all commands share: the options that decide how a run talks, and how a run gets its context.
 *
 * A command only parses, checks and hands on; the reporter and prompter are made here, and loaded only
 * when a run begins, so that help and usage errors stay quick.
 */
import { resolve } from 'node:path'
import { Command, Option } from 'clipanion'
import { cascade, isEnum, isInInclusiveRange, isInteger, isNumber } from 'typanion'
import type { Context, RunContext } from '../context.js'
import type { TalkOptions, Verbosity } from '../copy/options.js'
import { usageError } from '../errors.js'
import type { ExitCode } from '../exit.js'
import { PROGRAM, version } from '../version.js'
import { pathOption } from './values.js'

/** What a command class says of itself beside clipanion's `usage`; for help and completion. */
export interface CommandFacts {
  /** The forms of the command line, without the program's name. */
  readonly forms: readonly string[]
  /** The name of each option's value: `{ '--output': 'DIR' }`. */
  readonly values: Readonly<Record<string, string>>
  /** The exit codes that the command can give. */
  readonly exits: readonly ExitCode[]
}

/** The names of the values of the shared options. */
export const TALK_VALUES = {
  '--color': 'WHEN',
  '--progress-fd': 'N',
  '--log-file': 'FILE',
} as const

const isDescriptor = cascade(isNumber(), [isInteger(), isInInclusiveRange(1, 65_535)])

/** A command that runs something. */
export abstract class RunCommand extends Command<Context> {
  quiet = Option.Boolean('-q,--quiet', false, { description: 'errors and prompts only' })
  verbose = Option.Counter('-v,--verbose', 0, { description: 'tell more; -vv: for debugging' })
  veryVerbose = Option.Boolean('-vv,--very-verbose', false, { description: 'the same as -v -v' })
  hideProgress = Option.Boolean('--hide-progress', false, {
    description: 'no progress display; all else is told',
  })
  json = Option.Boolean('--json', false, { description: 'one JSON object a line on stdout' })
  color = Option.String('--color', 'auto', {
    validator: isEnum(['auto', 'always', 'never'] as const),
    description: 'auto, always or never; auto: at a terminal, unless NO_COLOR is set',
  })
  progressFd = Option.String('--progress-fd', {
    validator: isDescriptor,
    description: 'write the objects of --json to this open descriptor; progress is among them',
  })
  logFile = Option.String('--log-file', {
    description:
      'append what is told to this file, each line with its time; with --json the objects',
  })
  showVersion = Option.Boolean('-V,--version', false, { description: 'print the version' })

  /** Runs the command: parse what is left, then the work. */
  protected abstract run(): Promise<ExitCode>

  override async execute(): Promise<number> {
    if (this.showVersion) {
      this.context.stdout.write(`${PROGRAM} ${version()}\n`)
      return 0
    }
    return this.run()
  }

  /** Errors are told by `runCli`, not by clipanion. */
  override catch(error: unknown): Promise<void> {
    return Promise.reject(error)
  }

  /** The shared options, checked. */
  protected talk(): TalkOptions {
    const logFile = pathOption('--log-file', this.logFile)
    const loud = this.veryVerbose || this.verbose > 0
    if (this.quiet && loud) {
      throw usageError('-q and -v contradict each other', 'Give one of them.')
    }
    return {
      verbosity: verbosity(this.quiet, this.verbose + (this.veryVerbose ? 2 : 0)),
      hideProgress: this.hideProgress,
      json: this.json,
      color: this.color,
      ...(this.progressFd === undefined ? {} : { progressFd: this.progressFd }),
      ...(logFile === undefined ? {} : { logFile: resolve(this.context.cwd, logFile) }),
    }
  }

  /** Calls `work` with a reporter and a prompter and takes them down afterwards, whatever happens. */
  protected async withRun(
    talk: TalkOptions,
    stdinTaken: boolean,
    work: (context: RunContext) => Promise<ExitCode>,
  ): Promise<ExitCode> {
    const [{ createReporter }, { createPrompter }] = await Promise.all([
      import('../report/create.js'),
      import('../prompt/create.js'),
    ])
    const report = createReporter(this.context, talk)
    const prompter = createPrompter(this.context, report, stdinTaken)
    const forget = this.context.onInfoSignal(() => report.line())
    try {
      return await work({ ...this.context, report, prompter })
    } finally {
      forget()
      report.end()
    }
  }
}

function verbosity(quiet: boolean, loudness: number): Verbosity {
  if (quiet) return 'quiet'
  return loudness === 0 ? 'normal' : loudness === 1 ? 'verbose' : 'debug'
}
