/** Drives that are filled to the brim, by blocks and by inodes: nothing torn, and the next one is asked for. */

import * as fs from 'node:fs'
import * as path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { makeHost } from '../helpers/cli.js'
import { type DriveOptions, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { isRoot, sh, tempDir } from '../helpers/temp.js'
import { walk } from '../helpers/walk.js'

const ROUNDS = process.env.MVCOPY_ALL === '1' ? 15 : 3
/** What is left free for us, in bytes: the rest of a drive is filled beforehand. */
const ROOM = 3 * MiB

/**
 * `fickle`: it says that more is free than is, and has no room for a rename (nor for closing the drive)
 * while it has some for data. Nothing is put there beforehand, and the drive may fail (11) for lack of room.
 */
type Kind = DriveOptions & { readonly fickle?: true }

const kinds: Record<string, Kind> = {
  'ext4, blocks': { fs: 'ext4', size: 16 * MiB },
  'ext4, inodes': { fs: 'ext4', size: 16 * MiB, inodes: 64 },
  'tmpfs, blocks': { fs: 'tmpfs', size: 4 * MiB },
  'tmpfs, inodes': { fs: 'tmpfs', size: 8 * MiB, inodes: 64 },
  'xfs, blocks': { fs: 'xfs', size: 32 * MiB },
  'btrfs, blocks': { fs: 'btrfs', size: 24 * MiB, fickle: true },
  'exfat, blocks': { fs: 'exfat', size: 8 * MiB },
  'ntfs, blocks': { fs: 'ntfs', size: 8 * MiB },
}

/** Numbers that look random and are the same every time. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

/** Files of random sizes: `bytes` in all, most of them small, some large; or as many `tiny` ones. */
function grow(root: string, random: () => number, bytes: number, tiny: number): void {
  let left = bytes
  for (let n = 0; tiny > 0 ? n < tiny : left > 0; n += 1) {
    const most = tiny > 0 ? 100 : random() < 0.1 ? 600_000 : 20_000
    const size = Math.min(left, Math.floor(random() * most))
    const directory = path.join(root, `d${Math.floor(random() * 8)}`)
    fs.mkdirSync(directory, { recursive: true })
    fs.writeFileSync(path.join(directory, `f${n}`), Buffer.alloc(size, `${n} `))
    left -= size + 1
  }
}

async function fill(t: ExecutionContext, options: Kind, seed: number): Promise<void> {
  const random = dice(seed)
  const drive = makeDrive(options)
  try {
    const host = makeHost()
    const source = tempDir('source')
    const tiny = options.inodes !== undefined
    const room = options.fickle ? drive.free() : ROOM
    grow(source, random, 2 * room, tiny ? 150 : 0)
    const spare = drive.free() - room - Math.floor(random() * MiB)
    if (!tiny && !options.fickle && spare > 0) {
      fs.writeFileSync(path.join(drive.path, 'foreign'), Buffer.alloc(spare, 1))
      // btrfs counts what is not on the device yet as free.
      sh('sync', '-f', drive.path)
    }
    const run = await host.run([source, '-o', drive.path, '-y'])
    const said = `seed ${seed}\n${run.stderr}`
    const full = options.fickle === true && run.code === 11
    t.true(run.code === 4 || full, `exit ${run.code}; ${said}`)
    t.regex(run.stderr, full ? /No space left/ : /drive.* is needed for/, said)
    const standing = new Map<string, string | undefined>()
    for (const { path: name, kind, digest } of walk(source)) {
      if (kind === 'file') standing.set(name.toString(), digest)
    }
    let files = 0
    for (const entry of walk(drive.path, {
      ignore: ['.mvcopy', 'START-HERE.html', 'lost+found', 'foreign'],
    })) {
      if (entry.kind !== 'file') continue
      files += 1
      t.is(entry.digest, standing.get(entry.path.toString()), `${entry.path} is torn; ${said}`)
    }
    if (full) return
    t.true(files > 0 || options.fickle === true, `nothing was written; ${said}`)
    const sums = fs.readFileSync(path.join(drive.path, '.mvcopy/SHA256SUMS'), 'utf8')
    t.is(sums.split('\n').length - 1, files, `the list names other files than stand there; ${said}`)
    if (files > 0) sh('env', '-C', drive.path, 'sha256sum', '-c', '--quiet', '.mvcopy/SHA256SUMS')
    // The list of the set is there where it found room.
    const own = fs.readdirSync(path.join(drive.path, '.mvcopy'))
    t.deepEqual(own.filter((name) => name !== 'catalog.jsonl').sort(), [
      'README.txt',
      'SHA256SUMS',
      'manifest.jsonl',
      'volume.json',
    ])
  } finally {
    drive.dispose()
  }
}

for (const [name, options] of Object.entries(kinds)) {
  const title = `random fills: ${name}`
  const body = async (t: ExecutionContext): Promise<void> => {
    for (let round = 1; round <= ROUNDS; round += 1) await fill(t, options, round * 7919)
  }
  if (isRoot) test.serial(title, body)
  else test.serial.skip(`${title} (needs root)`, body)
}

/** Files of a few bytes, and one for which space is claimed before it is written. */
const FEW = 200
const claims = {
  'the lists': { when: '2..3', large: 0 },
  'a large file': { when: '2', large: 1_200_000 },
}
for (const [what, { when, large }] of Object.entries(claims)) {
  rootTest(`a claim for ${what} that finds no room is made again after a flush`, async (t) => {
    const drive = makeDrive({ fs: 'ext4', size: 16 * MiB })
    try {
      const host = makeHost()
      const source = tempDir('source')
      for (let n = 0; n < FEW; n += 1) fs.writeFileSync(path.join(source, `f${n}`), `${n}`)
      if (large > 0) fs.writeFileSync(path.join(source, 'large'), Buffer.alloc(large, 1))
      const log = path.join(tempDir('trace'), 'log')
      const inject = `inject=fallocate:error=ENOSPC:when=${when}`
      const under = ['strace', '-f', '-qq', '-o', log, '-e', 'trace=fallocate,syncfs', '-e', inject]
      const run = await host.run([source, '-o', drive.path, '-w', '1'], { under })
      const calls = fs.readFileSync(log, 'utf8')
      t.is(run.code, 0, run.stderr + calls)
      t.true(/INJECTED.*syncfs.*fallocate/s.test(calls), calls)
      const names = fs.readdirSync(drive.path).filter((name) => /^(f[0-9]|large)/.test(name))
      t.is(names.length, FEW + (large > 0 ? 1 : 0))
      sh('env', '-C', drive.path, 'sha256sum', '-c', '--quiet', '.mvcopy/SHA256SUMS')
    } finally {
      drive.dispose()
    }
  })
}
