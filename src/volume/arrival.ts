/**
 * How a drive comes in without somebody at the keyboard: a hook of the user's, a watch on what is mounted, and
 * what tells somebody that one is wanted (a bell, a desktop notification); and how one that is done goes.
 *
 * It decides nothing about drives: whether what has come is the one that is wanted the caller looks at.
 */

import { execFile, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunContext } from '../context.js'
import { UserError } from '../errors.js'
import { Exit } from '../exit.js'
import { CancelledError } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { type Mount, mounts } from '../native/volume.js'

/** Milliseconds between two looks at what is mounted. */
const LOOK_EVERY = 500

/** What a hook is told, in its environment. */
export interface HookFacts {
  readonly set: { readonly id: string; readonly name: string }
  /** The number of the drive that has just been done with; absent at the start of a run. */
  readonly done?: number | undefined
  /** The number of the drive that is wanted. */
  readonly needed: number
  /** What is, or is to be, written on its case. */
  readonly label: string
  /** Where it is looked for. */
  readonly output: FsName
  /** Bytes of content that are to go to it or to come from it. */
  readonly bytes: number
}

/**
 * Runs the user's command by `/bin/sh -c` and waits for its end. What it prints goes to stderr: stdout is for data.
 * It gets no terminal to read from. A wish to stop ends it (SIGTERM).
 *
 * Rejects with `UserError` (exit code 4) when it ends with another code than 0, and with `CancelledError`.
 */
export async function runHook(
  command: string,
  facts: HookFacts,
  { env, cwd, stderr, stop, report }: RunContext,
): Promise<void> {
  report.detail(`Running: ${displayName(command)}`)
  const child = spawn('/bin/sh', ['-c', command], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...env,
      MVCOPY_SET: facts.set.name,
      MVCOPY_SET_ID: facts.set.id,
      MVCOPY_VOLUME_DONE: facts.done === undefined ? '' : String(facts.done),
      MVCOPY_VOLUME_NEEDED: String(facts.needed),
      MVCOPY_LABEL: facts.label,
      MVCOPY_OUTPUT: facts.output,
      MVCOPY_BYTES_NEEDED: String(facts.bytes),
    },
  })
  child.stdout.pipe(stderr, { end: false })
  child.stderr.pipe(stderr, { end: false })
  const unlisten = stop.onStop((level) => child.kill(level === 1 ? 'SIGTERM' : 'SIGKILL'))
  const [code, signal] = await new Promise<[number | null, string | null]>((done, reject) => {
    child.once('error', (error) => reject(failed(`could not be started: ${error.message}`, error)))
    child.once('close', (...how) => done(how))
    // What it started may outlive it and hold the pipes; a run that is to stop doesn't wait for that.
    child.once('exit', (...how) => stop.requested && done(how))
  }).finally(() => {
    unlisten()
    child.stdout.destroy()
    child.stderr.destroy()
  })
  if (stop.requested) throw new CancelledError()
  if (code !== 0) throw failed(signal === null ? `ended with ${code}` : `was ended by ${signal}`)
}

function failed(how: string, cause?: unknown): UserError {
  return new UserError(`The command of --on-volume-full ${how}.`, {
    exit: Exit.needed,
    hint: 'What was said to be done is safe. The same command again goes on from here.',
    cause,
  })
}

/** What tells two states of the mount table apart: the kernel gives the number of a mount that went to the next. */
function mountKey({ id, device, mountPoint }: Mount): string {
  return `${id} ${device} ${mountPoint}`
}

/** What was mounted between two looks, but for what is mounted at one of the `known` places. */
export function newMounts(
  before: readonly Mount[],
  now: readonly Mount[],
  known: readonly FsName[],
): Mount[] {
  const old = new Set(before.map(mountKey))
  return now.filter((mount) => !old.has(mountKey(mount)) && !known.includes(mount.mountPoint))
}

/**
 * Waits until something else is mounted than in `before`: answers what is mounted then; undefined when it is
 * `until` (milliseconds since 1970) before that. Rejects with `CancelledError`.
 */
export async function nextMounts(
  before: readonly Mount[],
  until: number,
  { stop }: { readonly stop: Pick<RunContext['stop'], 'orderly'> },
): Promise<Mount[] | undefined> {
  const old = before.map(mountKey).join('\n')
  for (;;) {
    const left = until - Date.now()
    if (left <= 0) return undefined
    try {
      await sleep(Math.min(LOOK_EVERY, left), undefined, { signal: stop.orderly })
    } catch {
      throw new CancelledError()
    }
    const now = await mounts()
    if (now.map(mountKey).join('\n') !== old) return now
  }
}

/**
 * Calls `onNew` with each mount that is new since `before`, one after the other. What it returns ends that, and
 * resolves when no call is under way any more.
 */
export function watchMounts(
  before: readonly Mount[],
  orderly: AbortSignal,
  onNew: (mount: Mount) => Promise<void>,
): () => Promise<void> {
  const over = new AbortController()
  const stop = { orderly: AbortSignal.any([over.signal, orderly]) }
  const watching = (async () => {
    let seen = before
    for (;;) {
      const now = await nextMounts(seen, Number.POSITIVE_INFINITY, { stop })
      for (const mount of newMounts(seen, now ?? seen, [])) await onNew(mount)
      seen = now ?? seen
    }
  })()
  // It ends by being stopped; what else goes wrong with a drive the look after the answer tells.
  const ended = watching.catch(() => {})
  return () => {
    over.abort()
    return ended
  }
}

/** Unmounts drives that are done where they are still mounted, and says so. */
export async function unmountAll(
  places: ReadonlySet<FsName>,
  { report, env }: RunContext,
): Promise<void> {
  const mounted = new Set((await mounts()).map(({ mountPoint }) => mountPoint))
  for (const place of places) {
    if (!mounted.has(place)) continue
    const why = await unmount(place, env)
    if (why === undefined) report.note(`${displayName(place)} is unmounted.`)
    else report.warning(`${displayName(place)} could not be unmounted: ${why}`)
  }
}

/** Unmounts what is mounted there, by umount(8); answers why it could not be, undefined when it was. */
function unmount(place: FsName, env: RunContext['env']): Promise<string | undefined> {
  return new Promise((done) => {
    execFile('umount', ['--', place], { env: { ...env, LC_ALL: 'C' } }, (error, _out, said) => {
      done(error === null ? undefined : displayName(said.trim() || error.message))
    })
  })
}

/** Rings the terminal's bell, and shows a desktop notification where there is a program for it. */
export function callAttention(
  title: string,
  text: string,
  { stderr, stderrIsTTY, env }: RunContext,
): void {
  if (stderrIsTTY) stderr.write('\u0007')
  // Best effort: without a desktop there is nobody to be told.
  execFile('notify-send', ['--app-name=multivolumecopy', '--', title, text], { env }, () => {})
}
