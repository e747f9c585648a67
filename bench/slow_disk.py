"""A disk of a constant rate: a file `disk` on a FUSE mount, for a loop device.

    slow_disk.py MOUNTPOINT SIZE BYTES_PER_SECOND READ_BYTES_PER_SECOND IMAGE

It says that it has SIZE bytes, which are kept in IMAGE. Reads and writes take as long as they would at these rates, one after the
other; a flush takes nothing. Runs until it is unmounted.
"""

import errno
import os
import stat
import sys
import time

from fusepy import FUSE, FuseOSError, Operations


# Seconds after which a disk that was asked for nothing counts as idle.
SLACK = 0.1


class SlowDisk(Operations):
    def __init__(self, size, write_rate, read_rate, image):
        self.size, self.write_rate, self.read_rate = size, write_rate, read_rate
        self.image = os.open(image, os.O_RDWR | os.O_CREAT, 0o600)
        os.truncate(self.image, size)
        self.free_at = 0.0

    def take(self, amount, rate):
        """Waits until the disk has done this, too."""
        now = time.monotonic()
        # A disk that is busy has the next request queued already: what the way to it costs is made up for.
        begin = max(now - SLACK, self.free_at)
        self.free_at = begin + amount / rate
        time.sleep(max(0.0, self.free_at - now))

    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path == "/disk":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self.size}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path, fh):
        return [".", "..", "disk"]

    def read(self, path, size, offset, fh):
        self.take(size, self.read_rate)
        return os.pread(self.image, size, offset)

    def write(self, path, data, offset, fh):
        self.take(len(data), self.write_rate)
        return os.pwrite(self.image, data, offset)

    def truncate(self, path, length, fh=None):
        pass


if __name__ == "__main__":
    mountpoint, size, write_rate, read_rate, image = sys.argv[1:]
    disk = SlowDisk(int(size), float(write_rate), float(read_rate), image)
    FUSE(disk, mountpoint, foreground=True, nothreads=True, direct_io=True, big_writes=True)
