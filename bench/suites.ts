/**
 * What is compared with what, and how far it should go.
 *
 * Every contender of a suite does the same work on the same tree, ends with the same `sync -f`, and
 * starts on an empty drive that was made for this run. The caches are warm for all.
 */

import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import { isRoot, tempDir } from '../__test__/helpers/temp.js'
import { restoreSuite, verifySuite } from './back.js'
import type { Contender, Prepared } from './measure.js'
import {
  emptyPlace,
  fastPlace,
  freshHost,
  hasMemory,
  installed,
  MiB,
  madeOnce,
  node,
  ours,
  type Place,
  program,
  quote,
  remove,
  us,
} from './places.js'
import { largeFiles, manyEmptyFiles, manySmallFiles, measureTree } from './trees.js'

/** A goal: our time, divided by a peer's, is to be no larger than this. */
export interface Goal {
  us: string
  peer: string
  atMost: number
}

/** One comparison. */
export interface Suite {
  /** For `--only`. */
  key: string
  title: string
  contenders: Contender[]
  goals: Goal[]
  /** Removes the tree. */
  dispose(): void
}

/** The keys of all suites, in the order in which they run; `million` only when it is asked for. */
export const suites: Record<string, (scale: number) => Suite[]> = {
  start: () => [startSuite()],
  scan: (scale) => [scanSuite('scan', 3000 * scale, 100)],
  small: (scale) =>
    copySuites('small', `${50_000 * scale} small files`, 1536 * MiB * scale, (root) =>
      manySmallFiles(root, 50_000 * scale),
    ),
  large: (scale) =>
    copySuites('large', `8 files of ${Math.floor(512 * scale)} MiB`, 5120 * MiB * scale, (root) =>
      largeFiles(root, 8, Math.floor(512 * scale) * MiB),
    ),
  verify: (scale) => [
    verifySuite('small files', 50_000 * scale, 1536 * MiB * scale, (root) =>
      manySmallFiles(root, 50_000 * scale),
    ),
    verifySuite('large files', 8, 5120 * MiB * scale, (root) =>
      largeFiles(root, 8, Math.floor(512 * scale) * MiB),
    ),
  ],
  restore: (scale) => [
    restoreSuite('small files', 50_000 * scale, 1536 * MiB * scale, (root) =>
      manySmallFiles(root, 50_000 * scale),
    ),
    restoreSuite('large files', 8, 5120 * MiB * scale, (root) =>
      largeFiles(root, 8, Math.floor(512 * scale) * MiB),
    ),
  ],
  million: (scale) => [scanSuite('million', 10_000 * scale, 100)],
}

function startSuite(): Suite {
  return {
    key: 'start',
    title: 'Start-up',
    contenders: [
      { name: 'multivolumecopy --version', command: `${us} --version` },
      { name: 'node -e 0', command: `${node} -e 0` },
    ],
    goals: [{ us: 'multivolumecopy --version', peer: 'node -e 0', atMost: 1.5 }],
    dispose: () => {},
  }
}

function scanSuite(key: string, directories: number, each: number): Suite {
  // The files are empty, but the lists of what is on a drive are not.
  const room = 256 * MiB + directories * each * 4096
  const tree = tempDir('tree')
  manyEmptyFiles(tree, directories, each)
  const source = quote(tree)
  const format = `-printf '%s %T@ %p\\n' >/dev/null`
  const contenders: Contender[] = [
    ...planOnly(tree, room),
    { name: 'find -printf', command: `find ${source} ${format}` },
    ...installed('bfs', { name: 'bfs -printf', command: `bfs ${source} ${format}` }),
    ...installed('fpart', { name: 'fpart', command: `fpart -n 1 -o /dev/null ${source}` }),
    { name: 'du -s', command: `du -s ${source} >/dev/null` },
    ...fdir(tree),
    copyOf('multivolumecopy (first run)', tree, fastPlace(), room, ours),
    copyOf('cp -a', tree, fastPlace(), room, (from, to) => `cp -a ${from}/. ${to}`),
    ...secondRuns(tree, room),
  ]
  return {
    key,
    title: `${(directories * each).toLocaleString('en')} empty files in ${directories.toLocaleString('en')} directories`,
    contenders,
    goals: [
      { us: 'multivolumecopy (plan only)', peer: 'find -printf', atMost: 1 },
      { us: 'multivolumecopy (nothing to do)', peer: 'rsync -an (nothing to do)', atMost: 0.7 },
    ],
    dispose: () => remove(tree),
  }
}

function copySuites(
  key: string,
  what: string,
  room: number,
  grow: (root: string) => void,
): Suite[] {
  const tree = tempDir('tree')
  grow(tree)
  const places: Place[] = isRoot ? ['tmpfs', 'ext4'] : ['directory']
  const inMemory = key === 'large' && !hasMemory(3 * room)
  const made = places.filter((place) => place !== 'tmpfs' || !inMemory)
  return made.map((place, index) => ({
    key,
    title: `${what}, to ${place === 'ext4' ? 'a loop-mounted ext4' : place}`,
    contenders: [
      copyOf('multivolumecopy', tree, place, room, ours),
      copyOf('cp -a', tree, place, room, (from, to) => `cp -a ${from}/. ${to}`),
      copyOf('rsync -a', tree, place, room, (from, to) => `rsync -a ${from}/ ${to}`),
      copyOf(
        'tar pipe',
        tree,
        place,
        room,
        (from, to) => `tar -C ${from} -cf - . | tar -C ${to} -xpf -`,
      ),
    ],
    goals:
      key === 'small'
        ? [
            { us: 'multivolumecopy', peer: 'cp -a', atMost: 1 },
            { us: 'multivolumecopy', peer: 'rsync -a', atMost: 0.6 },
          ]
        : [{ us: 'multivolumecopy', peer: 'cp -a', atMost: 1.05 }],
    dispose: () => index === made.length - 1 && remove(tree),
  }))
}

/** A contender that copies the tree to an empty drive, which is looked at afterwards. */
function copyOf(
  name: string,
  tree: string,
  place: Place,
  room: number,
  line: (from: string, to: string) => string,
): Contender {
  const expected = measureTree(tree)
  return {
    name,
    command: `${line(quote(tree), '"$OUT"')} && sync -f "$OUT"`,
    prepare: () => {
      const { at, dispose } = emptyPlace(place, room)
      return {
        ...freshHost({ OUT: at }),
        check: () => {
          const { files, bytes } = measureTree(at)
          const all = files === expected.files && bytes === expected.bytes
          return all ? undefined : `copied ${files} of ${expected.files} files, ${bytes} bytes`
        },
        dispose,
      }
    },
  }
}

/** Runs that find everything in place, and questions about it; the copy that they find is made once, unmeasured. */
function secondRuns(tree: string, room: number): Contender[] {
  const wanted = measureTree(tree)
  const once = (first: string): (() => Prepared) => {
    const prepare = madeOnce(fastPlace(), room, first)
    return () => {
      const made = prepare()
      const copied = measureTree(made.env?.OUT ?? '')
      const all = copied.files === wanted.files
      return made.check !== undefined || all
        ? made
        : { ...made, check: () => `the first run copied ${copied.files} of ${wanted.files} files` }
    }
  }
  const [from, to] = [quote(tree), '"$OUT"']
  const backedUp = once(ours(from, to))
  return [
    { name: 'multivolumecopy (nothing to do)', command: ours(from, to), prepare: backedUp },
    {
      name: 'rsync -an (nothing to do)',
      command: `rsync -an ${from}/ ${to}`,
      prepare: once(`cp -a ${from}/. ${to}`),
    },
    { name: 'multivolumecopy where', command: `${us} where file-number-42.txt`, prepare: backedUp },
    {
      name: 'grep catalog.jsonl',
      command: `grep -F file-number-42.txt ${to}/.mvcopy/catalog.jsonl`,
      prepare: backedUp,
    },
    { name: 'multivolumecopy status', command: `${us} status`, prepare: backedUp },
  ]
}

/** Scan, comparison and plan without a copy, as far as the program has a way to ask for it. */
function planOnly(tree: string, room: number): Contender[] {
  const help = spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8' })
  const text = `${help.stdout}${help.stderr}`
  if (!/--dry-run/.test(text)) return []
  return [
    {
      name: 'multivolumecopy (plan only)',
      command: `${us} ${quote(tree)} -o "$OUT" --dry-run --hide-progress >/dev/null`,
      prepare: () => {
        const { at, dispose } = emptyPlace(fastPlace(), room)
        return { ...freshHost({ OUT: at }), dispose }
      },
    },
  ]
}

/** The fastest walker on Node, if it happens to be installed; it is no dependency of ours. */
function fdir(tree: string): Contender[] {
  const found = spawnSync(process.execPath, ['-e', 'require.resolve("fdir")'], {
    cwd: path.dirname(program),
  })
  if (found.status !== 0) return []
  const script = `
    const { fdir } = require('fdir'), fs = require('fs')
    for (const file of new fdir().withFullPaths().withDirs().crawl(process.argv[1]).sync()) fs.lstatSync(file)`
  return [{ name: 'fdir + lstat', command: `${node} -e ${quote(script)} ${quote(tree)}` }]
}
