/**
 * Runs a job of the addon to its end: cancel by AbortSignal, progress and failures by a timer.
 *
 * The signals are listened to here and never handed to the addon, which would overwrite their
 * `onabort` and miss one that is aborted already. Whatever happens, the promise settles only when the
 * job is over, the timer is stopped and every listener is gone.
 */

import type { FileErrorJs, Job, ProgressSnapshot } from '../../native/index.js'
import { CancelledError, fromNative } from './errors.js'

/** The counters of a job; bytes and counts are exact up to 2^53. */
export type Progress = ProgressSnapshot

/** `phase` of a job that flushes to the drive. */
const FLUSHING = 2

/** Of the counters: the file in hand and how far it is, and whether it waits for a flush. */
export function inHand({ current, currentDone, currentSize, phase }: Progress) {
  return {
    ...(current === '' ? {} : { current }),
    ...(currentDone === undefined || currentSize === undefined
      ? {}
      : { currentBytes: { done: Math.min(currentDone, currentSize), total: currentSize } }),
    ...(phase === FLUSHING ? { flushing: true } : {}),
  }
}

/** Of the counters: files and bytes done, and of how many where the job knows that. */
export function counts({ files, bytes, totalFiles, totalBytes }: Progress) {
  return { files: { done: files, total: totalFiles }, bytes: { done: bytes, total: totalBytes } }
}

/** The failure of one file; the run goes on. */
export type FileError = FileErrorJs

/** Work that the addon has begun. */
export interface StartedJob<T> {
  readonly job: Pick<Job, 'cancel' | 'progress' | 'takeErrors'>
  readonly done: Promise<T>
}

/** How to run a job. */
export interface RunJobOptions {
  /** Aborted: the job ends in order (with the reason `'now'`: at the next block). */
  readonly signal?: AbortSignal | undefined
  /** Aborted: the job ends at the next block. For a second Ctrl-C. */
  readonly immediate?: AbortSignal | undefined
  /** Called with the counters, now and then; the last call, with `final`, has the totals. */
  readonly onProgress?: ((progress: Progress, final: boolean) => void) | undefined
  /** Called with the failures of single files as they come; all of them before the last progress. */
  readonly onErrors?: ((errors: readonly FileError[]) => void) | undefined
  /** Milliseconds between two looks; default 50. */
  readonly intervalMs?: number | undefined
}

/**
 * Starts a job and waits for its result.
 *
 * Rejects with a `NativeError`; with `CancelledError` when it was cancelled, also when a signal is
 * aborted already, and then nothing is started. When `onProgress` or `onErrors` throws, the job is
 * cancelled, awaited, and that error is what comes out.
 */
export async function runJob<T>(
  start: () => StartedJob<T>,
  options: RunJobOptions = {},
): Promise<T> {
  const { signal, immediate, onProgress, onErrors, intervalMs = 50 } = options
  if (signal?.aborted || immediate?.aborted) throw new CancelledError()
  const { job, done } = begin(start)

  let thrown: { readonly error: unknown } | undefined
  const look = (final: boolean): void => {
    if (thrown) return
    try {
      if (onErrors) {
        const errors = job.takeErrors()
        if (errors.length > 0) onErrors(errors)
      }
      onProgress?.(job.progress(), final)
    } catch (error) {
      thrown = { error }
      job.cancel(true)
    }
  }
  const stop = (): void => job.cancel(signal?.reason === 'now')
  const stopNow = (): void => job.cancel(true)
  signal?.addEventListener('abort', stop)
  immediate?.addEventListener('abort', stopNow)
  const timer = onProgress || onErrors ? setInterval(look, intervalMs, false) : undefined
  const [outcome] = await Promise.allSettled([done])
  clearInterval(timer)
  signal?.removeEventListener('abort', stop)
  immediate?.removeEventListener('abort', stopNow)
  look(true)
  // A callback's own fault goes first: it is why the job was cancelled, and it must not be lost.
  if (thrown) throw thrown.error
  if (outcome.status === 'rejected') throw fromNative(outcome.reason)
  return outcome.value
}

function begin<T>(start: () => StartedJob<T>): StartedJob<T> {
  try {
    return start()
  } catch (error) {
    throw fromNative(error)
  }
}
