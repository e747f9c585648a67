/** Names of one file on drives that can't link them: they are one file again after a restore. */

import * as fs from 'node:fs'
import { ended, events, makeSource } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { differences, rsyncDiff } from '../helpers/compare.js'
import { type Drive, type DriveOptions, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { freshPlace, python } from './kit.js'

/** Two names in two directories, with attributes and an ACL; five in three; a file with equal content and one name. */
function manyNames(): string {
  const home = makeDrive({ size: 24 * MiB })
  const source = `${home.path}/source`
  fs.mkdirSync(source)
  makeSource(
    { 'a/two': 'the same content', 'b/five': 300_000, 'b/equal': 'the same content', plain: 'x' },
    source,
  )
  python(
    `
import struct
os.chdir(sys.argv[1])
none = 0xffffffff
acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in ((1, 6, none), (2, 7, 1234), (4, 4, none), (0x10, 7, none), (0x20, 0, none)))
os.makedirs('c/deep')
os.link('a/two', 'c/deep/two: again')
for name in ('a/five', 'b/Five', 'c/5', 'c/deep/5'): os.link('b/five', name)
os.setxattr('a/two', 'user.colour', b'green'); os.setxattr('a/two', 'system.posix_acl_access', acl)
os.chown('a/two', 1000, 100); os.chown('b/five', 7, 8); os.chmod('b/five', 0o640)
for name in ('a', 'b', 'c/deep', 'c'): os.utime(name, ns=(5, 1_400_000_000_123_456_789))
for name in ('a/two', 'b/five'): os.utime(name, ns=(5, 1_400_000_000_987_654_321))
`,
    source,
  )
  return source
}

/** The words of a drive's manifest for which file a name is of, by path. */
function words(drive: Drive): Map<string, string> {
  const lines = fs.readFileSync(`${drive.path}/.mvcopy/manifest.jsonl`, 'utf8').trim().split('\n')
  const items = lines.map((line) => JSON.parse(line) as { path?: string; same_file?: string })
  return new Map(items.flatMap(({ path, same_file: word }) => (path && word ? [[path, word]] : [])))
}

const ways: Record<string, readonly DriveOptions[]> = {
  exFAT: [{ fs: 'exfat', size: 24 * MiB }],
  NTFS: [{ fs: 'ntfs', size: 24 * MiB }],
  'exFAT and ext4': [
    { fs: 'exfat', size: 24 * MiB },
    { fs: 'ext4', size: 24 * MiB },
  ],
}

for (const [way, kinds] of Object.entries(ways)) {
  rootTest(`names of one file come back as one from ${way}`, async (t) => {
    const source = manyNames()
    const drives = kinds.map((kind) => makeDrive(kind))
    const outputs = drives.flatMap((drive) => ['-o', drive.path])
    // The first takes little beside what it needs itself.
    const caps = drives.length > 1 ? ['--volume-size', '1M', '--volume-size', '20M'] : []
    const host = makeHost()
    const run = [source, ...outputs, ...caps, '--json']
    ended(t, await host.run(run), 0)
    const before = drives.map(words)
    const again = await host.run(run)
    ended(t, again, 0)
    t.is(events(again, 'summary')[0]?.written.files, 0, again.stdout)
    t.deepEqual(drives.map(words), before)

    // By a host that knows nothing, and by the one that has seen the source.
    for (const by of [makeHost(), host]) {
      const to = freshPlace()
      const back = await by.run(['restore', ...outputs, '--to', to, '--hide-progress'])
      ended(t, back, 0)
      t.notRegex(back.stderr, /of their own|of its own/)
      t.deepEqual(differences(source, to, { attributes: true }), [])
      t.deepEqual(rsyncDiff(source, [to]), [])
    }
    const some = freshPlace()
    const names = ['a/five', 'c/deep/5', 'c/deep/two: again']
    ended(t, await host.run(['restore', ...outputs, '--to', some, '--hide-progress', ...names]), 0)
    const inode = (name: string) => fs.statSync(`${some}/${name}`).ino
    t.is(inode('a/five'), inode('c/deep/5'))
    t.is(fs.statSync(`${some}/c/deep/two: again`).nlink, 1)
    // What was left out joins what is there.
    ended(t, await makeHost().run(['restore', ...outputs, '--to', some, '--hide-progress']), 0)
    t.deepEqual(differences(source, some, { attributes: true }), [])
  })
}

rootTest('a name that was another file when it was copied is not linked', async (t) => {
  const source = manyNames()
  const drive = makeDrive({ fs: 'exfat', size: 24 * MiB })
  const host = makeHost()
  ended(t, await host.run([source, '-o', drive.path, '--hide-progress']), 0)
  // One name gets other content, one only another inode; time and size stay as they were in the one of them.
  python(
    `
os.chdir(sys.argv[1])
os.unlink('b/Five'); open('b/Five', 'w').write('another file')
data = open('c/5', 'rb').read(); os.unlink('c/5'); open('c/5', 'wb').write(data)
os.chown('c/5', 7, 8); os.chmod('c/5', 0o640); os.utime('c/5', ns=(5, 1_400_000_000_987_654_321))
os.unlink('b/equal'); os.link('a/two', 'b/equal')
`,
    source,
  )
  const run = await host.run([source, '-o', drive.path, '--json'])
  ended(t, run, 0)
  t.is(events(run, 'summary')[0]?.written.files, 2, run.stdout)
  const known = words(drive)
  t.is(known.get('b/Five'), undefined)
  t.is(known.get('c/5'), undefined)
  t.is(known.get('b/equal'), known.get('a/two'))
  for (const by of [makeHost(), host]) {
    const to = freshPlace()
    ended(t, await by.run(['restore', '-o', drive.path, '--to', to, '--hide-progress']), 0)
    t.deepEqual(differences(source, to, { attributes: true }), [])
    t.deepEqual(rsyncDiff(source, [to]), [])
  }
})

rootTest(
  'a destination without hard links gets files of their own, and that is said once',
  async (t) => {
    const source = manyNames()
    const drives = [makeDrive({ fs: 'exfat', size: 24 * MiB }), makeDrive({ size: 24 * MiB })]
    for (const drive of drives) {
      const host = makeHost()
      ended(t, await host.run([source, '-o', drive.path, '--hide-progress']), 0)
      const to = makeDrive({ fs: 'exfat', size: 24 * MiB }).path
      // The names that exFAT refuses, or takes for others, are not what this is about.
      const names = ['a', 'b/five', 'b/equal', 'c/5', 'c/deep/5']
      const back = await host.run([
        'restore',
        '-o',
        drive.path,
        '--to',
        to,
        '--hide-progress',
        ...names,
      ])
      ended(t, back, 0)
      t.is(
        back.stderr.match(/3 further names of files are files of their own/g)?.length,
        1,
        back.stderr,
      )
      t.deepEqual(fs.readFileSync(`${to}/c/deep/5`), fs.readFileSync(`${source}/b/five`))
    }
  },
)
