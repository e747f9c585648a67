/**
 * Asking at a terminal: questions on stderr, answers from stdin, a line at a time.
 *
 * The terminal stays in its own line mode (no raw mode that a killed program would leave behind), so Ctrl-C
 * is a signal like any other and comes through the stop signal. Between questions stdin is not held,
 * so the process can end; a line that was typed ahead answers the next question.
 */
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { safeLine } from '../display.js'
import type { StopSignal } from '../stop.js'
import { folded, type Terminal, terminalWidth } from '../text.js'
import { type Answer, type AskOptions, EOF, type Prompter } from './prompter.js'

/** What a terminal prompter works with. */
export interface TerminalPrompterOptions {
  readonly stdin: Readable
  readonly stderr: Writable
  readonly stop: StopSignal
  /** Called before a question is printed, and after it was answered: the live display makes room. */
  readonly before?: () => void
  readonly after?: () => void
}

export class TerminalPrompter implements Prompter {
  readonly #options: TerminalPrompterOptions
  readonly #typedAhead: string[] = []
  #ended = false

  constructor(options: TerminalPrompterOptions) {
    this.#options = options
  }

  get canAsk(): boolean {
    return !this.#ended && !this.#options.stop.requested
  }

  async ask(question: readonly string[], options: AskOptions = {}): Promise<Answer> {
    if (!this.canAsk) return EOF
    const { stderr, before, after } = this.#options
    before?.()
    try {
      const lines = question.map(safeLine)
      const last = lines.pop() ?? ''
      stderr.write([...lines, `${last}> `].map((line) => this.#folded(line)).join('\n'))
      const answer = await this.#readWhile(options.meanwhile)
      if (answer === EOF) {
        // The cursor still stands behind the prompt.
        stderr.write('\n')
        return EOF
      }
      return known(answer.trim(), options.keys ?? [])
    } finally {
      after?.()
    }
  }

  async #readWhile(meanwhile: AskOptions['meanwhile']): Promise<Answer> {
    let over = false
    const end = meanwhile?.((line) => {
      // What was typed so far is still in the terminal's line; a sign that it goes on is enough.
      if (!over) this.#options.stderr.write(`\n${this.#folded(safeLine(line))}\n> `)
    })
    try {
      return await this.#read()
    } finally {
      over = true
      await end?.()
    }
  }

  #folded(line: string): string {
    return folded(line, terminalWidth(this.#options.stderr as Terminal))
  }

  #read(): Promise<Answer> {
    const ahead = this.#typedAhead.shift()
    if (ahead !== undefined) return Promise.resolve(ahead)
    const { stdin, stop } = this.#options
    return new Promise((settle) => {
      let answer: Answer = EOF
      let answered = false
      const lines = createInterface({ input: stdin, terminal: false })
      lines.on('line', (line) => {
        if (answered) this.#typedAhead.push(line)
        else {
          answer = line
          answered = true
          lines.close()
        }
      })
      const forget = stop.onStop(() => lines.close())
      stdin.once('error', onError)
      lines.once('close', () => {
        forget()
        stdin.off('error', onError)
        // Closed by nobody here: the input is at its end, for ever.
        if (!answered && !stop.requested) this.#ended = true
        settle(answer)
      })
      function onError(): void {
        // A terminal that has gone (EIO) is an end of input.
        lines.close()
      }
    })
  }
}

function known(answer: string, keys: readonly string[]): string {
  const lower = answer.toLowerCase()
  return keys.includes(lower) ? lower : answer
}
