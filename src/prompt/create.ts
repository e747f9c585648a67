/** Which prompter a run gets: a terminal at both ends of the question, or nobody. */
import type { Context } from '../context.js'
import type { Reporter } from '../report/reporter.js'
import { type Prompter, unattended } from './prompter.js'
import { TerminalPrompter } from './terminal.js'

/** `stdinTaken`: stdin gives data (`--files-from -`), so it can give no answers. */
export function createPrompter(
  context: Context,
  report: Pick<Reporter, 'pause' | 'resume'>,
  stdinTaken: boolean,
): Prompter {
  if (stdinTaken || !context.stdinIsTTY || !context.stderrIsTTY) return unattended
  return new TerminalPrompter({
    stdin: context.stdin,
    stderr: context.stderr,
    stop: context.stop,
    before: () => report.pause(),
    after: () => report.resume(),
  })
}
