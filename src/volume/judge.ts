/**
 * Decides what a path is to a run: a pure function of the facts and of what the caller knows.
 *
 * It errs on the side of not writing: what cannot be told for sure is never `blank`. The order of the
 * questions is the order of what would do most harm: writing into a source, onto the root disk, over
 * something of somebody else's.
 */

import type { FsName } from '../native/names.js'
import type {
  JudgeContext,
  Judgement,
  PathFacts,
  SourcePlace,
  UnmountedReason,
  Verdict,
  Warning,
} from './facts.js'

/** Where systems and people mount drives. */
const MOUNT_PLACES: readonly FsName[] = ['/mnt', '/media', '/run/media', '/Volumes']

/** EROFS, the same on all systems that have errnos. */
const EROFS = 30

/** Judges a path. */
export function judge(facts: PathFacts, context: JudgeContext): Judgement {
  return { verdict: verdictOf(facts, context), warnings: warningsOf(facts, context) }
}

function verdictOf(facts: PathFacts, context: JudgeContext): Verdict {
  if (facts.found === 'unreadable') return { kind: 'unreadable', errno: facts.errno ?? 0 }
  const tangle = tangledWith(facts, context)
  if (tangle) return tangle
  if (facts.found === 'missing') {
    const reason = looksUnmounted(facts, context)
    if (reason) return { kind: 'unmounted', reason }
    const creatable = facts.parentExists && !facts.readOnly && facts.writeErrno === undefined
    return { kind: 'missing', creatable }
  }
  if (facts.found !== 'dir') return { kind: 'not-a-directory' }
  return directory(facts, context)
}

function directory(facts: PathFacts, context: JudgeContext): Verdict {
  const { top, listErrno, volumeErrno, volumeProblem } = facts
  if (!top || listErrno !== undefined) return { kind: 'unreadable', errno: listErrno ?? 0 }
  if (volumeErrno !== undefined) return { kind: 'unreadable', errno: volumeErrno }
  if (volumeProblem !== undefined) {
    const kind = facts.volumeNewer ? 'newer-identity' : 'damaged-identity'
    return { kind, why: volumeProblem }
  }
  if (!facts.volume && (facts.hasJournal || facts.hasManifest)) {
    return { kind: 'damaged-identity', why: 'volume.json is missing beside what a volume wrote' }
  }
  if (top.others === 0 && !top.ours && !top.more) {
    const reason = looksUnmounted(facts, context)
    if (reason) return { kind: 'unmounted', reason }
  }
  const somebodys = strangeVolume(facts, context)
  if (somebodys) return somebodys
  if (context.purpose === 'write') {
    const refusal = notWritable(facts)
    if (refusal) return refusal
  }
  if (facts.volume) return volumeOfSet(facts.volume, context)
  const free = facts.space?.free
  if (context.purpose === 'write' && free !== undefined && free < context.smallest) {
    return { kind: 'too-small', free, needed: context.smallest }
  }
  if (top.others > 0 || top.more) {
    return { kind: 'foreign', count: top.others, more: top.more, names: top.names }
  }
  return { kind: 'blank' }
}

/** A volume that this run must not take, however good it is. */
function strangeVolume({ volume }: PathFacts, context: JudgeContext): Verdict | undefined {
  if (!volume) return undefined
  const { setId, setName, number, label } = volume
  if (setId !== context.setId) return { kind: 'other-set', setId, setName, number, label }
  if (volume.id === context.justFilledId) return { kind: 'just-filled', number, label }
  return undefined
}

function volumeOfSet(volume: NonNullable<PathFacts['volume']>, context: JudgeContext): Verdict {
  const { id, number, label, generation } = volume
  const known = context.known.find((one) => one.id === id)
  // The catalog has written it off: what is on it has to be taken in anew before it may be written.
  if (known?.fate === 'lost') return { kind: 'lost', number: known.number, label: known.label }
  return {
    kind: 'volume-of-set',
    id,
    // The catalog's words count: a volume may have been relabelled while its drive was away.
    number: known?.number ?? number,
    label: known?.label ?? label,
    generation,
    clone: known !== undefined && generation < known.generation,
    ahead: known !== undefined && generation > known.generation,
    known: known !== undefined,
    closed: volume.closed !== undefined,
  }
}

function notWritable({ readOnly, writeErrno }: PathFacts): Verdict | undefined {
  if (readOnly || writeErrno === EROFS) return { kind: 'read-only' }
  return writeErrno === undefined ? undefined : { kind: 'read-only', errno: writeErrno }
}

/** Whether the output lies in a source, or a source in the output. */
function tangledWith(facts: PathFacts, context: JudgeContext): Verdict | undefined {
  const [own] = facts.found === 'missing' ? [] : facts.chain
  for (const source of context.sources) {
    if (reaches(source, facts, context.oneFileSystem)) {
      return { kind: 'inside-source', source: source.realPath }
    }
    const above = own !== undefined && source.chain.includes(own)
    if (above || (facts.found === 'dir' && isWithin(source.realPath, facts.realPath))) {
      return { kind: 'source-inside', source: source.realPath }
    }
  }
  return undefined
}

/** Whether a walk of the source would come by the path. */
function reaches(source: SourcePlace, facts: PathFacts, oneFileSystem: boolean): boolean {
  const [itself] = source.chain
  const above =
    (itself !== undefined && facts.chain.includes(itself)) ||
    isWithin(facts.realPath, source.realPath)
  if (!above) return false
  const apart =
    source.mount !== undefined && facts.mount !== undefined && source.mount.id !== facts.mount.id
  return !(oneFileSystem && apart)
}

/** Why the path looks like the place of a drive that is not mounted; undefined if it doesn't. */
function looksUnmounted(facts: PathFacts, context: JudgeContext): UnmountedReason | undefined {
  if (facts.isMountPoint) return undefined
  const { fstab } = facts
  if (fstab && !fstab.mounted && !mountedBelow(facts, fstab.mountPoint)) return 'fstab'
  const bare = (place: FsName): boolean =>
    place !== '/' &&
    (isWithin(facts.realPath, place) || isWithin(facts.path, place)) &&
    !mountedBelow(facts, place)
  if (context.hadDriveAt.some(bare)) return 'had-a-drive'
  return MOUNT_PLACES.some(bare) ? 'mount-place' : undefined
}

/** Whether the path's own mount is at that place or below it. */
function mountedBelow({ mount }: PathFacts, place: FsName): boolean {
  return mount !== undefined && isWithin(mount.mountPoint, place)
}

function warningsOf(facts: PathFacts, context: JudgeContext): Warning[] {
  const warnings: Warning[] = []
  const { mount, isMountPoint } = facts
  if (context.sources.some((source) => sameFileSystem(source, facts))) {
    warnings.push('same-file-system-as-source')
  }
  // A folder on a drive in one of the usual places is what people mean by a drive.
  const onDrive = [...MOUNT_PLACES, ...context.hadDriveAt].some(
    (place) => place !== '/' && mountedBelow(facts, place),
  )
  const isFolder = facts.found === 'dir' || facts.found === 'missing'
  if (isFolder && !isMountPoint && !onDrive) warnings.push('plain-folder')
  if (mount?.fuse) warnings.push('fuse')
  return warnings
}

function sameFileSystem(source: SourcePlace, facts: PathFacts): boolean {
  const device = (chain: readonly string[]): string | undefined =>
    chain[0]?.slice(0, chain[0].lastIndexOf(':'))
  const own = device(facts.chain)
  if (own !== undefined && own === device(source.chain)) return true
  return facts.mount !== undefined && facts.mount.device === source.mount?.device
}

/** Whether `path` is `top` or lies below it. */
function isWithin(path: FsName, top: FsName): boolean {
  if (top === '/') return path.startsWith('/')
  return path === top || path.startsWith(`${top}/`)
}
