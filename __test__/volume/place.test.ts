import test from 'ava'
import type { PathFacts } from '../../src/native/volume.js'
import { mayLink } from '../../src/volume/place.js'

test('which file systems take hard links, as far as that is known before it is tried', (t) => {
  const takes = (fsType: string, fsUuid?: string): boolean =>
    mayLink({ mount: { fsType }, ...(fsUuid === undefined ? {} : { fsUuid }) } as PathFacts)
  for (const fsType of ['ext4', 'xfs', 'btrfs', 'tmpfs', 'ntfs3', '']) t.true(takes(fsType), fsType)
  for (const fsType of ['vfat', 'exfat', 'msdos', 'fuse.exfat']) t.false(takes(fsType), fsType)
  // FUSE does not say which of the two it serves; the serial number does.
  t.false(takes('fuseblk', '1A2B-3C4D'))
  t.true(takes('fuseblk', '01D9A7B3C4E5F607'))
  t.true(takes('fuseblk'))
  t.true(takes('ext4', '1A2B-3C4D'))
})
