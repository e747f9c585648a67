/** `multivolumecopy repair -o OUTPUT`: copy again what a check found bad. */

import { Command, Option } from 'clipanion'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import type { RepairOptions } from '../repair/options.js'
import type { CommandFacts } from './base.js'
import { SET_VALUES, SetCommand } from './set.js'
import { pathList, pathOption } from './values.js'

export class RepairCommand extends SetCommand {
  static override paths = [['repair']]

  static override usage = Command.Usage({
    description: 'Copy again what a check of a drive found bad.',
    details: `
      What "multivolumecopy verify" found corrupt, unreadable or missing comes back as it was recorded: from the sources where they still have that content, else from another drive of the set that holds it too (--copies). Only content with the recorded digest counts. It is written as every copy is, read back from the drive, and the finding is cleared then.

      Other drives are looked for at --from and where they were mounted last; at a terminal they are asked for, one at a time. Where only one drive can be in at a time, put the other one in the place of this one when it is asked for: what is needed is kept on this computer until this one is back.

      Files that were changed on the drive are left alone. At a terminal it asks once; --set-aside says yes beforehand: what was backed up comes back, and the changed version is kept beside it as NAME.mvcopy-changed.

      What nobody has any more is listed, and kept in the catalog ("multivolumecopy lost --list").
    `,
    examples: [
      ['Check a drive, then mend it', '$0 verify -o /mnt/usb && $0 repair -o /mnt/usb'],
      ['What would be done?', '$0 repair -o /mnt/usb --dry-run'],
      ['Take what the sources lack from another drive', '$0 repair -o /mnt/usb --from /mnt/usb2'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['repair -o OUTPUT [--from OTHER...] [OPTION...]'],
    values: { ...SET_VALUES, '--output': 'OUTPUT', '--from': 'OTHER', '--spool': 'DIR' },
    exits: [
      Exit.ok,
      Exit.differences,
      Exit.usage,
      Exit.needed,
      Exit.catalog,
      Exit.driveFailed,
      Exit.partial,
      Exit.internal,
      Exit.interrupted,
    ],
  }

  from = Option.Array('--from', [], {
    description: 'where another drive of the set is mounted; it is only read',
  })
  spool = Option.String('--spool', {
    description: 'where that is kept meanwhile; default: the state directory',
  })
  setAside = Option.Boolean('--set-aside', false, {
    description:
      'keep what was changed on the drive as NAME.mvcopy-changed, and bring back the other',
  })
  dryRun = Option.Boolean('-n,--dry-run', false, {
    description: 'only tell what would be done; write nothing',
  })

  protected override run(): Promise<ExitCode> {
    const { output, setName, catalog } = this.clues()
    if (output === undefined) {
      throw usageError('no drive', 'Name the directory where the drive is mounted with -o.')
    }
    const talk = this.talk()
    const options: RepairOptions = {
      ...talk,
      output,
      setName,
      catalog,
      from: pathList('--from', this.from),
      setAside: this.setAside,
      spool: pathOption('--spool', this.spool),
      dryRun: this.dryRun,
      json: this.json,
    }
    return this.withRun(options, false, async (context) => {
      const { runRepair } = await import('../repair/run.js')
      return runRepair(options, context)
    })
  }
}
