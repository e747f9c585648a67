/** What a path is judged to be, case by case. Facts are made up; real drives are in look.test.ts. */
import test from 'ava'
import type { JudgeContext, PathFacts, Verdict, Warning } from '../../src/volume/facts.js'
import { judge } from '../../src/volume/judge.js'
import {
  bare,
  context,
  drive,
  folder,
  foreign,
  known,
  type Mount,
  missing,
  names,
  none,
  OTHER,
  ofSet,
  ours,
  room,
  rootMount,
  SET,
  source,
  usbMount,
  without,
} from './fixtures.js'

const cases: [string, PathFacts, Partial<JudgeContext>, Verdict][] = [
  ['an empty drive', drive, {}, { kind: 'blank' }],
  ['a drive with litter only', { ...drive, top: none(3) }, {}, { kind: 'blank' }],
  [
    'a drive with an empty .mvcopy, as a run that died at once leaves it',
    { ...drive, top: none(0, { ours: true }) },
    {},
    { kind: 'blank' },
  ],
  ['a plain folder', folder, {}, { kind: 'blank' }],
  [
    'a folder on a drive',
    { ...drive, path: '/mnt/usb/b', realPath: '/mnt/usb/b', isMountPoint: false },
    {},
    { kind: 'blank' },
  ],

  ['a volume of the set', ours(), {}, ofSet],
  ['one that the catalog knows', ours(), { known: known(5) }, { ...ofSet, known: true }],
  [
    'one that was declared lost',
    ours(),
    { known: known(5).map((one) => ({ ...one, fate: 'lost' as const })) },
    { kind: 'lost', number: 3, label: 'blue' },
  ],
  [
    'one that is retired',
    ours(),
    { known: known(5).map((one) => ({ ...one, fate: 'retired' as const })) },
    { ...ofSet, known: true },
  ],
  [
    'one that is complete',
    ours({ closed: '2026-11-22T19:00:00Z' }),
    {},
    { ...ofSet, closed: true },
  ],
  [
    'an old copy of one',
    ours({ generation: 4 }),
    { known: known(5) },
    { ...ofSet, generation: 4, known: true, clone: true },
  ],
  [
    'one that was written elsewhere',
    ours({ generation: 6 }),
    { known: known(5) },
    { ...ofSet, generation: 6, known: true, ahead: true },
  ],
  [
    'one that was relabelled while it was away',
    ours({ label: 'old' }),
    { known: known(5) },
    { ...ofSet, known: true },
  ],
  ['a full one is still one', { ...ours(), space: room(0) }, {}, ofSet],
  ['one in an unmounted place is still one', ours({}, bare), {}, ofSet],

  [
    'the one just filled',
    ours(),
    { justFilledId: 'three' },
    { kind: 'just-filled', number: 3, label: 'blue' },
  ],
  [
    'the one just filled, read-only by now',
    { ...ours(), readOnly: true },
    { justFilledId: 'three' },
    { kind: 'just-filled', number: 3, label: 'blue' },
  ],
  [
    'a volume of another set',
    ours({ setId: OTHER }),
    {},
    { kind: 'other-set', setId: OTHER, setName: 'films', number: 3, label: 'blue' },
  ],
  [
    'one of another set with the same id',
    ours({ setId: OTHER }),
    { justFilledId: 'three' },
    { kind: 'other-set', setId: OTHER, setName: 'films', number: 3, label: 'blue' },
  ],
  [
    'any volume while no set is chosen',
    ours(),
    { setId: null },
    { kind: 'other-set', setId: SET, setName: 'films', number: 3, label: 'blue' },
  ],

  ['foreign files', foreign, {}, { kind: 'foreign', count: 2, more: false, names: ['a', 'b'] }],
  [
    'foreign files in an unmounted place',
    { ...bare, top: names(2) },
    {},
    { kind: 'foreign', count: 2, more: false, names: ['a', 'b'] },
  ],
  [
    'more litter than was counted',
    { ...drive, top: none(100_000, { more: true }) },
    {},
    { kind: 'foreign', count: 0, more: true, names: [] },
  ],

  ['an empty directory under /mnt', bare, {}, { kind: 'unmounted', reason: 'mount-place' }],
  [
    '/mnt itself',
    { ...bare, path: '/mnt', realPath: '/mnt' },
    {},
    { kind: 'unmounted', reason: 'mount-place' },
  ],
  [
    'an empty directory under /run/media, with /run on its own',
    {
      ...bare,
      path: '/run/media/u/d',
      realPath: '/run/media/u/d',
      mount: { ...rootMount, id: 3, mountPoint: '/run' },
      onRootMount: false,
    },
    {},
    { kind: 'unmounted', reason: 'mount-place' },
  ],
  [
    'a link to an unmounted place',
    { ...bare, path: '/backup', realPath: '/media/u/d' },
    {},
    { kind: 'unmounted', reason: 'mount-place' },
  ],
  [
    'an unmounted place with litter',
    { ...bare, top: none(1) },
    {},
    { kind: 'unmounted', reason: 'mount-place' },
  ],
  [
    'a name that only begins like one',
    { ...bare, path: '/mnt2/usb', realPath: '/mnt2/usb' },
    {},
    { kind: 'blank' },
  ],
  [
    'an empty directory that fstab names',
    { ...folder, fstab: { mountPoint: '/home/u/out', noauto: true, mounted: false } },
    {},
    { kind: 'unmounted', reason: 'fstab' },
  ],
  [
    'a directory below one that fstab names',
    { ...folder, fstab: { mountPoint: '/home/u', noauto: false, mounted: false } },
    {},
    { kind: 'unmounted', reason: 'fstab' },
  ],
  [
    'one that fstab names and that is mounted',
    { ...folder, fstab: { mountPoint: '/home/u', noauto: false, mounted: true } },
    {},
    { kind: 'blank' },
  ],
  [
    'a drive below an unmounted place of fstab',
    {
      ...drive,
      fstab: { mountPoint: '/mnt', noauto: false, mounted: false },
      isMountPoint: false,
      path: '/mnt/usb/x',
      realPath: '/mnt/usb/x',
    },
    {},
    { kind: 'blank' },
  ],
  [
    'where the set had a drive',
    folder,
    { hadDriveAt: ['/home/u/out'] },
    { kind: 'unmounted', reason: 'had-a-drive' },
  ],
  [
    'below where the set had a drive',
    { ...folder, path: '/home/u/out/x', realPath: '/home/u/out/x' },
    { hadDriveAt: ['/home/u/out'] },
    { kind: 'unmounted', reason: 'had-a-drive' },
  ],
  ['where the set had a drive and has one', drive, { hadDriveAt: ['/mnt/usb'] }, { kind: 'blank' }],
  [
    'where the set had a drive, in a folder on it',
    { ...drive, isMountPoint: false, path: '/mnt/usb/b', realPath: '/mnt/usb/b' },
    { hadDriveAt: ['/mnt/usb'] },
    { kind: 'blank' },
  ],
  [
    'a root that was taken for a drive once says nothing',
    folder,
    { hadDriveAt: ['/'] },
    { kind: 'blank' },
  ],
  [
    'no table of mounts: an empty directory under /mnt',
    without(bare, 'mount'),
    {},
    { kind: 'unmounted', reason: 'mount-place' },
  ],

  ['nothing there', missing(), {}, { kind: 'missing', creatable: true }],
  [
    'nothing there, nor above',
    missing({ parentExists: false }),
    {},
    { kind: 'missing', creatable: false },
  ],
  [
    'nothing there, and no right to make it',
    missing({ writeErrno: 13 }),
    {},
    { kind: 'missing', creatable: false },
  ],
  [
    'nothing there, above read-only',
    missing({ readOnly: true }),
    {},
    { kind: 'missing', creatable: false },
  ],
  ['nothing under /mnt', missing({}, bare), {}, { kind: 'unmounted', reason: 'mount-place' }],
  [
    'nothing where the set had a drive',
    missing(),
    { hadDriveAt: ['/home/u/out'] },
    { kind: 'unmounted', reason: 'had-a-drive' },
  ],
  [
    'nothing yet on a mounted drive',
    missing({ path: '/mnt/usb/new', realPath: '/mnt/usb/new', isMountPoint: false }, drive),
    {},
    { kind: 'missing', creatable: true },
  ],

  ['a read-only drive', { ...drive, readOnly: true, writeErrno: 30 }, {}, { kind: 'read-only' }],
  ['a read-only volume of the set', { ...ours(), writeErrno: 30 }, {}, { kind: 'read-only' }],
  ['a drive of somebody else', { ...drive, writeErrno: 13 }, {}, { kind: 'read-only', errno: 13 }],
  [
    'a read-only volume, for reading',
    { ...ours(), readOnly: true, writeErrno: 30 },
    { purpose: 'read' },
    ofSet,
  ],
  [
    'a full drive, for reading',
    { ...drive, space: room(0) },
    { purpose: 'read' },
    { kind: 'blank' },
  ],
  [
    'a small drive',
    { ...drive, space: room(999_999) },
    {},
    { kind: 'too-small', free: 999_999, needed: 1_000_000 },
  ],
  ['a drive that is just big enough', { ...drive, space: room(1_000_000) }, {}, { kind: 'blank' }],
  ['room that nobody can tell', without(drive, 'space'), {}, { kind: 'blank' }],

  ['a file', { ...without(folder, 'top'), found: 'file' }, {}, { kind: 'not-a-directory' }],
  ['a fifo', { ...without(folder, 'top'), found: 'fifo' }, {}, { kind: 'not-a-directory' }],
  [
    'a link to nowhere',
    { ...without(folder, 'top'), found: 'symlink' },
    {},
    { kind: 'not-a-directory' },
  ],
  [
    'a dead mount',
    { ...without(drive, 'top'), found: 'unreadable', errno: 107 },
    {},
    { kind: 'unreadable', errno: 107 },
  ],
  [
    'a directory that cannot be listed',
    { ...without(drive, 'top'), listErrno: 13 },
    {},
    { kind: 'unreadable', errno: 13 },
  ],
  [
    'a volume.json that cannot be read',
    { ...foreign, volumeErrno: 5 },
    {},
    { kind: 'unreadable', errno: 5 },
  ],
  [
    'a damaged volume.json',
    { ...foreign, volumeProblem: 'no JSON' },
    {},
    { kind: 'damaged-identity', why: 'no JSON' },
  ],
  [
    'a newer volume.json',
    { ...foreign, volumeProblem: 'newer', volumeNewer: true },
    {},
    { kind: 'newer-identity', why: 'newer' },
  ],
  [
    'a journal without volume.json',
    { ...drive, hasJournal: true },
    {},
    { kind: 'damaged-identity', why: 'volume.json is missing beside what a volume wrote' },
  ],
  [
    'a manifest without volume.json',
    { ...drive, hasManifest: true },
    {},
    { kind: 'damaged-identity', why: 'volume.json is missing beside what a volume wrote' },
  ],

  [
    'a source itself',
    { ...drive, chain: source.chain, realPath: '/elsewhere' },
    {},
    { kind: 'inside-source', source: '/srv/data' },
  ],
  [
    'a directory in a source',
    { ...folder, chain: ['8:33:70', ...source.chain] },
    {},
    { kind: 'inside-source', source: '/srv/data' },
  ],
  [
    'a directory in a source by its name',
    { ...folder, realPath: '/srv/data/x' },
    {},
    { kind: 'inside-source', source: '/srv/data' },
  ],
  [
    'a missing directory in a source',
    missing({ chain: source.chain, realPath: '/x' }),
    {},
    { kind: 'inside-source', source: '/srv/data' },
  ],
  [
    'a volume in a source',
    { ...ours(), chain: ['8:33:70', ...source.chain] },
    {},
    { kind: 'inside-source', source: '/srv/data' },
  ],
  [
    'a name that only begins like a source',
    { ...folder, realPath: '/srv/data2' },
    {},
    { kind: 'blank' },
  ],
  [
    'a directory that holds a source',
    { ...folder, chain: ['8:1:60', '8:1:2'], realPath: '/other' },
    {},
    { kind: 'source-inside', source: '/srv/data' },
  ],
  [
    'one that holds a source by its name',
    { ...folder, realPath: '/srv' },
    {},
    { kind: 'source-inside', source: '/srv/data' },
  ],
  [
    'a sibling to be made beside a source',
    missing({ chain: ['8:1:60', '8:1:2'], path: '/srv/new', realPath: '/srv/new' }),
    {},
    { kind: 'missing', creatable: true },
  ],
  [
    'a drive mounted in a source',
    { ...drive, chain: ['8:17:2', ...source.chain], realPath: '/srv/data/usb' },
    {},
    { kind: 'inside-source', source: '/srv/data' },
  ],
  [
    'a drive mounted in a source, with -x',
    { ...drive, chain: ['8:17:2', ...source.chain], realPath: '/srv/data/usb' },
    { oneFileSystem: true },
    { kind: 'blank' },
  ],
  [
    'a directory in a source, with -x',
    { ...folder, chain: ['8:33:70', ...source.chain], mount: source.mount as Mount },
    { oneFileSystem: true },
    { kind: 'inside-source', source: '/srv/data' },
  ],
]

for (const [what, facts, more, expected] of cases) {
  test(what, (t) => {
    t.deepEqual(judge(facts, { ...context, ...more }).verdict, expected)
  })
}

const warned: [string, PathFacts, Partial<JudgeContext>, Warning[]][] = [
  ['a drive', drive, {}, []],
  ['a folder in a home', folder, {}, ['plain-folder']],
  ['a folder to be made in a home', missing(), {}, ['plain-folder']],
  ['a folder on a drive', { ...drive, isMountPoint: false, realPath: '/mnt/usb/b' }, {}, []],
  [
    'a folder on a drive at a place of its own',
    { ...folder, mount: { ...usbMount, mountPoint: '/home/u' } },
    { hadDriveAt: ['/home/u'] },
    [],
  ],
  ['a file is no folder', { ...without(folder, 'top'), found: 'file' }, {}, []],
  ['a user-space drive', { ...drive, mount: { ...usbMount, fuse: true } }, {}, ['fuse']],
  [
    'a drive with the source on it',
    { ...drive, chain: ['8:33:9', '8:1:2'] },
    {},
    ['same-file-system-as-source'],
  ],
  [
    'a bind mount of the source, seen by its device',
    { ...drive, mount: { ...usbMount, device: '8:33' } },
    {},
    ['same-file-system-as-source'],
  ],
  ['inode numbers are no devices', { ...drive, chain: ['8:3:33', '8:1:2'] }, {}, []],
]

for (const [what, facts, more, expected] of warned) {
  test(`warnings: ${what}`, (t) => {
    t.deepEqual(judge(facts, { ...context, ...more }).warnings, expected)
  })
}
