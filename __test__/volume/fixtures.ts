/** Made-up facts for the table of verdicts: drives, folders and places that differ in one thing each. */
import type { JudgeContext, PathFacts, SourcePlace } from '../../src/volume/facts.js'

export const SET = '0123456789abcdef0123456789abcdef'
export const OTHER = 'ffffffffffffffffffffffffffffffff'

export type Mount = NonNullable<PathFacts['mount']>
export type Volume = NonNullable<PathFacts['volume']>

export const rootMount: Mount = {
  id: 1,
  device: '8:1',
  root: '/',
  mountPoint: '/',
  fsType: 'ext4',
  source: '/dev/sda1',
  readOnly: false,
  fuse: false,
}
export const usbMount: Mount = {
  ...rootMount,
  id: 9,
  device: '8:17',
  mountPoint: '/mnt/usb',
  source: '/dev/sdb1',
}

/** An empty drive at /mnt/usb. */
export const drive: PathFacts = {
  path: '/mnt/usb',
  realPath: '/mnt/usb',
  found: 'dir',
  parentExists: false,
  chain: ['8:17:2', '8:1:50', '8:1:2'],
  isMountPoint: true,
  mount: usbMount,
  onRootMount: false,
  space: { block: 4096, total: 1e9, free: 9e8, inodes: 1000, freeInodes: 900, nameMax: 255 },
  readOnly: false,
  top: { litter: 0, ours: false, others: 0, more: false, names: [] },
  volumeNewer: false,
  hasJournal: false,
  hasManifest: false,
}

/** The same with nothing mounted there. */
export const bare: PathFacts = {
  ...drive,
  chain: ['8:1:77', '8:1:50', '8:1:2'],
  isMountPoint: false,
  mount: rootMount,
  onRootMount: true,
}

/** An empty folder in a home. */
export const folder: PathFacts = { ...bare, path: '/home/u/out', realPath: '/home/u/out' }

export const volume: Volume = {
  setId: SET,
  setName: 'films',
  number: 3,
  id: 'three',
  label: 'blue',
  generation: 5,
  copy: 1,
}
export const ours = (more: Partial<Volume> = {}, on: PathFacts = drive): PathFacts => ({
  ...on,
  top: { litter: 1, ours: true, others: 7, more: false, names: ['a'] },
  volume: { ...volume, ...more },
})
export const foreign: PathFacts = {
  ...drive,
  top: { litter: 1, ours: false, others: 2, more: false, names: ['a', 'b'] },
}

export const source: SourcePlace = {
  realPath: '/srv/data',
  chain: ['8:33:2', '8:1:60', '8:1:2'],
  mount: { ...rootMount, id: 5, device: '8:33', mountPoint: '/srv/data' },
}
export const context: JudgeContext = {
  setId: SET,
  known: [],
  justFilledId: null,
  sources: [source],
  oneFileSystem: false,
  hadDriveAt: [],
  smallest: 1_000_000,
  purpose: 'write',
}
export const known = (generation: number) => [{ id: 'three', number: 3, label: 'blue', generation }]
export const ofSet = {
  kind: 'volume-of-set',
  id: 'three',
  number: 3,
  label: 'blue',
  generation: 5,
  clone: false,
  ahead: false,
  known: false,
  closed: false,
} as const
export const missing = (more: Partial<PathFacts> = {}, on: PathFacts = folder): PathFacts => {
  const { top: _, ...rest } = on
  return { ...rest, found: 'missing', parentExists: true, ...more }
}
/** The facts without one of the optional fields. */
export const without = (facts: PathFacts, field: 'top' | 'mount' | 'space'): PathFacts => {
  const { [field]: _, ...rest } = facts
  return rest
}

type Top = NonNullable<PathFacts['top']>

/** The room of a drive with so many bytes free. */
export const room = (free: number): NonNullable<PathFacts['space']> => ({
  block: 4096,
  total: 1e9,
  free,
  inodes: 1000,
  freeInodes: 900,
  nameMax: 255,
})
/** The top of a directory with nothing of anybody in it but so much litter. */
export const none = (litter: number, more: Partial<Top> = {}): Top => ({
  litter,
  ours: false,
  others: 0,
  more: false,
  names: [],
  ...more,
})
/** The top of a directory with this many foreign files. */
export const names = (count: number): Top =>
  none(0, { others: count, names: ['a', 'b', 'c'].slice(0, count) })
