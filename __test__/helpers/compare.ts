/**
 * Says whether the drives of a set hold what the source holds: the tests' own comparer.
 *
 * Compared are kind, content, mode, owner, modification time in nanoseconds, symlink targets, device
 * numbers, hard-link groups and holes. One side may be several roots (the drives) that are taken
 * together: a directory may stand on several of them and must be right on each, anything else may
 * stand on one only. Extended attributes, ACLs and file flags are compared where that is asked for.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import type { ExecutionContext } from 'ava'
import { attributesOf, attributesText } from './attributes.js'
import { printable } from './bytes.js'
import { sh, tempDir } from './temp.js'
import { type Seen, walk } from './walk.js'

/** What a file system cannot keep, and so is not to be compared. */
export type Weakness = 'mode' | 'owner' | 'links' | 'holes'

/** How to compare. */
export interface CompareOptions {
  /** Not compared; default none. */
  without?: readonly Weakness[]
  /** Times may differ by this much; default 0n. exFAT needs 10 ms, FAT 2 s. */
  mtimeWindowNs?: bigint
  /** Also compare mode, owner and time of the roots themselves? Default false. */
  roots?: boolean
  /** Also compare extended attributes and ACLs, and with `flags` the file flags, too? Default false. */
  attributes?: boolean | 'flags'
}

/** What a drive has at its root that no source has. */
export const ownNames = [
  '.mvcopy',
  'START-HERE.html',
  'lost+found',
  'System Volume Information',
] as const

/**
 * Lists the differences between two trees, each given as one root or as several that are taken
 * together; a root that does not exist is an empty one. An empty list means that they are equal.
 */
export function differences(
  left: string | readonly string[],
  right: string | readonly string[],
  options: CompareOptions = {},
): string[] {
  const ours = union(left, options)
  const theirs = union(right, options)
  const found = [...ours.doubled, ...theirs.doubled]
  for (const [key, [expected]] of ours.entries) {
    const standing = theirs.entries.get(key)
    if (expected === undefined) continue
    if (!standing) {
      found.push(`missing: ${name(expected)} (${expected.kind})`)
      continue
    }
    if (key === '' && !options.roots) continue
    for (const actual of standing) {
      for (const what of differs(expected, actual, options))
        found.push(`${name(expected)}: ${what}`)
      const attributes = [expected, actual].map((entry) => entry.attributes ?? '')
      if (attributes[0] !== attributes[1]) {
        found.push(`${name(expected)}: attributes: ${attributes.join(' ≠ ')}`)
      }
    }
    if (options.without?.includes('links')) continue
    const [first, second] = [ours.group(expected), theirs.group(standing[0] as Seen)]
    if (first !== second) found.push(`${name(expected)}: links: ${first} ≠ ${second}`)
  }
  for (const [key, [extra]] of theirs.entries) {
    if (extra && !ours.entries.has(key)) found.push(`too much: ${name(extra)} (${extra.kind})`)
  }
  return found
}

/** Asserts that the drives together hold exactly what the source holds. */
export function assertUnionEquals(
  t: ExecutionContext,
  source: string,
  drives: readonly (string | { path: string })[],
  options: CompareOptions = {},
): void {
  const roots = drives.map((drive) => (typeof drive === 'string' ? drive : drive.path))
  const found = differences(source, roots, options)
  const shown = found.length > 20 ? [...found.slice(0, 20), `… ${found.length} in all`] : found
  t.deepEqual(shown, [], 'the drives together differ from the source')
}

/**
 * Lists what rsync would still have to do to make the drives equal the source, by content, ACLs,
 * xattrs and nanoseconds. The drives are joined by a read-only overlayfs, so this needs root.
 * The line of the root itself is left out unless `roots` is asked for; `exclude`: names at the root that
 * rsync cannot go into.
 */
export function rsyncDiff(
  source: string,
  drives: readonly (string | { path: string })[],
  { roots = false, exclude = [] as readonly string[] } = {},
): string[] {
  const lower = drives.map((drive) => (typeof drive === 'string' ? drive : drive.path))
  const joined = lower.length === 1 ? (lower[0] as string) : tempDir('union')
  // overlayfs wants two layers at least where nothing is writable.
  if (lower.length > 1) {
    sh('mount', '-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${lower.join(':')}`, joined)
  }
  try {
    const excludes = [...ownNames, ...exclude].map((name) => `--exclude=/${name}`)
    // XFS shows root its ACLs a second time, as attributes in a form of its own.
    const xattrs = ['--filter=-x system.*', '--filter=-x trusted.SGI_ACL_*']
    const flags = ['-aHAXSnc', '--modify-window=-1', '--delete', '-i', ...xattrs, ...excludes]
    const run = spawnSync('rsync', [...flags, `${source}/`, `${joined}/`], {
      encoding: 'latin1',
      maxBuffer: 1 << 28,
    })
    if (run.status !== 0) throw new Error(`rsync: ${run.error?.message ?? run.stderr}`)
    const lines = run.stdout.split('\n').filter((line) => line !== '')
    return roots ? lines : lines.filter((line) => !/^\S+ \.\/$/.test(line))
  } finally {
    if (lower.length > 1) sh('umount', joined)
  }
}

/** An entry with its attributes, where these are compared. */
interface Entry extends Seen {
  attributes?: string
}

interface Union {
  /** By path as latin1 text, which is one character a byte: all the entries that stand there. */
  entries: Map<string, Entry[]>
  /** Complaints about entries that stand on two roots though they are no directories. */
  doubled: string[]
  /** The first path of the hard-link group that an entry belongs to. */
  group(entry: Seen): string
}

function union(roots: string | readonly string[], { attributes }: CompareOptions): Union {
  const entries = new Map<string, Entry[]>()
  const firstOf = new Map<string, string>()
  const doubled: string[] = []
  for (const root of typeof roots === 'string' ? [roots] : roots) {
    if (!fs.existsSync(root)) continue
    const known = attributes ? attributesOf(root) : undefined
    for (const seen of walk(root, { ignore: ownNames })) {
      const key = seen.path.toString('latin1')
      const entry: Entry = { ...seen }
      if (known !== undefined) {
        const of = known.get(key)
        entry.attributes = attributesText(of && attributes !== 'flags' ? { ...of, flags: '' } : of)
      }
      const others = entries.get(key)
      if (others?.some((other) => other.kind !== 'directory' || entry.kind !== 'directory')) {
        doubled.push(`on two drives: ${name(entry)} (${entry.kind})`)
      }
      if (others) others.push(entry)
      else entries.set(key, [entry])
      const first = firstOf.get(entry.inode)
      if (first === undefined || key < first) firstOf.set(entry.inode, key)
    }
  }
  return {
    entries,
    doubled,
    group: (entry) =>
      entry.kind === 'directory' || entry.links < 2
        ? name(entry)
        : printable(Buffer.from(firstOf.get(entry.inode) ?? '', 'latin1')),
  }
}

function* differs(expected: Seen, actual: Seen, options: CompareOptions): Generator<string> {
  const { without = [], mtimeWindowNs = 0n } = options
  if (expected.kind !== actual.kind) {
    yield `kind: ${expected.kind} ≠ ${actual.kind}`
    return
  }
  if (expected.size !== actual.size) yield `size: ${expected.size} ≠ ${actual.size}`
  if (expected.digest !== actual.digest) yield 'content'
  if (expected.rdev !== actual.rdev) yield `device: ${expected.rdev} ≠ ${actual.rdev}`
  if (expected.target && actual.target && !expected.target.equals(actual.target)) {
    yield `target: ${printable(expected.target)} ≠ ${printable(actual.target)}`
  }
  // The mode of a symlink is not looked at by anybody, and Linux has no call to set it.
  if (!without.includes('mode') && expected.kind !== 'symlink' && expected.mode !== actual.mode) {
    yield `mode: ${expected.mode.toString(8)} ≠ ${actual.mode.toString(8)}`
  }
  const owners = [expected, actual].map(({ uid, gid }) => `${uid}:${gid}`)
  if (!without.includes('owner') && owners[0] !== owners[1]) yield `owner: ${owners.join(' ≠ ')}`
  const apart = expected.mtimeNs - actual.mtimeNs
  if ((apart < 0n ? -apart : apart) > mtimeWindowNs) {
    yield `mtime: ${expected.mtimeNs} ≠ ${actual.mtimeNs}`
  }
  if (!without.includes('holes') && lostHoles(expected, actual)) {
    yield `holes: ${expected.allocated} allocated ≠ ${actual.allocated}`
  }
}

/** File systems round differently and keep extents of their own; a filled hole is far beyond that. */
function lostHoles(expected: Seen, actual: Seen): boolean {
  const hole = expected.size - expected.allocated
  if (expected.kind !== 'file' || hole < 256 * 1024) return false
  return actual.allocated > expected.allocated + hole / 2
}

function name(entry: Seen): string {
  return entry.path.length === 0 ? './' : printable(entry.path)
}
