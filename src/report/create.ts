/** Which reporter a run gets, by its options and by what stderr is. */
import type { Context } from '../context.js'
import { displayName } from '../display.js'
import { type Terminal, terminalWidth } from '../text.js'
import { type Clock, systemClock } from './clock.js'
import { JsonReporter } from './json.js'
import { LiveDisplay } from './live.js'
import { PlainDisplay } from './plain.js'
import type { LiveCanvas } from './render.js'
import type { Reporter } from './reporter.js'
import { descriptorSink, LogFile, type ObjectSink, streamSink } from './sinks.js'
import type { TalkOptions } from './talk.js'
import { type Display, noDisplay, TextReporter } from './text.js'
import type { DisplayName } from './words.js'

type ReporterContext = Pick<Context, 'stdout' | 'stderr' | 'stderrIsTTY' | 'env'>

/** `clock` and `name` are for tests and for a program that shows names in another way. */
export function createReporter(
  context: ReporterContext,
  talk: TalkOptions,
  clock: Clock = systemClock,
  name: DisplayName = displayName,
): Reporter {
  const display = chooseDisplay(context, talk, clock, name)
  let reporter: Reporter | undefined
  const log =
    talk.logFile === undefined
      ? undefined
      : new LogFile(talk.logFile, (text) => reporter?.warning(text))
  const options = {
    stdout: context.stdout,
    stderr: context.stderr,
    verbosity: talk.verbosity,
    colors: wantsColors(context, talk.color),
    clock,
    name,
    display,
    objects: objectSinks(context, talk, log, () => display.clear()),
    ...(context.stderrIsTTY ? { canvas: () => canvasOf(context) } : {}),
    // With --json the log has the objects.
    ...(talk.json ? {} : { log }),
  }
  reporter = talk.json ? new JsonReporter(options) : new TextReporter(options)
  return reporter
}

/** What gets objects: stdout and the log with `--json`, and `--progress-fd`. */
function objectSinks(
  { stdout }: ReporterContext,
  talk: TalkOptions,
  log: LogFile | undefined,
  before: () => void,
): ObjectSink[] {
  const { progressFd, json, hideProgress } = talk
  // Progress goes to one place: who opens a descriptor for it does not want it on stdout as well.
  const onStdout = !hideProgress && progressFd === undefined
  return [
    ...(json ? [streamSink(stdout, onStdout, before)] : []),
    ...(json && log !== undefined ? [log] : []),
    ...(progressFd === undefined ? [] : [descriptorSink(progressFd)]),
  ]
}

/** What may be drawn with at this terminal, as wide as it is now. */
function canvasOf({ stderr, env }: ReporterContext): LiveCanvas {
  const { LC_ALL, LC_CTYPE, LANG, TERM } = env
  const locale = [LC_ALL, LC_CTYPE, LANG].find((one) => (one ?? '') !== '') ?? ''
  const ascii = !/utf-?8/i.test(locale)
  return {
    width: terminalWidth(stderr as Terminal),
    blocks: !ascii && TERM !== 'dumb' && TERM !== 'linux',
    ascii,
  }
}

/** `NO_COLOR` counts when it is set and not empty (no-color.org); so does a terminal that says it is dumb. */
export function wantsColors(context: ReporterContext, color: TalkOptions['color']): boolean {
  if (color !== 'auto') return color === 'always'
  const { NO_COLOR, TERM } = context.env
  return context.stderrIsTTY && (NO_COLOR ?? '') === '' && TERM !== 'dumb'
}

function chooseDisplay(
  context: ReporterContext,
  talk: TalkOptions,
  clock: Clock,
  name: DisplayName,
): Display {
  if (talk.hideProgress || talk.verbosity === 'quiet') return noDisplay
  if (context.stderrIsTTY && context.env.TERM !== 'dumb') {
    return new LiveDisplay(context.stderr, clock, name, () => canvasOf(context))
  }
  // With --json progress comes as objects; a second account of it on stderr would be noise.
  return talk.json ? noDisplay : new PlainDisplay(context.stderr, clock)
}
