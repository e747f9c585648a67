/**
 * The sources of a run: what they are, where they lie on the drives, and whether they may stand together.
 *
 * Where a source lies is fixed when it joins: the first alone at the root, every other under its name.
 */

import path from 'node:path'
import { usageError } from '../errors.js'
import { displayName, type FsName } from '../native/names.js'
import type { Catalog, Source } from '../native/set.js'
import { inspect, type PathFacts } from '../native/volume.js'

/** A source as it was given, looked at. */
export interface GivenSource {
  readonly path: FsName
  readonly facts: PathFacts
  readonly isFile: boolean
}

/** Looks at the sources. Throws a usage error for one that is missing or that overlaps another. */
export async function lookAtSources(given: readonly FsName[], cwd: FsName): Promise<GivenSource[]> {
  const sources: GivenSource[] = []
  for (const one of given) {
    const absolute = path.resolve(cwd, one)
    const facts = await inspect(absolute)
    if (facts.found === 'missing' || facts.found === 'symlink') {
      throw usageError(
        `The source ${displayName(one)} does not exist.`,
        'Check the path, and that what holds it is mounted.',
      )
    }
    if (facts.found === 'unreadable' || facts.listErrno !== undefined) {
      throw usageError(
        `The source ${displayName(one)} cannot be read.`,
        'Run as a user who may read it.',
      )
    }
    sources.push({ path: absolute, facts, isFile: facts.found !== 'dir' })
  }
  refuseOverlap(sources)
  return sources
}

function refuseOverlap(sources: readonly GivenSource[]): void {
  for (const [i, a] of sources.entries()) {
    for (const b of sources.slice(i + 1)) {
      const [inner, outer] = within(a, b) ? [a, b] : [b, a]
      if (!within(inner, outer)) continue
      const names = [displayName(inner.path), displayName(outer.path)] as const
      throw usageError(
        inner.facts.realPath === outer.facts.realPath
          ? `The source ${names[0]} is given twice.`
          : `The source ${names[0]} lies in the source ${names[1]}.`,
        'Name only the outer one.',
      )
    }
  }
}

function within(inner: GivenSource, outer: GivenSource): boolean {
  const [a, b] = [inner.facts.realPath, outer.facts.realPath]
  return a === b || a.startsWith(b === '/' ? '/' : `${b}/`)
}

/** What identifies the file system of a source across reboots; empty where nothing does. */
export function fileSystemId(facts: PathFacts): string {
  return facts.fsUuid === undefined ? '' : `uuid:${facts.fsUuid}`
}

/** A source of this run with its row in the catalog. */
export interface JoinedSource extends GivenSource {
  readonly row: Source
}

/** Lets the sources join the set and gives each its place. Throws a usage error where two would clash. */
export function joinSources(
  catalog: Catalog,
  given: readonly GivenSource[],
  flatten: boolean,
): JoinedSource[] {
  const known = catalog.sources()
  const alone = known.length === 0 && given.length === 1
  const fresh = given.filter((one) => !known.some((row) => row.path === one.path))
  const prefixes = new Map(fresh.map((one) => [one, prefixOf(one, alone || flatten)]))
  const taken = known.map((row) => ({ path: row.path, prefix: row.prefix }))
  for (const [one, prefix] of prefixes) {
    const twin = prefix === '' ? undefined : taken.find((other) => other.prefix === prefix)
    if (twin !== undefined) {
      throw usageError(
        `The sources ${displayName(twin.path)} and ${displayName(one.path)} have the same name.`,
        'Rename one, or back them up as two sets (--set), or name the directory that holds both.',
      )
    }
    taken.push({ path: one.path, prefix })
  }
  for (const [one, prefix] of prefixes) {
    catalog.addSource(one.path, prefix, one.isFile, fileSystemId(one.facts))
  }
  const rows = catalog.sources()
  return given.map((one) => {
    const row = rows.find((each) => each.path === one.path)
    if (row === undefined) throw new Error('a source did not join')
    if (row.isFile !== one.isFile) {
      throw usageError(
        `The source ${displayName(one.path)} was a ${row.isFile ? 'file' : 'directory'} when it joined the set.`,
        'Back it up as another set (--set).',
      )
    }
    return { ...one, row }
  })
}

function prefixOf(source: GivenSource, atRoot: boolean): FsName {
  const name = path.basename(source.path)
  if (source.isFile) return name
  if (atRoot) return ''
  if (name === '') {
    throw usageError(
      'The source / has no name of its own, so it cannot stand beside others.',
      'Back it up alone.',
    )
  }
  return name
}
