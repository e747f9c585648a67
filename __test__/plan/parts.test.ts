/** The size of parts: one that fits on every drive. */

import test from 'ava'
import { Ledger, type VolumeSpace } from '../../src/plan/ledger.js'
import { partSize } from '../../src/plan/parts.js'

const GIB = 1024 ** 3

function space(capacity: number, more: Partial<VolumeSpace> = {}): VolumeSpace {
  return {
    number: 1,
    capacity,
    available: capacity,
    blockSize: 4096,
    inodesFree: 0,
    fsType: 'ext4',
    reserve: 0,
    hasLinks: true,
    known: true,
    ...more,
  }
}

const unseen = (capacity: number, sizes: number[] = [], fsType = 'ext4') => ({
  sizes,
  capacity,
  blockSize: 4096,
  fsType,
  hasLinks: true,
  reserve: 0,
})

test('an eighth of the smallest drive, whatever is on it now', (t) => {
  const size = partSize([space(100 * GIB), space(40 * GIB, { available: GIB })], unseen(100 * GIB))
  t.true(size <= (40 * GIB) / 8 && size > (40 * GIB) / 9, `${size}`)
  t.is(size % 1024 ** 2, 0)
})

test('by --volume-size where that is smaller', (t) => {
  const size = partSize([], unseen(100 * GIB, [20 * GIB, 10 * GIB]))
  t.true(size <= (10 * GIB) / 8 && size > GIB, `${size}`)
})

test('FAT32 holds no file of 4 GiB: no part is that large', (t) => {
  const size = partSize([space(500 * GIB, { fsType: 'vfat' })], unseen(500 * GIB, [], 'vfat'))
  t.is(size, 2 * GIB)
  const { model } = new Ledger(space(500 * GIB, { fsType: 'vfat' }))
  t.is(model.content(0, 5 * GIB, 5 * GIB), Number.POSITIVE_INFINITY)
  t.true(Number.isFinite(model.content(0, size, size)))
})

test('small drives have small parts; none where nothing fits', (t) => {
  const size = partSize(
    [space(3 * 1024 ** 2, { fsType: 'tmpfs' })],
    unseen(3 * 1024 ** 2, [], 'tmpfs'),
  )
  t.true(size >= 128 * 1024 && size < 400 * 1024, `${size}`)
  t.is(partSize([space(64 * 1024)], unseen(64 * 1024)), 0)
})
