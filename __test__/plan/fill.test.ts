/**
 * The cost model against real file systems: each is filled with exactly what the plan puts on it, our own
 * files included, in the way a run writes (a temporary name first). Nothing may answer ENOSPC, and what is
 * wasted is reported. Needs root for loop devices and mounts.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { PlanFold } from '../../src/plan/fold.js'
import { Kind } from '../../src/plan/page.js'
import { page, type Row, random, type Shape, totals, tree } from './tree.js'

const MB = 1024 * 1024
const root = process.getuid?.() === 0
const KINDS = ['ext4', 'ext4-1k', 'xfs', 'btrfs', 'tmpfs', 'exfat', 'ntfs'] as const
type FsKind = (typeof KINDS)[number]

const SHAPES: Readonly<Record<string, Omit<Shape, 'rows'>>> = {
  small: {
    size: (r) => r * r * 12_000,
    nameLength: 20,
    directories: 0.08,
    symlinks: 0.03,
    links: 0.05,
    depth: 8,
  },
  mixed: {
    size: (r) => 200 * 40_000 ** (r * r),
    nameLength: 30,
    directories: 0.1,
    symlinks: 0.01,
    links: 0.02,
    depth: 6,
  },
  large: {
    size: (r) => 1 * MB + r * 24 * MB,
    nameLength: 12,
    directories: 0.1,
    symlinks: 0,
    links: 0,
    depth: 3,
  },
  directories: {
    size: (r) => r * 100,
    nameLength: 90,
    directories: 0.6,
    symlinks: 0.05,
    links: 0,
    depth: 12,
  },
}

/** Mounts a fresh file system; gives where it is and how to take it away. */
function mount(kind: FsKind, size: number, at: string): { path: string; undo: () => void } {
  const image = join(at, 'image')
  const path = join(at, 'mnt')
  fs.mkdirSync(path)
  const run = (program: string, ...args: string[]): string =>
    execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const undo: (() => void)[] = []
  const undoAll = (): void => {
    while (undo.length > 0) undo.pop()?.()
  }
  try {
    if (kind === 'tmpfs') {
      run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'none', path)
      undo.push(() => run('umount', path))
      return { path, undo: undoAll }
    }
    fs.writeFileSync(image, '')
    fs.truncateSync(image, size)
    const loop = run('losetup', '-f', '--show', image).trim()
    undo.push(() => run('losetup', '-d', loop))
    const mkfs: Record<Exclude<FsKind, 'tmpfs'>, string[]> = {
      ext4: ['mkfs.ext4', '-q', '-b', '4096', '-i', '4096'],
      'ext4-1k': ['mkfs.ext4', '-q', '-b', '1024', '-i', '4096', '-m', '0'],
      xfs: ['mkfs.xfs', '-q', '--unsupported'],
      btrfs: ['mkfs.btrfs', '-q'],
      exfat: ['mkfs.exfat'],
      ntfs: ['mkntfs', '-q', '-F', '-f'],
    }
    const [program = '', ...args] = mkfs[kind]
    run(program, ...args, loop)
    if (kind === 'exfat') run('mount.exfat-fuse', loop, path)
    else if (kind === 'ntfs') run('ntfs-3g', loop, path)
    else run('mount', loop, path)
    undo.push(() => run('umount', path))
    return { path, undo: undoAll }
  } catch (error) {
    undoAll()
    throw error
  }
}

const asFsType = (kind: FsKind): string => (kind === 'ext4-1k' ? 'ext4' : kind)
const links = (kind: FsKind): boolean => kind !== 'exfat'

/** Fills the file system with what the plan puts on it; gives what is left of its capacity, 0 to 1. */
function fill(kind: FsKind, path: string, rows: readonly Row[]): { waste: number; placed: number } {
  const stat = fs.statfsSync(path)
  // The list of the whole set has a line for what comes onto other drives, too; no drive takes more of it.
  const whole = rows.reduce((sum, row) => sum + 120 + row.path.length, 0)
  const list = Math.floor(Math.min(whole, (stat.blocks * stat.bsize) / 20))
  const fold = new PlanFold(
    [
      {
        number: 1,
        capacity: stat.blocks * stat.bsize,
        available: stat.bavail * stat.bsize,
        blockSize: stat.bsize,
        inodesFree: stat.ffree,
        fsType: asFsType(kind),
        reserve: 0,
        hasLinks: links(kind),
        known: true,
        rewrite: 2 * list,
      },
    ],
    { sizes: [], capacity: 0, blockSize: 4096, fsType: '', hasLinks: true, reserve: 0 },
    totals(rows),
  )
  const places = fold.page(page(rows))
  const own = join(path, '.mvcopy')
  fs.mkdirSync(join(own, 'tmp', 'epoch'), { recursive: true })
  const block = Buffer.alloc(1 * MB, 0x5a)
  const firstOf = new Map<number, string>()
  const sizes = { manifest: 0, sums: 0, journal: 0 }
  let placed = 0
  for (const [i, row] of rows.entries()) {
    if (places[i] !== 1) continue
    placed += 1
    const target = join(path, row.path)
    fs.mkdirSync(row.kind === Kind.directory ? target : join(target, '..'), { recursive: true })
    const earlier = firstOf.get(row.group)
    if (row.kind === Kind.symlink && links(kind)) fs.symlinkSync('x'.repeat(row.size), target)
    else if (row.group !== 0 && earlier !== undefined && links(kind)) fs.linkSync(earlier, target)
    else if (row.kind !== Kind.directory) {
      if (row.group !== 0) firstOf.set(row.group, target)
      const temporary = join(own, 'tmp', 'epoch', String(i))
      const file = fs.openSync(temporary, 'wx')
      for (let at = 0; at < row.size; at += block.length) {
        fs.writeSync(file, block, 0, Math.min(block.length, row.size - at))
      }
      fs.closeSync(file)
      fs.renameSync(temporary, target)
    }
    sizes.manifest += 260 + row.path.length
    sizes.sums += row.kind === Kind.file ? 67 + row.path.length : 0
    sizes.journal += 330 + row.path.length
  }
  const write = (files: readonly (readonly [name: string, size: number])[]): void => {
    for (const [name, size] of files) {
      const file = fs.openSync(join(own, name), 'w')
      try {
        for (let at = 0; at < size; at += block.length) {
          fs.writeSync(file, block, 0, Math.min(block.length, size - at))
        }
        fs.fsyncSync(file)
      } finally {
        fs.closeSync(file)
      }
    }
  }
  // The first closing: the journal goes when the lists are durable.
  write([
    ['journal.log', sizes.journal],
    ['manifest.jsonl', sizes.manifest],
    ['SHA256SUMS', sizes.sums],
    ['README.txt', 16_384],
    ['volume.json', 4096],
    ['catalog.jsonl', list],
  ])
  // A later one, with nothing new on it: every list is written anew beside the old one.
  fs.unlinkSync(join(own, 'journal.log'))
  write([
    ['manifest.new', sizes.manifest],
    ['SHA256SUMS.new', sizes.sums],
    ['catalog.new', list],
  ])
  execFileSync('sync', ['-f', path])
  const after = fs.statfsSync(path)
  return { waste: after.bavail / after.blocks, placed }
}

const fillTest = root ? test.serial : test.serial.skip
/** exFAT takes clusters of 32 KiB only from 256 MiB on: they are what tells a wrong model. */
const sizeOf = (kind: FsKind): number =>
  (Number(process.env.MVCOPY_FILL_MB) || (kind === 'exfat' ? 320 : 256)) * MB

for (const kind of KINDS) {
  for (const [shapeName, shape] of Object.entries(SHAPES)) {
    fillTest(`${kind}: a drive filled with ${shapeName} takes all that was planned`, (t) => {
      t.timeout(300_000)
      const seed = Number(process.env.MVCOPY_SEED) || 20_26
      const next = random(seed)
      const size = sizeOf(kind)
      // Enough to overfill the drive.
      let mean = 0
      for (let i = 0; i < 100; i += 1) mean += shape.size((i + 0.5) / 100) / 100
      const rows = tree(
        { ...shape, rows: Math.min(120_000, Math.ceil((size / (mean + 1500)) * 1.3)) },
        next,
      )
      const at = fs.mkdtempSync(join(tmpdir(), 'mvcopy-fill-'))
      let undo = (): void => {}
      try {
        const drive = mount(kind, size, at)
        undo = drive.undo
        const { waste, placed } = fill(kind, drive.path, rows)
        t.log(
          `seed ${seed}: ${placed} of ${rows.length} placed, ${(waste * 100).toFixed(2)} % of the drive left`,
        )
        t.true(placed < rows.length, 'the drive was not filled: the test shows nothing')
      } finally {
        undo()
        fs.rmSync(at, { recursive: true })
      }
    })
  }
}
