#!/usr/bin/env python3
"""Find a file of a backup set, or check a drive of it, from the files in .mvcopy alone.

    mvcopy_find.py find DRIVE TEXT    which drive holds the paths that have TEXT in them
    mvcopy_find.py check DRIVE        sizes and digests of everything that is on this drive

DRIVE is the folder where a drive is mounted. Nothing is written anywhere. Exit status: 0 found, or all is
well; 1 nothing found, or something is wrong; 2 the drive's own lists are missing or damaged.
Python 3.6 or later, no other program. BLAKE3 is not part of Python: where its package blake3 is not installed,
files with such digests are told and only their sizes are checked. The formats are described in formats.md.
"""

import hashlib
import json
import os
import stat
import sys

try:
    from blake3 import blake3
except ImportError:
    blake3 = None

ALGORITHMS = {"sha256": hashlib.sha256, "blake3": blake3}


def lines(path, kind):
    """The objects of a .jsonl file, each when it is read; ValueError where the file is not whole."""
    digest, count = hashlib.sha256(), 0
    with open(path, "rb") as file:
        header = file.readline()
        head = json.loads(header.decode("utf-8"))
        if head.get("multivolumecopy") != kind or head.get("version") != 1:
            raise ValueError("no %s of version 1" % kind)
        digest.update(header)
        for line in file:
            if line.startswith(b'{"entries":'):
                end = json.loads(line.decode("utf-8"))
                if end["sha256"] != digest.hexdigest() or file.read(1):
                    raise ValueError("damaged")
                return
            digest.update(line)
            count += 1
            yield json.loads(line.decode("utf-8"))
    raise ValueError("cut off")


def shown(name):
    """A name that is safe to print."""
    return ascii(name)[1:-1] if not name.isprintable() else name


def find(drive, text):
    found = 0
    path = os.path.join(drive, b".mvcopy", b"catalog.jsonl")
    for entry in lines(path, "catalog"):
        # Names are text in which a byte that is not UTF-8 is a lone surrogate, as in Python itself.
        # "planned": it was on no drive yet when the list was written, and was to go to this one.
        name = entry.get("path", entry.get("planned", ""))
        if text in name and "size" in entry:
            found += 1
            where = "drive %d (%s)" % (entry["volume"], entry.get("label", "planned"))
            print("%s  %s  %d bytes" % (shown(name), where, entry["size"]))
    return 0 if found else 1


def hasher(entry):
    """What makes the digest that an entry has; None where it has none, or one that nothing here makes."""
    algorithm = ALGORITHMS.get(entry.get("digest", "").split(":")[0])
    return algorithm() if algorithm else None


def fault(drive, entry):
    """What is wrong with an entry of the manifest; None when nothing is."""
    path = os.path.join(drive, os.fsencode(entry["path"]))
    try:
        mode = os.lstat(path)
    except OSError as error:
        return error.strerror
    kinds = {"dir": stat.S_ISDIR, "symlink": stat.S_ISLNK, "file": stat.S_ISREG}
    is_kind = kinds.get(entry["kind"])
    if is_kind and not is_kind(mode.st_mode):
        return "no %s any more" % entry["kind"]
    if entry["kind"] == "symlink" and os.readlink(path) != os.fsencode(entry["target"]):
        return "leads elsewhere"
    if entry["kind"] != "file":
        return None
    if mode.st_size != entry["size"]:
        return "%d bytes instead of %d" % (mode.st_size, entry["size"])
    digest = hasher(entry)
    if digest is None:
        return None
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        return error.strerror
    return None if entry["digest"].split(":")[1] == digest.hexdigest() else "other content"


def check(drive):
    checked = bad = unread = 0
    for entry in lines(os.path.join(drive, b".mvcopy", b"manifest.jsonl"), "manifest"):
        # What this drive's file system could not hold is recorded only.
        if entry.get("stored") is False:
            continue
        checked += 1
        wrong = fault(drive, entry)
        if not wrong and "digest" in entry and hasher(entry) is None:
            unread += 1
        if wrong:
            bad += 1
            print("%s: %s" % (shown(entry["path"]), wrong))
    if unread:
        what = "1 file has a BLAKE3 digest" if unread == 1 else "%d files have BLAKE3 digests" % unread
        print("%s, and only the size was checked:" % what, file=sys.stderr)
        print("  cd DRIVE && b3sum -c --quiet .mvcopy/B3SUMS (or install Python's package blake3)", file=sys.stderr)
    print("%d entries checked, %d bad" % (checked, bad), file=sys.stderr)
    return 1 if bad else 0


def main(arguments):
    # Whatever the locale is, a name must not stop the listing.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        if len(arguments) == 3 and arguments[0] == "find":
            return find(os.fsencode(arguments[1]), arguments[2])
        if len(arguments) == 2 and arguments[0] == "check":
            return check(os.fsencode(arguments[1]))
    except (OSError, ValueError, KeyError) as error:
        print("the drive's own list cannot be used: %s" % error, file=sys.stderr)
        return 2
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
