/** `multivolumecopy verify -o OUTPUT [PATTERN...]`: check one drive by itself. */

import { Command, Option } from 'clipanion'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import type { VerifyLists } from '../verify/options.js'
import type { CommandFacts } from './base.js'
import { SET_EXITS, SET_VALUES, SetCommand } from './set.js'
import { pathList, pathOption } from './values.js'

const LISTS = {
  '--report': 'FILE',
  '--match': 'FILE',
  '--differ': 'FILE',
  '--missing-on-dst': 'FILE',
  '--missing-on-src': 'FILE',
  '--error': 'FILE',
  '--combined': 'FILE',
} as const

export class VerifyCommand extends SetCommand {
  static override paths = [['verify']]

  static override usage = Command.Usage({
    description: 'Check one drive by itself, without the source.',
    details: `
      Every file that the drive's manifest names is read back and held against its checksum; sizes, times, links and special files are compared, and so are the drive's own lists. Files that nothing tells of are named. Nothing is changed but the date and result of the check, and nothing is mended.

      Patterns limit it, as in where; --since and --sample check a part. A part never counts as a check of the drive. A check that was stopped goes on with the same command.

      With --against-source each file is also read in the source that it came from. What the source changed or removed since is listed and is no difference; other content under the same size and time is one, and the checksum tells on which side the damage is.

      A check in the session in which the drive was written may read from memory: unmount or unplug the drive first for a better one.
    `,
    examples: [
      ['Check a drive', '$0 verify -o /mnt/usb'],
      [
        'A tenth of it, what was not checked for longest first',
        '$0 verify -o /mnt/usb --sample 10%',
      ],
      ['What was not checked for a year', '$0 verify -o /mnt/usb --since 365'],
      ['Some files', '$0 verify -o /mnt/usb "*.ogg" letters/'],
      ['With the source beside it', '$0 verify -o /mnt/usb --against-source'],
      ['With a list of what is not good', '$0 verify -o /mnt/usb --report bad.txt'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['verify -o OUTPUT [PATTERN...] [OPTION...]'],
    values: { ...SET_VALUES, ...LISTS, '--since': 'DAYS', '--sample': 'N%', '--workers': 'N' },
    exits: [...SET_EXITS, Exit.differences, Exit.guard],
  }

  since = Option.String('--since', {
    description: 'only what was not checked for so many days',
  })
  sample = Option.String('--sample', {
    description: 'only so much of the bytes, what was not checked for longest first',
  })
  restart = Option.Boolean('--restart', false, {
    description: 'begin anew where a check was stopped',
  })
  oneWay = Option.Boolean('--one-way', false, {
    description: 'do not look for files that nothing tells of',
  })
  workers = Option.String('-w,--workers', {
    description: 'files read at once; default: 4, and 1 on a rotating drive',
  })
  againstSource = Option.Boolean('--against-source', false, {
    description: 'compare with the source, too: size, time and content',
  })
  report = Option.String('--report', { description: 'write what is not good: word, tab, path' })
  match = Option.String('--match', { description: 'write the paths of what is good' })
  differ = Option.String('--differ', { description: 'write the paths of what differs' })
  missingOnDst = Option.String('--missing-on-dst', {
    description: 'write the paths of what is missing on the drive',
  })
  missingOnSrc = Option.String('--missing-on-src', {
    description: 'write the paths of what nothing tells of',
  })
  error = Option.String('--error', { description: 'write the paths of what could not be read' })
  combined = Option.String('--combined', {
    description: 'write all paths with = * + - or ! before them, as rclone check does',
  })
  patterns = Option.Rest({ name: 'PATTERN' })

  protected override run(): Promise<ExitCode> {
    const talk = this.talk()
    const clues = this.clues()
    const { output } = clues
    if (output === undefined) {
      throw usageError(
        'no drive',
        'Say with -o where it is mounted: multivolumecopy verify -o /mnt/usb',
      )
    }
    const options = {
      ...clues,
      output,
      patterns: pathList('PATTERN', this.patterns),
      since: numberOption('--since', this.since, /^\d+$/, 0, 1_000_000),
      sample: numberOption('--sample', this.sample, /^\d+(?:\.\d*)?%?$/, 0, 100),
      workers: numberOption('--workers', this.workers, /^\d+$/, 1, 256),
      restart: this.restart,
      oneWay: this.oneWay,
      againstSource: this.againstSource,
      json: this.json,
      verbosity: talk.verbosity,
      lists: this.#lists(),
    }
    return this.withRun(talk, false, async (context) => {
      const { runVerify } = await import('../verify/run.js')
      return runVerify(options, context)
    })
  }

  #lists(): VerifyLists {
    return {
      report: pathOption('--report', this.report),
      matched: pathOption('--match', this.match),
      differ: pathOption('--differ', this.differ),
      missingOnDst: pathOption('--missing-on-dst', this.missingOnDst),
      missingOnSrc: pathOption('--missing-on-src', this.missingOnSrc),
      error: pathOption('--error', this.error),
      combined: pathOption('--combined', this.combined),
    }
  }
}

function numberOption(
  option: string,
  text: string | undefined,
  form: RegExp,
  least: number,
  most: number,
): number | undefined {
  if (text === undefined) return undefined
  const number = Number.parseFloat(text)
  if (
    !form.test(text) ||
    number < least ||
    number > most ||
    (option === '--sample' && number === 0)
  ) {
    const range = option === '--sample' ? 'more than 0% and up to 100%' : `${least} to ${most}`
    throw usageError(`${option}: ${JSON.stringify(text)} is not a number from ${range}`)
  }
  return number
}
