"""A source that does not hold still: a FUSE mount whose files change by being read.

    restless.py MOUNTPOINT

`grows` and `shrinks` do so at every read of their beginning, `rewritten` gets a new time and keeps its size,
`settles` does that once, `vanishes` is gone when it is opened, `forbidden` may not be opened, `broken` fails in its
middle, `sizeless` says 0 bytes as the files of /proc do, `still` is a file. Runs until it is unmounted.
"""

import errno
import stat
import sys

from fusepy import FUSE, FuseOSError, Operations

BLOCK = b"0123456789abcdef" * 1000


class Restless(Operations):
    def __init__(self):
        self.sizes = dict.fromkeys(
            ["broken", "forbidden", "grows", "rewritten", "settles", "shrinks", "still", "vanishes"], 800_000
        )
        self.sizes["sizeless"] = 0
        self.times = dict.fromkeys(self.sizes, 1_700_000_000.25)
        self.seen = 0

    def getattr(self, path, fh=None):
        name = path[1:]
        if name == "":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, "st_mtime": 1_700_000_000}
        if name not in self.sizes:
            raise FuseOSError(errno.ENOENT)
        mode = stat.S_IFREG | 0o644
        return {"st_mode": mode, "st_nlink": 1, "st_size": self.sizes[name], "st_mtime": self.times[name]}

    def readdir(self, path, fh):
        return [".", "..", *self.sizes]

    def open(self, path, flags):
        if path == "/forbidden":
            raise FuseOSError(errno.EACCES)
        if path == "/vanishes":
            raise FuseOSError(errno.ENOENT)
        return 0

    def read(self, path, size, offset, fh):
        name = path[1:]
        if name == "sizeless":
            return b"more than nothing\n"[offset : offset + size]
        if name == "broken" and offset + size > 500_000:
            raise FuseOSError(errno.EIO)
        if offset == 0 and name == "grows":
            self.sizes[name] += 10_000
        if offset == 0 and name == "shrinks":
            self.sizes[name] -= 10_000
        if offset == 0 and (name == "rewritten" or (name == "settles" and self.seen == 0)):
            self.times[name] += 1
            self.seen += name == "settles"
        end = min(offset + size, self.sizes[name])
        first = offset // len(BLOCK) * len(BLOCK)
        blocks = BLOCK * ((end - first) // len(BLOCK) + 1)
        return blocks[offset - first : end - first]


if __name__ == "__main__":
    # What the kernel remembered would hold still.
    FUSE(
        Restless(),
        sys.argv[1],
        foreground=True,
        nothreads=True,
        direct_io=True,
        attr_timeout=0,
        entry_timeout=0,
    )
