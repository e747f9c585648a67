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
import { FilterOptions, namedOption, outputList, pathList, pathOption } from './values.js'

const isIndex = cascade(isNumber(), [isInteger(), isInInclusiveRange(0, Number.MAX_SAFE_INTEGER)])
const isWorkers = cascade(isNumber(), [isInteger(), isInInclusiveRange(1, 64)])
const isDepth = cascade(isNumber(), [isInteger(), isInInclusiveRange(1, 1000)])
const isWindow = cascade(isNumber(), [isInteger(), isInInclusiveRange(0, 2 ** 31 - 1)])
const isNumberOfVolume = cascade(isNumber(), [isInteger(), isInInclusiveRange(1, 2 ** 31 - 1)])
const isCopies = cascade(isNumber(), [isInteger(), isInInclusiveRange(1, 9)])
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
      ['Two complete backups, each on drives of its own', '$0 /mnt/src -o /mnt/usb --copies 2'],
      ['Leave things out', '$0 /mnt/src -o /mnt/usb --exclude /cache/ --exclude "*.tmp"'],
      ['See what would be done', '$0 -n /mnt/src -o /mnt/usb'],
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
      'copy --volume K --catalog FILE -o OUTPUT [OPTION...]',
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
      '--volume': 'K',
      '--keep-together': 'DEPTH',
      '--copies': 'N',
      '--exclude': 'PATTERN',
      '--include': 'PATTERN',
      '--exclude-from': 'FILE',
      '--files-from': 'FILE',
      '--max-delete': 'N',
      '--modify-window': 'SECONDS',
      '--on-volume-full': 'CMD',
      '--wait-for-volume': 'SECONDS',
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
  pack = Option.Boolean('--pack', false, {
    description: 'use as few drives as possible, instead of keeping to the order of paths',
  })
  splitLarge = Option.Boolean('--split-large', false, {
    description:
      'write a file that fits on no drive in parts, NAME.mvpart-0001-of-0007, over as many drives as it takes',
  })
  keepTogether = Option.String('--keep-together', {
    validator: isDepth,
    description:
      'directories at this depth (1: at the root of the drives) stay on one drive where they fit on one',
  })
  copies = Option.String('--copies', {
    validator: isCopies,
    description:
      'each file on so many distinct drives, 1 to 9: as many complete backups, each on drives of its own; kept for later runs',
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
    description: 'compare content, not only size and time; also with --verify',
  })
  sizeOnly = Option.Boolean('--size-only', false, {
    description: 'a file of the same size is unchanged, whatever its time',
  })
  modifyWindow = Option.String('--modify-window', {
    validator: isWindow,
    description: 'times that differ by no more than so many seconds are equal',
  })
  remove = Option.Boolean('--delete', false, {
    description: 'remove from the drives, without asking, what is gone from the source',
  })
  keep = Option.Boolean('--keep', false, { description: 'keep it there, without asking' })
  deleteForeign = Option.Boolean('--delete-foreign', false, {
    description:
      'remove from drives of the set what the set knows nothing about; never from a drive that is new to it',
  })
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
  digest = Option.String('--digest', {
    validator: isEnum(['sha256', 'blake3', 'none'] as const),
    description:
      'the checksum of each file that is copied: sha256 (at first), blake3 or none; the set keeps it',
  })
  startHere = Option.Boolean('--start-here', {
    description:
      'a page START-HERE.html on each drive (so it is at first); --no-start-here: none; the set keeps it',
  })
  workers = Option.String('-w,--workers', {
    validator: isWorkers,
    description: 'files copied at a time, 1 to 64 (default: by kind of drive)',
  })
  dryRun = Option.Boolean('-n,--dry-run', false, {
    description: 'only tell what would be done, drive by drive, as plan does; write nothing',
  })
  verifyWrites = Option.Boolean('--verify-writes', false, {
    description:
      'read back each drive before it is called complete; what is bad is copied again once, then the drive is called faulty',
  })
  onVolumeFull = Option.String('--on-volume-full', {
    description:
      'run this command by the shell when a drive is wanted; it mounts the next one. Another exit code than 0 stops the run',
  })
  waitForVolume = Option.String('--wait-for-volume', {
    validator: isCount,
    description:
      'when a drive is wanted, wait so many seconds for it to be mounted instead of asking; 0: as long as it takes',
  })
  unmount = Option.Boolean('--unmount', false, {
    description: 'unmount each drive that is done, before the next one is wanted and at the end',
  })
  notify = Option.Boolean('--notify', false, {
    description: 'ring the bell and show a desktop notification when a drive is wanted',
  })
  yes = Option.Boolean('-y,--yes', false, {
    description: 'yes to using a drive beside foreign files; never to a deletion or a drive change',
  })
  volume = Option.String('--volume', {
    validator: isNumberOfVolume,
    description: 'write only drive K of the plan that plan --save has kept as --catalog FILE',
  })
  sources = Option.Rest({ name: 'SRC' })

  protected override run(): Promise<ExitCode> {
    if (this.volume !== undefined) return this.runVolume(this.volume)
    if (this.verify) {
      const options = this.verifyOptions()
      return this.withRun(options, false, async (context) => {
        const { runSeedVerify } = await import('../verify/seed.js')
        return runSeedVerify(options, context)
      })
    }
    if (this.dryRun) return this.runPlan()
    const options = this.copyOptions()
    return this.withRun(options, options.filesFrom === '-', async (context) => {
      const { runCopy } = await import('../copy/run.js')
      return runCopy(options, context)
    })
  }

  private async runVolume(volume: number): Promise<ExitCode> {
    const { volumeOptions } = await import('./volume.js')
    const options = volumeOptions(volume, this, [
      ...this.copyOnly([
        '--label',
        '--verify-writes',
        '--on-volume-full',
        '--wait-for-volume',
        '--unmount',
        '--notify',
      ]),
      ...given({
        '-f': this.jobFile !== undefined,
        '-i': this.startIndex !== undefined,
        '-si': this.selectIndex !== undefined,
        '--reserve': this.reserve !== undefined,
        '--verify': this.verify,
        '-c': this.checksum,
        '--set': this.setName !== undefined,
      }),
    ])
    return this.withRun(options, false, async (context) => {
      const { runVolume } = await import('../copy/volume.js')
      return runVolume(options, context)
    })
  }

  /** Tells what a copy would do. */
  protected runPlan(): Promise<ExitCode> {
    const options = this.copyOptions()
    return this.withRun(options, options.filesFrom === '-', async (context) => {
      const { runPlan } = await import('../copy/plan.js')
      return runPlan(options, context)
    })
  }

  /** The options of a copy; a usage error where they contradict each other. */
  copyOptions(): CopyOptions {
    const sources = pathList('SRC', this.sources)
    this.checkSelection(sources)
    const outputs = this.checkedOutputs()
    this.checkIndexes()
    return { ...this.plainOptions(), sources, outputs }
  }

  /** What each option says by itself; no sources and no outputs. */
  plainOptions(): CopyOptions {
    return {
      ...this.talk(),
      sources: [],
      outputs: [],
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
      deleteForeign: this.deleteForeign,
      maxDelete: this.maxDelete,
      volumeSizes: this.volumeSizes.map(volumeSize),
      pack: this.pack,
      splitLarge: this.splitLarge,
      keepTogether: this.keepTogether ?? 0,
      copies: this.copies,
      flatten: this.flatten,
      adopt: this.adopt,
      setName: namedOption('--set', this.setName),
      catalog: pathOption('--catalog', this.catalog),
      label: namedOption('--label', this.label),
      digest: this.digest,
      startHere: this.startHere,
      checksum: this.checksum,
      sizeOnly: this.sizeOnly,
      modifyWindow: this.modifyWindow ?? 0,
      verifyWrites: this.verifyWrites,
      onVolumeFull: shellCommand('--on-volume-full', this.onVolumeFull),
      waitForVolume: this.waitForVolume,
      unmount: this.unmount,
      notify: this.notify,
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

  /** Whether there may be no `-o`. */
  protected get mayLackOutput(): boolean {
    return false
  }

  /** `-o`, checked. */
  checkedOutputs(): string[] {
    if (this.outputs.length === 0 && this.mayLackOutput) return []
    const hint = 'Say with -o where the drive is mounted: -o /mnt/usb'
    return outputList(this.outputs, this.context.cwd, hint)
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
    if (this.sizeOnly && (this.checksum || this.modifyWindow !== undefined)) {
      const other = this.checksum ? '-c' : '--modify-window'
      throw usageError(`--size-only and ${other} contradict each other`, 'Give one of them.')
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
    if (this.deleteForeign && this.adopt) {
      throw usageError(
        '--delete-foreign and --adopt contradict each other',
        'Take the files over first; what is foreign then can be removed by a later run.',
      )
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
  private copyOnly(but: readonly string[] = []): string[] {
    const options = [
      ...this.selectors(),
      ...given({
        '-0': this.nul,
        '--delete': this.remove,
        '--keep': this.keep,
        '--delete-foreign': this.deleteForeign,
        '--max-delete': this.maxDelete !== undefined,
        '--adopt': this.adopt,
        '--size-only': this.sizeOnly,
        '--modify-window': this.modifyWindow !== undefined,
        '--volume-size': this.volumeSizes.length > 0,
        '--pack': this.pack,
        '--split-large': this.splitLarge,
        '--keep-together': this.keepTogether !== undefined,
        '--copies': this.copies !== undefined,
        '--verify-writes': this.verifyWrites,
        '--on-volume-full': this.onVolumeFull !== undefined,
        '--wait-for-volume': this.waitForVolume !== undefined,
        '--unmount': this.unmount,
        '--notify': this.notify,
        '-n': this.dryRun,
        '--label': this.label !== undefined,
      }),
    ]
    return options.filter((name) => !but.includes(name))
  }
}

function given(options: Record<string, boolean>): string[] {
  return Object.keys(options).filter((name) => options[name])
}

function shellCommand(option: string, text: string | undefined): string | undefined {
  if (text?.trim() === '') throw usageError(`${option} is empty`)
  return text
}

function volumeSize(text: string): number {
  const bytes = sizeOption('--volume-size', text)
  if (bytes === 0) throw usageError('--volume-size: a drive of 0 bytes holds nothing')
  return bytes
}
