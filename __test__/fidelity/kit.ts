/** Trees with everything that a Linux file system can hold, made by one Python process. Need root. */

import * as fs from 'node:fs'
import { makeDrive, MiB } from '../helpers/drives.js'
import { sh, tempDir } from '../helpers/temp.js'

const make = `
import array, fcntl, os, socket, stat, struct, sys
top = os.fsencode(sys.argv[1]); flags = sys.argv[2] == 'flags'; root = os.geteuid() == 0
os.chdir(top)
entries = []
def done(path, when, owner=None, mode=None):
    entries.append((path, when, owner, mode))
def put(path, content, when=1_500_000_000_123_456_789, owner=None, mode=None):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, content); os.close(fd)
    done(path, when, owner, mode)
def folder(path, when=1_400_000_000_000_000_001, owner=None, mode=None):
    os.mkdir(path); done(path, when, owner, mode)
def acl(*entries):
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries)
none = 0xffffffff
access = acl((1, 6, none), (2, 7, 1234), (4, 4, none), (8, 5, 777), (0x10, 7, none), (0x20, 0, none))
default = acl((1, 7, none), (2, 7, 1234), (4, 5, none), (0x10, 7, none), (0x20, 0, none))
attributes = []
def attribute(path, name, value): attributes.append((path, name, value))
folder(b'a'); folder(b'b', mode=0o1777); folder(b'b/empty', mode=0o2750, owner=(1000, 100))
folder(b'b/read-only'); folder(b'acl'); folder(b'acl/below'); folder(b'names'); folder(b'special')
put(b'a/file', b'file' * 1000); put(b'a/large', os.urandom(900_000)); put(b'b/large', os.urandom(900_000))
put(b'a/setuid', b'setuid', owner=(1234, 5678), mode=0o6711)
put(b'a/nobody may', b'secret', mode=0o000); put(b'a/old', b'old', when=-1_000_000_000_123_456_789)
put(b'a/linked', os.urandom(300_000)); os.link(b'a/linked', b'b/linked too'); os.link(b'a/linked', b'b/read-only/third')
put(b'b/read-only/file', b'in a directory that can not be written'); done(b'b/read-only', 1_400_000_000_000_000_777, mode=0o555)
fd = os.open(b'a/holes', os.O_WRONLY | os.O_CREAT, 0o640)
os.pwrite(fd, b'data', 5_000_000); os.ftruncate(fd, 9_000_000); os.close(fd); done(b'a/holes', 1_500_000_000_000_000_000)
for n in (1, 5000): put(b'acl/file %d' % n, os.urandom(n))
put(b'acl/below/file', b'below')
attribute(b'acl', 'system.posix_acl_access', access); attribute(b'acl', 'system.posix_acl_default', default)
attribute(b'acl/below', 'system.posix_acl_default', default); attribute(b'acl/file 1', 'system.posix_acl_access', access)
attribute(b'b/empty', 'user.colour', b'green'); attribute(b'a', 'user.directory', b'a' * 300)
attribute(b'a/file', 'user.colour', b'blue'); attribute(b'a/file', 'user.empty', b''); attribute(b'a/file', 'user.bytes', bytes(range(256)))
attribute(b'a/linked', 'user.linked', b'all three')
if root:
    attribute(b'a/file', 'trusted.kept', b'root alone'); attribute(b'a', 'trusted.kept', b'root alone')
    attribute(b'a/file', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))
for byte in range(1, 256):
    if byte not in (0x2f, 0x2e): put(b'names/' + bytes([byte]), b'')
for n, name in enumerate((b'n' * 255, b'\\xff' * 255, b'...', b'-rf', b'a\\nb', '\\u202e'.encode(), 'e\\u0301'.encode(), '\\u00e9'.encode())):
    put(b'names/' + name, b'%d' % n)
os.symlink(b'../nowhere', b'special/link'); done(b'special/link', 1_450_000_000_000_000_321, owner=(1000, 1001))
os.symlink(b'\\xff' * 300, b'special/long link'); done(b'special/long link', -5)
os.mkfifo(b'special/fifo', 0o640); done(b'special/fifo', 1_450_000_000_000_000_000, owner=(7, 8))
s = socket.socket(socket.AF_UNIX); s.bind(b'special/socket'); s.close(); done(b'special/socket', 1_450_000_000_000_000_007, mode=0o606)
attribute(b'special/fifo', 'system.posix_acl_access', access)
if root:
    os.mknod(b'special/null', 0o20666 | stat.S_IFCHR, os.makedev(1, 3)); done(b'special/null', 1_450_000_000_000_000_000, owner=(1, 2), mode=0o664)
    os.mknod(b'special/block', 0o60600 | stat.S_IFBLK, os.makedev(7, 300)); done(b'special/block', 1_450_000_000_000_000_000)
    attribute(b'special/link', 'trusted.link', b'of a symlink'); attribute(b'special/null', 'trusted.device', b'of a device')
for path, when, owner, mode in entries:
    if owner and root: os.chown(path, *owner, follow_symlinks=False)
for path, name, value in attributes: os.setxattr(path, name, value, follow_symlinks=False)
for path, when, owner, mode in entries:
    if mode is not None: os.chmod(path, mode)
# A path of more than PATH_MAX, by descriptor.
fd = os.open(b'.', os.O_RDONLY); made = []
for n in range(25):
    name = b'%03d' % n + b'd' * 200; os.mkdir(name, dir_fd=fd); made.append((fd, name)); fd = os.open(name, os.O_RDONLY, dir_fd=fd)
deep = os.open(b'deep file', os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd); os.write(deep, b'deep'); os.close(deep)
os.utime(b'deep file', ns=(0, 1_300_000_000_000_000_009), dir_fd=fd)
for above, name in reversed(made): os.utime(name, ns=(0, 1_300_000_000_000_000_123), dir_fd=above)
for path, when, owner, mode in reversed(entries): os.utime(path, ns=(when, when), follow_symlinks=False)
if flags:
    for path, bit in ((b'a/setuid', 0x10), (b'b/large', 0x20), (b'a/old', 0x40), (b'b/read-only/file', 0x10), (b'b/read-only', 0x10)):
        fd = os.open(path, os.O_RDONLY); bits = array.array('L', [0])
        fcntl.ioctl(fd, 0x80086601, bits); bits[0] |= bit; fcntl.ioctl(fd, 0x40086602, bits); os.close(fd)
`

/** The name of the directory that leads to a path of more than PATH_MAX bytes. */
export const tooLong = `000${'d'.repeat(200)}`

/** Makes a source with one of everything on a file system of its own; with `flags` some of it immutable. */
export function everyKind({ flags = false } = {}): string {
  const home = makeDrive({ size: 24 * MiB })
  fs.rmdirSync(`${home.path}/lost+found`)
  const source = `${home.path}/source`
  fs.mkdirSync(source)
  sh('python3', '-c', make, source, flags ? 'flags' : 'plain')
  return source
}

/** An empty directory on an ext4 of its own. */
export function freshPlace(): string {
  const place = `${makeDrive({ size: 24 * MiB }).path}/to`
  fs.mkdirSync(place)
  return place
}

/** Runs a Python script with arguments: for calls that Node does not have. */
export function python(script: string, ...args: string[]): void {
  sh('python3', '-c', `import os, sys\n${script}`, ...args)
}

export { tempDir }
