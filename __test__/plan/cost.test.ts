import test from 'ava'
import { CostModel } from '../../src/plan/cost.js'
import type { VolumeSpace } from '../../src/plan/ledger.js'
import { Kind } from '../../src/plan/page.js'

const TYPES = [
  'ext2',
  'ext4',
  'xfs',
  'btrfs',
  'tmpfs',
  'exfat',
  'ntfs',
  'ntfs3',
  'vfat',
  'fuseblk',
  'new-fs',
]

function model(fsType: string, capacity = 1e9, blockSize = 4096): CostModel {
  const space: VolumeSpace = {
    number: 1,
    capacity,
    available: capacity,
    blockSize,
    inodesFree: 0,
    fsType,
    reserve: 0,
    hasLinks: true,
    known: true,
  }
  return new CostModel(space)
}

for (const fsType of TYPES) {
  test(`${fsType}: costs are finite, grow with size, and a large file costs hardly more than itself`, (t) => {
    const m = model(fsType)
    let before = -1
    for (const size of [0, 100, 4097, 65_536, 1e6, 1e8, 3e9]) {
      const cost = m.content(Kind.file, size, size)
      t.true(Number.isFinite(cost) && cost >= before, `${size}: ${cost}`)
      before = cost
    }
    const big = m.content(Kind.file, 3e9, 3e9)
    t.true(big >= 3e9 && big < 3e9 * 1.03, String(big))
    t.true(m.name(200) >= m.name(1))
    t.true(m.own(4000, true) > m.own(1, true))
    t.true(m.own(10, true) > m.own(10, false))
  })

  test(`${fsType}: of a big drive less than 3 % is lost to what a volume costs by itself`, (t) => {
    const capacity = 4e12
    t.true(model(fsType, capacity).fixed < capacity * 0.03)
  })
}

test('a small drive keeps most of itself', (t) => {
  t.true(model('tmpfs', 8 * 1024 ** 2).fixed < 8 * 1024 ** 2 * 0.1)
})

test('content is rounded up to the blocks of the drive', (t) => {
  t.is(model('ext4').content(Kind.file, 1, 1), model('ext4').content(Kind.file, 4000, 4000))
  t.true(model('exfat', 1e9, 131_072).content(Kind.file, 1, 1) >= 131_072)
})

test('what is no regular file costs no data; a long symlink does', (t) => {
  const m = model('ext4')
  for (const kind of [Kind.fifo, Kind.socket, Kind.charDevice, Kind.blockDevice]) {
    t.is(m.content(kind, 1e9, 1e9), 0)
  }
  t.is(m.content(Kind.symlink, 20, 0), 0)
  t.is(m.content(Kind.symlink, 500, 0), 4096)
})

test('"allocated" of a small file is not taken for a hole', (t) => {
  const m = model('ext4')
  t.is(m.content(Kind.file, 3000, 0), m.content(Kind.file, 3000, 4096))
})
