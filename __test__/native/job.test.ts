/** Jobs: progress, failures of single files, cancelling, and that nothing keeps the process alive. */
import { spawnSync } from 'node:child_process'
import test from 'ava'
import { CancelledError } from '../../src/native/errors.js'
import { type FileError, type Progress, runJob, type StartedJob } from '../../src/native/job.js'
import { binding } from '../../src/native/load.js'

const FOREVER = 1_000_000
const work = (steps: number, more: { fileErrors?: number; ending?: 'error' | 'panic' } = {}) =>
  binding.startSelftest({ steps, path: 'in\udcffhand', ...more })

/** A job that JavaScript settles, and what was asked of it. */
function fake<T>(done: Promise<T>) {
  const cancels: boolean[] = []
  const progress: Progress = {
    entries: 1,
    files: 0,
    written: 0,
    bytes: 0,
    durableBytes: 0,
    errors: 0,
    phase: 0,
    current: '',
  }
  const job = {
    cancel: (now: boolean) => void cancels.push(now),
    progress: () => progress,
    takeErrors: (): FileError[] => [],
  }
  return { cancels, started: { job, done } satisfies StartedJob<T> }
}

test('a job resolves with its result and a last progress with the totals', async (t) => {
  const seen: [number, boolean][] = []
  const result = await runJob(() => work(40), {
    intervalMs: 1,
    onProgress: (p, final) => {
      seen.push([p.entries, final])
      t.is(p.current, 'in\udcffhand')
    },
  })
  t.is(result, 40)
  t.deepEqual(seen.at(-1), [40, true])
  t.is(seen.filter(([, final]) => final).length, 1)
  const counts = seen.map(([entries]) => entries)
  t.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
  )
})

test('each failure of a file is handed over once, before the last progress', async (t) => {
  const errors: FileError[] = []
  await runJob(() => work(10, { fileErrors: 7 }), {
    intervalMs: 1,
    onErrors: (some) => errors.push(...some),
    onProgress: (p, final) => {
      if (final) t.deepEqual([errors.length, p.errors], [7, 7])
    },
  })
  t.deepEqual(errors[0], {
    fault: 'failed',
    path: 'in\udcffhand',
    doing: 'reading',
    errno: 5,
    message: 'Input/output error',
  })
})

test('failures of files are handed over even when the job fails', async (t) => {
  let count = 0
  const run = runJob(() => work(3, { fileErrors: 3, ending: 'error' }), {
    onErrors: (some) => {
      count += some.length
    },
  })
  await t.throwsAsync(run, { message: /Input\/output error/ })
  t.is(count, 3)
})

test('several jobs run at once and each keeps its own result', async (t) => {
  const runs = [5, 50, 20, 1, 30, 10].map((steps) => runJob(() => work(steps)))
  t.deepEqual(await Promise.all(runs), [5, 50, 20, 1, 30, 10])
})

test('an abort cancels a running job', async (t) => {
  for (const reason of [undefined, 'now']) {
    const controller = new AbortController()
    const run = runJob(() => work(FOREVER), {
      signal: controller.signal,
      intervalMs: 1,
      onProgress: (p) => {
        if (p.entries > 0) controller.abort(reason)
      },
    })
    await t.throwsAsync(run, { instanceOf: CancelledError })
  }
})

test('the first wish to stop is orderly, the second is not', async (t) => {
  const { promise, resolve } = withResolvers<string>()
  const { cancels, started } = fake(promise)
  const orderly = new AbortController()
  const immediate = new AbortController()
  const run = runJob(() => started, { signal: orderly.signal, immediate: immediate.signal })
  orderly.abort()
  t.deepEqual(cancels, [false])
  immediate.abort()
  t.deepEqual(cancels, [false, true])
  resolve('it ended well all the same')
  t.is(await run, 'it ended well all the same')
})

test('an abort with the reason "now" is not orderly', async (t) => {
  const { promise, resolve } = withResolvers<void>()
  const { cancels, started } = fake(promise)
  const controller = new AbortController()
  const run = runJob(() => started, { signal: controller.signal })
  controller.abort('now')
  t.deepEqual(cancels, [true])
  resolve()
  await run
})

test('an abort after the end does not reach the job', async (t) => {
  const { cancels, started } = fake(Promise.resolve(1))
  const controller = new AbortController()
  await runJob(() => started, { signal: controller.signal, immediate: controller.signal })
  controller.abort()
  t.deepEqual(cancels, [])
})

test('with a signal that is aborted already nothing is started', async (t) => {
  let starts = 0
  const start = () => {
    starts += 1
    return work(1)
  }
  for (const options of [{ signal: AbortSignal.abort() }, { immediate: AbortSignal.abort() }]) {
    await t.throwsAsync(runJob(start, options), { instanceOf: CancelledError })
  }
  t.is(starts, 0)
})

test('a callback that throws cancels the job and is what comes out', async (t) => {
  const options = { intervalMs: 1 }
  const fault = new Error('the report broke')
  const broken = () => {
    throw fault
  }
  t.is(await t.throwsAsync(runJob(() => work(FOREVER), { ...options, onProgress: broken })), fault)
  const late = (_: Progress, final: boolean) => {
    if (final) broken()
  }
  t.is(await t.throwsAsync(runJob(() => work(1), { intervalMs: 10_000, onProgress: late })), fault)
})

test('a process waits for its job and then ends by itself', (t) => {
  const url = new URL('../../native/index.js', import.meta.url).href
  const script = `
    import { startSelftest } from ${JSON.stringify(url)}
    startSelftest({ steps: 200, path: '' }).done.then((n) => console.log('steps', n))
    startSelftest({ steps: 1, path: '', ending: 'panic' }).done.catch((e) => console.log(e.code))
  `
  // The limit only guards against hanging for ever.
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.is(child.status, 0, child.stderr)
  t.deepEqual(child.stdout.trim().split('\n').toSorted(), ['INTERNAL', 'steps 200'])
})

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers<T>() {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((yes) => {
    resolve = yes
  })
  return { promise, resolve }
}
