/**
 * Fingerprints of whole trees, for asserting that something did not change by a single byte.
 *
 * A fingerprint has one line an entry, so that what differs can be read in a failed assertion.
 * Reading changes no times but access times, which are not part of it.
 */

import type { ExecutionContext } from 'ava'
import { printable } from './bytes.js'
import { type WalkOptions, walk } from './walk.js'

/** One line an entry, in the order of the walk. */
export type Fingerprint = readonly string[]

/** Takes the fingerprint of a tree: paths, kinds, modes, owners, sizes, times and contents. */
export function fingerprint(root: string, options: WalkOptions = {}): Fingerprint {
  return Array.from(walk(root, options), (entry) => {
    const { path, kind, mode, uid, gid, size, mtimeNs, digest = '', target } = entry
    const facts = [kind, mode.toString(8), `${uid}:${gid}`, size, mtimeNs, digest].join(' ')
    const link = target ? ` -> ${printable(target)}` : ''
    return `./${printable(path)}${link} ${facts}`
  })
}

/** Asserts that a tree is still what it was; shows the lines that came and went. */
export function assertUnchanged(t: ExecutionContext, before: Fingerprint, now: Fingerprint): void {
  const [had, has] = [new Set(before), new Set(now)]
  const gone = before.filter((line) => !has.has(line)).map((line) => `- ${line}`)
  const come = now.filter((line) => !had.has(line)).map((line) => `+ ${line}`)
  t.deepEqual([...gone, ...come].slice(0, 40), [], 'the tree changed')
}
