/** `multivolumecopy status`: how a set stands. */

import { Command } from 'clipanion'
import type { ExitCode } from '../exit.js'
import type { CommandFacts } from './base.js'
import { SET_EXITS, SET_HELP, SET_VALUES, SetCommand } from './set.js'

export class StatusCommand extends SetCommand {
  static override paths = [['status']]

  static override usage = Command.Usage({
    description: 'Tell how a set stands.',
    details: `
      Its sources; each drive with its fill, its files, when it was written and verified; what is not backed up yet, what could be reclaimed, what is lost. It tells what the last run knew and looks at neither sources nor drives.

      ${SET_HELP}
    `,
    examples: [
      ['The only set there is', '$0 status'],
      ['For a program', '$0 status --set photos --json'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['status [OPTION...]'],
    values: SET_VALUES,
    exits: SET_EXITS,
  }

  protected override run(): Promise<ExitCode> {
    const options = { ...this.clues(), json: this.json }
    return this.withRun(this.talk(), false, async (context) => {
      const { runStatus } = await import('../query/status.js')
      return runStatus(options, context)
    })
  }
}
