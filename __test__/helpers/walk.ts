/**
 * Walks a tree by directory descriptor and reads what a backup has to keep.
 *
 * Written for the tests alone and on Node's own calls, so that it shares no mistake with the engine.
 * Descriptors are reached through /proc/self/fd, so paths may be longer than PATH_MAX and any bytes.
 * Nothing but regular files and directories is ever opened. What vanishes while it is looked at is
 * an error: trees under test stand still.
 */

import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from './bytes.js'

/** The kinds of entries. */
export type Kind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'device'

/** One entry as it stands on disk. */
export interface Seen {
  /** Below the root that was walked; empty for the root itself. */
  path: Buffer
  kind: Kind
  /** Permission bits, with set-id and sticky. */
  mode: number
  uid: number
  gid: number
  /** Bytes of content; of a symlink, of its target; 0 for all other kinds. */
  size: number
  /** Bytes that the file system has allocated. */
  allocated: number
  mtimeNs: bigint
  /** Device and inode: equal for the names of one file. */
  inode: string
  /** Names that the file has, inside the tree or elsewhere. */
  links: number
  /** SHA-256 of the content, of files only. */
  digest?: string
  /** Where a symlink leads. */
  target?: Buffer
  /** Of devices. */
  rdev?: string
}

/** What to leave out. */
export interface WalkOptions {
  /** Names directly below the root that are not looked at. Default none. */
  ignore?: readonly string[]
  /** Read contents? Default true. */
  content?: boolean
  /** Stay on the root's own file system? Default false. */
  oneFileSystem?: boolean
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants

/** Gives every entry, the root first and every directory before what it holds, by bytes of names. */
export function* walk(root: string, options: WalkOptions = {}): Generator<Seen> {
  const handle = fs.openSync(root, O_RDONLY | O_DIRECTORY)
  const buffer = Buffer.allocUnsafe(1 << 20)
  try {
    const facts = fs.fstatSync(handle, { bigint: true })
    yield describe(Buffer.alloc(0), facts)
    yield* below(handle, Buffer.alloc(0), facts.dev)
  } finally {
    fs.closeSync(handle)
  }

  function* below(directory: number, above: Buffer, device: bigint): Generator<Seen> {
    const here = `/proc/self/fd/${directory}`
    const names = fs.readdirSync(here, { encoding: 'buffer' }).sort(Buffer.compare)
    for (const name of names) {
      if (above.length === 0 && options.ignore?.includes(name.toString())) continue
      const at = join(here, name)
      const facts = fs.lstatSync(at, { bigint: true })
      const entry = describe(join(above, name), facts)
      if (options.oneFileSystem && facts.dev !== device) continue
      if (entry.kind === 'symlink') entry.target = fs.readlinkSync(at, { encoding: 'buffer' })
      if (entry.kind === 'file' && options.content !== false) entry.digest = digest(at, buffer)
      yield entry
      if (entry.kind !== 'directory') continue
      const child = fs.openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      try {
        yield* below(child, entry.path, device)
      } finally {
        fs.closeSync(child)
      }
    }
  }
}

function describe(path: Buffer, facts: fs.BigIntStats): Seen {
  const kind = kindOf(facts)
  const entry: Seen = {
    path,
    kind,
    mode: Number(facts.mode & 0o7777n),
    uid: Number(facts.uid),
    gid: Number(facts.gid),
    size: kind === 'file' || kind === 'symlink' ? Number(facts.size) : 0,
    allocated: Number(facts.blocks) * 512,
    mtimeNs: facts.mtimeNs,
    inode: `${facts.dev}:${facts.ino}`,
    links: Number(facts.nlink),
  }
  if (kind === 'device') entry.rdev = `${facts.isBlockDevice() ? 'b' : 'c'}${facts.rdev}`
  return entry
}

function kindOf(facts: fs.BigIntStats): Kind {
  if (facts.isFile()) return 'file'
  if (facts.isDirectory()) return 'directory'
  if (facts.isSymbolicLink()) return 'symlink'
  if (facts.isFIFO()) return 'fifo'
  if (facts.isSocket()) return 'socket'
  return 'device'
}

function digest(at: Buffer, buffer: Buffer): string {
  const file = fs.openSync(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const hash = createHash('sha256')
    for (;;) {
      const count = fs.readSync(file, buffer, 0, buffer.length, null)
      if (count === 0) return hash.digest('hex')
      hash.update(buffer.subarray(0, count))
    }
  } finally {
    fs.closeSync(file)
  }
}
