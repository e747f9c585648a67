/**
 * What a command may touch of the world: streams, environment, working directory, the stop signal.
 *
 * Everything that commands and runs need from the process comes in through this object, so a test
 * can hand in fakes. Nothing but `program.ts` reads `process`.
 */
import type { Readable, Writable } from 'node:stream'
import type { Prompter } from './prompt/prompter.js'
import type { Reporter } from './report/reporter.js'
import type { StopSignal } from './stop.js'

/** The context of every command. The first five fields are clipanion's own base context. */
export interface Context {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly env: Record<string, string | undefined>
  /** Bits of colour; always 1 here, because colour is decided by `--color`. */
  readonly colorDepth: number
  /** Absolute path against which relative paths are resolved. */
  readonly cwd: string
  readonly stdinIsTTY: boolean
  readonly stdoutIsTTY: boolean
  readonly stderrIsTTY: boolean
  /** Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly stop, the second for an immediate one. */
  readonly stop: StopSignal
  /**
   * Registers what a SIGUSR1 (or SIGINFO) calls, and returns the function that takes it back.
   * The handler itself lives in `program.ts`.
   */
  readonly onInfoSignal: (listener: () => void) => () => void
}

/** The context of a run: a command has chosen how to report and how to ask. */
export interface RunContext extends Context {
  readonly report: Reporter
  readonly prompter: Prompter
}
