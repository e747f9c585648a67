/**
 * The main command: back sources up onto drives, and the seed's `--verify`.
 *
 * Names the options, checks what they say together before anything is opened, and hands plain data to
 * `runCopy` or `runSeedVerify`, which are loaded only then.
 */
import { Command, Option } from 'clipanion'
import { cascade, isAtLeast, isEnum, isInInclusiveRange, isInteger, isNumber } from 'typanion'
import {
  type CopyOptions,
  DEFAULT_JOB_FILE,
  type DeletePolicy,
  type FilterRule,
  type SeedVerifyOptions,
} from '../copy/options.js'
import { usageError } from '../errors.js'
import { Exit, type ExitCode } from '../exit.js'
import { amountOption, SIZE_HELP, sizeOption } from '../size.js'
import { type CommandFacts, RunCommand, TALK_VALUES } from './base.js'
import { FilterOptions, pathList, pathOption, twice } from './values.js'

const isIndex = cascade(isNumber(), [isInteger(), isInInclusiveRange(0, Number.MAX_SAFE_INTEGER)])
const isWorkers = cascade(isNumber(), [isInteger(), isInInclusiveRange(1, 64)])
const isCount = cascade(isNumber(), [isInteger(), isAtLeast(0)])

/** `multivolumecopy SRC... -o OUTPUT`, also `multivolumecopy copy …`. */
export class CopyCommand extends RunCommand {
  static override paths = [Command.Default, ['copy']]

  static override usage = Command.Usage({
    description: 'Back sources up onto several smaller drives, one after another.',
    details: `
      One source: its contents go to the root of the drive. Several sources: each goes under its own name. When a drive is full you are asked for the next one. The same command again goes on where a run was broken off, and later brings the backup up to date.

      Sizes are ${SIZE_HELP}.

      A first word that is a command is the command: write ./restore for a directory of that name.
    `,
    examples: [
      ['Back up one directory, drive after drive', '$0 /mnt/src -o /mnt/usb'],
      ['Back up several directories', '$0 /mnt/src/books /mnt/src/radio -o /mnt/usb'],
      [
        'Two drives at the same time, 2 % left free on each',
        '$0 /mnt/src -o /mnt/usb1 -o /mnt/usb2 --reserve 2%',
      ],
      ['Leave things out', '$0 /mnt/src -o /mnt/usb --exclude /cache/ --exclude "*.tmp"'],
      ['Without anybody at the terminal', '$0 /mnt/src -o /mnt/usb --delete --json'],
      [
        'Check the entries 0 to 299 of a job file',
        '$0 --verify -f .mvcopy-jobdata.json -i 0 -si 300 -o /mnt/usb',
      ],
    ],
  })

  static readonly facts: CommandFacts = {
    forms: [
      'SRC... -o OUTPUT [OPTION...]',
      '-f JOBFILE -o OUTPUT [OPTION...]',
      '--verify -f JOBFILE [-i A] [-si B] -o OUTPUT',
    ],
    values: {
      ...TALK_VALUES,
      '--output': 'DIR',
      '--jobfile': 'FILE',
      '--device-startindex': 'N',
      '--select-index': 'N',
      '--workers': 'N',
      '--reserve': 'SIZE|N%',
      '--volume-size': 'SIZE',
      '--exclude': 'PATTERN',
      '--include': 'PATTERN',
      '--exclude-from': 'FILE',
      '--files-from': 'FILE',
      '--max-delete': 'N',
      '--set': 'NAME',
      '--catalog': 'FILE',
      '--label': 'LABEL',
      '--digest': 'NAME',
    },
    exits: Object.values(Exit),
  }

  outputs = Option.Array('-o,--output', [], {
    description: 'where the drive is mounted; several are used in this order, then you are asked',
  })
  jobFile = Option.String('-f,--jobfile', {
    description: `where the job file is written (default ./${DEFAULT_JOB_FILE}); without sources: the list of what to copy`,
  })
  startIndex = Option.String('-i,--device-startindex', {
    validator: isIndex,
    description: 'entries of the job file before this index belong to other drives',
  })
  selectIndex = Option.String('-si,--select-index', {
    validator: isIndex,
    description:
      'entries from -i up to this index (exclusive) are on this drive already; with --verify: where to end',
  })
  verify = Option.Boolean('--verify', false, {
    description: 'copy nothing: compare a drive with the entries of a job file',
  })
  reserve = Option.String('--reserve,--device-padding', {
    description: 'space to be left free on each drive, as a size or in per cent of the drive',
  })
  volumeSizes = Option.Array('--volume-size', [], {
    description: 'most bytes used on a drive; several times: drive 1, 2, …, the last one repeated',
  })
  filters = FilterOptions()
  filesFrom = Option.String('--files-from', {
    description:
      'copy only the names in this file (- for stdin), one a line, relative to the source',
  })
  nul = Option.Boolean('-0,--from0', false, {
    description: 'the names of --files-from end with NUL',
  })
  oneFileSystem = Option.Boolean('-x,--one-file-system', false, {
    description: "don't go into other mounts below a source",
  })
  checksum = Option.Boolean('-c,--checksum', false, {
    description: 'with --verify: compare content, not only size and time',
  })
  remove = Option.Boolean('--delete', false, {
    description: 'remove from the drives, without asking, what is gone from the source',
  })
  keep = Option.Boolean('--keep', false, { description: 'keep it there, without asking' })
  maxDelete = Option.String('--max-delete', {
    validator: isCount,
    description: 'stop rather than remove more files than this',
  })
  flatten = Option.Boolean('--flatten', false, {
    description:
      'the contents of all sources at the root of the drive; refused where names collide',
  })
  adopt = Option.Boolean('--adopt', false, {
    description:
      'take over what is already on the drive: equal files are kept, differing ones replaced',
  })
  setName = Option.String('--set', { description: 'the set that this backup belongs to' })
  catalog = Option.String('--catalog', { description: "the file that holds the set's catalog" })
  label = Option.String('--label', { description: 'a label for the next drive that joins the set' })
  digest = Option.String('--digest', 'sha256', {
    validator: isEnum(['sha256', 'none'] as const),
    description: 'the checksum of each file: sha256 or none',
  })
  workers = Option.String('-w,--workers', {
    validator: isWorkers,
    description: 'files copied at a time, 1 to 64 (default: by kind of drive)',
  })
  yes = Option.Boolean('-y,--yes', false, {
    description: 'yes to using a drive beside foreign files; never to a deletion or a drive change',
  })
  sources = Option.Rest({ name: 'SRC' })

  protected override run(): Promise<ExitCode> {
    if (this.verify) {
      const options = this.verifyOptions()
      return this.withRun(options, false, async (context) => {
        const { runSeedVerify } = await import('../verify/seed.js')
        return runSeedVerify(options, context)
      })
    }
    const options = this.copyOptions()
    return this.withRun(options, options.filesFrom === '-', async (context) => {
      const { runCopy } = await import('../copy/run.js')
      return runCopy(options, context)
    })
  }

  /** The options of a copy; a usage error where they contradict each other. */
  copyOptions(): CopyOptions {
    const sources = pathList('SRC', this.sources)
    this.checkSelection(sources)
    const outputs = this.checkedOutputs()
    this.checkIndexes()
    return {
      ...this.talk(),
      sources,
      outputs,
      jobFile: pathOption('-f', this.jobFile),
      startIndex: this.startIndex ?? 0,
      selectIndex: this.selectIndex,
      workers: this.workers,
      reserve: amountOption('--reserve', this.reserve ?? '0'),
      oneFileSystem: this.oneFileSystem,
      filters: this.filters,
      filesFrom: pathOption('--files-from', this.filesFrom),
      nulSeparated: this.nul,
      deletePolicy: this.deletePolicy(),
      maxDelete: this.maxDelete,
      volumeSizes: this.volumeSizes.map(volumeSize),
      flatten: this.flatten,
      adopt: this.adopt,
      setName: namedOption('--set', this.setName),
      catalog: pathOption('--catalog', this.catalog),
      label: namedOption('--label', this.label),
      digest: this.digest,
      yes: this.yes,
    }
  }

  /** The options of the seed's check. */
  verifyOptions(): SeedVerifyOptions {
    const [output, ...others] = this.checkedOutputs()
    if (output === undefined || others.length > 0) {
      throw usageError('--verify looks at one drive', 'Give one -o.')
    }
    if (this.sources.length > 0) {
      throw usageError(
        '--verify takes its entries from a job file, not from sources',
        `Name the job file with -f (default ./${DEFAULT_JOB_FILE}) and leave the sources out.`,
      )
    }
    const [useless] = this.copyOnly()
    if (useless !== undefined) throw usageError(`${useless} has no meaning with --verify`)
    this.checkIndexes()
    return {
      ...this.talk(),
      jobFile: pathOption('-f', this.jobFile) ?? DEFAULT_JOB_FILE,
      output,
      startIndex: this.startIndex ?? 0,
      endIndex: this.selectIndex,
      checksum: this.checksum,
    }
  }

  private checkedOutputs(): string[] {
    const outputs = pathList('-o', this.outputs)
    if (outputs.length === 0) {
      throw usageError('no output', 'Say with -o where the drive is mounted: -o /mnt/usb')
    }
    const again = twice(outputs, this.context.cwd)
    if (again !== undefined) throw usageError(`-o is given twice for ${again}`)
    return outputs
  }

  private checkIndexes(): void {
    if (this.selectIndex !== undefined && this.selectIndex < (this.startIndex ?? 0)) {
      throw usageError(
        '-si lies before -i',
        '-i is the first index of the drive, -si the one after the last.',
      )
    }
  }

  private checkSelection(sources: readonly string[]): void {
    if (this.checksum) {
      throw usageError('-c goes with --verify: a copy goes by size and time')
    }
    if (this.nul && this.filesFrom === undefined) {
      throw usageError('-0 says how the names of --files-from end; there is no --files-from')
    }
    if (sources.length === 0) {
      if (this.jobFile === undefined) {
        throw usageError('no source', 'Name what to back up, or a job file with -f.')
      }
      const [useless] = this.selectors()
      if (useless !== undefined) {
        throw usageError(
          `${useless} needs a source: without one the job file is the list of what to copy`,
        )
      }
    }
    if (this.filesFrom !== undefined && sources.length > 1) {
      throw usageError('--files-from names files of one source', 'Give one SRC.')
    }
  }

  private deletePolicy(): DeletePolicy {
    if (this.remove && this.keep) {
      throw usageError(
        '--delete and --keep contradict each other',
        'Give one of them, or none to be asked.',
      )
    }
    return this.remove ? 'delete' : this.keep ? 'keep' : 'ask'
  }

  /** The options given that choose among what the sources hold. */
  private selectors(): string[] {
    const filters: readonly FilterRule[] = this.filters
    return given({
      ...Object.fromEntries(filters.map((rule) => [`--${rule.kind}`, true])),
      '--files-from': this.filesFrom !== undefined,
      '--flatten': this.flatten,
      '-x': this.oneFileSystem,
    })
  }

  /** The options given that only a copy can obey. */
  private copyOnly(): string[] {
    return [
      ...this.selectors(),
      ...given({
        '-0': this.nul,
        '--delete': this.remove,
        '--keep': this.keep,
        '--max-delete': this.maxDelete !== undefined,
        '--adopt': this.adopt,
        '--volume-size': this.volumeSizes.length > 0,
        '--label': this.label !== undefined,
      }),
    ]
  }
}

function given(options: Record<string, boolean>): string[] {
  return Object.keys(options).filter((name) => options[name])
}

function volumeSize(text: string): number {
  const bytes = sizeOption('--volume-size', text)
  if (bytes === 0) throw usageError('--volume-size: a drive of 0 bytes holds nothing')
  return bytes
}

/** A name that people give: something to see, on one line, not longer than a file name. */
function namedOption(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const name = text.trim()
  if (name === '') throw usageError(`${option} is empty`)
  if (/[\p{C}\u2028\u2029]/u.test(name)) {
    throw usageError(
      `${option} holds a character that can't be shown`,
      'Use letters, digits, spaces and marks.',
    )
  }
  if (Buffer.byteLength(name) > 255) throw usageError(`${option} is longer than 255 bytes`)
  return name
}
