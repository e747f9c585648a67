/**
 * A pseudo-terminal with a program on it: waits for what it says, types what a user would type.
 *
 * Patterns are matched against the text without its escape sequences, each from where the last
 * match ended. The time limit only guards against hanging.
 */

import { stripVTControlCharacters } from 'node:util'
import * as pty from '@lydell/node-pty'
import { undo } from './temp.js'

/** How to run it. */
export interface TerminalOptions {
  cwd?: string
  env?: Record<string, string | undefined>
  /** A program with its arguments that runs ours; default none. */
  under?: readonly string[]
  /** Default 300: few sentences are broken there. */
  columns?: number
  /** Default 24. */
  rows?: number
  /** For each wait; default 60,000. */
  limitMs?: number
}

/** The user's side of the terminal. */
export interface Terminal {
  readonly pid: number
  /** Waits until the program has said this, after whatever was waited for before. */
  expect(pattern: RegExp): Promise<RegExpExecArray>
  /** Types; end with `\r` for Enter, `\x03` is Ctrl-C, `\x04` is end of file. */
  send(text: string): void
  kill(signal: NodeJS.Signals): void
  resize(columns: number, rows: number): void
  /** Everything said so far, without escape sequences and carriage returns. */
  transcript(): string
  /** Everything said so far, byte by byte as text. */
  raw(): string
  /** How it ended: the exit code, and the number of the signal or 0. */
  readonly exit: Promise<{ code: number; signal: number }>
}

/** Starts a command on a new pseudo-terminal. */
export function openTerminal(command: readonly string[], options: TerminalOptions = {}): Terminal {
  const [file = '', ...args] = command
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.env ?? process.env)) {
    if (value !== undefined) env[name] = value
  }
  const child = pty.spawn(file, args, {
    cols: options.columns ?? 300,
    rows: options.rows ?? 24,
    env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  let raw = ''
  let ended: { code: number; signal: number } | undefined
  let position = 0
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const look of [...waiting]) look()
  }
  const exit = new Promise<{ code: number; signal: number }>((resolve) => {
    child.onExit(({ exitCode, signal }) => {
      ended = { code: exitCode, signal: signal ?? 0 }
      resolve(ended)
      wake()
    })
  })
  child.onData((chunk) => {
    raw += chunk
    wake()
  })
  undo(() => {
    if (!ended) child.kill('SIGKILL')
  })

  const expect = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const fail = (why: string) => {
        settle()
        reject(new Error(`${why} while waiting for ${pattern}; said so far:\n${plain(raw)}`))
      }
      const guard = setTimeout(() => fail('time ran out'), options.limitMs ?? 60_000)
      const settle = () => {
        clearTimeout(guard)
        waiting.delete(look)
      }
      const look = () => {
        const match = pattern.exec(plain(raw).slice(position))
        if (match) {
          position += match.index + match[0].length
          settle()
          resolve(match)
        } else if (ended) fail(`the program ended (exit code ${ended.code})`)
      }
      waiting.add(look)
      look()
    })

  return {
    pid: child.pid,
    expect,
    send: (text) => child.write(text),
    kill: (signal) => child.kill(signal),
    resize: (columns, rows) => child.resize(columns, rows),
    transcript: () => plain(raw),
    raw: () => raw,
    exit,
  }
}

/** The text without escape sequences; one that has not arrived whole yet is left off the end. */
function plain(text: string): string {
  const last = text.lastIndexOf('\x1b')
  const torn = last >= 0 && stripVTControlCharacters(text.slice(last)) === text.slice(last)
  return stripVTControlCharacters(torn ? text.slice(0, last) : text).replaceAll('\r', '')
}
