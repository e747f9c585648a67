//! Trees as they should be: order, names, kinds, depth, width, descriptors, rules.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;
use crate::filter::{Filter, parse_rules_file};

#[test]
fn tells_every_kind_of_entry_in_path_order() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |p: &str| tmp.path().join(p);
    fs::create_dir_all(at("a/empty")).unwrap();
    fs::create_dir_all(at("a.x")).unwrap();
    fs::write(at("a/file"), "12345").unwrap();
    fs::write(at("a-b"), "").unwrap();
    fs::write(at("a0"), "").unwrap();
    symlink(".", at("a/loop")).unwrap();
    symlink("nowhere", at("a/dangling")).unwrap();
    symlink("a", at("to-a")).unwrap();
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, at("fifo").as_path(), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();

    let filter = Filter::default();
    let seen = see(tmp.path(), &Options::new(&filter));
    assert_eq!(
        seen.picture,
        [
            "a-b",
            "a.x/",
            "a/",
            "a/dangling",
            "a/empty/",
            "a/file",
            "a/loop",
            "a0",
            "fifo",
            "socket",
            "to-a"
        ]
    );
    assert_eq!((seen.incomplete.len(), seen.errors.len()), (0, 0));
    let summary = Summary {
        directories: 4,
        entries: 11,
        ..Summary::default()
    };
    assert_eq!(seen.summary, summary);
    let kind = |p: &str| seen.metas[p.as_bytes()].kind;
    assert_eq!(seen.metas[&b"a/file"[..]].size, 5);
    assert_eq!(kind("a/loop"), Kind::Symlink);
    assert_eq!(kind("fifo"), Kind::Fifo);
    assert_eq!(kind("socket"), Kind::Socket);
    for (path, meta) in &seen.metas {
        let full = tmp.path().join(std::ffi::OsStr::from_bytes(path));
        use std::os::unix::fs::MetadataExt;
        let std = fs::symlink_metadata(full).unwrap();
        assert_eq!(
            (meta.ino, meta.size, meta.mtime.sec),
            (std.ino(), std.size(), std.mtime())
        );
        assert_eq!(
            (meta.nlink, meta.uid, meta.mode),
            (std.nlink() as u32, std.uid(), std.mode() & 0o7777)
        );
    }
}

#[test]
fn an_empty_root_is_an_empty_listing() {
    let tmp = tempfile::tempdir().unwrap();
    let filter = Filter::default();
    let seen = see(tmp.path(), &Options::new(&filter));
    assert_eq!(
        (
            seen.picture.len(),
            seen.incomplete.len(),
            seen.summary.directories
        ),
        (0, 0, 1)
    );
}

#[test]
fn names_are_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let mut state = 7u64;
    let mut want = std::collections::BTreeSet::new();
    for i in 0..2000u32 {
        let mut name = i.to_le_bytes().to_vec();
        for _ in 0..i % 200 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            name.push((state >> 56) as u8);
        }
        name.iter_mut()
            .filter(|b| matches!(**b, 0 | b'/'))
            .for_each(|b| *b = b'\n');
        fs::write(tmp.path().join(std::ffi::OsStr::from_bytes(&name)), "").unwrap();
        want.insert(name);
    }
    let filter = Filter::default();
    let seen = see(tmp.path(), &Options::new(&filter));
    assert!(seen.metas.keys().eq(want.iter()));
}

#[test]
fn many_directories_are_shared_out_and_all_come() {
    let tmp = tempfile::tempdir().unwrap();
    for a in 0..30 {
        for b in 0..30 {
            let dir = tmp.path().join(format!("{a}/{b}/x"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("file"), "").unwrap();
        }
    }
    let filter = Filter::default();
    let seen = see(tmp.path(), &Options::new(&filter));
    assert_eq!(seen.summary.directories, 1 + 30 + 900 + 900);
    assert_eq!(seen.picture.len(), 30 + 900 + 900 + 900);
}

#[test]
fn goes_deeper_than_any_path() {
    let tmp = tempfile::tempdir().unwrap();
    make_chain(tmp.path(), b"d", 5000, false);
    let filter = Filter::default();
    let fd = sys::open_root(tmp.path().as_os_str().as_bytes()).unwrap();
    for threads in [1, 4] {
        let options = Options {
            threads,
            ..Options::new(&filter)
        };
        let (mut longest, mut leaf) = (0, false);
        let mut sink = |l: Listing| {
            longest = longest.max(l.path.len());
            leaf |= l.entries.iter().any(|e| l.name(&e) == b"leaf");
            Ok(())
        };
        let progress = Progress::new();
        let summary = walk(
            fd.as_fd(),
            b"/s",
            &options,
            &CancelToken::new(),
            &progress,
            &mut sink,
        )
        .unwrap();
        assert_eq!((summary.directories, summary.entries), (5001, 5001));
        assert_eq!((summary.unreadable, summary.vanished), (0, 0));
        assert_eq!((longest, leaf), (2 * 5000 - 1, true));
    }
    remove_chain(tmp.path(), "d");
}

#[test]
fn long_names_make_paths_of_hundreds_of_kilobytes() {
    let tmp = tempfile::tempdir().unwrap();
    let name = "n".repeat(250);
    make_chain(tmp.path(), name.as_bytes(), 400, true);
    let filter = Filter::default();
    let seen = see(tmp.path(), &Options::new(&filter));
    assert_eq!(seen.summary.directories, 801);
    assert!(seen.errors.is_empty(), "{:?}", seen.errors);
    assert!(
        seen.metas
            .keys()
            .any(|p| p.len() == 251 * 400 + 4 && p.ends_with(b"/leaf"))
    );
    remove_chain(tmp.path(), &name);
}

#[test]
fn sixty_four_descriptors_are_enough() {
    let tmp = tempfile::tempdir().unwrap();
    make_chain(tmp.path(), b"d", 200, true);
    for i in 0..200 {
        fs::create_dir_all(tmp.path().join(format!("wide/{i}/x/y"))).unwrap();
    }
    in_child("plain::with_few_descriptors", tmp.path(), false);
    remove_chain(tmp.path(), "d");
}

#[test]
fn with_few_descriptors() {
    let Some(root) = child_argument() else { return };
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Some(64);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )
    .unwrap();
    let filter = Filter::default();
    let fd = sys::open_root(root.as_os_str().as_bytes()).unwrap();
    let walk_with = |threads| {
        let options = Options {
            threads,
            ..Options::new(&filter)
        };
        let (cancel, progress) = (CancelToken::new(), Progress::new());
        let path = root.as_os_str().as_bytes();
        walk(fd.as_fd(), path, &options, &cancel, &progress, &mut |_| {
            Ok(())
        })
        .unwrap()
    };
    let summary = walk_with(4);
    assert_eq!(
        (summary.directories, summary.unreadable),
        (1 + 400 + 1 + 600, 0)
    );
    // Where nearly nothing is left the kept descriptors are given up: one at a time is enough.
    let mut hold = Vec::new();
    while let Ok(f) = fs::File::open("/dev/null") {
        hold.push(f);
    }
    // The directory above and the one in hand; reading takes a third one where there is no getdents.
    let needed = if cfg!(feature = "portable") { 3 } else { 2 };
    hold.truncate(hold.len() - needed);
    let summary = walk_with(1);
    assert_eq!(
        (summary.directories, summary.unreadable),
        (1 + 400 + 1 + 600, 0)
    );
}

#[test]
fn rules_leave_out_and_do_not_lose() {
    let tmp = tempfile::tempdir().unwrap();
    for p in [
        "keep/a.o",
        "keep/b",
        "skip/in/c",
        "x/skip/d",
        "x/e.o",
        ".mvcopy/volume.json",
        "x/.mvcopy/f",
    ] {
        let p = tmp.path().join(p);
        fs::create_dir_all(p.parent().unwrap()).unwrap();
        fs::write(p, "").unwrap();
    }
    let filter = Filter::new(parse_rules_file(b"+ /x/e.o\n*.o\n/skip/\n").unwrap()).unwrap();
    let options = Options {
        skip_own: true,
        ..Options::new(&filter)
    };
    let seen = see(tmp.path(), &options);
    assert_eq!(
        seen.picture,
        [
            ".mvcopy/ ?",
            "keep/",
            "keep/a.o ?",
            "keep/b",
            "skip/ ?",
            "x/",
            "x/.mvcopy/",
            "x/.mvcopy/f",
            "x/e.o",
            "x/skip/",
            "x/skip/d"
        ]
    );
    assert_eq!((seen.summary.left_out, seen.summary.entries), (3, 8));
    assert!(
        seen.incomplete.is_empty(),
        "what is left out is listed as unknown"
    );
    let seen = see(tmp.path(), &Options::new(&filter));
    assert!(seen.picture.contains(&".mvcopy/volume.json".to_owned()));
}
