/** `multivolumecopy lost VOLUME`: a drive is gone. */

import { Command, Option } from 'clipanion'
import { usageError } from '../errors.js'
import type { ExitCode } from '../exit.js'
import type { CommandFacts } from './base.js'
import { isLoud, SET_EXITS, SET_HELP, SET_VALUES, SetCommand } from './set.js'

export class LostCommand extends SetCommand {
  static override paths = [['lost']]

  static override usage = Command.Usage({
    description: 'Declare a drive lost, and list what cannot be had again.',
    details: `
      VOLUME is the number of the drive or its label. What it held and the sources have is copied to other drives by the next run. What is in no source and on no other drive is listed on stdout, and kept in the catalog (--list). Nothing on any drive is touched; if the drive turns up, "multivolumecopy adopt" takes it back.

      At a terminal it asks once. ${SET_HELP}
    `,
    examples: [
      ['Drive 3 has died', '$0 lost 3'],
      ['What is lost for good, of all drives', '$0 lost --list'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['lost VOLUME [OPTION...]', 'lost --list [VOLUME] [OPTION...]'],
    values: SET_VALUES,
    exits: SET_EXITS,
  }

  list = Option.Boolean('--list', false, {
    description: 'change nothing: print what is lost for good',
  })
  yes = Option.Boolean('-y,--yes', false, { description: "don't ask" })
  nul = Option.Boolean('-0,--null', false, {
    description: 'print paths only, byte for byte, each with a NUL behind it',
  })
  volumes = Option.Rest({ name: 'VOLUME' })

  protected override run(): Promise<ExitCode> {
    const [volume, ...more] = this.volumes
    if (more.length > 0) throw usageError('one drive at a time')
    if (volume === undefined && !this.list) {
      throw usageError('no drive', 'Say which drive is gone, by number or label, or give --list.')
    }
    if (this.nul && this.json) throw usageError('-0 and --json contradict each other')
    const talk = this.talk()
    const options = {
      ...this.clues(),
      volume,
      list: this.list,
      yes: this.yes,
      nul: this.nul,
      json: this.json,
      verbose: isLoud(talk),
    }
    return this.withRun(talk, false, async (context) => {
      const { runLost } = await import('../query/lost.js')
      return runLost(options, context)
    })
  }
}
