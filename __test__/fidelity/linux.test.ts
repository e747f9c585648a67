/** Everything that Linux can name goes onto drives of each kind, and comes back. */

import * as fs from 'node:fs'
import { ended, events } from '../copy/kit.js'
import { makeHost } from '../helpers/cli.js'
import { assertUnionEquals, differences, rsyncDiff } from '../helpers/compare.js'
import { type FileSystem, MiB, makeDrive } from '../helpers/drives.js'
import { rootTest } from '../helpers/root.js'
import { everyKind, freshPlace, python, tooLong } from './kit.js'

/** What each takes, and how much of the first drive is used, so that there are two. */
const sizes = { ext4: 24 * MiB, xfs: 40 * MiB, btrfs: 40 * MiB } as const
const caps = { ext4: '1900K', xfs: '4M', btrfs: '6M' } as const

for (const kind of ['ext4', 'xfs', 'btrfs'] as const satisfies readonly FileSystem[]) {
  rootTest(`one of everything on ${kind}, on two drives, and back with its flags`, async (t) => {
    const source = everyKind({ flags: true })
    const drives = [
      makeDrive({ fs: kind, size: sizes[kind] }),
      makeDrive({ fs: kind, size: sizes[kind] }),
    ]
    const outputs = drives.flatMap((drive) => ['-o', drive.path])
    const host = makeHost()
    const run = [source, ...outputs, '--volume-size', caps[kind], '--volume-size', '20M', '--json']
    const first = await host.run(run)
    ended(t, first, 0)
    t.is(events(first, 'volume-closed').length, 2, first.stderr)
    t.notRegex(first.stderr, /Not kept/)
    assertUnionEquals(t, source, drives, { attributes: true })
    t.deepEqual(rsyncDiff(source, drives, { exclude: [tooLong] }), [])
    const second = await host.run(run)
    ended(t, second, 0)
    t.is(events(second, 'volume-closed').length, 0, second.stderr)

    const other = makeHost()
    const to = freshPlace()
    const back = await other.run(['restore', ...outputs, '--to', to, '--hide-progress', '--flags'])
    ended(t, back, 0)
    t.deepEqual(differences(source, to, { attributes: 'flags' }), [])
    t.deepEqual(rsyncDiff(source, [to], { exclude: [tooLong] }), [])
    const plain = freshPlace()
    const without = await other.run(['restore', ...outputs, '--to', plain, '--hide-progress'])
    ended(t, without, 0)
    t.regex(without.stderr, /5 entries were immutable, append-only or not to be dumped: --flags/)
    t.deepEqual(differences(source, plain, { attributes: true }), [])
    const manifests = drives.map(({ path }) =>
      fs.readFileSync(`${path}/.mvcopy/manifest.jsonl`, 'utf8'),
    )
    t.regex(manifests.join(''), /"path":"a\/setuid".*"flags":"i"/)
    t.regex(
      manifests.join(''),
      /"path":"a\/file".*"xattrs":\{"security.capability":"AQAAAg.*"user":"root","group":"root"/,
    )
  })
}

rootTest('what has changed besides content is mended, and nothing is copied for it', async (t) => {
  const source = everyKind()
  const drive = makeDrive({ size: 24 * MiB })
  const host = makeHost()
  ended(t, await host.run([source, '-o', drive.path, '--hide-progress']), 0)
  python(
    `
os.chdir(sys.argv[1])
os.setxattr('a/file', 'user.colour', b'red'); os.removexattr('a/file', 'user.empty')
os.setxattr('a/old', 'user.new', b'new'); os.utime('a/old', ns=(0, -1000000000123456789))
os.removexattr('acl/file 1', 'system.posix_acl_access'); os.setxattr('acl', 'user.directory', b'new')
os.removexattr('acl/below', 'system.posix_acl_default')
os.chown('special/link', 4, 5, follow_symlinks=False); os.chown('special/null', 6, 7); os.chmod('special/fifo', 0o604)
os.setxattr('special/link', 'trusted.link', b'changed', follow_symlinks=False)
os.setxattr('a/nobody may', 'user.moved', b'with it'); os.rename('a/nobody may', 'a/nobody can')
os.chmod('b/empty', 0o700); os.removexattr('b/empty', 'user.colour')
os.utime('a', ns=(1, 1)); os.utime('special', ns=(2, 2))
`,
    source,
  )
  const second = await host.run([source, '-o', drive.path, '--json'])
  ended(t, second, 0)
  t.is(events(second, 'summary')[0]?.written.files, 0, second.stdout)
  assertUnionEquals(t, source, [drive], { attributes: true })
  t.deepEqual(rsyncDiff(source, [drive], { exclude: [tooLong] }), [])
  const third = await host.run([source, '-o', drive.path, '--json'])
  ended(t, third, 0)
  t.is(events(third, 'volume-closed').length, 0, 'there is nothing left to mend')
  // A host that knows nothing but the drive.
  const to = freshPlace()
  ended(t, await makeHost().run(['restore', '-o', drive.path, '--to', to, '--hide-progress']), 0)
  t.deepEqual(differences(source, to, { attributes: true }), [])
})

rootTest(
  'what an ordinary user cannot keep is said once, recorded, and comes back as root',
  async (t) => {
    const source = everyKind()
    fs.rmSync(`${source}/a/nobody may`)
    const drive = makeDrive({ size: 24 * MiB })
    const host = makeHost()
    const open = [host.cwd, source, drive.path].flatMap((place) => above(place))
    for (const place of open) fs.chmodSync(place, 0o755)
    const top = host.env.TMPDIR as string
    for (const place of [top, host.home, host.state, host.cwd, drive.path])
      fs.chownSync(place, 65534, 65534)
    // Readable for everybody, owned by whom it was.
    python(readable, source)
    const ours = [source, '-o', drive.path, '--hide-progress']
    const first = await host.run(ours, { under: nobody })
    ended(t, first, 0)
    for (const what of ['owners', 'links, fifos, sockets or devices']) {
      t.is(
        first.stderr.split(`Not kept on drive 1`).filter((part) => part.includes(`: ${what} (`))
          .length,
        1,
        first.stderr,
      )
    }
    t.regex(first.stderr, /a restore as root brings them back/)
    const second = await host.run([...ours.slice(0, 3), '--json'], { under: nobody })
    ended(t, second, 0)
    t.is(events(second, 'volume-closed').length, 0, second.stderr)

    const to = freshPlace()
    const root = makeHost()
    ended(t, await root.run(['restore', '-o', drive.path, '--to', to, '--hide-progress']), 0)
    // What is in `trusted` is shown to root alone: an ordinary user cannot know that there is any.
    const hidden = / attributes: .*trusted\./
    t.deepEqual(
      differences(source, to, { attributes: true }).filter((one) => !hidden.test(one)),
      [],
    )

    const mine = freshPlace()
    fs.chownSync(mine, 65534, 65534)
    for (const place of above(mine)) fs.chmodSync(place, 0o755)
    const back = await host.run(['restore', '-o', drive.path, '--to', mine, '--hide-progress'], {
      under: nobody,
    })
    ended(t, back, 0)
    t.regex(back.stderr, /The owner of \d+ entries could not be set/)
    t.regex(back.stderr, /2 devices were not made: only root may make devices/)
    const left = differences(source, mine, { without: ['owner'], attributes: true })
    const known = [
      /^missing: special\/(null|block) /,
      /: mode: \d*[2-7]\d{3} ≠ /,
      hidden,
      /security\.capability/,
    ]
    t.deepEqual(
      left.filter((one) => !known.some((about) => about.test(one))),
      [],
    )
  },
)

/** An ordinary user with few descriptors. */
const nobody = [
  ...['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'],
  ...['bash', '-c', 'ulimit -n 64; exec "$@"', 'bash'],
]

const readable = `
os.chdir(sys.argv[1])
for d, ds, names in os.walk(b'.'):
    if len(d) > 3000: ds.clear()
    for name in ds + names:
        p = os.path.join(d, name)
        m = os.lstat(p)
        if not os.path.islink(p): os.chmod(p, m.st_mode & 0o7777 | (0o555 if os.path.isdir(p) else 0o444))
`

/** A directory and all above it, below the system's temporary directory. */
function above(place: string): string[] {
  const real = fs.realpathSync(place)
  const parts = real.split('/')
  return parts
    .map((_, n) => parts.slice(0, n + 1).join('/'))
    .filter((at) => at.split('/').length > 2)
}
