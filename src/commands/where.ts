/** `multivolumecopy where PATTERN...`: which drive holds it. */

import { Command, Option } from 'clipanion'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import type { CommandFacts } from './base.js'
import { isLoud, SET_EXITS, SET_HELP, SET_VALUES, SetCommand } from './set.js'
import { pathList } from './values.js'

export class WhereCommand extends SetCommand {
  static override paths = [['where']]

  static override usage = Command.Usage({
    description: 'Find which drive holds what.',
    details: `
      A pattern with * ? or [ is a glob: without a slash it is held against the last part of each path, with one against the whole path or its end. Any other pattern is looked for anywhere in the path. Several patterns: what any of them matches.

      ${SET_HELP} Where this host has no catalog of the set, the drive at -o answers from its own lists.

      Each line has the drive, the size, the time, the beginning of the checksum and the path.
    `,
    examples: [
      ['Everything with this in its path', '$0 where holiday'],
      ['By the end of the name', '$0 where "*.ogg"'],
      [
        'Ask one drive, on a computer that knows nothing of the set',
        '$0 where -o /mnt/usb holiday',
      ],
      ['Paths for another program', '$0 where -0 "*.tmp"'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['where PATTERN... [-o OUTPUT] [OPTION...]'],
    values: SET_VALUES,
    exits: [...SET_EXITS, Exit.differences],
  }

  regex = Option.Boolean('--regex', false, {
    description: 'the patterns are regular expressions, found anywhere in the path',
  })
  ignoreCase = Option.Boolean('-i,--ignore-case', false, {
    description: 'upper and lower case are the same',
  })
  nul = Option.Boolean('-0,--null', false, {
    description: 'print paths only, byte for byte, each with a NUL behind it',
  })
  patterns = Option.Rest({ name: 'PATTERN' })

  protected override run(): Promise<ExitCode> {
    const patterns = pathList('PATTERN', this.patterns)
    if (patterns.length === 0) {
      throw usageError('no pattern', 'Say what to look for: multivolumecopy where "*.ogg"')
    }
    if (this.nul && this.json) throw usageError('-0 and --json contradict each other')
    const talk = this.talk()
    const options = {
      ...this.clues(),
      patterns,
      regex: this.regex,
      ignoreCase: this.ignoreCase,
      nul: this.nul,
      json: this.json,
      verbose: isLoud(talk),
    }
    return this.withRun(talk, false, async (context) => {
      const { runWhere } = await import('../query/where.js')
      return runWhere(options, context)
    })
  }
}
