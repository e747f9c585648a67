/** A prompter that answers from a list and remembers what it was asked. */
import { type Answer, type AskOptions, EOF, type Prompter } from '../../src/prompt/prompter.js'

export class FakePrompter implements Prompter {
  readonly canAsk = true
  readonly asked: string[][] = []
  readonly #answers: Answer[]

  constructor(...answers: Answer[]) {
    this.#answers = answers
  }

  ask(question: readonly string[], options?: AskOptions): Promise<Answer> {
    this.asked.push([...question])
    const answer = this.#answers.shift() ?? EOF
    if (answer === EOF) return Promise.resolve(EOF)
    const lower = answer.toLowerCase()
    return Promise.resolve(options?.keys?.includes(lower) === true ? lower : answer)
  }
}
