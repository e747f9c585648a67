/**
 * Seeded random trees with everything that a file server has and a backup has to survive.
 *
 * Names of any bytes, log-normal sizes, empty files and directories, symlinks that lead somewhere,
 * nowhere and to themselves, hard links, holes, fifos, odd modes and owners, times in the past with
 * fractions of a second (so that "kept" cannot pass by accident). The same seed gives the same tree,
 * but for owners, which need root. Deep trees beyond PATH_MAX and devices are for tests of their own.
 */

import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import type { ExecutionContext } from 'ava'
import { join } from './bytes.js'
import { freshSeed, Random } from './random.js'
import { isRoot } from './temp.js'

/** What the tree is to look like. */
export interface TreeOptions {
  /** Default: MVCOPY_SEED, or a new one, which is logged. */
  seed?: number
  /** Number of entries besides directories; default 200. */
  entries?: number
  /** Number of directories; default a tenth of the entries. */
  directories?: number
  /** Half of the files are smaller than this; default 4,096 bytes. */
  medianSize?: number
  /** No file is larger; default 1 MiB. */
  largest?: number
  /** `any`: every byte but NUL and `/`; `portable`: what exFAT and NTFS keep too. Default any. */
  names?: 'any' | 'portable'
  /** Only files and directories of ordinary modes, as exFAT keeps them? Default false. */
  plain?: boolean
}

/** What was made. */
export interface Tree {
  root: string
  seed: number
  /** Regular files, a hard-linked one counted once. */
  files: number
  /** Bytes of content of these. */
  bytes: number
  /** All names, without the root. */
  entries: number
}

/** Fills a directory, which is made if it does not exist, and logs the seed. */
export function makeTree(
  t: Pick<ExecutionContext, 'log'>,
  root: string,
  options: TreeOptions = {},
): Tree {
  const seed = options.seed ?? freshSeed()
  t.log(`tree of seed ${seed} (MVCOPY_SEED=${seed} makes it again)`)
  return new Grower(root, seed, options).grow()
}

/** Names that have bitten somebody, each once a tree as far as they fit. */
const oddNames = [
  ' leading and trailing ',
  '-rf',
  '--delete',
  'new\nline',
  'tab\tcr\r',
  'back\\slash',
  '"double" \'single\' `back`',
  '$HOME *?[a-z]{1,2}',
  '#comment',
  '\x1b[31mred\x1b[0m',
  'bidi\u202egnp.exe',
  'é',
  'e\u0301',
  '😀 emoji',
  '.hidden',
  '...',
  'n'.repeat(255),
].map((name) => Buffer.from(name))

const portableNames = ['a b', 'é', '😀 emoji', '.hidden', "it's", 'n'.repeat(200), '#1', '(x) & y']

class Grower {
  readonly #random: Random
  readonly #top: Buffer
  readonly #directories: Buffer[] = []
  readonly #linkable: Buffer[] = []
  readonly #taken = new Set<string>()
  readonly #portable: boolean
  readonly #plain: boolean
  #odd: Buffer[]
  #files = 0
  #bytes = 0

  constructor(
    readonly root: string,
    readonly seed: number,
    readonly options: TreeOptions,
  ) {
    this.#random = new Random(seed)
    this.#top = Buffer.from(root)
    this.#plain = options.plain ?? false
    this.#portable = options.names === 'portable'
    this.#odd = this.#portable ? portableNames.map((name) => Buffer.from(name)) : [...oddNames]
  }

  grow(): Tree {
    const { entries = 200, directories = Math.ceil(entries / 10) } = this.options
    fs.mkdirSync(this.#top, { recursive: true })
    this.#directories.push(this.#top)
    for (let index = 0; index < directories; index++) {
      const directory = this.#place()
      fs.mkdirSync(directory)
      this.#directories.push(directory)
    }
    for (let index = 0; index < entries; index++) this.#entry()
    // Directories last and the deepest first: making an entry in one sets its time anew.
    for (const directory of this.#directories.reverse()) this.#dress(directory, true)
    return {
      root: this.root,
      seed: this.seed,
      files: this.#files,
      bytes: this.#bytes,
      entries: this.#taken.size,
    }
  }

  #entry(): void {
    const kind = this.#plain ? 99 : this.#random.below(100)
    const at = this.#place()
    if (kind < 8) this.#symlink(at)
    else if (kind < 14 && this.#linkable.length > 0)
      fs.linkSync(this.#random.pick(this.#linkable), at)
    else if (kind < 15) this.#fifo(at)
    else this.#file(at, kind < 20)
  }

  #file(at: Buffer, sparse: boolean): void {
    const { medianSize = 4096, largest = 1 << 20 } = this.options
    const size = this.#random.chance(0.05) ? 0 : this.#random.size(medianSize, 1.8, largest)
    const file = fs.openSync(at, 'wx')
    try {
      const content = this.#random.bytes(size)
      // Data, a hole, data, and for some a hole at the end.
      const gap = sparse ? (1 + this.#random.below(8)) << 18 : 0
      const half = size >> 1
      fs.writeSync(file, content, 0, half, 0)
      fs.writeSync(file, content, half, size - half, half + gap)
      const end = size + gap + (sparse && this.#random.chance(0.5) ? 1 << 19 : 0)
      fs.ftruncateSync(file, end)
      this.#bytes += end
    } finally {
      fs.closeSync(file)
    }
    this.#files += 1
    this.#dress(at, false)
    this.#linkable.push(at)
  }

  #symlink(at: Buffer): void {
    const name = at.subarray(at.lastIndexOf(0x2f) + 1)
    const leads = [
      Buffer.from('nowhere at all'),
      name,
      Buffer.from('..'),
      Buffer.from('/etc/hostname'),
    ]
    if (!this.#portable) leads.push(Buffer.from('bad\xff\xfename', 'latin1'))
    if (this.#linkable.length > 0) leads.push(this.#random.pick(this.#linkable))
    fs.symlinkSync(this.#random.pick(leads), at)
    const time = this.#time()
    fs.lutimesSync(at, time, time)
  }

  #fifo(at: Buffer): void {
    // A program's arguments are text for Node: the fifo is made under a plain name, then renamed.
    const plain = `${this.root}/fifo to be renamed`
    execFileSync('mkfifo', [plain])
    fs.renameSync(plain, at)
    this.#dress(at, false)
  }

  /** A new path in a random directory. */
  #place(): Buffer {
    for (;;) {
      const at = join(this.#random.pick(this.#directories), this.#name())
      // 4,096 is PATH_MAX; room is left for the prefix that a copy adds.
      const key = this.#portable ? at.toString().toLowerCase() : at.toString('latin1')
      if (at.length > 3000 || this.#taken.has(key)) continue
      this.#taken.add(key)
      return at
    }
  }

  #name(): Buffer {
    const odd = this.#odd.pop()
    if (odd) return odd
    const length = 1 + this.#random.below(this.#random.chance(0.02) ? 255 : 24)
    if (this.#portable || this.#random.chance(0.7)) {
      const letters = 'abcdefghijklmnopqrstuvwxyz0123456789_-'
      return Buffer.from(Array.from({ length }, () => this.#random.pick([...letters])).join(''))
    }
    const bytes = this.#random
      .bytes(length)
      .map((byte) => (byte === 0 || byte === 0x2f ? 0x80 : byte))
    const name = Buffer.from(bytes)
    return name.equals(Buffer.from('.')) || name.equals(Buffer.from('..')) ? Buffer.from('x') : name
  }

  /** Gives owner, mode and time, in this order: a change of owner clears set-id bits. */
  #dress(at: Buffer, directory: boolean): void {
    if (!this.#plain && isRoot && this.#random.chance(0.5)) {
      fs.chownSync(at, this.#random.below(70000), this.#random.below(70000))
    }
    if (!this.#plain && at !== this.#top) {
      const files = [0o644, 0o600, 0o755, 0o444, 0o400, 0o4755, 0o2755, 0o666]
      // Without root the tree must stay readable and removable for its owner.
      const directories = isRoot
        ? [0o755, 0o700, 0o1777, 0o2775, 0o555, 0o500]
        : [0o755, 0o700, 0o1777]
      fs.chmodSync(at, this.#random.pick(directory ? directories : files))
    }
    const time = this.#time()
    fs.utimesSync(at, time, time)
  }

  /** Seconds since 1970 with a fraction, at least a year ago; some before 1980, where FAT begins. */
  #time(): number {
    const from = this.#portable ? 400_000_000 : 1_000_000
    const seconds = from + this.#random.below(1_600_000_000 - from)
    return seconds + this.#random.below(1_000_000_000) / 1e9
  }
}
