/**
 * Reads what Node has no calls for: extended attributes (ACLs among them) and file flags of a whole tree.
 *
 * One Python process a tree, which goes by directory descriptor like the walker, so that it shares no code with the
 * engine and reaches paths of any length. Symlinks are not followed and nothing but files and directories is opened.
 */

import { spawnSync } from 'node:child_process'

/** What one entry has besides. */
export interface Attributes {
  /** Values in hex, by name; without what the kernel makes up, and what XFS shows of ACLs a second time. */
  readonly xattrs: Readonly<Record<string, string>>
  /** Letters of chattr(1): a, d, i. */
  readonly flags: string
}

const script = `
import array, fcntl, json, os, resource, stat, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
letters = ((0x20, 'a'), (0x40, 'd'), (0x10, 'i'))
def describe(path, at, mode):
    xattrs = {}
    for name in os.listxattr(at, follow_symlinks=False):
        if name not in ('security.selinux', 'trusted.SGI_ACL_FILE', 'trusted.SGI_ACL_DEFAULT'):
            xattrs[name] = os.getxattr(at, name, follow_symlinks=False).hex()
    flags = ''
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        fd = os.open(at, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            bits = array.array('L', [0])
            fcntl.ioctl(fd, 0x80086601, bits)
            flags = ''.join(letter for bit, letter in letters if bits[0] & bit)
        except OSError:
            pass
        finally:
            os.close(fd)
    if xattrs or flags:
        print(json.dumps([path.hex(), xattrs, flags]))
root = os.open(os.fsencode(sys.argv[1]), os.O_RDONLY | os.O_DIRECTORY)
stack = [(root, b'', iter(sorted(os.listdir(root))))]
describe(b'', b'/proc/self/fd/%d/.' % root, stat.S_IFDIR)
while stack:
    fd, above, names = stack[-1]
    name = next(names, None)
    if name is None:
        os.close(fd)
        stack.pop()
        continue
    name = os.fsencode(name)
    path = above + b'/' + name if above else name
    at = b'/proc/self/fd/%d/%s' % (fd, name)
    mode = os.lstat(at).st_mode
    describe(path, at, mode)
    if stat.S_ISDIR(mode):
        child = os.open(at, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        stack.append((child, path, iter(sorted(os.listdir(child)))))
`

/** The attributes of every entry that has any, by its path below the root as latin1 text. */
export function attributesOf(root: string): Map<string, Attributes> {
  const run = spawnSync('python3', ['-c', script, root], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (run.status !== 0) throw new Error(`python3: ${run.error?.message ?? run.stderr}`)
  const found = new Map<string, Attributes>()
  for (const line of run.stdout.split('\n')) {
    if (line === '') continue
    const [path, xattrs, flags] = JSON.parse(line) as [string, Record<string, string>, string]
    found.set(Buffer.from(path, 'hex').toString('latin1'), { xattrs, flags })
  }
  return found
}

/** The attributes of an entry as one line, for comparing and for messages. */
export function attributesText(of: Attributes | undefined): string {
  if (of === undefined) return 'none'
  const xattrs = Object.entries(of.xattrs).sort(([a], [b]) => (a < b ? -1 : 1))
  const parts = xattrs.map(([name, value]) => `${JSON.stringify(name)}=${value}`)
  if (of.flags !== '') parts.push(`flags=${of.flags}`)
  return parts.length === 0 ? 'none' : parts.join(' ')
}
