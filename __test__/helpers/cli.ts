/**
 * Runs the built program as a user would, on a host of its own.
 *
 * A host is a home and a state directory, so two hosts are two machines that share drives. The
 * environment is made from nothing: no variable of the developer reaches the program. Time limits
 * only guard against hanging; no test is decided by one.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTerminal, type Terminal, type TerminalOptions } from './pty.js'
import { tempDir, undo } from './temp.js'

/** The built program, as `bin` names it. */
export const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** An argument; bytes where it is no UTF-8. */
export type Argument = string | Buffer

/** How to run it. */
export interface RunOptions {
  /** Default: the host's own empty working directory. */
  cwd?: string
  /** Added to the host's environment; `undefined` takes a variable away. */
  env?: Record<string, string | undefined>
  /** What stdin says before it ends; default: stdin is /dev/null. */
  input?: string
  /** A program with its arguments that runs ours, such as strace or setpriv; default none. */
  under?: readonly string[]
  /** Killed after this; default 120,000. */
  limitMs?: number
}

/** How a run ended, and what it said. */
export interface RunResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** stdout byte by byte, for names that are no UTF-8. */
  stdoutBytes: Buffer
}

/** A run that is still going on. */
export interface Running {
  readonly child: ChildProcess
  /** Waits until stderr has said something; fails if the program ends without. */
  said(pattern: RegExp): Promise<RegExpExecArray>
  readonly done: Promise<RunResult>
}

/** A machine: where the program keeps its state, and from where it is run. */
export interface Host {
  readonly home: string
  readonly state: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  run(args: readonly Argument[], options?: RunOptions): Promise<RunResult>
  start(args: readonly Argument[], options?: RunOptions): Running
  /** Runs it on a pseudo-terminal, where it may ask. */
  terminal(args: readonly Argument[], options?: TerminalOptions): Terminal
}

/** Makes a host with nothing on it. */
export function makeHost(): Host {
  const top = tempDir('host')
  const [home, state, cwd] = ['home', 'state', 'cwd'].map((name) => path.join(top, name)) as [
    string,
    string,
    string,
  ]
  for (const directory of [home, state, cwd]) fs.mkdirSync(directory)
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: home,
    XDG_STATE_HOME: state,
    TMPDIR: top,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    COLUMNS: '80',
    TERM: 'xterm',
    NO_COLOR: '1',
  }
  const start = (args: readonly Argument[], options: RunOptions = {}) =>
    launch(args, { ...options, cwd: options.cwd ?? cwd, env: { ...env, ...options.env } })
  return {
    home,
    state,
    cwd,
    env,
    start,
    run: (args, options) => start(args, options).done,
    terminal: (args, options = {}) =>
      openTerminal(command(args, options.under), {
        ...options,
        cwd: options.cwd ?? cwd,
        env: { ...env, ...options.env },
      }),
  }
}

/** The whole command line: wrappers, node, the program, and its arguments. */
export function command(args: readonly Argument[], under: readonly string[] = []): string[] {
  const line = [...under, process.execPath, program]
  if (args.every((arg) => typeof arg === 'string')) return [...line, ...(args as string[])]
  // Node can pass text only, bash can write any byte.
  return ['bash', '-c', `exec "$@" ${args.map(quoted).join(' ')}`, 'bash', ...line]
}

function quoted(arg: Argument): string {
  const bytes = typeof arg === 'string' ? Buffer.from(arg) : arg
  return `$'${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'`
}

function launch(args: readonly Argument[], options: RunOptions): Running {
  const [file = '', ...rest] = command(args, options.under)
  const child = spawn(file, rest, {
    cwd: options.cwd,
    env: options.env as NodeJS.ProcessEnv,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    // A group of its own, so that the guard also ends what a wrapper such as strace has started.
    detached: true,
  })
  const stop = () => {
    if (child.exitCode === null && child.signalCode === null && child.pid) {
      process.kill(-child.pid, 'SIGKILL')
    }
  }
  undo(stop)
  const guard = setTimeout(stop, options.limitMs ?? 120_000)
  // A program that ends before it has read everything closes the pipe: that is its right.
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input)
  const out: Buffer[] = []
  let stderr = ''
  const listeners = new Set<() => void>()
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
    for (const listener of listeners) listener()
  })
  const done = new Promise<RunResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(guard)
      const stdoutBytes = Buffer.concat(out)
      resolve({ code, signal, stdout: stdoutBytes.toString(), stderr, stdoutBytes })
    })
  })
  const said = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(stderr)
        if (!match) return
        listeners.delete(look)
        resolve(match)
      }
      listeners.add(look)
      look()
      done.then(
        () => reject(new Error(`ended without saying ${pattern}; stderr:\n${stderr}`)),
        reject,
      )
    })
  return { child, said, done }
}
