use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::*;

fn root(path: &Path) -> OwnedFd {
    open_root(path.as_os_str().as_bytes()).unwrap()
}

fn errno<T>(result: io::Result<T>) -> Option<Errno> {
    result.err().and_then(|e| Errno::from_io_error(&e))
}

type Open = fn(BorrowedFd<'_>, &[u8], bool) -> rustix::io::Result<OwnedFd>;

/// Every way of opening that this build has; all must give the same answers.
const WAYS: [Open; 2] = [backend::open_beneath, portable::open_beneath];

#[test]
fn opens_below_and_never_follows() {
    let tmp = tempfile::tempdir().unwrap();
    fs::create_dir_all(tmp.path().join("a/b")).unwrap();
    fs::write(tmp.path().join("a/file"), "x").unwrap();
    symlink("b", tmp.path().join("a/inside")).unwrap();
    symlink("/", tmp.path().join("a/outside")).unwrap();
    let root = root(tmp.path());
    for way in WAYS {
        let b = way(root.as_fd(), b"a/b", false).unwrap();
        let ino = fs::metadata(tmp.path().join("a/b")).unwrap().ino();
        assert_eq!(stat_fd(b.as_fd()).unwrap().ino, ino);
        assert!(way(root.as_fd(), b"a/b", true).is_ok());
        for link in [&b"a/inside"[..], b"a/outside", b"a/outside/etc"] {
            let e = way(root.as_fd(), link, false).unwrap_err();
            assert!(matches!(e, Errno::LOOP | Errno::NOTDIR), "{link:?}: {e:?}");
        }
        assert_eq!(
            way(root.as_fd(), b"a/file", false).unwrap_err(),
            Errno::NOTDIR
        );
        assert_eq!(
            way(root.as_fd(), b"a/none", false).unwrap_err(),
            Errno::NOENT
        );
    }
}

#[test]
fn refuses_paths_that_are_not_plain() {
    let tmp = tempfile::tempdir().unwrap();
    fs::create_dir(tmp.path().join("a")).unwrap();
    let root = root(tmp.path());
    for bad in [
        &b"/a"[..],
        b"a/",
        b"a//a",
        b"..",
        b"a/..",
        b"a/../a",
        b".",
        b"./a",
        b"a\0",
        b"/",
    ] {
        assert_eq!(
            errno(open_dir_beneath(root.as_fd(), bad, false)),
            Some(Errno::INVAL),
            "{bad:?}"
        );
    }
    for bad in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b"] {
        assert_eq!(
            errno(stat_at(root.as_fd(), bad)),
            Some(Errno::INVAL),
            "{bad:?}"
        );
        assert_eq!(
            errno(open_child(root.as_fd(), bad)),
            Some(Errno::INVAL),
            "{bad:?}"
        );
    }
}

#[test]
fn the_root_itself_has_its_own_position() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("x"), "").unwrap();
    let root = root(tmp.path());
    let count = |fd: BorrowedFd<'_>| {
        let mut n = 0;
        read_names(fd, &mut Vec::with_capacity(65536), &mut |_, _, _| {
            n += 1;
            true
        })
        .unwrap();
        n
    };
    assert_eq!(count(root.as_fd()), 1);
    let again = open_dir_beneath(root.as_fd(), b"", false).unwrap();
    assert_eq!(count(again.as_fd()), 1);
}

#[test]
fn opens_paths_longer_than_path_max() {
    let tmp = tempfile::tempdir().unwrap();
    let name = [b'd'; 200];
    let root = root(tmp.path());
    let mut at = open_dir_beneath(root.as_fd(), b"", false).unwrap();
    let mut rel = Vec::new();
    for _ in 0..100 {
        rustix::fs::mkdirat(&at, &name[..], Mode::RWXU).unwrap();
        at = open_child(at.as_fd(), &name).unwrap();
        if !rel.is_empty() {
            rel.push(b'/');
        }
        rel.extend_from_slice(&name);
    }
    let ino = stat_fd(at.as_fd()).unwrap().ino;
    for way in WAYS {
        let deep = way(root.as_fd(), &rel, true).unwrap();
        assert_eq!(stat_fd(deep.as_fd()).unwrap().ino, ino);
    }
    let too_long = [b'x'; 5000];
    assert_eq!(
        errno(open_dir_beneath(root.as_fd(), &too_long, false)),
        Some(Errno::NAMETOOLONG)
    );
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[test]
fn chunks_hold_whole_components() {
    use linux::split_chunk;
    assert_eq!(split_chunk(b"ab/cd", 5), (&b"ab/cd"[..], &b""[..]));
    assert_eq!(split_chunk(b"ab/cd", 4), (&b"ab"[..], &b"cd"[..]));
    assert_eq!(split_chunk(b"ab/cd/e", 5), (&b"ab/cd"[..], &b"e"[..]));
    assert_eq!(split_chunk(b"abcdef/g", 3), (&b"abcdef"[..], &b"g"[..]));
    assert_eq!(split_chunk(b"abcdef", 3), (&b"abcdef"[..], &b""[..]));
}

#[test]
fn both_backends_tell_the_same_of_an_entry() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("file"), vec![7; 5000]).unwrap();
    fs::create_dir(tmp.path().join("dir")).unwrap();
    symlink("nowhere", tmp.path().join("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        tmp.path().join("fifo").as_path(),
        rustix::fs::FileType::Fifo,
        Mode::RUSR,
        0,
    )
    .unwrap();
    let root = root(tmp.path());
    for (name, kind) in [
        (c"file", Kind::File),
        (c"dir", Kind::Dir),
        (c"link", Kind::Symlink),
        (c"fifo", Kind::Fifo),
    ] {
        let one = backend::look_at(root.as_fd(), name).unwrap().meta;
        assert_eq!(one, portable::look_at(root.as_fd(), name).unwrap().meta);
        assert_eq!(one.kind, kind);
        let std = fs::symlink_metadata(tmp.path().join(name.to_str().unwrap())).unwrap();
        assert_eq!(
            (one.dev, one.ino, one.size),
            (std.dev(), std.ino(), std.size())
        );
        assert_eq!(
            (one.mtime.sec, i64::from(one.mtime.nsec)),
            (std.mtime(), std.mtime_nsec())
        );
        assert_eq!(one.mode, std.mode() & 0o7777);
        assert_eq!(one.allocated, std.blocks() * 512);
    }
    assert_eq!(stat_at(root.as_fd(), b"link").unwrap().size, 7);
}

#[cfg(target_os = "linux")]
#[test]
fn the_mount_has_one_number_whoever_tells_it() {
    let table = crate::volume::mounts::mounts().unwrap();
    for path in [&b"/"[..], b"/proc", b"/dev"] {
        let dir = open_root(path).unwrap();
        let id = mount_id_of_open(dir.as_fd()).expect("fdinfo has it since Linux 3.15");
        assert_eq!(mount_id(dir.as_fd()).unwrap(), id, "{path:?}");
        // What was looked at is held against this number when a drive is opened.
        assert!(table.iter().any(|m| m.id == id), "{path:?}");
    }
}
