/**
 * Asking the user: the interface, and what an answer can be.
 *
 * A run never knows whether there is a terminal: it looks at `canAsk`, and where that is false takes
 * the safe default, says so, or ends with exit code 4. End of input is an answer of its own and never
 * counts as a yes.
 */

/** The answer that means that no answer will ever come: end of input, or the run is to stop. */
export const EOF = Symbol('eof')

/** What came back: a line without spaces at its ends, or `EOF`. */
export type Answer = string | typeof EOF

/** What `ask` may be told beside the question. */
export interface AskOptions {
  /**
   * The one-key answers that the question offers, lower case (`['c', 'q', '?', 'l']`). An answer that
   * is one of them in another case comes back in lower case; any other answer comes as it was typed.
   */
  readonly keys?: readonly string[]
  /**
   * Called when the question stands; what it says meanwhile is shown below it. What it returns is called, and
   * waited for, when there is an answer.
   */
  readonly meanwhile?: ((say: (line: string) => void) => () => Promise<void>) | undefined
}

/** Somebody who can be asked, or nobody. */
export interface Prompter {
  /** False: `ask` always answers `EOF`. */
  readonly canAsk: boolean
  /**
   * Prints the lines and reads one line. The last line is the prompt itself: `'> '` is put at its end.
   * Lines are printed so that nothing in them can move the cursor; names in them are displayed names.
   */
  ask(question: readonly string[], options?: AskOptions): Promise<Answer>
}

/** The prompter where nobody can be asked. */
export const unattended: Prompter = {
  canAsk: false,
  ask: () => Promise.resolve(EOF),
}
