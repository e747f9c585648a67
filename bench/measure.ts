/**
 * Runs commands side by side: whole process by the wall clock, with peak memory, medians of N.
 *
 * The runs are interleaved and each round begins with another contender, so that a slow minute of
 * the machine, or a cache left warm, is not one contender's alone. Only figures of one call may be
 * compared. Peak memory is the largest of all the processes of a command, as GNU time gives it from
 * wait4(2); without GNU time it is left out.
 */

import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { tempDir } from '../__test__/helpers/temp.js'

/** One program in a comparison. */
export interface Contender {
  /** As the table names it. */
  name: string
  /** The command, run by sh; made anew for each run, in `prepare`. */
  command: string
  /** Makes the place ready, unmeasured; what it gives is undone after the run. */
  prepare?: () => Prepared
}

/** What a run works with. */
export interface Prepared {
  env?: Record<string, string>
  cwd?: string
  /** Checks what the run did; a sentence if it is not what was asked for. Unmeasured. */
  check?: () => string | undefined
  dispose?: () => void
}

/** What came out for one contender. */
export interface Outcome {
  name: string
  /** Median of the runs; undefined when one failed. */
  seconds?: number
  /** All runs, in order. */
  all: number[]
  /** Largest peak of all runs, in bytes. */
  peak?: number
  /** Why there is no figure. */
  failure?: string
}

/** What one run of a command took. */
export interface Took {
  readonly seconds: number
  /** Seconds of processor time, the kernel's included; undefined without GNU time, as `peak`. */
  readonly cpu?: number
  /** Bytes. */
  readonly peak?: number
}

const timer = '/usr/bin/time'
const hasTimer = fs.existsSync(timer)

/** Runs each contender `runs` times and gives their outcomes in the order given. */
export async function sideBySide(
  contenders: readonly Contender[],
  runs: number,
  log: (text: string) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = contenders.map(({ name }) => ({ name, all: [] }))
  for (let round = 0; round < runs; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (round + turn) % contenders.length
      const [contender, outcome] = [contenders[index], outcomes[index]]
      if (!contender || !outcome || outcome.failure) continue
      await runOnce(contender, outcome)
      log(`  ${contender.name}: ${outcome.failure ?? `${outcome.all.at(-1)?.toFixed(2)} s`}`)
    }
  }
  for (const outcome of outcomes) {
    if (!outcome.failure) outcome.seconds = median(outcome.all)
  }
  return outcomes
}

async function runOnce(contender: Contender, outcome: Outcome): Promise<void> {
  const prepared = contender.prepare?.() ?? {}
  try {
    const { took, failure } = await timed(contender.command, prepared)
    const wrong = failure ?? prepared.check?.()
    if (wrong !== undefined) {
      outcome.failure = wrong.replace(/\s+/g, ' ').slice(0, 200)
      return
    }
    outcome.all.push(took.seconds)
    if (took.peak !== undefined) outcome.peak = Math.max(outcome.peak ?? 0, took.peak)
  } finally {
    prepared.dispose?.()
  }
}

/** Runs a command by sh and measures it; `failure`: why it did not end well. */
export async function timed(
  command: string,
  prepared: Prepared,
): Promise<{ took: Took; failure?: string }> {
  const report = path.join(tempDir('time'), 'took')
  const shell = ['/bin/sh', '-c', command]
  const [file = '', ...args] = hasTimer ? [timer, '-f', '%U %S %M', '-o', report, ...shell] : shell
  const began = process.hrtime.bigint()
  const { code, stderr } = await finish(file, args, prepared)
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  if (code !== 0) return { took: { seconds }, failure: `exit code ${code}: ${stderr.trim()}` }
  if (!hasTimer) return { took: { seconds } }
  const last = fs.readFileSync(report, 'utf8').trim().split('\n').at(-1) ?? ''
  const [user = 0, system = 0, kilobytes = 0] = last.split(' ').map(Number)
  return { took: { seconds, cpu: user + system, peak: kilobytes * 1024 } }
}

function finish(
  file: string,
  args: string[],
  { env = {}, cwd }: Prepared,
): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(-4000)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stderr }))
  })
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
