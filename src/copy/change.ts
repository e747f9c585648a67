/**
 * The drive change: finds the drive that is wanted at one of the outputs, or asks for it.
 *
 * While it asks nothing is open on any drive. A drive that is not the wanted one is named, nothing on it
 * is touched, and the question comes again. Where nobody can be asked the run ends, resumable.
 */

import prettyBytes from 'pretty-bytes'
import type { RunContext } from '../context.js'
import { UserError } from '../errors.js'
import { displayName, type FsName } from '../native/names.js'
import type { Catalog } from '../native/set.js'
import { type Mount, mounts, type PathFacts } from '../native/volume.js'
import { askForVolume } from '../prompt/questions.js'
import { agreed, driveName, listVolumes } from '../set/messages.js'
import { counted } from '../size.js'
import {
  callAttention,
  newMounts,
  nextMounts,
  runHook,
  unmountAll,
  watchMounts,
} from '../volume/arrival.js'
import type { Verdict } from '../volume/facts.js'
import { describe, type Look } from '../volume/look.js'
import { typedPath } from '../volume/place.js'
import { copyOf, otherCopy } from './copies.js'
import { type Drives, type Mounted, refusedOutput } from './drives.js'
import type { CopyOptions } from './options.js'

/** What is to be written next. */
export interface Wanted {
  readonly number: number
  readonly label: string
  /** Whether the set has this volume already. */
  readonly known: boolean
  readonly files: number
  readonly bytes: number
  /** Whether the plan needs new drives as well. */
  readonly newToo: boolean
  /** Numbers of all volumes that the plan still has something for. */
  readonly alsoGood: ReadonlySet<number>
  /** The copy of the set that is in hand; absent where there is only one. */
  readonly copy?: number | undefined
  /** Bytes on a drive that would take all that is planned for new drives. */
  readonly roomForAll: number
}

/** A drive that this run has just done with. */
export interface Filled {
  readonly number: number
  /** What there is to say of it: asked for when it is said, for then it is said of others, too. */
  readonly text: string
  /** Where it, and others that this run is done with, may still be mounted. */
  readonly mountPoints: ReadonlySet<FsName>
}

/** The user, or the lack of one, ended the run at a prompt. */
export class NoDrive extends Error {
  /** `quit`: the user said so; `nobody`: there is nobody to ask; `read-only`: nor can what is there be written. */
  readonly why: 'quit' | 'nobody' | 'read-only'

  constructor(why: 'quit' | 'nobody' | 'read-only') {
    super(why)
    this.why = why
  }
}

/** What a look at an output leads to. */
type Try =
  | { readonly use: Mounted }
  /** `expected`: it is a drive that this run is done with. */
  | { readonly no: readonly string[]; readonly expected?: true; readonly kind?: Verdict['kind'] }

/** What a drive change works with. */
export interface DriveChangeParts {
  readonly catalog: Catalog
  readonly context: RunContext
  readonly options: CopyOptions
  readonly drives: Drives
  /** Volumes that this run is done with. */
  readonly done: ReadonlySet<number>
  /** Even a drive that nothing is known of yet is wanted only by its number: the plan is not made anew. */
  readonly byNumber?: boolean
  /** Does on a drive of the set what waits for it besides copying; undefined where nothing does. */
  readonly serve: (output: FsName, seen: Look) => Promise<string | undefined>
  /** Where drives are looked for; a path that the user types joins them. */
  readonly outputs: FsName[]
  /** What the new drive at an output becomes; undefined where nothing of what is left fits on it. */
  readonly newVolumeAt: (
    output: FsName,
  ) => Promise<{ readonly number: number; readonly label: string } | undefined>
}

/** Finds or asks for drives. */
export class DriveChange {
  readonly #p: DriveChangeParts

  constructor(parts: DriveChangeParts) {
    this.#p = parts
  }

  /**
   * The wanted drive, open. Rejects with `NoDrive`, with a `UserError` for an output that can never be
   * one, and with `NativeError`.
   */
  async obtain(wanted: Wanted, full: Filled | undefined): Promise<Mounted> {
    const reasons: string[] = []
    const seen = new Set<Verdict['kind']>()
    for (const output of this.#p.outputs) {
      const tried = await this.#try(output, wanted, full === undefined)
      if ('use' in tried) return tried.use
      if (tried.kind !== undefined) seen.add(tried.kind)
      // That the drive which was just written is still there is no news at a drive change.
      if (!('expected' in tried && full !== undefined)) reasons.push(...tried.no)
    }
    return this.#ask(wanted, full, reasons, seen)
  }

  async #ask(
    wanted: Wanted,
    full: Filled | undefined,
    reasons: readonly string[],
    seen: ReadonlySet<Verdict['kind']>,
  ): Promise<Mounted> {
    const { prompter, report, stop } = this.#p.context
    const name = wantedName(wanted)
    report.event({
      type: 'volume-needed',
      wanted: { number: wanted.number, label: wanted.label, known: wanted.known },
      files: wanted.files,
      bytes: wanted.bytes,
    })
    if (stop.requested) throw new NoDrive('quit')
    const arrived = await this.#withoutKeys(wanted, full, reasons)
    if (arrived !== undefined) return arrived
    if (!prompter.canAsk || this.#p.options.waitForVolume !== undefined) {
      for (const line of reasons) report.error(line)
      const waited = this.#p.options.waitForVolume !== undefined
      const why = waited ? 'it did not come in time' : 'nobody can be asked'
      report.error(`${capital(name)} is needed for ${amount(wanted)}, and ${why}.`)
      report.note('Mount it and run the same command again: it goes on from here.')
      throw new NoDrive(seen.has('read-only') ? 'read-only' : 'nobody')
    }
    return this.#prompt(wanted, [...(full === undefined ? [] : [full.text]), ...reasons])
  }

  /** Runs the command of --on-volume-full. One that fails leaves the run without a drive. */
  async #hook(
    command: string,
    facts: Parameters<typeof runHook>[1],
    wanted: Wanted,
  ): Promise<void> {
    const { context } = this.#p
    try {
      await runHook(command, facts, context)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      context.report.error(error.message)
      // What is left, and how it goes on, is in the summary.
      context.report.error(`${capital(wantedName(wanted))} was wanted for ${amount(wanted)}.`)
      throw new NoDrive('nobody')
    }
  }

  /** What the options do before somebody is asked: unmount, call, run the hook, wait. */
  async #withoutKeys(
    wanted: Wanted,
    full: Filled | undefined,
    reasons: readonly string[],
  ): Promise<Mounted | undefined> {
    const { catalog, context, options, outputs } = this.#p
    const { report } = context
    const [output = ''] = outputs
    const text = `${capital(wantedName(wanted))} is wanted for ${amount(wanted)}.`
    const before = await mounts()
    if (options.unmount) {
      // Also what stands in the way of the wanted one though this run has not written it.
      const ours = await Promise.all(outputs.map((one) => this.#ownAt(one)))
      await unmountAll(new Set([...(full?.mountPoints ?? []), ...ours.flat()]), context)
    }
    if (options.notify) callAttention(catalog.setInfo().name, text, context)
    if (options.onVolumeFull !== undefined) {
      if (full !== undefined) report.note(full.text)
      const { number: needed, label, bytes } = wanted
      const facts = { set: catalog.setInfo(), done: full?.number, needed, label, output, bytes }
      await this.#hook(options.onVolumeFull, facts, wanted)
      const arrived = await this.#arrived(wanted, before, await mounts(), new Set())
      if (arrived !== undefined) return arrived
    }
    const { waitForVolume } = options
    if (waitForVolume === undefined) return undefined
    for (const line of [...(full === undefined ? [] : [full.text]), ...reasons]) report.note(line)
    report.note(`${text} Waiting for it at ${displayName(output)}; Ctrl-C stops.`)
    const until = waitForVolume === 0 ? Number.POSITIVE_INFINITY : Date.now() + waitForVolume * 1000
    const told = new Set(reasons)
    let seen = await mounts()
    for (;;) {
      const arrived = await this.#arrived(wanted, before, seen, told)
      if (arrived !== undefined) return arrived
      const now = await nextMounts(seen, until, context)
      if (now === undefined) return undefined
      seen = now
    }
  }

  /** Where a drive of the set is mounted for this output; none where something else is there. */
  async #ownAt(output: FsName): Promise<FsName[]> {
    const { verdict, facts } = await this.#p.drives.look(output)
    const ours = verdict.kind === 'volume-of-set' || verdict.kind === 'just-filled'
    return ours && facts.isMountPoint && facts.mount !== undefined ? [facts.mount.mountPoint] : []
  }

  /**
   * The wanted drive, when it has come without anybody saying so: at an output whatever is good there, at another
   * place only a drive that the set knows. What will not do is told once (`told`).
   */
  async #arrived(
    wanted: Wanted,
    before: readonly Mount[],
    now: readonly Mount[],
    told: Set<string>,
  ): Promise<Mounted | undefined> {
    const { outputs, drives, context } = this.#p
    for (const output of outputs) {
      const tried = await this.#try(output, wanted, false)
      if ('use' in tried) return tried.use
      const news = tried.no.filter((line) => line !== '' && !told.has(line))
      for (const line of 'expected' in tried ? [] : news) context.report.note(line)
      for (const line of news) told.add(line)
    }
    for (const mount of newMounts(before, now, outputs)) {
      if (mount.readOnly) continue
      const { verdict } = await drives.look(mount.mountPoint)
      if (verdict.kind !== 'volume-of-set' || !this.#fits(verdict, wanted)) continue
      const tried = await this.#try(mount.mountPoint, wanted, false)
      if (!('use' in tried)) continue
      this.#alsoLookAt(mount.mountPoint)
      return tried.use
    }
    return undefined
  }

  async #prompt(wanted: Wanted, first: readonly string[]): Promise<Mounted> {
    const { prompter, cwd, env, stop } = this.#p.context
    const name = wantedName(wanted)
    let said = first
    let before = await mounts()
    for (;;) {
      const [first] = this.#p.outputs
      const answer = await askForVolume(prompter, {
        wanted: `${name} for ${amount(wanted)}`,
        full: said,
        size: wanted.known ? undefined : sizeText(wanted),
        path: first === undefined ? undefined : displayName(first),
        list: () => listVolumes(this.#p.catalog.volumes(), prettyBytes),
        help: ['Nothing is deleted from a drive that is not the wanted one.'],
        home: env.HOME,
        meanwhile: (say) =>
          watchMounts(before, stop.orderly, async (mount) => {
            const line = await this.#noticed(mount, wanted)
            if (line !== undefined) say(line)
          }),
      })
      if (answer.action === 'quit') throw new NoDrive('quit')
      if (answer.action === 'eof') throw new NoDrive(stop.requested ? 'quit' : 'nobody')
      const typed = answer.path === undefined ? undefined : typedPath(cwd, answer.path)
      const places = typed === undefined ? this.#p.outputs : [typed]
      const refused: string[] = []
      if (typed !== undefined && (await this.#p.drives.wouldMake(typed))) {
        const question = [`${displayName(typed)} does not exist.`, 'Make this folder and use it?']
        if (!(await agreed(this.#p.context, question, false))) {
          said = ['No folder was made.']
          continue
        }
      }
      for (const place of places) {
        const tried = await this.#try(place, wanted, true)
        if ('use' in tried) {
          if (typed !== undefined) this.#alsoLookAt(typed)
          return tried.use
        }
        refused.push(...tried.no)
      }
      const now = await mounts()
      const offered = typed === undefined ? await this.#offer(before, now, wanted) : undefined
      if (offered !== undefined) return offered
      before = now
      said = refused
    }
  }

  /** What there is to say of a new mount; undefined where it is nobody's business. */
  async #noticed(mount: Mount, wanted: Wanted): Promise<string | undefined> {
    const place = mount.mountPoint
    const { verdict } = await this.#p.drives.look(place)
    const { sentence } = describe(verdict, place)
    if (!mount.readOnly && this.#fits(verdict, wanted)) {
      // Another place may have been mounted for quite another purpose.
      const isDrive = verdict.kind === 'volume-of-set' || mount.source.startsWith('/dev/')
      const isHere = this.#p.outputs.includes(place)
      return isHere || isDrive ? `${sentence} c goes on with it.` : undefined
    }
    return this.#p.outputs.includes(place)
      ? `${sentence} ${capital(wantedName(wanted))} is wanted.`
      : undefined
  }

  /** Offers a drive that was mounted somewhere else since the question came. */
  async #offer(
    before: readonly Mount[],
    now: readonly Mount[],
    wanted: Wanted,
  ): Promise<Mounted | undefined> {
    for (const mount of newMounts(before, now, this.#p.outputs)) {
      if (mount.readOnly) continue
      const seen = await this.#p.drives.look(mount.mountPoint)
      if (!this.#fits(seen.verdict, wanted)) continue
      const question = `A drive has been mounted at ${displayName(mount.mountPoint)}. Use it?`
      if (!(await agreed(this.#p.context, [question], true))) continue
      const tried = await this.#try(mount.mountPoint, wanted, true)
      if ('use' in tried) {
        this.#alsoLookAt(mount.mountPoint)
        return tried.use
      }
    }
    return undefined
  }

  #alsoLookAt(place: FsName): void {
    if (!this.#p.outputs.includes(place)) this.#p.outputs.unshift(place)
  }

  #fits(verdict: Verdict, wanted: Wanted): boolean {
    if (verdict.kind === 'blank' || verdict.kind === 'foreign')
      return !wanted.known || wanted.newToo
    return (
      verdict.kind === 'volume-of-set' &&
      !verdict.clone &&
      !this.#p.done.has(verdict.number) &&
      wanted.alsoGood.has(verdict.number)
    )
  }

  /** Looks at an output and opens it if it is a drive that the plan wants. `ask`: questions may be put. */
  async #try(output: FsName, wanted: Wanted, ask: boolean): Promise<Try> {
    const seen = await this.#p.drives.look(output)
    const { verdict, facts } = seen
    const { sentence, hint } = describe(verdict, output)
    const no = (text: string, more?: string): Try => ({
      no: more === undefined ? [text] : [text, more],
      kind: verdict.kind,
    })
    switch (verdict.kind) {
      case 'volume-of-set':
        if (verdict.clone) return no(sentence, hint)
        {
          const other = this.#ofOtherCopy(seen, wanted)
          if (other !== undefined) {
            const why = `${other.why}; ${wantedName(wanted)} is wanted.`
            return other.done ? { no: [sentence, why], expected: true } : no(sentence, why)
          }
        }
        if (this.#p.done.has(verdict.number)) {
          const why = `This run is done with it; ${wantedName(wanted)} is wanted.`
          return { no: [sentence, why], expected: true }
        }
        if ((verdict.known || this.#p.byNumber) && !wanted.alsoGood.has(verdict.number)) {
          const served = this.#p.byNumber ? undefined : await this.#p.serve(output, seen)
          return no(
            sentence,
            `${served ?? 'Nothing is to be copied to it'}; ${wantedName(wanted)} is wanted.`,
          )
        }
        return { use: await this.#p.drives.openKnown(output, facts, verdict) }
      case 'blank':
      case 'foreign':
        if (wanted.known && !wanted.newToo) {
          return no(sentence, `${capital(wantedName(wanted))} is wanted.`)
        }
        if (verdict.kind === 'foreign' && !(await this.#mayShare(output, seen, ask))) {
          // Who has just been asked knows what is there, and has said that it is to stay so.
          if (ask && this.#p.context.prompter.canAsk) return no('Mount another drive.')
          return no(
            sentence,
            `${hint ?? ''} With -y its free space is used and what is there is left alone.`,
          )
        }
        return this.#tryNew(output, facts, wanted)
      case 'not-a-directory':
      case 'missing':
      case 'inside-source':
      case 'source-inside':
        if (this.#p.context.prompter.canAsk) return no(sentence, hint ?? '')
        throw refusedOutput(verdict, sentence, hint)
      case 'just-filled':
        return { no: hint === undefined ? [sentence] : [sentence, hint], expected: true }
      default:
        return no(sentence, hint)
    }
  }

  /** What there is to say of a drive that belongs to another copy of the set than the one in hand. */
  #ofOtherCopy(
    { verdict, facts }: Look,
    wanted: Wanted,
  ): { why: string; done: boolean } | undefined {
    const { catalog } = this.#p
    if (wanted.copy === undefined || verdict.kind !== 'volume-of-set') return undefined
    const of = copyOf(catalog, verdict, facts)
    if (of === wanted.copy) return undefined
    return { why: otherCopy(of, wanted.copy, catalog.copies()), done: of < wanted.copy }
  }

  async #tryNew(output: FsName, facts: PathFacts, wanted: Wanted): Promise<Try> {
    const volume = await this.#p.newVolumeAt(output)
    if (volume === undefined) {
      const free = prettyBytes(facts.space?.free ?? 0)
      return {
        no: [
          `Nothing of what is left fits on ${displayName(output)}, with ${free} free.`,
          'Make room on it, or mount a larger drive.',
        ],
      }
    }
    const { number, label } = volume
    return { use: await this.#p.drives.openNew(output, facts, number, label, wanted.copy) }
  }

  /** Whether the free space of a drive with foreign files may be used. Asked once a drive. */
  async #mayShare(output: FsName, seen: Look, ask: boolean): Promise<boolean> {
    const key = `${seen.facts.path}:${seen.facts.fsUuid ?? seen.facts.mount?.id ?? ''}`
    const { yes, adopt } = this.#p.options
    const { report, prompter } = this.#p.context
    if (this.#p.drives.foreignAgreed.has(key)) return true
    const { sentence } = describe(seen.verdict, output)
    if (yes || adopt) {
      report.note(
        adopt
          ? `${sentence} What is equal is taken over, what stands in the way of a newer file is replaced.`
          : `${sentence} What is there is left alone.`,
      )
      this.#p.drives.foreignAgreed.add(key)
      return true
    }
    if (!ask || !prompter.canAsk) return false
    const question = [sentence, 'Use its free space and leave what is there alone?']
    const agrees = await agreed(this.#p.context, question, false)
    if (agrees) this.#p.drives.foreignAgreed.add(key)
    return agrees
  }
}

function wantedName(wanted: Wanted): string {
  return wanted.known
    ? driveName(wanted.number, wanted.label)
    : `a new drive (number ${wanted.number}${wanted.copy === undefined ? '' : `, copy ${wanted.copy} of the set`})`
}

/** How large a new drive should be. */
function sizeText({ roomForAll }: Wanted): string {
  return `It may be of any size; with ${prettyBytes(roomForAll)} free it takes all that is left.`
}

function amount({ files, bytes }: { files: number; bytes: number }): string {
  return `${counted(files, 'file')} (${prettyBytes(bytes)})`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
