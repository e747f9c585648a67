/**
 * Picks single system calls of a run, by strace, so that the run can be killed or made to fail at each.
 *
 * strace counts calls per thread and, with `-P`, only those that touch a path. A run is traced once; a
 * call can then be aimed at if, for one of its paths, it is the first n-th call of its kind in any
 * thread. What cannot be aimed at is left to its neighbours: see `statesOf`.
 */

import * as fs from 'node:fs'

/** One traced call. */
export interface Call {
  readonly index: number
  readonly thread: string
  readonly name: string
  /** What strace's `-P` compares: absolute paths of descriptors, and names as they were given. */
  readonly paths: readonly string[]
  /** The whole line, for messages. */
  readonly line: string
  /** Whether it touches a drive. */
  readonly onDrive: boolean
}

/** A call that can be aimed at: the `nth` call `name` in a thread that touches `path`. */
export interface Target {
  readonly call: Call
  readonly path: string
  readonly nth: number
  /** How many calls before it changed a drive. */
  readonly state: number
}

/** The calls at which a run is cut off. */
export const CUTS = [
  'openat2',
  'pwrite64',
  'syncfs',
  'fsync',
  'renameat2',
  'unlinkat',
  'ftruncate',
  'mkdirat',
  'linkat',
  'symlinkat',
]

/** Further calls, aimed at where no other call stands between two changes of a drive. */
const FILL = ['openat', 'close', 'write', 'read', 'pread64']

const CHANGES = new Set([
  'pwrite64',
  'write',
  'renameat2',
  'unlinkat',
  'ftruncate',
  'mkdirat',
  'linkat',
  'symlinkat',
])

const STRACE = ['strace', '-f', '-qq', '-y']
/** Stops at the calls that are traced only, as Node.js alone makes thousands of others; no signal can be sent there. */
const QUICK = [...STRACE, '--seccomp-bpf']

/** The arguments of strace that write all calls to `log`. */
export function tracing(log: string, calls: readonly string[] = [...CUTS, ...FILL]): string[] {
  return [...QUICK, '-s', '64', '-o', log, '-e', `trace=${calls.join()}`]
}

/** The arguments of strace that do `what` at a target: `signal=SIGKILL`, `error=EIO`. */
export function injecting(target: Target, what: string, log: string, forEver = false): string[] {
  const { call, path, nth } = target
  const inject = `inject=${call.name}:${what}:when=${nth}${forEver ? '+' : ''}`
  const strace = what.startsWith('signal=') ? STRACE : QUICK
  return [...strace, '-o', log, '-P', path, '-e', `trace=${call.name}`, '-e', inject]
}

/** Reads a log of `tracing`. */
export function readCalls(log: string, drives: readonly string[]): Call[] {
  const calls: Call[] = []
  for (const line of joined(fs.readFileSync(log, 'latin1').split('\n'))) {
    const match = /^(\d+)\s+([a-z0-9_]+)\((.*)$/.exec(line)
    if (!match) continue
    const [, thread = '', name = '', rest = ''] = match
    const args = rest.replace(/\)\s+= .*$/, '')
    const paths = Array.from(args.matchAll(/\b\d+<(\/[^>]*)>/g), (m) => m[1] ?? '')
    if (/at2?$/.test(name)) {
      paths.push(...Array.from(args.matchAll(/"((?:[^"\\]|\\.)*)"/g), (m) => m[1] ?? ''))
    }
    const onDrive = paths.some((p) => drives.some((d) => p === d || p.startsWith(`${d}/`)))
    calls.push({ index: calls.length, thread, name, paths, line, onDrive })
  }
  return calls
}

/**
 * The lines with each call in one of them, where it began. strace splits a call when another thread makes one
 * meanwhile; whether it failed is only in the second part, and the busier the machine, the more are split.
 */
function joined(lines: readonly string[]): string[] {
  const whole: string[] = []
  const begun = new Map<string, number>()
  for (const line of lines) {
    const [, thread = ''] = /^(\d+)\s/.exec(line) ?? []
    const rest = /^\d+\s+<\.\.\. \w+ resumed>(.*)$/.exec(line)?.[1]
    const at = begun.get(thread)
    if (rest !== undefined && at !== undefined) {
      begun.delete(thread)
      whole[at] += rest
      continue
    }
    const cut = line.replace(/ ?<unfinished \.\.\.>$/, '')
    if (cut !== line) begun.set(thread, whole.length)
    whole.push(cut)
  }
  return whole
}

/** The calls on the drives that can be aimed at, in their order; for each call the first path that does. */
export function targetsOf(calls: readonly Call[], names: readonly string[]): Target[] {
  const targets: Target[] = []
  let state = 0
  for (const call of calls) {
    if (!call.onDrive) continue
    if (names.includes(call.name)) {
      const target = aim(calls, call, state)
      if (target) targets.push(target)
    }
    if (changes(call)) state += 1
  }
  return targets
}

function changes(call: Call): boolean {
  if (/= -1 /.test(call.line)) return false
  // Room that is kept for the lists: how much of it stands tells a later run nothing.
  if (/"ballast(-\d+)?"/.test(call.line)) return false
  return CHANGES.has(call.name) || (call.name === 'openat' && call.line.includes('O_CREAT'))
}

function aim(calls: readonly Call[], call: Call, state: number): Target | undefined {
  for (const path of call.paths) {
    // strace resolves what it is given, and a name alone may be anything: paths that are no more, and
    // names that other threads use elsewhere, are of no use.
    if (path === '' || path === '.' || path === '..' || path.includes('(deleted)')) continue
    const alike = calls.filter(({ name, paths }) => name === call.name && paths.includes(path))
    if (alike.some(({ onDrive }) => !onDrive)) continue
    const nth = alike.filter((c) => c.thread === call.thread && c.index <= call.index).length
    const count = new Map<string, number>()
    const hit = alike.find(({ thread }) => {
      count.set(thread, (count.get(thread) ?? 0) + 1)
      return count.get(thread) === nth
    })
    if (hit === call) return { call, path, nth, state }
  }
  return undefined
}

/**
 * The points at which a run is cut off: every call of `CUTS` that can be aimed at, and, for a state of
 * the drive in which there is none, one of the other calls. `missed` counts states without any.
 */
export function pointsOf(calls: readonly Call[]): { points: Target[]; missed: number } {
  const points = targetsOf(calls, CUTS)
  const seen = new Set(points.map(({ state }) => state))
  for (const target of targetsOf(calls, FILL)) {
    if (seen.has(target.state)) continue
    seen.add(target.state)
    points.push(target)
  }
  const states = calls.filter((call) => call.onDrive && changes(call)).length + 1
  points.sort((a, b) => a.call.index - b.call.index)
  return { points, missed: states - seen.size }
}

/** About `most` of a list, spread evenly; all of it with MVCOPY_ALL=1. */
export function sample<T>(list: readonly T[], most: number): T[] {
  if (process.env.MVCOPY_ALL === '1' || list.length <= most) return [...list]
  return Array.from({ length: most }, (_, n) => list[Math.floor((n * list.length) / most)] as T)
}
