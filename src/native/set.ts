/** The catalog of a set, its plan and its open drives, as the addon has them. */

import type {
  AppliedJs,
  ClosedJs,
  CopyOptionsJs,
  CopyOutcomeJs,
  OpenDriveJs,
  PeekJs,
  PlanPageJs,
  RecoveredJs,
  RuleJs,
  ScanOptionsJs,
  SetJs,
  SourceJs,
  TallyJs,
  VolumeJs,
} from '../../native/index.js'
import { fromNative } from './errors.js'
import { type RunJobOptions, runJob } from './job.js'
import { binding } from './load.js'
import type { FsName } from './names.js'

export type SetInfo = SetJs
export type Source = SourceJs
export type Volume = VolumeJs
export type Tally = TallyJs
export type Rule = RuleJs
export type ScanOptions = ScanOptionsJs
export type PlanPage = PlanPageJs
export type Peek = PeekJs
export type OpenDriveOptions = OpenDriveJs
export type CopyOutcome = CopyOutcomeJs
export type EngineOptions = CopyOptionsJs
export type Recovered = RecoveredJs
export type Applied = AppliedJs
export type Closed = ClosedJs

type NativeCatalog = InstanceType<typeof binding.Catalog>
type NativeDrive = Awaited<ReturnType<typeof binding.openDrive>['done']>

/** Calls the addon and makes its errors `NativeError`s. */
function call<T>(f: () => T): T {
  try {
    return f()
  } catch (error) {
    throw fromNative(error)
  }
}

/** The set and the sources of a catalog file, read without locking it. Throws `NativeError`. */
export function peekCatalog(file: FsName): Peek {
  return call(() => binding.peekCatalog(file))
}

/** Rules as given on the command line, in order; prefixes and a lone `!` mean what they mean to rsync. */
export function rulesOf(
  given: readonly {
    readonly kind: 'exclude' | 'include' | 'exclude-from'
    readonly value: FsName
  }[],
): Rule[] {
  return call(() => binding.rulesOf(given.map(({ kind, value }) => ({ kind, value }))))
}

/** The distinct roots that the sources of a job file have. Throws `NativeError`: `BAD_JOB_FILE`, `IO`. */
export function jobFileRoots(file: FsName, options?: RunJobOptions): Promise<FsName[]> {
  return runJob(() => binding.jobFileRoots(file), options)
}

/** An open catalog, locked until it is closed. All methods throw or reject with `NativeError`. */
export class Catalog {
  readonly #native: NativeCatalog
  readonly file: FsName

  private constructor(native: NativeCatalog, file: FsName) {
    this.#native = native
    this.file = file
  }

  static create(file: FsName, set: SetInfo): Catalog {
    return new Catalog(
      call(() => binding.Catalog.create(file, set)),
      file,
    )
  }

  static open(file: FsName): Catalog {
    return new Catalog(
      call(() => binding.Catalog.open(file)),
      file,
    )
  }

  close(): void {
    call(() => this.#native.close())
  }

  setInfo(): SetInfo {
    return call(() => this.#native.setInfo())
  }

  sources(): Source[] {
    return call(() => this.#native.sources())
  }

  addSource(path: FsName, prefix: FsName, isFile: boolean, fsid: string): number {
    return call(() => this.#native.addSource(path, prefix, isFile, fsid))
  }

  setSourceFsid(id: number, fsid: string): void {
    call(() => this.#native.setSourceFsid(id, fsid))
  }

  volumes(): Volume[] {
    return call(() => this.#native.volumes())
  }

  putVolume(volume: Volume): void {
    call(() => this.#native.putVolume(volume))
  }

  beginRun(now: number): number {
    return call(() => this.#native.beginRun(now))
  }

  endRun(run: number, now: number, outcome: string): void {
    call(() => this.#native.endRun(run, now, outcome))
  }

  forgetGone(run: number, source: number): void {
    call(() => this.#native.forgetGone(run, source))
  }

  dropGoneUnplaced(): void {
    call(() => this.#native.dropGoneUnplaced())
  }

  goneOnVolumes(): { files: number; bytes: number } {
    return call(() => this.#native.goneOnVolumes())
  }

  /** Paths below the drives' root that are gone from their source, with the volume that holds each. */
  gonePaths(limit: number): { path: FsName; value: number }[] {
    return call(() => this.#native.gonePaths(limit))
  }

  /** The first entries that the stored plan gives to a volume (0: nowhere), with their sizes in bytes. */
  planned(run: number, volume: number, limit: number): { path: FsName; value: number }[] {
    return call(() => this.#native.planned(run, volume, limit))
  }

  countVolume(number: number): { files: number; bytes: number } {
    return call(() => this.#native.countVolume(number))
  }

  /** Whether a volume holds something of which only owner or mode differ from the source's. */
  needsMending(number: number): boolean {
    return call(() => this.#native.needsMending(number))
  }

  scan(options: ScanOptions, job?: RunJobOptions): Promise<Tally[]> {
    return runJob(() => this.#native.scan(options), job)
  }

  /** Writes the job file; resolves with the number of its entries. */
  writeJobFile(
    file: FsName,
    sources: number[],
    rules: Rule[],
    dstRoot: FsName,
    job?: RunJobOptions,
  ): Promise<number> {
    return runJob(() => this.#native.writeJobFile(file, sources, rules, dstRoot), job)
  }

  readJobFile(file: FsName, run: number, from: number, job?: RunJobOptions): Promise<Tally> {
    return runJob(() => this.#native.readJobFile(file, run, from), job)
  }

  leaveBefore(
    run: number,
    sources: number[],
    rules: Rule[],
    from: number,
    job?: RunJobOptions,
  ): Promise<void> {
    return runJob(() => this.#native.leaveBefore(run, sources, rules, from), job)
  }

  /**
   * Makes a new plan for what `run` has to copy: `place` gets one page after the other and answers with
   * a volume number a row. When this resolves the plan is stored.
   */
  async plan(run: number, place: (page: PlanPage) => Uint32Array): Promise<void> {
    const session = call(() => binding.startPlan(this.#native, run))
    let answer: Uint32Array | undefined
    for (;;) {
      const page = await session.step(answer).catch((error: unknown) => {
        throw fromNative(error)
      })
      if (page === null) return
      answer = place(page)
    }
  }

  async openDrive(options: OpenDriveOptions): Promise<OpenDrive> {
    return new OpenDrive(await runJob(() => binding.openDrive(options)), this.#native)
  }
}

/** A drive that is open for writing; its descriptors are held until `close` or `abandon`. */
export class OpenDrive {
  readonly #native: NativeDrive
  readonly #catalog: NativeCatalog

  constructor(native: NativeDrive, catalog: NativeCatalog) {
    this.#native = native
    this.#catalog = catalog
  }

  get facts(): NativeDrive['facts'] {
    return this.#native.facts
  }

  /** Closes all descriptors and claims nothing. */
  abandon(): void {
    this.#native.abandon()
  }

  recover(reread: boolean, job?: RunJobOptions): Promise<Recovered> {
    return runJob(() => this.#native.recover(this.#catalog, reread), job)
  }

  apply(gone: boolean, job?: RunJobOptions): Promise<Applied> {
    return runJob(() => this.#native.apply(this.#catalog, gone), job)
  }

  adopt(
    run: number,
    stepSeconds: number,
    job?: RunJobOptions,
  ): Promise<{ files: number; bytes: number }> {
    return runJob(() => this.#native.adopt(this.#catalog, run, stepSeconds), job)
  }

  copy(run: number, options: EngineOptions, job?: RunJobOptions): Promise<CopyOutcome> {
    return runJob(() => this.#native.copy(this.#catalog, run, options), job)
  }

  /** `date`: now, RFC 3339 in UTC, when all that was planned for the drive is there. */
  close(date: string | undefined, job?: RunJobOptions): Promise<Closed> {
    return runJob(() => this.#native.close(this.#catalog, date ?? null), job)
  }
}
