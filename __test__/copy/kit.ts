/**
 * What the tests of the copy flow have in common: small sources, events, sums, and the change of a drive.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Argument, Host, RunResult } from '../helpers/cli.js'
import type { Drive } from '../helpers/drives.js'
import { eventFault } from '../helpers/events.js'
import type { Terminal, TerminalOptions } from '../helpers/pty.js'
import { Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'

/**
 * Runs the program so slowly that it is still copying when something is done to it: each write waits.
 * The tracer is a process apart, so signals reach the program itself.
 */
export const slowed = [
  ...['strace', '-D', '-f', '-qq', '-o', '/dev/null'],
  ...['-e', 'trace=pwrite64', '-e', 'inject=pwrite64:delay_enter=4000'],
] as const

/** The last line of the question for a drive. */
export const driveQuestion = /or type a path> $/

/**
 * Waits for the question for a drive. Drives that other tests mount meanwhile are offered too: they are
 * declined.
 */
export async function drivePrompt(terminal: Terminal): Promise<void> {
  const stray = /mounted at (\S+)\. Use it\? \[Y\/n\]> $/
  for (;;) {
    const [, path] = await terminal.expect(new RegExp(`${driveQuestion.source}|${stray.source}`))
    if (path === undefined) return
    if (path.includes(`mvcopy-test-${process.pid}-`)) throw new Error(`${path} is offered`)
    terminal.send('n\r')
  }
}

/** What a file holds: text, or so many random bytes. */
export type Content = string | number

/** Makes a source of these files, all of them a day old; the same sizes give the same bytes. */
export function makeSource(files: Record<string, Content>, root = tempDir('src')): string {
  for (const [name, content] of Object.entries(files)) put(root, name, content)
  return root
}

/** Writes one file of a source; its time is in the past, so that no clock decides a test. */
export function put(root: string, name: string, content: Content, time = 1_700_000_000.25): void {
  const file = path.join(root, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  const bytes =
    typeof content === 'string' ? content : new Random(content + name.length).bytes(content)
  fs.writeFileSync(file, bytes)
  fs.utimesSync(file, time, time)
}

/** One object of `--json`. */
export interface Event {
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests look at
  readonly [key: string]: any
}

/** The objects that `--json` wrote; fails on a line that is none, or none of the schema's. */
export function events(result: RunResult, type?: string): Event[] {
  const all = result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event)
  const faults = all.map(eventFault).filter((fault) => fault !== undefined)
  if (faults.length > 0) throw new Error(faults.slice(0, 3).join('\n'))
  return type === undefined ? all : all.filter((event) => event.type === type)
}

/**
 * The objects that `--json` wrote to a terminal, whose transcript this is. Whatever stands before one
 * on its line is not looked at: there was a row of progress, which was erased.
 */
export function eventsInTranscript(transcript: string): Event[] {
  return transcript.split('\n').flatMap((line) => {
    const [object] = /\{"type":.*\}$/.exec(line) ?? []
    return object === undefined ? [] : [JSON.parse(object) as Event]
  })
}

/** What `sha256sum -c` has to say of a drive; empty when all is right. */
export function wrongSums(drive: string | { path: string }): string {
  const cwd = typeof drive === 'string' ? drive : drive.path
  const run = spawnSync('sha256sum', ['-c', '--quiet', '--strict', '.mvcopy/SHA256SUMS'], {
    cwd,
    encoding: 'latin1',
  })
  return run.status === 0 ? '' : `${run.stdout}${run.stderr}` || `ended with ${run.status}`
}

/** Asserts that the run ended with this code; shows what it said when it did not. */
export function ended(t: ExecutionContext, result: RunResult, code: number): void {
  t.is(result.code, code, `${result.stderr}\n${result.stdout}`)
}

/** Runs it on a terminal that ends with the test, so that a test in trouble leaves nobody waiting. */
export function onTerminal(
  t: ExecutionContext,
  host: Host,
  args: readonly Argument[],
  options: TerminalOptions = {},
): Terminal {
  const terminal = host.terminal(args, { limitMs: 30_000, ...options })
  let over = false
  void terminal.exit.then(() => {
    over = true
  })
  t.teardown(() => {
    if (!over) terminal.kill('SIGKILL')
  })
  return terminal
}

/** Asserts that the program on the terminal ends with this code. */
export async function closes(t: ExecutionContext, terminal: Terminal, code: number): Promise<void> {
  const { code: got } = await terminal.exit
  t.is(got, code, terminal.transcript())
}

/** Unmounts what is in the bay (never lazily: nothing may be held) and mounts this drive there. */
export function swap(out: Drive, into: Drive): void {
  const bay = out.path
  out.unmount()
  into.remount({ path: bay })
}

/** Drives that are not mounted, and the place where they are to be. */
export function shelf(drives: readonly Drive[]): string {
  for (const drive of drives) drive.unmount()
  return tempDir('bay')
}

/** The names directly in a directory, without what the drive's file system puts there. */
export function names(directory: string): string[] {
  return fs
    .readdirSync(directory)
    .filter((name) => !['.mvcopy', 'START-HERE.html', 'lost+found'].includes(name))
    .sort()
}

/** Lines of a text that are not empty. */
export function lines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '')
}
