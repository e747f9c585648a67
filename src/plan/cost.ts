/**
 * What an entry costs on a volume, by the kind of file system: a planned drive must never answer ENOSPC.
 *
 * Pure arithmetic on the conservative side: blocks, inodes (where they are taken from data space),
 * extent blocks, directory growth, and the lines that each entry adds to our own files on the drive. The
 * parameters were checked against real file systems by filling them (`__test__/plan/fill.test.ts`). Not
 * counted, because nobody knows it beforehand: extended attributes that need a block of their own.
 */
import type { VolumeSpace } from './ledger.js'
import { Kind } from './page.js'

/** What tells one kind of file system from another. Bytes, unless it says otherwise. */
interface Parameters {
  /** Taken from data space for each inode. */
  readonly inode: number
  /** Content up to this size lies in the inode, or in metadata at `inlineFactor` its size. */
  readonly inline: number
  readonly inlineFactor: number
  /** A symlink's target up to this length needs no block. */
  readonly inlineLink: number
  /** Metadata for each byte of data: checksums, indirect blocks. */
  readonly perByte: number
  /** Metadata for each stretch of data; stretches are taken as 1 MiB at least. */
  readonly perExtent: number
  /** A directory entry: `(entry + nameFactor × name bytes) × fill`, for half-filled blocks. */
  readonly entry: number
  readonly nameFactor: number
  readonly fill: number
  /** Blocks of a new directory. */
  readonly directoryBlocks: number
  /** Whether holes stay holes. */
  readonly sparse: boolean
  /** The largest file. */
  readonly maxFile: number
  /** Names that a file can have. */
  readonly maxLinks: number
  /** Share of the capacity that the file system's own growth may take, within these. */
  readonly growth: number
  readonly growthMin: number
  readonly growthMax: number
}

const MIB = 1024 * 1024

const EXT: Parameters = {
  inode: 0,
  inline: 0,
  inlineFactor: 1,
  inlineLink: 59,
  perByte: 0,
  perExtent: 12,
  entry: 12,
  nameFactor: 1,
  fill: 2,
  directoryBlocks: 1,
  sparse: true,
  maxFile: Number.MAX_SAFE_INTEGER,
  maxLinks: 65_000,
  growth: 0,
  growthMin: 0,
  growthMax: 0,
}

const KINDS: Readonly<Record<string, Parameters>> = {
  ext4: EXT,
  // Indirect blocks: four bytes for each block of data, see `perByte` in the constructor.
  ext2: { ...EXT, maxLinks: 32_000 },
  ext3: { ...EXT, maxLinks: 32_000 },
  xfs: {
    ...EXT,
    // 512 bytes, in aligned chunks of 64 with an index record.
    inode: 576,
    inlineLink: 256,
    perExtent: 16,
    entry: 32,
    maxLinks: 2 ** 31 - 1,
  },
  btrfs: {
    ...EXT,
    // Items with headers, nodes half full in the worst case, everything written twice (DUP).
    inode: 560,
    inline: 2048,
    inlineFactor: 2.8,
    inlineLink: 0,
    perByte: 0.0028,
    perExtent: 450,
    entry: 145,
    nameFactor: 3,
    fill: 2.9,
    directoryBlocks: 0,
    maxLinks: 65_535,
    // Space is given out in chunks; one for metadata may be opened and stay nearly empty. What the file
    // system keeps back for itself grows with its trees, and a drive that is full takes not even a rename.
    growth: 0.02,
    growthMin: 8 * MIB,
    growthMax: 2048 * MIB,
  },
  tmpfs: {
    ...EXT,
    inlineLink: 127,
    perExtent: 0,
    entry: 0,
    nameFactor: 0,
    directoryBlocks: 0,
    maxLinks: 2 ** 32,
  },
  exfat: {
    ...EXT,
    inlineLink: 0,
    perExtent: 0,
    entry: 96,
    nameFactor: 3,
    fill: 1,
    sparse: false,
  },
  ntfs: {
    ...EXT,
    // One MFT record, which holds small content itself.
    inode: 1056,
    inline: 512,
    inlineFactor: 0,
    inlineLink: 0,
    perExtent: 32,
    entry: 100,
    nameFactor: 2,
    fill: 1.6,
    directoryBlocks: 1,
    growth: 0.002,
    growthMax: 64 * MIB,
  },
  vfat: {
    ...EXT,
    inlineLink: 0,
    perExtent: 0,
    entry: 64,
    nameFactor: 3,
    fill: 1,
    sparse: false,
    maxFile: 0xffffffff,
  },
}

/** Whatever it is, hardly any file system takes more. */
const UNKNOWN: Parameters = {
  ...EXT,
  inode: 2048,
  inlineLink: 0,
  perByte: 0.002,
  perExtent: 64,
  entry: 128,
  nameFactor: 3,
  fill: 2,
  directoryBlocks: 2,
  sparse: false,
  maxLinks: Number.POSITIVE_INFINITY,
  growth: 0.005,
  growthMax: 256 * MIB,
}

/** Names under which the mount table may have one of the kinds. */
const ALIASES: Readonly<Record<string, string>> = {
  ramfs: 'tmpfs',
  ntfs3: 'ntfs',
  'fuse.ntfs': 'ntfs',
  'fuse.ntfs-3g': 'ntfs',
  'fuse.exfat': 'exfat',
  msdos: 'vfat',
}

/** Length of one entry's lines in our own files, without the path. */
const MANIFEST_LINE = 290
const SUMS_LINE = 67
const JOURNAL_RECORDS = 330
/** What our own directory costs: files, directories, the fixed text. */
const OWN_INODES = 16
const OWN_TEXT = 64 * 1024
/** What statvfs does not tell: a share of the drive, between these. */
const SLACK_SHARE = 0.01
const SLACK_MAX = 64 * MIB
const SLACK_MIN = 256 * 1024
/** Below this, "allocated less than size" may be tail packing or inline data and is no hole. */
const HOLES_FROM = 64 * 1024
const STRETCH = MIB

/** The costs on one volume. */
export class CostModel {
  /** Bytes that the volume costs by itself: our own directory, slack, the file system's growth. */
  readonly fixed: number
  /** The part of `fixed` that is ours. */
  readonly ours: number
  readonly fixedInodes: number
  /** No entry costs less than this. */
  readonly least: number
  /** The largest file that it can hold. */
  readonly maxFile: number
  /** Names that a file can have there, as far as that is known. */
  readonly maxLinks: number
  private readonly p: Parameters
  private readonly block: number
  private readonly perByte: number
  private readonly trustAllocated: boolean

  constructor(space: VolumeSpace, trustAllocated = true) {
    const kind = ALIASES[space.fsType] ?? space.fsType
    const p = KINDS[kind] ?? UNKNOWN
    this.p = p
    this.maxFile = p.maxFile
    this.maxLinks = p.maxLinks
    this.block = Math.max(p === UNKNOWN ? 4096 : 512, space.blockSize)
    this.perByte = kind === 'ext2' || kind === 'ext3' ? 4.1 / this.block : p.perByte
    this.trustAllocated = trustAllocated
    const slack = Math.max(SLACK_MIN, Math.min(SLACK_MAX, space.capacity * SLACK_SHARE))
    const growth = Math.max(p.growthMin, Math.min(p.growthMax, space.capacity * p.growth))
    const directory = space.opened === true ? 0 : OWN_TEXT + OWN_INODES * (this.block + p.inode)
    this.ours = directory + (space.rewrite ?? 0)
    this.fixed = slack + growth + this.ours
    this.fixedInodes = space.opened === true ? 0 : OWN_INODES
    this.least = this.name(1) + this.own(1, false)
  }

  /**
   * The bytes of an inode and its content. `kind` as in `Kind`; `size` and `allocated` in bytes.
   * Infinite where the file system can't hold such a file.
   */
  content(kind: number, size: number, allocated: number): number {
    const p = this.p
    if (kind === Kind.symlink) return p.inode + (size <= p.inlineLink ? 0 : this.blocks(size))
    if (kind === Kind.directory) return p.inode + p.directoryBlocks * this.block
    if (kind !== Kind.file || size === 0) return p.inode
    if (size <= p.inline) return p.inode + size * p.inlineFactor
    if (size > p.maxFile) return Number.POSITIVE_INFINITY
    const holes = p.sparse && this.trustAllocated && size >= HOLES_FROM && allocated < size
    const data = this.blocks(holes ? allocated : size)
    let metadata = data * this.perByte
    if (data > STRETCH) {
      // A tree of extents: full blocks of them, and one more that is not full.
      metadata += Math.ceil(data / STRETCH) * p.perExtent + (p.perExtent > 0 ? this.block : 0)
    } else {
      metadata += p.perExtent
    }
    return p.inode + data + metadata
  }

  /** The bytes that a name takes in its directory. */
  name(nameLength: number): number {
    const p = this.p
    return (p.entry + p.nameFactor * nameLength) * p.fill
  }

  /**
   * The bytes that an entry takes in our own files on the drive: its lines, and either its records in the
   * journal, which goes when the drive is closed, or, in the next run, the same lines anew beside the old ones.
   * The list of the whole set is reckoned with by itself (`VolumeSpace.rewrite`).
   */
  own(pathLength: number, isFile: boolean): number {
    const lists = MANIFEST_LINE + pathLength + (isFile ? SUMS_LINE + pathLength : 0)
    return lists + Math.max(lists, JOURNAL_RECORDS + pathLength)
  }

  /** The bytes of a directory that is new on the volume, its name in its parent and our lines included. */
  directory(nameLength: number, pathLength: number): number {
    const p = this.p
    return (
      p.inode + p.directoryBlocks * this.block + this.name(nameLength) + this.own(pathLength, false)
    )
  }

  private blocks(bytes: number): number {
    return Math.ceil(bytes / this.block) * this.block
  }
}
