/**
 * `adopt`: make drives part of the set on this host.
 *
 * Names the options, checks what they say together, and hands plain data to `runAdopt`.
 */
import { Option } from 'clipanion'
import type { AdoptOptions } from '../adopt/options.js'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { type CommandFacts, RunCommand, TALK_VALUES } from './base.js'
import { namedOption, outputList, pathList, pathOption } from './values.js'

/** `multivolumecopy adopt -o OUTPUT [SRC...]`. */
export class AdoptCommand extends RunCommand {
  static override paths = [['adopt']]

  static override usage = RunCommand.Usage({
    description: 'Make drives part of the set on this host.',
    details: `
      A drive that multivolumecopy has written is read and never changed: what is on it, and what its list of the whole set tells of the other drives, comes into the catalog of this host. So a host without a catalog, or with a damaged one, gets it back from any drive; several drives give their union.

      A drive without anything of ours (written by the seed, rsync or cp) is compared with the sources, or with a job file. What is equal in size and time is taken over without being copied; its digests are read from the drive. Nothing is copied, replaced or removed.
    `,
    examples: [
      ['Get the catalog back from the drives that are there', '$0 adopt -o /mnt/usb1 -o /mnt/usb2'],
      ['The sources lie elsewhere on this host', '$0 adopt -o /mnt/usb /srv/data'],
      ['Take over a drive that rsync has filled', '$0 adopt -o /mnt/usb /mnt/src'],
      [
        'Take over a drive that the seed has written',
        '$0 adopt -o /mnt/usb -f .mvcopy-jobdata.json',
      ],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: ['adopt -o OUTPUT [-o OUTPUT...] [SRC...] [-f JOBFILE] [OPTION...]'],
    values: {
      ...TALK_VALUES,
      '--output': 'DIR',
      '--jobfile': 'FILE',
      '--set': 'NAME',
      '--catalog': 'FILE',
      '--label': 'LABEL',
    },
    exits: [
      Exit.ok,
      Exit.differences,
      Exit.usage,
      Exit.needed,
      Exit.catalog,
      Exit.driveFailed,
      Exit.partial,
      Exit.vanished,
      Exit.guard,
      Exit.internal,
      Exit.interrupted,
    ],
  }

  outputs = Option.Array('-o,--output', [], {
    description: 'where a drive is mounted; give it for each drive',
  })
  jobFile = Option.String('-f,--jobfile', {
    description: 'compare with the entries of this job file, instead of sources',
  })
  flatten = Option.Boolean('--flatten', false, {
    description: 'the contents of all sources lie at the root of the drive, as the seed put them',
  })
  setName = Option.String('--set', { description: 'the set that the drive is to belong to' })
  catalog = Option.String('--catalog', { description: "the file that holds the set's catalog" })
  label = Option.String('--label', { description: 'a label for the next drive that joins the set' })
  sources = Option.Rest({ name: 'SRC' })

  protected override run(): Promise<ExitCode> {
    const options = this.adoptOptions()
    return this.withRun(options, false, async (context) => {
      const { runAdopt } = await import('../adopt/run.js')
      return runAdopt(options, context)
    })
  }

  /** The options, checked. */
  adoptOptions(): AdoptOptions {
    const hint = 'Say with -o where the drive is mounted: -o /mnt/usb'
    const outputs = outputList(this.outputs, this.context.cwd, hint)
    const sources = pathList('SRC', this.sources)
    if (sources.length > 0 && this.jobFile !== undefined) {
      throw usageError('a job file takes the place of sources', 'Give either SRC or -f JOBFILE.')
    }
    return {
      ...this.talk(),
      outputs,
      sources,
      jobFile: pathOption('-f', this.jobFile),
      flatten: this.flatten,
      setName: namedOption('--set', this.setName),
      catalog: pathOption('--catalog', this.catalog),
      label: namedOption('--label', this.label),
    }
  }
}
