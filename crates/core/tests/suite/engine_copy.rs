//! One run onto one drive: what stands there is the source, in every respect.

use crate::common;

use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use common::{Lab, Run, at};
use multivolumecopy_core::Kind;

fn old(path: &Path, nanoseconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
    std::fs::File::open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("skipped in part: this needs root");
    }
    root
}

/// A tree with one of everything.
fn everything(lab: &Lab) {
    let s = &lab.source;
    lab.file("plain", b"hello");
    lab.file("empty", b"");
    lab.file("a-b", b"1");
    lab.file("a/x", b"2");
    lab.file("a0", b"3");
    lab.file("deep/er/and/deeper/file", &[7; 100_000]);
    lab.file(
        "big",
        &(0..3_000_000u32)
            .map(|n| (n % 251) as u8)
            .collect::<Vec<_>>(),
    );
    lab.file("exactly", &[9; 256 * 1024]);
    lab.file("one more", &[9; 256 * 1024 + 1]);
    std::fs::create_dir_all(s.join("hollow/inner")).unwrap();
    for name in [
        &b"\xff\xfe not utf-8"[..],
        b"new\nline",
        b"back\\slash",
        b"-",
        b" ",
        b"\x1b[31mred",
        &[b'n'; 255],
        "ü€😀".as_bytes(),
    ] {
        std::fs::write(at(s, name), name).unwrap();
    }
    std::fs::create_dir(at(s, b"dir\xff\n")).unwrap();
    std::fs::write(at(s, b"dir\xff\n/in\r"), b"x").unwrap();
    symlink("plain", s.join("link")).unwrap();
    symlink("/nowhere/at/all", s.join("dangling")).unwrap();
    symlink("loop", s.join("loop")).unwrap();
    symlink(
        std::ffi::OsString::from("t".repeat(4_000)),
        s.join("long target"),
    )
    .unwrap();
    std::fs::hard_link(s.join("plain"), s.join("plain too")).unwrap();
    std::fs::hard_link(s.join("plain"), s.join("deep/plain three")).unwrap();
    std::fs::hard_link(s.join("big"), s.join("a/big too")).unwrap();
    let fifo = Command::new("mkfifo").arg(s.join("fifo")).status().unwrap();
    assert!(fifo.success());
    drop(std::os::unix::net::UnixListener::bind(s.join("socket")).unwrap());
    for (name, mode) in [
        ("plain", 0o640),
        ("a/x", 0o4755),
        ("a0", 0o000),
        ("empty", 0o1777),
    ] {
        std::fs::set_permissions(s.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    if is_root() {
        for (name, kind, major, minor) in [("null", "c", "1", "3"), ("disk", "b", "7", "250")] {
            let made = Command::new("mknod")
                .arg(s.join(name))
                .args([kind, major, minor])
                .status();
            assert!(made.unwrap().success());
        }
        std::os::unix::fs::chown(s.join("a-b"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::lchown(s.join("dangling"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::chown(s.join("a"), Some(77), Some(88)).unwrap();
        std::fs::set_permissions(s.join("a-b"), PermissionsExt::from_mode(0o6755)).unwrap();
    }
    std::fs::set_permissions(s.join("deep/er"), PermissionsExt::from_mode(0o555)).unwrap();
    std::fs::set_permissions(s.join("hollow"), PermissionsExt::from_mode(0o3711)).unwrap();
    old(&s.join("a-b"), 1);
    old(&s.join("big"), 1_700_000_000_123_456_789);
    for dir in [
        "a",
        "deep/er/and",
        "deep/er",
        "deep",
        "hollow/inner",
        "hollow",
        "",
    ] {
        old(&s.join(dir), 1_600_000_000_987_654_321);
    }
}

fn copies_everything(workers: usize) {
    let lab = Lab::new();
    everything(&lab);
    let ran = lab.run(&Run {
        workers,
        ..Run::default()
    });
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!(ran.outcomes[0].failed, 0);
    lab.check();
    assert_eq!(ran.outcomes[0].files, ran.tally.files);
    assert_eq!(ran.closed[0].bytes, ran.tally.bytes);
    // Nothing is left to do, and nothing is done.
    let again = lab.run(&Run {
        workers,
        ..Run::default()
    });
    assert_eq!(
        again.tally.new_files + again.tally.changed_files + again.tally.gone_files,
        0
    );
    assert_eq!(again.outcomes[0].entries, 0);
    assert_eq!(again.closed[0], ran.closed[0]);
    lab.check();
}

#[test]
fn one_of_everything_on_the_calling_thread() {
    copies_everything(0);
}

#[test]
fn one_of_everything_with_copiers() {
    copies_everything(2);
}

#[test]
fn every_entry_in_a_group_of_its_own() {
    let lab = Lab::new();
    everything(&lab);
    let ran = lab.run(&Run {
        epoch: Duration::ZERO,
        ..Run::default()
    });
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    lab.check();
}

#[test]
fn holes_stay_holes() {
    let lab = Lab::new();
    let mega = 1 << 20;
    // Data in the middle of a block, a hole at the end; nothing but a hole; a hole at the front.
    for (name, size, data) in [
        ("trailing", 40 * mega, Some(3 * mega + 4096)),
        ("all", 64 * mega, None),
        ("leading", 33 * mega, Some(33 * mega - 5)),
    ] {
        let file = std::fs::File::create(lab.source.join(name)).unwrap();
        file.set_len(size).unwrap();
        if let Some(at) = data {
            file.write_all_at(b"12345", at).unwrap();
        }
    }
    // Written zeros of a dense file stay written.
    lab.file("dense zeros", &vec![0; 2 << 20]);
    for workers in [0, 2] {
        let ran = lab.run(&Run {
            workers,
            ..Run::default()
        });
        assert!(ran.errors.is_empty());
        lab.check();
        for name in ["trailing", "all", "leading"] {
            let m = std::fs::metadata(lab.drive_path(1).join(name)).unwrap();
            assert!(
                m.blocks() * 512 < 2 << 20,
                "{name} takes {} blocks",
                m.blocks()
            );
        }
        let m = std::fs::metadata(lab.drive_path(1).join("dense zeros")).unwrap();
        assert!(m.blocks() * 512 >= 2 << 20);
        std::fs::remove_dir_all(lab.drive_path(1)).unwrap();
        std::fs::remove_file(lab.catalog_path()).unwrap();
    }
}

#[test]
fn an_empty_source_makes_an_empty_complete_drive() {
    let lab = Lab::new();
    let ran = lab.run(&Run::default());
    assert!(ran.tally.root_empty);
    lab.check();
    assert!(common::manifest(&lab.drive_path(1)).is_empty());
}

#[test]
fn several_sources_lie_under_their_names_and_a_file_at_the_root() {
    let lab = Lab::new();
    let (books, single) = (lab.dir.path().join("books"), lab.dir.path().join("single"));
    std::fs::create_dir_all(books.join("sub")).unwrap();
    std::fs::write(books.join("sub/x"), b"x").unwrap();
    std::fs::write(&single, b"one").unwrap();
    let hollow = lab.dir.path().join("hollow");
    std::fs::create_dir(&hollow).unwrap();
    old(&hollow, 1_500_000_000_000_000_007);
    lab.file("root file", b"r");
    let catalog = lab.catalog();
    let run = catalog.begin_run(1).unwrap();
    let filter = Default::default();
    let options = multivolumecopy_core::walk::Options::new(&filter);
    common::scan(&catalog, run, 1, b"", &lab.source, &options).unwrap();
    for (path, name) in [(&books, &b"books"[..]), (&hollow, b"hollow")] {
        let id = catalog
            .add_source(common::bytes(path), name, false, "")
            .unwrap();
        common::scan(&catalog, run, id, name, path, &options).unwrap();
    }
    let id = catalog
        .add_source(common::bytes(&single), b"single", true, "")
        .unwrap();
    let fd = std::fs::File::open(&single).unwrap();
    let meta = multivolumecopy_core::sys::stat_fd(std::os::fd::AsFd::as_fd(&fd)).unwrap();
    catalog
        .scan(run, id, b"single", &meta)
        .unwrap()
        .finish(true)
        .unwrap();
    common::plan(&catalog, run, &[u64::MAX]).unwrap();
    let (cancel, progress) = Default::default();
    let mut drive = common::open_drive(&lab.drive_path(1), 1).unwrap();
    let out = multivolumecopy_core::engine::copy::copy_volume(
        &mut drive,
        &catalog,
        run,
        &Default::default(),
        &cancel,
        &progress,
    )
    .unwrap();
    let errors = progress.take_errors();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(out.files, 3);
    multivolumecopy_core::engine::close::close(drive, &catalog, None, &cancel, &progress).unwrap();
    let d = lab.drive_path(1);
    common::check_lists(&d);
    assert_eq!(std::fs::read(d.join("books/sub/x")).unwrap(), b"x");
    assert_eq!(std::fs::read(d.join("single")).unwrap(), b"one");
    assert_eq!(std::fs::metadata(d.join("hollow")).unwrap().mtime_nsec(), 7);
}

#[test]
fn what_is_left_of_a_directory_that_cannot_be_entered() {
    // A root that is walked by a list only: the directories above each entry come along.
    let lab = Lab::new();
    lab.file("x/y/z", b"1");
    lab.file("x/other", b"2");
    let errors = lab.copy_listed(&lab.catalog(), 1, &lab.source, b"x/y/z\n");
    assert!(errors.is_empty(), "{errors:?}");
    let kinds: Vec<_> = common::manifest(&lab.drive_path(1))
        .into_iter()
        .map(|i| (String::from_utf8(i.path).unwrap(), i.kind))
        .collect();
    let expected = [("x", Kind::Dir), ("x/y", Kind::Dir), ("x/y/z", Kind::File)];
    assert_eq!(kinds, expected.map(|(p, k)| (p.to_owned(), k)));
}

#[test]
fn five_thousand_levels() {
    let lab = Lab::new();
    let made = Command::new("python3")
        .arg("-c")
        .arg(
            "import os,sys\nos.chdir(sys.argv[1])\nfor n in range(5000):\n os.mkdir('d'); os.chdir('d')\n\
             open('leaf','w').write('deep')",
        )
        .arg(&lab.source)
        .status()
        .unwrap();
    assert!(made.success());
    // Job threads have 2 MiB of stack; so has this one.
    std::thread::scope(|s| {
        std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn_scoped(s, || {
                let ran = lab.run(&Run::default());
                assert!(
                    ran.errors.is_empty(),
                    "{:?}",
                    ran.errors.first().map(|e| &e.message)
                );
                assert_eq!(ran.outcomes[0].files, 1);
                assert_eq!(ran.closed[0].entries, 5_001);
                let again = lab.run(&Run::default());
                assert_eq!(again.outcomes[0].entries, 0);
            })
            .unwrap();
    });
    let read = Command::new("python3")
        .arg("-c")
        .arg(
            "import os,sys\nos.chdir(sys.argv[1])\nfor n in range(5000):\n os.chdir('d')\n\
             print(open('leaf').read(),end='')",
        )
        .arg(lab.drive_path(1))
        .output()
        .unwrap();
    assert_eq!(read.stdout, b"deep");
    // The standard library's way of removing would need a path or a descriptor for each level.
    for dir in [lab.source.clone(), lab.drive_path(1)] {
        assert!(
            Command::new("rm")
                .arg("-rf")
                .arg(dir)
                .status()
                .unwrap()
                .success()
        );
    }
}

#[test]
fn capabilities_attributes_and_lists_of_access_are_kept() {
    let lab = Lab::new();
    let path = lab.file("tool", b"#!/bin/sh\n");
    let run = |program: &str, args: &[&str]| {
        Command::new(program)
            .args(args)
            .arg(&path)
            .output()
            .is_ok_and(|o| o.status.success())
    };
    // As setcap writes it: cap_net_raw=ep, version 2.
    let caps = "0x0100000200200000000000000000000000000000";
    let all = run("setfattr", &["-n", "user.note", "-v", "kept"])
        && run("setfacl", &["-m", "u:1234:r"])
        && is_root()
        && run("chown", &["1234:4321"])
        && run("chmod", &["0440"])
        && run("setfattr", &["-n", "security.capability", "-v", caps]);
    if !all {
        eprintln!("skipped: no attributes here");
        return;
    }
    let ran = lab.run(&Run::default());
    assert!(
        ran.errors.is_empty() && ran.outcomes[0].losses.is_empty(),
        "{ran:?}"
    );
    lab.check();
    let dump = |path: &Path| {
        let out = Command::new("getfattr")
            .args(["-d", "-m", "-", "-e", "hex", "--absolute-names"])
            .arg(path)
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let there = dump(&lab.drive_path(1).join("tool"));
    assert_eq!(there, dump(&path));
    assert!(there.iter().any(|l| l.starts_with("security.capability")));
}

#[test]
fn a_small_file_keeps_its_hole() {
    let lab = Lab::new();
    for (name, size) in [("whole", 262_144), ("tail", 100_000)] {
        let file = std::fs::File::create(lab.source.join(name)).unwrap();
        if name == "tail" {
            std::io::Write::write_all(&mut &file, b"x").unwrap();
        }
        file.set_len(size).unwrap();
        file.sync_all().unwrap();
    }
    lab.run(&Run::default());
    for name in ["whole", "tail"] {
        let blocks = |dir: &std::path::Path| std::fs::metadata(dir.join(name)).unwrap().blocks();
        assert_eq!(blocks(&lab.drive_path(1)), blocks(&lab.source), "{name}");
    }
    lab.check();
}
