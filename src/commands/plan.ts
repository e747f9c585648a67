/**
 * `multivolumecopy plan`: what a copy with these options would do, drive by drive. Nothing is written.
 *
 * It takes the options of a copy, so that a line that was tried can be run by taking one word away; `-o`
 * may be left out.
 */
import { Command, Option } from 'clipanion'
import type { CopyOptions } from '../copy/options.js'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { SIZE_HELP } from '../size.js'
import type { CommandFacts } from './base.js'
import { CopyCommand } from './copy.js'
import { pathOption } from './values.js'

/** `multivolumecopy plan SRC...`. */
export class PlanCommand extends CopyCommand {
  static override paths = [['plan']]

  static override usage = Command.Usage({
    description: 'Tell what a copy would do, drive by drive, and write nothing.',
    details: `
      The options are those of a copy. Drives that are mounted at -o and drives of the set that are on the shelf are planned with the room that they have; new ones are taken to be like the largest of these, or as --volume-size says. The bar of a drive shows what is on it, what is added and what stays free.

      Nothing changes: no drive, no job file, nothing that is known of the set. It may be used while a copy of the same set goes on.

      Sizes are ${SIZE_HELP}.
    `,
    examples: [
      ['How many drives of 4 TB does it take?', '$0 plan /mnt/src --volume-size 4T'],
      [
        'Two drives of 2 TB, then drives of 8 TB',
        '$0 plan /mnt/src --volume-size 2T --volume-size 2T --volume-size 8T',
      ],
      [
        'What would be written on this drive, and which others are needed?',
        '$0 plan /mnt/src -o /mnt/usb',
      ],
      [
        'As few drives as possible, each album on one',
        '$0 plan /mnt/music --volume-size 500G --pack --keep-together 2',
      ],
      [
        'Keep the plan, so that several hosts can write its drives at once',
        '$0 plan /mnt/src --volume-size 4T --save /mnt/shared/src.plan',
      ],
    ],
  })

  save = Option.String('--save', {
    description:
      'keep the plan as this file: copy --volume writes its drives one by one, on any host',
  })

  static override readonly facts: CommandFacts = {
    ...CopyCommand.facts,
    values: { ...CopyCommand.facts.values, '--save': 'FILE' },
    forms: [
      'plan SRC... [-o OUTPUT | --volume-size SIZE] [OPTION...]',
      'plan -f JOBFILE [-o OUTPUT | --volume-size SIZE] [OPTION...]',
    ],
    exits: [
      Exit.ok,
      Exit.usage,
      Exit.catalog,
      Exit.partial,
      Exit.vanished,
      Exit.guard,
      Exit.internal,
      Exit.interrupted,
    ],
  }

  protected override get mayLackOutput(): boolean {
    return true
  }

  override plainOptions(): CopyOptions {
    return { ...super.plainOptions(), savePlan: pathOption('--save', this.save) }
  }

  protected override run(): Promise<ExitCode> {
    if (this.volume !== undefined)
      throw usageError('--volume writes a drive, plan only tells', 'copy --volume writes it.')
    if (this.verify)
      throw usageError('--verify compares a drive, plan only tells', 'Give one of them.')
    return this.runPlan()
  }
}
