/** `multivolumecopy report`: the set as a page. */

import { Command, Option } from 'clipanion'
import { usageError } from '../errors.js'
import type { ExitCode } from '../exit.js'
import type { CommandFacts } from './base.js'
import { SET_EXITS, SET_HELP, SET_VALUES, SetCommand } from './set.js'
import { pathOption } from './values.js'

export class ReportCommand extends SetCommand {
  static override paths = [['report']]

  static override usage = Command.Usage({
    description: 'Write the set as a page for a browser.',
    details: `
      One file that needs no network: each drive with what it holds and when it was checked, a search through the names of all entries, and the history of runs and checks. It tells what this host knows and looks at neither sources nor drives. A page that was written before is replaced, any other file only with --force.

      ${SET_HELP}
    `,
    examples: [
      ['The only set there is', '$0 report --html photos.html'],
      ['One of several', '$0 report --set photos --html /srv/www/photos.html'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['report --html FILE [OPTION...]'],
    values: { ...SET_VALUES, '--html': 'FILE' },
    exits: SET_EXITS,
  }

  html = Option.String('--html', { description: 'where the page is written' })
  force = Option.Boolean('--force', false, {
    description: 'replace a file that is no page of ours',
  })

  protected override run(): Promise<ExitCode> {
    const html = pathOption('--html', this.html)
    if (html === undefined) {
      throw usageError('report needs the name of a file', 'Give one with --html FILE.')
    }
    const options = { ...this.clues(), html, force: this.force, json: this.json }
    return this.withRun(this.talk(), false, async (context) => {
      const { runReport } = await import('../query/report.js')
      return runReport(options, context)
    })
  }
}
