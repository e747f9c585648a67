/**
 * The library: walk, plan, copy, verify and restore as functions of a program.
 *
 * They are the same flows as those of the commands, with the caller's functions in the place of the terminal:
 * nothing is printed, nothing ends the process, no signal is caught. Names are strings in which each byte that is
 * not UTF-8 is a lone surrogate (PEP 383), as in `--json`. What a caller leaves out is as on the command line.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { RunContext } from './context.js'
import type { CopyOptions } from './copy/options.js'
import type { ExitCode } from './exit.js'
import { type Answer, EOF, type Prompter, unattended } from './prompt/prompter.js'
import type { Callbacks } from './report/callbacks.js'
import type {
  FileErrorEvent,
  PlanEvent,
  RestorePlanEvent,
  RestoreSummaryEvent,
  RunEvent,
  SummaryEvent,
  VerifyResultEvent,
} from './report/reporter.js'
import type { RestoreOptions as FullRestoreOptions } from './restore/options.js'
import type { VerifyOptions as FullVerifyOptions } from './verify/options.js'

export { displayName } from './display.js'
export { UserError } from './errors.js'
export type { ExitCode } from './exit.js'
export type { MessageLevel, ProgressUpdate } from './report/callbacks.js'
export type * from './report/reporter.js'

/** What every function takes. */
export interface Options extends Callbacks {
  /** Aborted, the run finishes or drops the file in hand, saves, and resolves with exit 130. */
  readonly signal?: AbortSignal | undefined
  /**
   * Answers a question (its lines; the last one is the prompt); `undefined`: nobody answers. Without it nothing is
   * asked: the safe default is taken, or the run ends with exit 4.
   */
  readonly ask?: ((question: readonly string[]) => Promise<string | undefined>) | undefined
  /** The environment that counts (`XDG_STATE_HOME`, `HOME`, `TMPDIR`); default: that of the process. */
  readonly env?: Record<string, string | undefined> | undefined
  /** Where relative paths begin; default: the working directory. */
  readonly cwd?: string | undefined
}

type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined }
type Talk = 'verbosity' | 'hideProgress' | 'json' | 'color'

/** What a walk looks at. */
export interface WalkOptions
  extends Options,
    Loose<
      Pick<CopyOptions, 'filters' | 'filesFrom' | 'nulSeparated' | 'oneFileSystem' | 'flatten'>
    > {
  readonly sources: readonly string[]
}

/** The options of a copy; see `docs/library.md` and the reference of the command line. */
export interface CopyInput
  extends Options,
    Loose<Omit<CopyOptions, 'sources' | 'outputs' | 'savePlan' | 'adoptOnly' | Talk>> {
  readonly sources: readonly string[]
  /** Where drives are mounted, in the order in which they are used. */
  readonly outputs: readonly string[]
}

/** The options of a plan: those of a copy, and `outputs` or `volumeSizes` may be left out. */
export interface PlanInput extends Omit<CopyInput, 'outputs'> {
  readonly outputs?: readonly string[] | undefined
  /** The plan is kept as this file, for `copy --volume`. */
  readonly savePlan?: string | undefined
}

/** The options of a check. */
export interface VerifyInput extends Options, Loose<Omit<FullVerifyOptions, 'output' | Talk>> {
  /** Where the drive is mounted. */
  readonly output: string
}

/** The options of a restore. */
export interface RestoreInput
  extends Options,
    Loose<Omit<FullRestoreOptions, 'outputs' | 'to' | Talk>> {
  readonly outputs: readonly string[]
  /** The destination. */
  readonly to: string
}

/** One entry of the sources. */
export interface WalkedEntry {
  /** Where it lies on the drives: below the source, with the source's name before it where there are several. */
  readonly path: string
  readonly kind: 'file' | 'dir' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block'
  /** Bytes of content; of a symbolic link, of its target. */
  readonly size: number
  /** Last modification, in seconds since 1970. */
  readonly mtime: number
}

/** How a run ended. */
export interface Ended {
  /** The exit code that the command would have. */
  readonly exit: ExitCode
}

/** What a copy came to. Its failures of single files are in `errors`, up to 1,000 of them. */
export interface CopyResult extends Ended {
  /** What was planned at first; absent where the run ended before. */
  readonly plan?: PlanEvent
  /** Absent where the run was broken off or ended early. */
  readonly summary?: SummaryEvent
  readonly errors: readonly FileErrorEvent[]
}

/** What a check found, up to 10,000 entries of it; `onEvent` gets all. */
export interface VerifyResult extends Ended {
  readonly summary?: SummaryEvent
  readonly findings: readonly VerifyResultEvent[]
}

/** What a restore came to. */
export interface RestoreResult extends Ended {
  readonly plan?: RestorePlanEvent
  readonly summary?: RestoreSummaryEvent
  readonly errors: readonly FileErrorEvent[]
}

const MOST_ERRORS = 1_000
const MOST_FINDINGS = 10_000

/**
 * Looks at sources and yields their entries, directories included, in path order. Throws `UserError`; ends early when the signal is aborted.
 */
export async function* walk(options: WalkOptions): AsyncGenerator<WalkedEntry, void, undefined> {
  const [{ prepare, join, lookForWork }, { Catalog }, { search }, { RunTally }, { randomUUID }] =
    await Promise.all([
      import('./copy/prepare.js'),
      import('./native/set.js'),
      import('./native/query.js'),
      import('./copy/tally.js'),
      import('node:crypto'),
    ])
  const { context, end } = await contextOf(options)
  const copyOptions = copyOptionsOf({ ...options, outputs: [] })
  const directory = mkdtempSync(path.join(context.env.TMPDIR ?? tmpdir(), 'multivolumecopy-walk-'))
  try {
    const prepared = await prepare(copyOptions, context)
    const file = path.join(directory, 'catalog.sqlite')
    const id = randomUUID().replaceAll('-', '')
    const created = Math.floor(Date.now() / 1000)
    const catalog = Catalog.create(file, { id, name: 'walk', created })
    try {
      const run = catalog.beginRun(created)
      const tally = new RunTally()
      const looked = { ...prepared, options: copyOptions, context, catalog, run, tally }
      await lookForWork(looked, join(looked))
    } finally {
      catalog.close()
    }
    const everything = { patterns: ['*'], regex: false, ignoreCase: false }
    for await (const page of search({ catalog: file }, everything)) {
      for (const { path: at, kind, size, seconds } of page) {
        if (options.signal?.aborted === true) return
        const has = kind === 'file' || kind === 'symlink'
        yield { path: at, kind, size: has ? size : 0, mtime: seconds } as WalkedEntry
      }
    }
  } finally {
    end()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Tells what a copy would do; nothing is written. Rejects with `UserError`. */
export async function plan(options: PlanInput): Promise<CopyResult> {
  const { runPlan } = await import('./copy/plan.js')
  const full = { ...copyOptionsOf(options), savePlan: options.savePlan }
  return copyLike(options, (context) => runPlan(full, context))
}

/** Backs up. Rejects with `UserError`. */
export async function copy(options: CopyInput): Promise<CopyResult> {
  const { runCopy } = await import('./copy/run.js')
  return copyLike(options, (context) => runCopy(copyOptionsOf(options), context))
}

/** Checks one drive by itself. Rejects with `UserError`. */
export async function verify(options: VerifyInput): Promise<VerifyResult> {
  const { runVerify } = await import('./verify/run.js')
  const findings: VerifyResultEvent[] = []
  let summary: SummaryEvent | undefined
  const full: FullVerifyOptions = {
    patterns: [],
    since: undefined,
    sample: undefined,
    workers: undefined,
    restart: false,
    oneWay: false,
    againstSource: false,
    setName: undefined,
    catalog: undefined,
    ...given(options),
    output: options.output,
    // So that findings come as events.
    json: true,
    verbosity: 'normal',
    lists: { ...NO_LISTS, ...options.lists },
  }
  const exit = await runWith(
    options,
    (context) => runVerify(full, context),
    (event) => {
      if (event.type === 'summary') summary = event as SummaryEvent
      if (event.type === 'verify-result' && findings.length < MOST_FINDINGS) findings.push(event)
    },
  )
  return { exit, findings, ...(summary === undefined ? {} : { summary }) }
}

/** Brings files back. Rejects with `UserError`. */
export async function restore(options: RestoreInput): Promise<RestoreResult> {
  const { runRestore } = await import('./restore/run.js')
  const full: FullRestoreOptions = {
    paths: [],
    setName: undefined,
    catalog: undefined,
    existing: 'keep',
    keepBad: false,
    dryRun: false,
    flags: false,
    ...given(options),
    ...TALK,
    outputs: options.outputs,
    to: options.to,
  }
  const errors: FileErrorEvent[] = []
  let asked: RestorePlanEvent | undefined
  let summary: RestoreSummaryEvent | undefined
  const exit = await runWith(
    options,
    (context) => runRestore(full, context),
    (event) => {
      if (event.type === 'plan') asked = event as RestorePlanEvent
      if (event.type === 'summary') summary = event as RestoreSummaryEvent
      if (event.type === 'file-error' && errors.length < MOST_ERRORS) errors.push(event)
    },
  )
  return {
    exit,
    errors,
    ...(asked === undefined ? {} : { plan: asked }),
    ...(summary === undefined ? {} : { summary }),
  }
}

const TALK = { verbosity: 'normal', hideProgress: false, json: true, color: 'never' } as const

const NO_LISTS: FullVerifyOptions['lists'] = {
  report: undefined,
  matched: undefined,
  differ: undefined,
  missingOnDst: undefined,
  missingOnSrc: undefined,
  error: undefined,
  combined: undefined,
}

/** What of the options says something. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const said = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(said) as { [K in keyof T]: Exclude<T[K], undefined> }
}

function copyOptionsOf(options: PlanInput): CopyOptions {
  const { signal, ask, env, cwd, onProgress, onEvent, onMessage, ...rest } = options
  return {
    jobFile: undefined,
    startIndex: 0,
    selectIndex: undefined,
    workers: undefined,
    reserve: { unit: 'bytes', bytes: 0 },
    oneFileSystem: false,
    filters: [],
    filesFrom: undefined,
    nulSeparated: false,
    deletePolicy: 'ask',
    deleteForeign: false,
    maxDelete: undefined,
    volumeSizes: [],
    pack: false,
    keepTogether: 0,
    copies: undefined,
    flatten: false,
    adopt: false,
    setName: undefined,
    catalog: undefined,
    label: undefined,
    digest: undefined,
    checksum: false,
    sizeOnly: false,
    modifyWindow: 0,
    verifyWrites: false,
    onVolumeFull: undefined,
    waitForVolume: undefined,
    unmount: false,
    notify: false,
    yes: false,
    startHere: undefined,
    splitLarge: false,
    outputs: [],
    ...given(rest),
    ...TALK,
  }
}

async function copyLike(
  options: PlanInput,
  run: (context: RunContext) => Promise<ExitCode>,
): Promise<CopyResult> {
  const errors: FileErrorEvent[] = []
  let first: PlanEvent | undefined
  let summary: SummaryEvent | undefined
  const exit = await runWith(options, run, (event) => {
    if (event.type === 'plan') first ??= event as PlanEvent
    if (event.type === 'summary') summary = event as SummaryEvent
    if (event.type === 'file-error' && errors.length < MOST_ERRORS) errors.push(event)
  })
  return {
    exit,
    errors,
    ...(first === undefined ? {} : { plan: first }),
    ...(summary === undefined ? {} : { summary }),
  }
}

async function runWith(
  options: Options,
  run: (context: RunContext) => Promise<ExitCode>,
  listen: (event: RunEvent) => void,
): Promise<ExitCode> {
  const { context, end } = await contextOf({
    ...options,
    onEvent: (event) => {
      listen(event)
      options.onEvent?.(event)
    },
  })
  try {
    return await run(context)
  } finally {
    end()
  }
}

/** What the flows take from the world, made of what the caller gave. */
async function contextOf(options: Options): Promise<{ context: RunContext; end: () => void }> {
  const [{ CallbackReporter }, { StopController }] = await Promise.all([
    import('./report/callbacks.js'),
    import('./stop.js'),
  ])
  const { signal, ask } = options
  const stop = new StopController()
  const onAbort = (): void => {
    stop.request()
  }
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  const prompter: Prompter =
    ask === undefined
      ? unattended
      : { canAsk: true, ask: async (question): Promise<Answer> => (await ask(question)) ?? EOF }
  const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() })
  return {
    context: {
      stdin: Readable.from([]),
      stdout: nowhere(),
      stderr: nowhere(),
      env: options.env ?? process.env,
      colorDepth: 1,
      cwd: options.cwd ?? process.cwd(),
      stdinIsTTY: false,
      stdoutIsTTY: false,
      stderrIsTTY: false,
      stop,
      onInfoSignal: () => () => {},
      report: new CallbackReporter(options),
      prompter,
    },
    end: () => signal?.removeEventListener('abort', onAbort),
  }
}
