/**
 * What a run tells, and the interface through which it tells it.
 *
 * A run gives facts: events with numbers and raw names (PEP 383 strings), progress snapshots, and
 * sentences. How they look (live display, plain lines, JSON objects, nothing) is the reporter's business.
 * Progress is lossy on purpose; nothing correct may depend on it. No method throws or waits.
 */

/** The parts of a run, in the order in which they come. */
export type Phase = 'scan' | 'compare' | 'plan' | 'recover' | 'delete' | 'copy' | 'close' | 'verify'

/** How far a count has come; `total` is `undefined` while it is not known. */
export interface Count {
  readonly done: number
  readonly total?: number | undefined
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
      }
    | undefined
  /** Files that could not be handled so far. */
  readonly errors?: number | undefined
  /** The raw path of something that is being handled. */
  readonly current?: string | undefined
}

/** A volume as events name it. */
export interface VolumeName {
  readonly number: number
  readonly label?: string | undefined
}

/** What a plan says of one volume. */
export interface PlannedVolume extends VolumeName {
  /** False: nobody has seen this drive yet, the numbers are an estimate. */
  readonly known: boolean
  readonly files: number
  readonly bytes: number
  /** Bytes that may be used on it, after reserve and cap. */
  readonly available?: number | undefined
}

/** The summary before a run: what will be done. */
export interface PlanEvent {
  readonly type: 'plan'
  readonly sources: readonly string[]
  readonly files: number
  readonly bytes: number
  readonly unchanged: number
  readonly changed: number
  readonly renamed: number
  /** Files that are gone from the source. */
  readonly gone: number
  /** Files and directories that could not be looked at. */
  readonly unreadable: number
  readonly volumes: readonly PlannedVolume[]
  /** What fits on no drive. */
  readonly unplaced: { readonly files: number; readonly bytes: number }
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
  readonly result: 'same' | 'different' | 'missing' | 'unreadable'
  readonly path: string
  readonly index?: number | undefined
  readonly source?: string | undefined
  readonly destination?: string | undefined
  readonly reason?: string | undefined
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
  | SummaryEvent

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
