/** `multivolumecopy volumes`: the drives of a set; relabel, retire. */

import { Command, Option } from 'clipanion'
import { usageError } from '../errors.js'
import type { ExitCode } from '../exit.js'
import type { VolumesAction } from '../query/volumes.js'
import type { CommandFacts } from './base.js'
import { SET_EXITS, SET_HELP, SET_VALUES, SetCommand } from './set.js'
import { namedOption } from './values.js'

export class VolumesCommand extends SetCommand {
  static override paths = [['volumes']]

  static override usage = Command.Usage({
    description: 'List the drives of a set, or change what is said of one.',
    details: `
      VOLUME is the number of a drive or its label. relabel changes the label, which is what to write on the case. retire takes a healthy drive out of use: what is on it is copied to other drives by the next runs, nothing new goes to it, and nothing on it is deleted.

      ${SET_HELP}
    `,
    examples: [
      ['The drives', '$0 volumes'],
      ['A new label', '$0 volumes relabel 2 "blue WD"'],
      ['Take a drive out of use', '$0 volumes retire 2'],
      ['Use it after all', '$0 volumes retire 2 --undo'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: [
      'volumes [OPTION...]',
      'volumes relabel VOLUME LABEL [OPTION...]',
      'volumes retire VOLUME [--undo] [OPTION...]',
    ],
    values: SET_VALUES,
    exits: SET_EXITS,
  }

  undo = Option.Boolean('--undo', false, { description: 'with retire: the drive is used again' })
  words = Option.Rest({ name: 'relabel|retire' })

  protected override run(): Promise<ExitCode> {
    const options = { ...this.clues(), action: this.action(), json: this.json }
    return this.withRun(this.talk(), false, async (context) => {
      const { runVolumes } = await import('../query/volumes.js')
      return runVolumes(options, context)
    })
  }

  private action(): VolumesAction {
    const [verb, volume, label, ...more] = this.words
    const list = 'multivolumecopy volumes --help lists the forms.'
    if (this.undo && verb !== 'retire') throw usageError('--undo goes with retire', list)
    if (verb === undefined) return { kind: 'list' }
    if (verb === 'relabel' && volume !== undefined && label !== undefined && more.length === 0) {
      return { kind: 'relabel', volume, label: namedOption('LABEL', label) ?? '' }
    }
    if (verb === 'retire' && volume !== undefined && label === undefined) {
      return { kind: 'retire', volume, undo: this.undo }
    }
    throw usageError(
      verb === 'relabel'
        ? 'relabel takes a drive and its new label'
        : verb === 'retire'
          ? 'retire takes one drive'
          : `volumes has no ${JSON.stringify(verb)}`,
      list,
    )
  }
}
