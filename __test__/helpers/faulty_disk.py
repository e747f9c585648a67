"""A disk that does not keep what it is given: a file `disk` on a FUSE mount, for a loop device.

    faulty_disk.py MOUNTPOINT SIZE FROM TO FLAG

It says that it has SIZE bytes. What is written between FROM and TO is confirmed and forgotten, as on a drive of
fake capacity (TO is SIZE then); while the file FLAG exists every write fails with EIO. Runs until it is unmounted.
"""

import errno
import os
import stat
import sys

from fusepy import FUSE, FuseOSError, Operations


class FaultyDisk(Operations):
    def __init__(self, size, lost, flag):
        self.data = bytearray(size)
        self.size, self.lost, self.flag = size, lost, flag

    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path == "/disk":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self.size}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path, fh):
        return [".", "..", "disk"]

    def read(self, path, size, offset, fh):
        return bytes(self.data[offset : offset + size])

    def write(self, path, data, offset, fh):
        if os.path.exists(self.flag):
            raise FuseOSError(errno.EIO)
        end = offset + len(data)
        begin, lost = max(offset, self.lost[0]), min(end, self.lost[1])
        self.data[offset:end] = data
        if begin < lost:
            self.data[begin:lost] = bytes(lost - begin)
        return len(data)

    def truncate(self, path, length, fh=None):
        pass


if __name__ == "__main__":
    mountpoint, size, begin, end, flag = sys.argv[1:]
    disk = FaultyDisk(int(size), (int(begin), int(end)), flag)
    # Without direct_io the kernel would remember what the disk forgets.
    FUSE(disk, mountpoint, foreground=True, nothreads=True, direct_io=True, big_writes=True)
