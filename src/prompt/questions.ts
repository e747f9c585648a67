/**
 * The questions of the program, as functions over a `Prompter`: the next drive, and yes or no.
 *
 * They only ask and understand; what an answer leads to is the caller's business. End of input is never
 * a yes and never "go on".
 */
import { type AskOptions, EOF, type Prompter } from './prompter.js'

/** What the drive-change question is about. Texts are for people, names in them displayed. */
export interface VolumeQuestion {
  /** The drive that is wanted: `'drive 3'`, `'drive 2 (blue)'`, `'a new drive (number 3)'`. */
  readonly wanted: string
  /** What to say first: which drive is done, or why the one that is there will not do. */
  readonly full?: string | readonly string[] | undefined
  /** How large it should be, as a sentence. */
  readonly size?: string | undefined
  /** Where the drive is looked for. */
  readonly path?: string | undefined
  /** The drives of the set, a line each; made when asked for. */
  readonly list: () => readonly string[] | Promise<readonly string[]>
  /** What `?` tells beside the keys. */
  readonly help?: readonly string[] | undefined
  /** The directory that a leading `~/` stands for. */
  readonly home?: string | undefined
  /** What going on without this drive means; where it is there, `s` is an answer. */
  readonly skip?: string | undefined
  /** Watches while the question stands, and says what has come. */
  readonly meanwhile?: AskOptions['meanwhile']
}

/** What the user wants: go on (perhaps with a drive at another path), stop, or nobody answers. */
export type VolumeAnswer =
  | { readonly action: 'continue'; readonly path?: string }
  | { readonly action: 'quit' }
  | { readonly action: 'eof' }

const KEYS = ['c', 'q', '?', 'l'] as const

/** The user goes on without the drive. */
export interface SkipAnswer {
  readonly action: 'skip'
}

/** Asks for the next drive until there is an answer; `skip` is one only where the question has it. */
export function askForVolume(
  prompter: Prompter,
  question: VolumeQuestion & { readonly skip: string },
): Promise<VolumeAnswer | SkipAnswer>
export function askForVolume(prompter: Prompter, question: VolumeQuestion): Promise<VolumeAnswer>
export async function askForVolume(
  prompter: Prompter,
  question: VolumeQuestion,
): Promise<VolumeAnswer | SkipAnswer> {
  const at = question.path === undefined ? '' : ` at ${question.path}`
  let first: readonly string[] = [
    ...[question.full ?? []].flat(),
    `Please insert ${question.wanted} and mount it${at}.`,
    ...(question.size === undefined ? [] : [question.size]),
  ]
  const skips = question.skip !== undefined
  const keys = skips ? [...KEYS, 's'] : KEYS
  const without = skips ? 's = go on without it, ' : ''
  for (;;) {
    const answer = await prompter.ask(
      [...first, `c = go on, q = stop, ${without}l = list the drives, ? = help, or type a path`],
      { keys, meanwhile: question.meanwhile },
    )
    if (answer === EOF) return { action: 'eof' }
    switch (answer) {
      case 'c':
        return { action: 'continue' }
      case 'q':
        return { action: 'quit' }
      case 's':
        if (skips) return { action: 'skip' }
        first = ['"s" is not one of the answers; a path has a / in it.']
        break
      case 'l': {
        const drives = await question.list()
        first = drives.length === 0 ? ['The set has no drives yet.'] : drives
        break
      }
      case '?':
        first = helpLines(question)
        break
      case '':
        first = []
        break
      default: {
        const path = typedPath(answer, question.home)
        if (path !== undefined) return { action: 'continue', path }
        first = [`"${answer}" is not one of the answers; a path has a / in it.`]
      }
    }
  }
}

function helpLines(question: VolumeQuestion): string[] {
  return [
    `Wanted: ${question.wanted}. ${question.size === undefined ? '' : `${question.size} `}Nothing is held open: drives can be unplugged now.`,
    '  c     go on with what is mounted now',
    '  q     stop here; the same command again goes on from this point',
    ...(question.skip === undefined ? [] : [`  s     ${question.skip}`]),
    '  l     list the drives of the set',
    '  PATH  go on with the drive that is mounted there, for instance /media/usb2',
    ...(question.help ?? []),
  ]
}

/** A path has a `/` (or is `.` or `..`), so that a slip of the finger is not taken for one. */
function typedPath(answer: string, home: string | undefined): string | undefined {
  if (home !== undefined && (answer === '~' || answer.startsWith('~/')))
    return home + answer.slice(1)
  return answer.includes('/') || answer === '.' || answer === '..' ? answer : undefined
}

/** Asks a yes-or-no question; Enter takes `fallback`, which the question shows (`[y/N]`). */
export async function confirm(
  prompter: Prompter,
  question: readonly string[],
  fallback: boolean,
): Promise<'yes' | 'no' | 'eof'> {
  const lines = [...question]
  const last = `${lines.pop() ?? ''} [${fallback ? 'Y/n' : 'y/N'}]`.trimStart()
  for (;;) {
    const answer = await prompter.ask([...lines, last], { keys: ['y', 'n', 'yes', 'no'] })
    if (answer === EOF) return 'eof'
    if (answer === '') return fallback ? 'yes' : 'no'
    if (answer === 'y' || answer === 'yes') return 'yes'
    if (answer === 'n' || answer === 'no') return 'no'
    lines.splice(0, lines.length, 'Please answer y (yes) or n (no).')
  }
}
