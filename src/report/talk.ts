/** What decides how a run talks: the part of every command's options that reporters look at. */

/** How much is told: `quiet` errors and prompts only, `verbose` `-v`, `debug` `-vv`. */
export type Verbosity = 'quiet' | 'normal' | 'verbose' | 'debug'

/** What decides how a run talks; common to all commands. */
export interface TalkOptions {
  readonly verbosity: Verbosity
  /** `--hide-progress`: no progress display, all else is told. */
  readonly hideProgress: boolean
  /** `--json`: one object a line on stdout. */
  readonly json: boolean
  readonly color: 'auto' | 'always' | 'never'
  /** `--progress-fd`: the objects of `--json` go to this descriptor, too. */
  readonly progressFd?: number
  /** `--log-file`: what is told goes there, too. */
  readonly logFile?: string
}
