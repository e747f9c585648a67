"""A file system that nobody knows and that refuses some things: a FUSE mount that hands all else on to a directory.

    choosy.py MOUNTPOINT DIRECTORY [WHAT...]

WHAT it refuses: `colons` in names (EINVAL), names of more than `143` bytes (ENAMETOOLONG), names that are not
`text` (EILSEQ), `symlinks` (EPERM), `links` (EPERM), `nodes` (EPERM), files above a `megabyte` (EFBIG), two files of
more than 100 kB that are written at once (`crowds`: ENOSPC for both). `folds`: case does not count in names, but is
kept. Runs until it is unmounted.
"""

import errno
import os
import sys
import time

from fusepy import FUSE, FuseOSError, Operations


class Choosy(Operations):
    use_ns = True

    def __init__(self, root, refused):
        self.root, self.refused = os.fsencode(root), refused
        self.writing, self.crowded = set(), set()

    def refuse(self, what, code):
        if what in self.refused:
            raise FuseOSError(code)

    def real(self, path, new=False):
        """The path below; `new`: its name is to be made."""
        names = [name for name in path.encode("latin-1").split(b"/") if name]
        here = self.root
        for n, name in enumerate(names):
            if new and n == len(names) - 1 and b":" in name:
                self.refuse("colons", errno.EINVAL)
            if "143" in self.refused and len(name) > 143:
                raise FuseOSError(errno.ENAMETOOLONG)
            if "text" in self.refused:
                try:
                    name.decode()
                except UnicodeDecodeError:
                    raise FuseOSError(errno.EILSEQ) from None
            there = os.path.join(here, name)
            if "folds" in self.refused and not os.path.lexists(there):
                folded = name.decode("utf-8", "surrogateescape").lower()
                for one in os.listdir(here) if os.path.isdir(here) else []:
                    if one.decode("utf-8", "surrogateescape").lower() == folded:
                        there = os.path.join(here, one)
            here = there
        return here

    def getattr(self, path, fh=None):
        st = os.lstat(self.real(path)) if fh is None else os.fstat(fh)
        keys = ("mode", "nlink", "uid", "gid", "size", "blocks", "ino")
        times = {f"st_{key}": getattr(st, f"st_{key}_ns") for key in ("atime", "mtime", "ctime")}
        return {f"st_{key}": getattr(st, f"st_{key}") for key in keys} | times

    def statfs(self, path):
        st = os.statvfs(self.root)
        keys = ("bavail", "bfree", "blocks", "bsize", "favail", "ffree", "files", "frsize", "namemax")
        return {f"f_{key}": getattr(st, f"f_{key}") for key in keys}

    def readdir(self, path, fh):
        return [".", "..", *(name.decode("latin-1") for name in os.listdir(self.real(path)))]

    def create(self, path, mode, fi=None):
        return os.open(self.real(path, True), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path, flags):
        return os.open(self.real(path), flags & ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW))

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def crowd(self, fh):
        """No room for a file that is, or was, written beside another. The first one waits for the second a while."""
        self.writing.add(fh)
        if len(self.writing) > 1:
            self.crowded |= self.writing
        if fh in self.crowded:
            raise FuseOSError(errno.ENOSPC)
        time.sleep(0.01)

    def write(self, path, data, offset, fh):
        if "crowds" in self.refused and offset > 100_000:
            self.crowd(fh)
        if offset + len(data) > 1_000_000:
            self.refuse("megabyte", errno.EFBIG)
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        if length > 1_000_000:
            self.refuse("megabyte", errno.EFBIG)
        os.truncate(self.real(path) if fh is None else fh, length)

    def release(self, path, fh):
        self.writing.discard(fh)
        self.crowded.discard(fh)
        os.close(fh)

    def fsync(self, path, datasync, fh):
        os.fsync(fh)

    def mkdir(self, path, mode):
        os.mkdir(self.real(path, True), mode)

    def rmdir(self, path):
        os.rmdir(self.real(path))

    def unlink(self, path):
        os.unlink(self.real(path))

    def rename(self, old, new):
        to = self.real(new, True)
        name = new.encode("latin-1").rsplit(b"/", 1)[1]
        # A name that has another case now.
        if os.path.lexists(to) and os.path.samefile(to, self.real(old)):
            to = os.path.join(os.path.dirname(to), name)
        os.rename(self.real(old), to)

    def symlink(self, path, target):
        self.refuse("symlinks", errno.EPERM)
        os.symlink(target.encode("latin-1"), self.real(path, True))

    def readlink(self, path):
        return os.readlink(self.real(path)).decode("latin-1")

    def link(self, path, target):
        self.refuse("links", errno.EPERM)
        os.link(self.real(target), self.real(path, True))

    def mknod(self, path, mode, dev):
        self.refuse("nodes", errno.EPERM)
        os.mknod(self.real(path, True), mode, dev)

    def chmod(self, path, mode):
        os.chmod(self.real(path), mode)

    def chown(self, path, uid, gid):
        os.chown(self.real(path), uid, gid, follow_symlinks=False)

    def utimens(self, path, times=None):
        os.utime(self.real(path), ns=times, follow_symlinks=False)


if __name__ == "__main__":
    FUSE(
        Choosy(sys.argv[2], sys.argv[3:]),
        sys.argv[1],
        foreground=True,
        # One after the other, and every name as the bytes that it is.
        nothreads=True,
        encoding="latin-1",
        fsname="choosy",
        subtype="choosy",
        attr_timeout=0,
        entry_timeout=0,
    )
