/**
 * How honest "time left" is, in real runs onto drives of a constant rate.
 *
 * What each `progress` object says is held against what really remained: the time until the summary. From a fifth of
 * the bytes on it is to be wrong by at most a tenth, or by so few seconds that nobody minds; the percentage never falls.
 *
 * MVCOPY_BENCH_SCENE is the beginning of the title of the scenes that are wanted (all), MVCOPY_BENCH_KEEP a file that gets
 * every object that was heard.
 */

import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Random } from '../__test__/helpers/random.js'
import { isRoot, tempDir } from '../__test__/helpers/temp.js'
import { freshHost, MiB, program, remove } from './places.js'
import { slowDrive } from './slow.js'
import type { FuseDrive } from '../__test__/helpers/fuse-disk.js'

/** Bytes a second that the drives take, and give. */
const RATE = 8e6
/** Where the promise begins, as a share of the bytes. */
const FROM = 0.2
/** Seconds that nobody minds. */
const GRACE = 3

/** A tree that is copied, and how. */
interface Scene {
  readonly title: string
  readonly grow: (root: string, bytes: number) => void
  readonly options?: readonly string[]
}

const scenes: readonly Scene[] = [
  { title: 'large files', grow: (root, bytes) => fill(root, bytes, () => 12 * MiB) },
  {
    title: 'small files',
    grow: (root, bytes) => fill(root, bytes, (random) => random.size(20_000, 1, MiB)),
  },
  { title: 'large and small files in turn', grow: (root, bytes) => fill(root, bytes, inTurn) },
  {
    title: 'large files, then small ones',
    grow: (root, bytes) => {
      fill(path.join(root, 'a films'), bytes / 2, () => 10 * MiB)
      fill(path.join(root, 'b notes'), bytes / 2, (random) => random.size(20_000, 1, MiB))
    },
  },
]

function inTurn(random: Random, n: number): number {
  return n % 40 === 0 ? 8 * MiB : random.size(30_000, 1, MiB)
}

/** Fills a directory with files, 50 to a sub-directory. */
function fill(root: string, bytes: number, size: (random: Random, n: number) => number): void {
  const random = new Random(20)
  const content = random.bytes(16 << 20)
  for (let n = 0, made = 0; made < bytes; n += 1) {
    const directory = path.join(root, `shelf ${String(Math.floor(n / 50)).padStart(4, '0')}`)
    if (n % 50 === 0) fs.mkdirSync(directory, { recursive: true })
    const length = size(random, n)
    const from = random.below(content.length - length)
    fs.writeFileSync(path.join(directory, `${n}.dat`), content.subarray(from, from + length))
    made += length
  }
}

/** One object of `--progress-fd`, and when it came (ms). */
interface Heard {
  readonly at: number
  readonly value: {
    readonly type: string
    readonly phase?: string
    readonly bytes?: { readonly done: number; readonly total?: number }
    readonly secondsLeft?: number
  }
}

/** Runs the program and listens. */
async function listen(args: readonly string[]): Promise<Heard[]> {
  const { env, cwd } = freshHostOnce()
  const child = spawn(
    process.execPath,
    [program, ...args, '--hide-progress', '--progress-fd', '3'],
    {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    },
  )
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const over = new Promise<number | null>((resolve) => child.on('close', resolve))
  const heard: Heard[] = []
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    heard.push({ at: performance.now(), value: JSON.parse(line) })
  }
  const code = await over
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`)
  if (process.env.MVCOPY_BENCH_KEEP) {
    const lines = heard.map((one) => JSON.stringify(one))
    fs.appendFileSync(process.env.MVCOPY_BENCH_KEEP, `${lines.join('\n')}\n`)
  }
  return heard
}

let host: ReturnType<typeof freshHost> | undefined
function freshHostOnce(): ReturnType<typeof freshHost> {
  host ??= freshHost({})
  return host
}

/** What a run's words were worth. */
interface Honesty {
  readonly seconds: number
  readonly heard: number
  readonly silent: number
  readonly worst: number
  readonly median: number
  readonly fell: number
}

function judge(heard: readonly Heard[]): Honesty {
  const end = heard.find(({ value }) => value.type === 'summary')?.at ?? Number.NaN
  const errors: number[] = []
  let [silent, fell, share] = [0, 0, 0]
  for (const { at, value } of heard) {
    const { bytes, secondsLeft } = value
    if (value.type !== 'progress' || bytes?.total === undefined) continue
    const now = bytes.done / bytes.total
    if (now < share) fell += 1
    share = Math.max(share, now)
    const remained = (end - at) / 1000
    if (now < FROM || remained < 1) continue
    if (secondsLeft === undefined) {
      silent += 1
      continue
    }
    const off = Math.abs(secondsLeft - remained)
    errors.push(off <= GRACE ? 0 : off / remained)
  }
  const sorted = errors.sort((a, b) => a - b)
  return {
    seconds: (end - (heard[0]?.at ?? 0)) / 1000,
    heard: sorted.length,
    silent,
    worst: sorted.at(-1) ?? Number.NaN,
    median: sorted[sorted.length >> 1] ?? Number.NaN,
    fell,
  }
}

/** Runs all scenes and gives a table. `scale`: of what is usual. */
export async function etaTable(scale: number, log: (text: string) => void): Promise<string> {
  if (!isRoot) return 'Drives of a constant rate need root.\n'
  const bytes = 960e6 * scale
  const rows: string[] = []
  const note = (title: string, heard: readonly Heard[]): void => {
    const { seconds, heard: many, silent, worst, median, fell } = judge(heard)
    const percent = (share: number) => `${(share * 100).toFixed(1)} %`
    const row = `| ${title} | ${seconds.toFixed(0)} s | ${many} (${silent}) | ${percent(median)} | ${percent(worst)} | ${fell} |`
    rows.push(row)
    log(row)
  }
  // One of them, by the beginning of its title; without it all.
  const chosen = process.env.MVCOPY_BENCH_SCENE ?? ''
  for (const { title, grow, options = [] } of scenes) {
    if (!title.startsWith(chosen)) continue
    host = undefined
    const source = tempDir('tree')
    grow(source, bytes)
    const drives: FuseDrive[] = []
    try {
      for (let n = 0; n < 3; n += 1) {
        drives.push(await slowDrive(Math.ceil(bytes * 0.4 + 24e6), RATE, 2 * RATE))
      }
      const outputs = drives.flatMap((drive) => ['-o', drive.path])
      note(title, await listen([source, ...outputs, '-y', ...options]))
    } finally {
      for (const drive of drives) await drive.end()
      remove(source)
    }
  }
  return [
    `## Time left, at ${RATE / 1e6} MB/s`,
    '',
    '| what is copied | took | told (not told) | wrong by, median | wrong by, at most | percentage fell |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
  ].join('\n')
}
