/**
 * What a run tells, and the interface through which it tells it.
 *
 * A run gives facts: events with numbers and raw names (PEP 383 strings), progress snapshots, and
 * sentences. How they look (live display, plain lines, JSON objects, nothing) is the reporter's business.
 * Progress is lossy on purpose; nothing correct may depend on it. No method throws or waits.
 */

/** The parts of a run, in the order in which they come. */
export type Phase =
  | 'scan'
  | 'compare'
  | 'plan'
  | 'recover'
  | 'delete'
  | 'copy'
  | 'close'
  | 'verify'
  | 'restore'

/** How far a count has come; `total` is `undefined` while it is not known. */
export interface Count {
  readonly done: number
  readonly total?: number | undefined
}

/** What the time left goes by beside what is shown; it is told to nobody. */
export interface Pace {
  /** What was copied, into memory or further. */
  readonly copied?: { readonly bytes: number; readonly files: number } | undefined
  /** What of that has reached the drive, as far as anybody can tell. */
  readonly reached?: { readonly bytes: number; readonly files: number } | undefined
  /** Bytes of the drives that this run is done with: by them it is known what a drive costs beside the copying. */
  readonly before?: number | undefined
  /** Bytes that will be read back, of all drives. */
  readonly readBack?: number | undefined
  /** Drives that get a new list of the set at the end: each is closed once more for that. */
  readonly lists?: number | undefined
  /** Drives that are still to be closed: the one in hand and those that come after it. */
  readonly closings?: number | undefined
  /** Bytes that the drive writes for a file beside its content, by what is known so far. */
  readonly perFile?: number | undefined
}

/** Where a run stands. Absolute numbers, not increments. */
export interface Progress {
  /** Files of this run, all drives together. */
  readonly files: Count
  /** Bytes of content of this run, all drives together. */
  readonly bytes: Count
  /** The drive that is being written; absent while scanning. */
  readonly volume?:
    | {
        readonly number: number
        readonly label?: string | undefined
        /** This is the `index`-th drive of this run … */
        readonly index: number
        /** … of about this many. */
        readonly of?: number | undefined
        /** True where `of` counts drives that nobody has seen yet: told as "about". */
        readonly estimated?: boolean | undefined
        readonly files: Count
        readonly bytes: Count
        readonly pace?: Pace | undefined
      }
    | undefined
  /** Files that could not be handled so far. */
  readonly errors?: number | undefined
  /** The raw path of something that is being handled. */
  readonly current?: string | undefined
  /** How far that file is, where it takes long enough to be told. */
  readonly currentBytes?: Count | undefined
  /** Set while no content moves because what was written is being flushed to the drive. */
  readonly flushing?: boolean | undefined
  readonly pace?: Pace | undefined
}

/** A volume as events name it. */
export interface VolumeName {
  readonly number: number
  readonly label?: string | undefined
}

/** So many files, of so many bytes. */
export interface Amount {
  readonly files: number
  readonly bytes: number
}

/** What a plan says of one volume. */
export interface PlannedVolume extends VolumeName {
  /** Which copy of the set it belongs to; absent where there is only one. */
  readonly copy?: number | undefined
  /** False: nobody has seen this drive yet, the numbers are an estimate. */
  readonly known: boolean
  readonly files: number
  readonly bytes: number
  /** Whether it is in hand; absent where that is not known. */
  readonly mounted?: boolean | undefined
  /** Bytes that may be used on it, after reserve and cap; absent where nothing is known of any drive. */
  readonly available?: number | undefined
  /** Bytes that it holds in all, as far as they may be used (`--volume-size`). */
  readonly capacity?: number | undefined
  /** Bytes that the plan takes on it, with all that a file system needs. */
  readonly cost?: number | undefined
  /** Entries whose names its file system will refuse, and the first of their paths. */
  readonly refusedNames?: number | undefined
  readonly refused?: readonly string[] | undefined
  /** Further names of hard-linked files that stand there as files of their own: no link can be made for them. */
  readonly copiedNames?: number | undefined
  /** Files that go elsewhere because its file system holds none so large. */
  readonly refusedSizes?: number | undefined
}

/** The summary before a run: what will be done. */
export interface PlanEvent {
  readonly type: 'plan'
  readonly sources: readonly string[]
  readonly files: number
  readonly bytes: number
  /** How many copies of the set these are for, where there are several: files count once a copy. */
  readonly copies?: number | undefined
  /** Nothing will be done: it is told what would be. */
  readonly dryRun?: boolean | undefined
  /** New files, and those that an earlier run did not get to. */
  readonly new?: Amount | undefined
  readonly unchanged: number
  readonly unchangedBytes?: number | undefined
  readonly changed: number
  readonly changedBytes?: number | undefined
  readonly renamed: number
  /** Files that are gone from the source. */
  readonly gone: number
  /** What is gone and will be removed from its drives as they come in; what is gone and stays. */
  readonly removed?: Amount | undefined
  readonly kept?: Amount | undefined
  /** Files and directories that could not be looked at. */
  readonly unreadable: number
  readonly volumes: readonly PlannedVolume[]
  /** What fits on no drive. */
  readonly unplaced: Amount
  /** How long the copying will take, by the rate of the last one; absent where there is none. */
  readonly seconds?: number | undefined
  /** What drives have to come in for besides copying, those that are in included. */
  readonly waiting?: readonly WaitingVolume[] | undefined
}

/** A drive is wanted. */
export interface VolumeNeededEvent {
  readonly type: 'volume-needed'
  readonly wanted: VolumeName & { readonly known: boolean }
  readonly files: number
  readonly bytes: number
}

/** A drive has been looked at and is being written from now on. */
export interface VolumeOpenedEvent {
  readonly type: 'volume-opened'
  readonly volume: VolumeName
  readonly path: string
  /** True: it has just joined the set. */
  readonly fresh: boolean
  readonly capacity: number
  readonly available: number
}

/** A drive is done for this run. `complete` is said only of what is durable. */
export interface VolumeClosedEvent {
  readonly type: 'volume-closed'
  readonly volume: VolumeName
  readonly path: string
  readonly complete: boolean
  readonly written: { readonly files: number; readonly bytes: number }
  readonly removed: number
  readonly kept: number
  readonly renamed: number
  readonly failed: number
}

/** One entry could not be handled. */
export interface FileErrorEvent {
  readonly type: 'file-error'
  readonly path: string
  /** What was being done: `'open'`, `'read'` … */
  readonly doing: string
  /** The engine's code, or the system's (`EACCES`). */
  readonly code: string
  /** A sentence without the path. */
  readonly message: string
  readonly volume?: VolumeName | undefined
}

/** One entry was compared with what it should be. */
export interface VerifyResultEvent {
  readonly type: 'verify-result'
  readonly result:
    | 'same'
    | 'different'
    | 'corrupt'
    | 'changed'
    | 'missing'
    | 'extra'
    | 'unreadable'
    | 'damaged'
    | 'newer'
    | 'gone'
    | 'differs'
    | 'source-unreadable'
    | 'unseen'
  /** Of a check of a drive by itself: below the drive's root, with a slash at its end for a directory. */
  readonly path: string
  readonly index?: number | undefined
  readonly source?: string | undefined
  readonly destination?: string | undefined
  readonly reason?: string | undefined
  /** The name of the errno of what could not be read. */
  readonly errno?: string | undefined
}

/** A drive was taken over into the catalog of this host. */
export interface AdoptedEvent {
  readonly type: 'adopted'
  readonly volume: VolumeName
  readonly path: string
  /** True: it carried nothing of ours and has become a volume by being compared with the sources. */
  readonly fresh: boolean
  /** What it holds; of a fresh one what was equal. */
  readonly files: number
  readonly bytes: number
  /** Of a fresh one: entries that differ from the sources. Else: entries that were known otherwise. */
  readonly differing: number
  /** Of a fresh one: files on it that the set does not know. */
  readonly foreign?: number
  /** Entries that it has and that were not known to be on it; absent where nothing was known of it. */
  readonly added?: number
  /** Entries that were known to be on it and are not. */
  readonly missing?: number
  /** When the list of the set on it was written (RFC 3339); absent when there is none to be used. */
  readonly listed?: string
  /** Numbers of the drives that are known from that list now. */
  readonly heard?: readonly number[]
}

/** A drive that has to come in for more than copying. */
export interface WaitingVolume extends VolumeName {
  /** Regular files that have another name now. */
  readonly renames: number
  /** Regular files that are gone from their sources. */
  readonly removals: number
}

/** The end of a run. */
export interface SummaryEvent {
  readonly type: 'summary'
  readonly exit: number
  readonly complete: boolean
  readonly interrupted: boolean
  readonly written: { readonly files: number; readonly bytes: number }
  readonly unchanged: number
  readonly renamed: number
  readonly removed: number
  readonly failed: number
  readonly vanished: number
  readonly unplaced: { readonly files: number; readonly bytes: number }
  /** What is planned but not done: the same command goes on from there. */
  readonly left: { readonly files: number; readonly bytes: number }
  readonly volumes: readonly VolumeName[]
  /** What drives that were not in have to come in for, besides copying: files to be renamed, to be removed. */
  readonly waiting: readonly WaitingVolume[]
  readonly seconds: number
  /** Of the check of a drive by itself: what it is worth and what it found. */
  readonly check?: CheckSummary | undefined
}

/** What the check of a drive by itself came to; bytes, and seconds since 1970. */
export interface CheckSummary {
  readonly kind: 'same-session' | 'remounted' | 're-inserted'
  /** False: what was read may have come from memory. */
  readonly proof: boolean
  /** All of the drive was asked for. */
  readonly whole: boolean
  readonly begun: number
  /** Files that an earlier start of the same check had read. */
  readonly resumed: number | null
  readonly entries: number
  readonly files: number
  readonly bytes: number
  readonly sizeOnly: number
  readonly recordedOnly: number
  readonly bad: number
  readonly corrupt: number
  readonly changed: number
  readonly missing: number
  readonly extra: number
  readonly unreadable: number
  readonly damaged: number
  readonly keptOnDrive: boolean
  readonly keptInCatalog: boolean
  /** With `--against-source`: entries without directories that are the same, and a number for each word. */
  readonly inSource?:
    | {
        readonly same: number
        readonly newer: number
        readonly gone: number
        readonly differs: number
        readonly unreadable: number
        readonly unseen: number
      }
    | undefined
}

/** The summary before a restore: what comes back, and from which drives. */
export interface RestorePlanEvent extends Amount {
  readonly type: 'plan'
  /** The destination. */
  readonly to: string
  /** Links, fifos, devices, empty directories. */
  readonly others: number
  readonly dryRun?: boolean | undefined
  /** The drives that are read, in this order. */
  readonly volumes: readonly (VolumeName & Amount & { readonly mounted: boolean })[]
  /** Entries of which no copy was ever made. */
  readonly notBackedUp: number
  /** Entries of which only an older version is on a drive. */
  readonly outdated: number
  /** Entries that were on lost drives only. */
  readonly lost: number
}

/** A drive has been read. What is told to be restored is durable. */
export interface RestoreVolumeEvent {
  readonly type: 'volume-closed'
  readonly volume: VolumeName
  readonly path: string
  readonly restored: Amount & { readonly others: number }
  /** Entries that were there already, equal in size and time. */
  readonly equal: number
  /** Entries in whose place something else stands, which was left alone. */
  readonly kept: number
  /** Copies on this drive that are missing, unreadable or not what was recorded. */
  readonly bad: number
  readonly failed: number
}

/** The end of a restore. */
export interface RestoreSummaryEvent {
  readonly type: 'summary'
  readonly exit: number
  readonly complete: boolean
  readonly interrupted: boolean
  readonly to: string
  readonly restored: Amount & { readonly others: number }
  readonly equal: number
  readonly kept: number
  /** Entries in whose place something newer stands (`--update`). */
  readonly newer: number
  /** Entries that got another name (`--keep-both`). */
  readonly beside: number
  readonly bad: number
  readonly failed: number
  /** Files without a digest: only their size was checked. */
  readonly unchecked: number
  /** What was wanted and did not come back. */
  readonly missing: Amount & { readonly entries: number }
  readonly volumes: readonly VolumeName[]
  readonly seconds: number
}

/** What a run tells. `progress` goes through `Reporter.progress`. */
export type RunEvent =
  | PlanEvent
  | VolumeNeededEvent
  | VolumeOpenedEvent
  | VolumeClosedEvent
  | FileErrorEvent
  | VerifyResultEvent
  | AdoptedEvent
  | SummaryEvent
  | RestorePlanEvent
  | RestoreVolumeEvent
  | RestoreSummaryEvent

/** Where a run's news goes. Sentences are one line each and hold names as `displayName` gives them. */
export interface Reporter {
  /** A part of the run begins; its progress starts at nothing. */
  phaseStart(phase: Phase): void
  /** The part ends: the live display goes; `result` is told where it is given. */
  phaseEnd(result?: string): void
  /** Where the run stands; call it as often as you like. */
  progress(progress: Progress): void
  /** One line of progress now (SIGUSR1); does not disturb the display. */
  line(): void
  event(event: RunEvent): void
  /** Told with `-vv` only. */
  debug(text: string): void
  /** Told with `-v` and `-vv`. */
  detail(text: string): void
  /** Told unless `-q`. */
  note(text: string): void
  /** Told unless `-q`, marked as a warning. */
  warning(text: string): void
  /** Always told. */
  error(text: string): void
  /** Several lines that belong together (a help text, a list); told unless `-q`. */
  block(lines: readonly string[]): void
  /** One line of data on stdout; not with `--json`, where stdout belongs to the objects. */
  data(line: string): void
  /** Takes the live display away so that something else may write (a prompt); `resume` ends that. */
  pause(): void
  resume(): void
  /** The run is over: no timer is left, the display is gone. Calling it twice is harmless. */
  end(): void
}
