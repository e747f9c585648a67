/** `multivolumecopy restore -o OUTPUT --to DIR [PATH...]`: files come back. */

import { Option } from 'clipanion'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import type { ExistingPolicy, RestoreOptions } from '../restore/options.js'
import { type CommandFacts, RunCommand, TALK_VALUES } from './base.js'
import { namedOption, outputList, pathList, pathOption } from './values.js'

export class RestoreCommand extends RunCommand {
  static override paths = [['restore']]

  static override usage = RunCommand.Usage({
    description: 'Bring files back from the drives.',
    details: `
      A PATH that the set knows means that file, or that directory with all below it. Any other PATH is read as "where" reads a pattern: with * ? or [ it is a glob, else it is looked for anywhere in the paths. Without a PATH everything comes back, each entry in its newest version.

      Few drives are asked for, each once, in any order; those that are mounted at an -o are used first. What is where is known from the catalog of this host or, where it has none, from the drive at -o.

      Each file is checked against its digest before it gets its name; where a copy is bad, one on another drive is taken. What exists in DIR is left alone, and named where it is not the same. A restore that was broken off is continued by the same command.
    `,
    examples: [
      ['Bring everything back', '$0 restore -o /mnt/usb --to /srv/data'],
      ['One directory', '$0 restore -o /mnt/usb --to /srv/data photos/2019'],
      [
        'What would be done, and which drives are needed',
        '$0 restore -n -o /mnt/usb --to /srv/data',
      ],
      ['Replace what is older', '$0 restore -o /mnt/usb --to /srv/data --update'],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['restore -o OUTPUT [-o OUTPUT...] --to DIR [PATH...] [OPTION...]'],
    values: {
      ...TALK_VALUES,
      '--output': 'DIR',
      '--to': 'DIR',
      '--set': 'NAME',
      '--catalog': 'FILE',
    },
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

  outputs = Option.Array('-o,--output', [], {
    description: 'where a drive is mounted, or will be; may be given several times',
  })
  to = Option.String('--to', { description: 'where the files go' })
  dryRun = Option.Boolean('-n,--dry-run', false, {
    description: 'tell what would be restored and which drives are needed; write nothing',
  })
  overwrite = Option.Boolean('--overwrite', false, {
    description: 'replace files that exist and are not the same',
  })
  update = Option.Boolean('--update', false, {
    description: 'replace files that exist and are older',
  })
  keepBoth = Option.Boolean('--keep-both', false, {
    description: 'where a file exists and is not the same, restore beside it as NAME.restored-1',
  })
  keepBad = Option.Boolean('--keep-bad', false, {
    description: 'keep a bad copy beside its place, as NAME.mvcopy-corrupt',
  })
  flags = Option.Boolean('--flags', false, {
    description: 'set the immutable, append-only and no-dump flags again (root)',
  })
  setName = Option.String('--set', { description: 'the name of the set' })
  catalog = Option.String('--catalog', { description: "the file that holds the set's catalog" })
  patterns = Option.Rest({ name: 'PATH' })

  protected override run(): Promise<ExitCode> {
    const options = this.restoreOptions()
    return this.withRun(options, false, async (context) => {
      const { runRestore } = await import('../restore/run.js')
      return runRestore(options, context)
    })
  }

  /** The options, checked. */
  restoreOptions(): RestoreOptions {
    const hint = 'Say with -o where a drive is mounted, or will be: -o /mnt/usb'
    const outputs = outputList(this.outputs, this.context.cwd, hint)
    const to = pathOption('--to', this.to)
    if (to === undefined) {
      throw usageError('no destination', 'Say with --to where the files are to go: --to /srv/data')
    }
    return {
      ...this.talk(),
      outputs,
      to,
      paths: pathList('PATH', this.patterns),
      setName: namedOption('--set', this.setName),
      catalog: pathOption('--catalog', this.catalog),
      existing: this.existing(),
      keepBad: this.keepBad,
      flags: this.flags,
      dryRun: this.dryRun,
    }
  }

  private existing(): ExistingPolicy {
    const chosen = [
      ...(this.overwrite ? (['overwrite'] as const) : []),
      ...(this.update ? (['update'] as const) : []),
      ...(this.keepBoth ? (['keep-both'] as const) : []),
    ]
    if (chosen.length > 1) {
      throw usageError(`--${chosen.join(' and --')} contradict each other`, 'Give one of them.')
    }
    return chosen[0] ?? 'keep'
  }
}
