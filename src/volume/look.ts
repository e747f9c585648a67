/** Looks at a path and judges it, and says in words what came out. */

import prettyBytes from 'pretty-bytes'
import { errnoName } from '../native/errors.js'
import { displayName, type FsName } from '../native/names.js'
import { inspect } from '../native/volume.js'
import type { JudgeContext, Judgement, PathFacts, Verdict, Warning } from './facts.js'
import { judge } from './judge.js'

/** A judged path with the facts that it was judged by. */
export interface Look extends Judgement {
  readonly facts: PathFacts
}

/** Looks at a path and judges it. Rejects as `inspect` does. */
export async function look(path: FsName, context: JudgeContext): Promise<Look> {
  const facts = await inspect(path)
  return { facts, ...judge(facts, context) }
}

/** A verdict in words: what it is, and what to do next. Both are printable sentences. */
export interface Described {
  readonly sentence: string
  /** Undefined where nothing is to be done. */
  readonly hint: string | undefined
}

/** Says what a path was found to be. `path` is the output as the user wrote it. */
export function describe(verdict: Verdict, path: FsName): Described {
  const at = displayName(path)
  const words = (sentence: string, hint?: string): Described => ({ sentence, hint })
  switch (verdict.kind) {
    case 'blank':
      return words(`${at} is empty and can be a new drive of this set.`)
    case 'volume-of-set':
      return volumeOfSet(verdict, at)
    case 'lost':
      return words(
        `${at} is ${drive(verdict)}, which was declared lost. Nothing on it is touched.`,
        `multivolumecopy adopt -o ${at} takes it back.`,
      )
    case 'just-filled':
      return words(
        `${at} is still ${drive(verdict)}, which has just been filled.`,
        'Unmount it and mount the next drive.',
      )
    case 'other-set':
      return words(
        `${at} is ${drive(verdict)} of another set, ${quoted(verdict.setName)}. Nothing on it is touched.`,
        `Mount a drive of this set or an empty one, or name that set with --set. A set that this host does not know is taken over with: multivolumecopy adopt -o ${at}`,
      )
    case 'foreign':
      return words(
        `${at} holds ${foreign(verdict)} that this set knows nothing about.`,
        'What is there can be left alone and the free space used, or mount another drive.',
      )
    case 'unmounted':
      return words(
        `${at} looks like the place of a drive that is not mounted: ${UNMOUNTED[verdict.reason]}.`,
        'Mount the drive, or name another directory.',
      )
    case 'read-only':
      return verdict.errno === undefined
        ? words(`${at} is mounted read-only.`, 'Mount it for writing, or mount another drive.')
        : words(
            `${at} may not be written (${errnoName(verdict.errno)}).`,
            'Run as a user who may, or mount another drive.',
          )
    case 'too-small':
      return words(
        `${at} has ${prettyBytes(verdict.free)} free; less than ${prettyBytes(verdict.needed)} is of no use.`,
        'Make room on it, or mount another drive.',
      )
    case 'not-a-directory':
      return words(`${at} is not a directory.`, 'Name the directory where the drive is mounted.')
    case 'missing':
      return verdict.creatable
        ? words(`${at} does not exist yet.`, 'It can be created.')
        : words(`${at} does not exist.`, 'Mount the drive there, or name another directory.')
    case 'inside-source':
      return words(
        `${at} lies in the source ${displayName(verdict.source)}: the backup would back itself up.`,
        'Name an output outside of all sources.',
      )
    case 'source-inside':
      return words(
        `The source ${displayName(verdict.source)} lies in the output ${at}.`,
        'Name an output that holds no source.',
      )
    case 'damaged-identity':
      return words(
        `${at} has a .mvcopy that cannot be understood: ${displayName(verdict.why)}.`,
        'Nothing is written there. Mount another drive, or look at .mvcopy on this one.',
      )
    case 'newer-identity':
      return words(
        `${at} is of a newer kind: ${displayName(verdict.why)}.`,
        'Use the newer multivolumecopy for this drive.',
      )
    case 'unreadable':
      return words(
        `${at} cannot be read (${errnoName(verdict.errno)}).`,
        'Check that the drive is plugged in and mounted, and that you may read it.',
      )
  }
}

/** A warning in one printable sentence. */
export function describeWarning(warning: Warning, path: FsName): string {
  const at = displayName(path)
  switch (warning) {
    case 'same-file-system-as-source':
      return `${at} is on the same file system as a source: if that drive dies, both are gone.`
    case 'plain-folder':
      return `${at} is a plain folder and no drive of its own.`
    case 'fuse':
      return `${at} is served by a user-space file system: a check in the same session proves nothing.`
  }
}

const UNMOUNTED = {
  fstab: 'fstab names it, and nothing is mounted there',
  'mount-place': 'drives are mounted there, and nothing is',
  'had-a-drive': 'this set had a drive there before, and nothing is mounted now',
} as const

function volumeOfSet(v: Extract<Verdict, { kind: 'volume-of-set' }>, at: string): Described {
  if (v.clone) {
    return {
      sentence: `${at} is an old copy of ${drive(v)}: the drive itself has been written since.`,
      hint: 'Mount the drive itself, or another one.',
    }
  }
  const state = v.closed ? 'complete' : 'not finished'
  return { sentence: `${at} is ${drive(v)} of this set, ${state}.`, hint: undefined }
}

function drive({ number, label }: { number: number; label: string }): string {
  return label === '' ? `drive ${number}` : `drive ${number} (${displayName(label)})`
}

function foreign(v: Extract<Verdict, { kind: 'foreign' }>): string {
  const shown = v.names.slice(0, 3).map(quoted).join(', ')
  const rest = v.more || v.count > 3 ? ', …' : ''
  const count = v.more ? `more than ${v.count}` : String(v.count)
  return `${count} ${v.count === 1 && !v.more ? 'file or directory' : 'files or directories'} (${shown}${rest})`
}

function quoted(name: string): string {
  return `"${displayName(name)}"`
}
