/**
 * The drives of a set on their shelf, one bay to use them in, and the two ways of bringing a set up to date
 * with them: with somebody at the terminal, and with nobody there.
 */

import type { ExecutionContext } from 'ava'
import {
  closes,
  drivePrompt,
  type Event,
  ended,
  events,
  eventsInTranscript,
  onTerminal,
  shelf,
} from '../copy/kit.js'
import type { Host } from '../helpers/cli.js'
import { type Drive, MiB, makeDrive } from '../helpers/drives.js'
import { tempDir } from '../helpers/temp.js'

/** The drives of a set on their shelf, and the one bay in which they are used. */
export class Shelf {
  readonly bay: string
  readonly drives: readonly Drive[]
  /** By volume number, once the set has given it one. */
  readonly #numbered = new Map<number, Drive>()
  #in: Drive | undefined

  constructor(count: number) {
    this.drives = Array.from({ length: count }, () => makeDrive({ size: 9 * MiB }))
    this.bay = shelf(this.drives)
  }

  /** Puts the volume of this number into the bay, or a drive that is in no set yet. */
  insert(number: number): void {
    this.empty()
    const used = new Set(this.#numbered.values())
    const drive = this.#numbered.get(number) ?? this.drives.find((one) => !used.has(one))
    if (drive === undefined) throw new Error(`no drive is left for volume ${number}`)
    this.#numbered.set(number, drive)
    drive.remount({ path: this.bay })
    this.#in = drive
  }

  empty(): void {
    this.#in?.unmount()
    this.#in = undefined
  }

  /** The drives of the set, each mounted at a place of its own while `look` runs. */
  async withAll<T>(look: (drives: readonly Drive[]) => Promise<T>): Promise<T> {
    this.empty()
    const drives = [...this.#numbered.values()]
    for (const drive of drives) drive.remount({ path: tempDir('look') })
    try {
      return await look(drives)
    } finally {
      for (const drive of drives) drive.unmount()
    }
  }
}

/** What the runs of one step did, taken together. */
export interface Done {
  /** Volumes that were asked for, in this order. */
  readonly asked: readonly number[]
  /** Bytes of content written. */
  readonly bytes: number
}

/** Runs the command at a terminal and puts in each drive that it asks for. */
export async function atTheTerminal(
  t: ExecutionContext,
  host: Host,
  drives: Shelf,
  args: readonly string[],
): Promise<Done> {
  const terminal = onTerminal(t, host, [...args, '--json'], { columns: 4000, limitMs: 120_000 })
  const told = (): Event[] => eventsInTranscript(terminal.transcript())
  const asked: number[] = []
  for (;;) {
    const asks = await drivePrompt(terminal).then(
      () => true,
      () => false,
    )
    if (!asks) break
    const needed = told().filter(({ type }) => type === 'volume-needed')
    t.is(needed.length, asked.length + 1, terminal.transcript())
    const { number } = (needed.at(-1) as Event).wanted
    asked.push(number)
    drives.insert(number)
    terminal.send('c\r')
  }
  await closes(t, terminal, 0)
  const closed = told().filter(({ type }) => type === 'volume-closed')
  return { asked, bytes: closed.reduce((sum, { written }) => sum + written.bytes, 0) }
}

/** Runs the command without a terminal until it is done, and puts in each drive that it lacks. */
export async function withNobodyThere(
  t: ExecutionContext,
  host: Host,
  drives: Shelf,
  args: readonly string[],
): Promise<Done> {
  const asked: number[] = []
  let bytes = 0
  for (;;) {
    const run = await host.run([...args, '--json'])
    const closed = events(run, 'volume-closed')
    bytes += closed.reduce((sum, { written }) => sum + written.bytes, 0)
    if (run.code !== 4) {
      ended(t, run, 0)
      return { asked, bytes }
    }
    const [needed, ...more] = events(run, 'volume-needed')
    t.true(needed !== undefined && more.length === 0, run.stderr)
    const { number } = (needed as Event).wanted
    asked.push(number)
    t.true(asked.length <= 2 * drives.drives.length, `it goes on for ever: ${asked}`)
    drives.insert(number)
  }
}
