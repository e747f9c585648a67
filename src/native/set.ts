/** The catalog of a set, its plan and its open drives, as the addon has them. */

import type {
  AdoptedJs,
  AppliedJs,
  ClosedJs,
  ComparedJs,
  CopyOptionsJs,
  CopyOutcomeJs,
  ForeignJs,
  OpenDriveJs,
  PeekJs,
  PlanPageJs,
  ReadBackJs,
  RecoveredJs,
  RuleJs,
  SamenessJs,
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
export type Sameness = SamenessJs
export type Compared = ComparedJs
export type PlanPage = PlanPageJs
export type Peek = PeekJs
export type OpenDriveOptions = OpenDriveJs
export type CopyOutcome = CopyOutcomeJs
export type EngineOptions = CopyOptionsJs
export type Recovered = RecoveredJs
export type Adopted = AdoptedJs
export type Applied = AppliedJs
export type Foreign = ForeignJs
export type ReadBack = ReadBackJs
export type Closed = ClosedJs

type NativeCatalog = InstanceType<typeof binding.Catalog>
type NativeDrive = Awaited<ReturnType<typeof binding.openDrive>['done']>

/** Calls the addon and makes its errors `NativeError`s. */
export function call<T>(f: () => T): T {
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

/** Copies a catalog to a new file, as it is at this moment; it is only read. Rejects with `NativeError`. */
export function copyCatalog(from: FsName, to: FsName, job?: RunJobOptions): Promise<void> {
  return runJob(() => binding.copyCatalog(from, to), job)
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

  /** The addon's own object, for the other modules of this folder. */
  get native(): NativeCatalog {
    return this.#native
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

  /** Every place where a volume of the set has been mounted on this host. */
  places(): FsName[] {
    return call(() => this.#native.places())
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

  /**
   * Whether there is anything to do on a volume besides copying: renames, removals (with `gone` also of
   * what is gone from the sources), and owners, modes and times to mend.
   */
  hasWork(number: number, gone: boolean, job?: RunJobOptions): Promise<boolean> {
    return runJob(() => this.#native.hasWork(number, gone), job)
  }

  /** Reads the files that a scan with `same.content` noted, and new ones that may be renamed. */
  compareContent(run: number, threads: number, job?: RunJobOptions): Promise<Compared> {
    return runJob(() => this.#native.compareContent(run, threads), job)
  }

  /** Copies of each file that are wanted, from 1. */
  copies(): number {
    return call(() => this.#native.copies())
  }

  /** Whether a run has to go from copy to copy: several are wanted, or were. */
  hasSeveralCopies(): boolean {
    return call(() => this.#native.hasSeveralCopies())
  }

  /** Notes how many copies are wanted from now on. */
  setCopies(wanted: number): void {
    call(() => this.#native.setCopies(wanted))
  }

  /** How the digests of what is copied are made. */
  digest(): 'sha256' | 'blake3' | 'none' {
    return call(() => this.#native.digest())
  }

  /** Notes how they are made from now on; what lies on the drives keeps what it has. */
  setDigest(digest: 'sha256' | 'blake3' | 'none'): void {
    call(() => this.#native.setDigest(digest))
  }

  /** Notes whether the drives get a START-HERE.html from now on. */
  setStartHere(wanted: boolean): void {
    call(() => this.#native.setStartHere(wanted))
  }

  /** Before the sources are looked at: what any copy lacks needs something. */
  needForCopies(job?: RunJobOptions): Promise<void> {
    return runJob(() => this.#native.needForCopies(), job)
  }

  /** Takes a copy in hand: what of the run's entries it lacks needs a copy now, and nothing else does. */
  needForCopy(run: number, copy: number, job?: RunJobOptions): Promise<boolean> {
    return runJob(() => this.#native.needForCopy(run, copy), job)
  }

  /** After the last copy, or wherever the run ended: what any copy lacks is still to be done. */
  endCopies(run: number, job?: RunJobOptions): Promise<void> {
    return runJob(() => this.#native.endCopies(run), job)
  }

  scan(options: ScanOptions, job?: RunJobOptions): Promise<Tally[]> {
    return runJob(() => this.#native.scan(options), job)
  }

  /**
   * Writes the job file, unless it stands there as it would be written; resolves with what `noteJobFile` is
   * to keep, if anything.
   */
  async writeJobFile(
    file: FsName,
    sources: number[],
    rules: Rule[],
    dstRoot: FsName,
    job?: RunJobOptions,
  ): Promise<string | undefined> {
    const start = () => this.#native.writeJobFile(file, sources, rules, dstRoot)
    return (await runJob(start, job)) ?? undefined
  }

  /** Keeps what `writeJobFile` resolved with, when nothing else writes to the catalog. */
  noteJobFile(mark: string): void {
    call(() => this.#native.noteJobFile(mark))
  }

  readJobFile(
    file: FsName,
    run: number,
    from: number,
    same: Sameness,
    job?: RunJobOptions,
  ): Promise<Tally> {
    return runJob(() => this.#native.readJobFile(file, run, from, same), job)
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

  /** The room in bytes that removing what is gone from the sources will give at least, by volume. */
  goneRoom(): { volume: number; bytes: number }[] {
    return call(() => this.#native.goneRoom())
  }

  /** What waits for the volumes besides copying: regular files to rename, and gone from their sources. */
  waitingWork(): { volume: number; renames: number; removals: number }[] {
    return call(() => this.#native.waitingWork())
  }

  /** Of what the stored plan gives to a volume, the first entries whose path is odd (bits of the plan's `Flag`). */
  plannedOdd(
    run: number,
    volume: number,
    odd: number,
    limit: number,
  ): { path: FsName; value: number }[] {
    return call(() => this.#native.plannedOdd(run, volume, odd, limit))
  }

  /** Whether `run` saw anything that must be copied: without it there is nothing to plan. */
  needsCopies(run: number): boolean {
    return call(() => this.#native.needsCopies(run))
  }

  /** Whether any file is kept in parts. */
  hasParts(): boolean {
    return call(() => this.#native.hasParts())
  }

  /** Cuts what the plan in force places nowhere into parts of so many bytes. Gives how many files were cut. */
  splitUnplaced(run: number, size: number): number {
    return call(() => this.#native.splitUnplaced(run, size))
  }

  /** Notes how fast a volume was written last, in bytes a second. */
  noteRate(bytesPerSecond: number): void {
    call(() => this.#native.noteRate(bytesPerSecond))
  }

  /** How fast a volume was written last, in bytes a second, where that is known. */
  rate(): number | undefined {
    return call(() => this.#native.rate()) ?? undefined
  }

  /**
   * Makes a new plan for what `run` has to copy: `place` gets one page after the other and answers with
   * a volume number a row. `together`: the depth of directories that are kept together, 0 for none; their
   * rows say then which volume holds some of them. When this resolves the plan is stored.
   */
  async plan(run: number, together: number, place: (page: PlanPage) => Uint32Array): Promise<void> {
    const session = call(() => binding.startPlan(this.#native, run, together))
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

  /** The drive in the addon, for the other files of this folder. */
  get native(): NativeDrive {
    return this.#native
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

  /** Reads back what was written on the drive; what is not as it was written is a finding of the volume then. */
  readBack(job?: RunJobOptions): Promise<ReadBack> {
    return runJob(() => this.#native.readBack(this.#catalog), job)
  }

  /** What stands on the drive and is none of ours; removed where `remove` is true. */
  foreign(remove: boolean, job?: RunJobOptions): Promise<Foreign> {
    return runJob(() => this.#native.foreign(this.#catalog, remove), job)
  }

  /** `survey`: the files that stand there and are none of ours are counted, too. */
  adopt(run: number, stepSeconds: number, survey: boolean, job?: RunJobOptions): Promise<Adopted> {
    return runJob(() => this.#native.adopt(this.#catalog, run, stepSeconds, survey), job)
  }

  copy(run: number, options: EngineOptions, job?: RunJobOptions): Promise<CopyOutcome> {
    return runJob(() => this.#native.copy(this.#catalog, run, options), job)
  }

  /** `date`: now, RFC 3339 in UTC, when all that was planned for the drive is there. */
  close(date: string | undefined, job?: RunJobOptions): Promise<Closed> {
    return runJob(() => this.#native.close(this.#catalog, date ?? null), job)
  }
}
