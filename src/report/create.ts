/** Which reporter a run gets, by its options and by what stderr is. */
import type { Context } from '../context.js'
import { displayName } from '../display.js'
import { type Clock, systemClock } from './clock.js'
import { JsonReporter } from './json.js'
import { LiveDisplay, type TerminalStream } from './live.js'
import { PlainDisplay } from './plain.js'
import type { Canvas } from './plan.js'
import type { DisplayName } from './render.js'
import type { Reporter } from './reporter.js'
import type { TalkOptions } from './talk.js'
import { type Display, noDisplay, TextReporter } from './text.js'

type ReporterContext = Pick<Context, 'stdout' | 'stderr' | 'stderrIsTTY' | 'env'>

/** `clock` and `name` are for tests and for a program that shows names in another way. */
export function createReporter(
  context: ReporterContext,
  talk: TalkOptions,
  clock: Clock = systemClock,
  name: DisplayName = displayName,
): Reporter {
  const options = {
    stdout: context.stdout,
    stderr: context.stderr,
    verbosity: talk.verbosity,
    colors: wantsColors(context, talk.color),
    clock,
    name,
    display: chooseDisplay(context, talk, clock, name),
    ...(context.stderrIsTTY ? { canvas: () => canvasOf(context) } : {}),
  }
  return talk.json ? new JsonReporter(options, !talk.hideProgress) : new TextReporter(options)
}

/** What a bar may be drawn with at this terminal, as wide as it is now. */
function canvasOf({ stderr, env }: ReporterContext): Canvas {
  const { columns } = stderr as TerminalStream
  const { LC_ALL, LC_CTYPE, LANG, TERM } = env
  const locale = [LC_ALL, LC_CTYPE, LANG].find((one) => (one ?? '') !== '') ?? ''
  return {
    width: columns === undefined || columns <= 0 ? 80 : columns,
    blocks: /utf-?8/i.test(locale) && TERM !== 'dumb' && TERM !== 'linux',
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
    return new LiveDisplay(context.stderr, clock, name)
  }
  // With --json progress comes as objects; a second account of it on stderr would be noise.
  return talk.json ? noDisplay : new PlainDisplay(context.stderr, clock)
}
