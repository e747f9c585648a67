//! Later runs: what changed is written, what did not stays; nothing is removed unasked; nothing is lost.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use common::{Lab, Run, compare};
use multivolumecopy_core::catalog::Catalog;
use multivolumecopy_core::filter::Rule;

fn gone() -> Run {
    Run {
        gone: true,
        ..Run::default()
    }
}

fn small_tree(lab: &Lab) {
    for name in ["a", "b", "dir/c", "dir/d", "dir/sub/e", "z"] {
        lab.file(name, name.as_bytes());
    }
    let _ = std::fs::remove_file(lab.source.join("link"));
    symlink("a", lab.source.join("link")).unwrap();
    std::fs::create_dir_all(lab.source.join("hollow")).unwrap();
}

#[test]
fn only_what_changed_is_written() {
    let lab = Lab::new();
    small_tree(&lab);
    lab.run(&Run::default());
    let inode = |name: &str| {
        std::fs::metadata(lab.drive_path(1).join(name))
            .unwrap()
            .ino()
    };
    let (b, c) = (inode("b"), inode("dir/c"));
    lab.file("a", b"changed");
    lab.file("dir/new", b"new");
    let touched = std::fs::File::open(lab.source.join("z")).unwrap();
    touched.set_modified(std::time::UNIX_EPOCH).unwrap();
    std::fs::remove_file(lab.source.join("link")).unwrap();
    symlink("other", lab.source.join("link")).unwrap();
    let ran = lab.run(&Run::default());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!((ran.tally.new_files, ran.tally.changed_files), (1, 2));
    assert_eq!(ran.outcomes[0].entries, 4);
    assert_eq!((inode("b"), inode("dir/c")), (b, c));
    lab.check();
}

#[test]
fn a_mode_alone_is_mended_without_a_copy() {
    let lab = Lab::new();
    // More than are mended at once.
    for n in 0..5_000 {
        lab.file(&format!("d{}/f{n}", n % 3), b"x");
    }
    std::fs::hard_link(lab.source.join("d0/f0"), lab.source.join("d1/f0 too")).unwrap();
    lab.run(&Run::default());
    let inode = std::fs::metadata(lab.drive_path(1).join("d0/f0"))
        .unwrap()
        .ino();
    for n in 0..5_000 {
        let path = lab.source.join(format!("d{}/f{n}", n % 3));
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o4711)).unwrap();
    }
    std::fs::set_permissions(lab.source.join("d1"), PermissionsExt::from_mode(0o500)).unwrap();
    let ran = lab.run(&Run::default());
    assert_eq!((ran.applied[0].mended, ran.outcomes[0].entries), (5_001, 0));
    assert_eq!(
        std::fs::metadata(lab.drive_path(1).join("d0/f0"))
            .unwrap()
            .ino(),
        inode
    );
    lab.check();
    let ran = lab.run(&Run::default());
    assert_eq!(ran.applied[0].mended, 0);
}

#[test]
fn what_is_gone_stays_until_a_yes() {
    let lab = Lab::new();
    small_tree(&lab);
    lab.run(&Run::default());
    std::fs::remove_dir_all(lab.source.join("dir")).unwrap();
    std::fs::remove_file(lab.source.join("link")).unwrap();
    std::fs::remove_dir(lab.source.join("hollow")).unwrap();
    let ran = lab.run(&Run::default());
    assert_eq!(ran.tally.gone_files, 3);
    assert_eq!(ran.applied[0].removed_files, 0);
    let d = lab.drive_path(1);
    assert!(d.join("dir/sub/e").exists() && d.join("hollow").exists());
    common::check_lists(&d);
    // Said again by a later run, which finds them gone again.
    let ran = lab.run(&gone());
    assert_eq!(ran.tally.gone_files, 0);
    assert_eq!(ran.applied[0].removed_files, 3);
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    lab.check();
    // And when they come back they are new.
    small_tree(&lab);
    let ran = lab.run(&gone());
    assert_eq!(ran.tally.new_files, 3);
    lab.check();
}

#[test]
fn a_file_changed_on_the_drive_is_not_removed_and_a_foreign_one_keeps_its_directory() {
    let lab = Lab::new();
    small_tree(&lab);
    lab.run(&Run::default());
    let d = lab.drive_path(1);
    std::fs::write(d.join("dir/c"), b"edited on the drive").unwrap();
    std::fs::write(d.join("dir/sub/foreign"), b"theirs").unwrap();
    std::fs::remove_file(d.join("link")).unwrap();
    symlink("theirs", d.join("link")).unwrap();
    std::fs::remove_dir_all(lab.source.join("dir")).unwrap();
    std::fs::remove_file(lab.source.join("link")).unwrap();
    let ran = lab.run(&gone());
    assert_eq!((ran.applied[0].removed_files, ran.applied[0].left), (2, 2));
    assert_eq!(
        std::fs::read(d.join("dir/c")).unwrap(),
        b"edited on the drive"
    );
    assert_eq!(std::fs::read(d.join("dir/sub/foreign")).unwrap(), b"theirs");
    assert!(d.join("link").is_symlink());
    assert!(!d.join("dir/d").exists() && !d.join("dir/sub/e").exists());
    let listed: Vec<_> = common::manifest(&d).into_iter().map(|i| i.path).collect();
    assert_eq!(listed, [&b"a"[..], b"b", b"hollow", b"z"]);
    // They are nobody's business from here on.
    let ran = lab.run(&gone());
    assert_eq!(ran.applied[0].left, 0);
    assert!(d.join("dir/c").exists());
}

#[test]
fn a_file_that_could_not_be_removed_stays_ours() {
    let lab = Lab::new();
    small_tree(&lab);
    lab.run(&Run::default());
    let d = lab.drive_path(1);
    let chattr = |flag: &str| {
        Command::new("chattr")
            .arg(flag)
            .arg(d.join("dir/sub/e"))
            .status()
            .is_ok_and(|s| s.success())
    };
    if !chattr("+i") {
        eprintln!("skipped: chattr +i does not work here");
        return;
    }
    std::fs::remove_dir_all(lab.source.join("dir")).unwrap();
    let ran = lab.run(&gone());
    assert!(chattr("-i"));
    assert_eq!((ran.applied[0].removed_files, ran.applied[0].left), (2, 1));
    assert!(ran.errors.iter().any(|e| e.path.ends_with(b"dir/sub/e")));
    common::check_lists(&d);
    let ran = lab.run(&gone());
    assert_eq!((ran.applied[0].removed_files, ran.applied[0].left), (1, 0));
    lab.check();
}

#[test]
fn a_file_becomes_a_directory_and_the_other_way_round() {
    let lab = Lab::new();
    lab.file("was file", b"1");
    lab.file("was dir/x", b"2");
    lab.file("was dir-b", b"3");
    symlink("t", lab.source.join("was link")).unwrap();
    lab.run(&Run::default());
    for name in ["was file", "was link"] {
        std::fs::remove_file(lab.source.join(name)).unwrap();
    }
    std::fs::remove_dir_all(lab.source.join("was dir")).unwrap();
    lab.file("was file/y", b"4");
    lab.file("was dir", b"5");
    lab.file("was link", b"6");
    let ran = lab.run(&gone());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    lab.check();
}

#[test]
fn renamed_files_and_directories() {
    let lab = Lab::new();
    small_tree(&lab);
    lab.run(&Run::default());
    std::fs::rename(lab.source.join("dir"), lab.source.join("dir-b")).unwrap();
    std::fs::rename(lab.source.join("a"), lab.source.join("b2")).unwrap();
    let ran = lab.run(&gone());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    lab.check();
}

#[test]
fn two_drives_and_everything_is_on_one_of_them() {
    let lab = Lab::new();
    for n in 0..40 {
        lab.file(&format!("d{}/f{n:02}", n % 4), &vec![n as u8; 1000]);
    }
    std::fs::hard_link(lab.source.join("d0/f00"), lab.source.join("d3/zz")).unwrap();
    std::fs::create_dir(lab.source.join("hollow")).unwrap();
    let how = |gone| Run {
        capacities: vec![15_000, 40_000],
        gone,
        ..Run::default()
    };
    let ran = lab.run(&how(false));
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    let (one, two) = (lab.drive_path(1), lab.drive_path(2));
    compare::same_union(&lab.source, &[&one, &two]);
    common::check_lists(&one);
    common::check_lists(&two);
    assert!(ran.closed[0].bytes <= 15_000 + 1_000);
    // One on the first drive outgrows it: the newer one goes to the second, then the older one may go.
    let (big, _) = compare::tree(&one)
        .into_iter()
        .find(|(p, _)| p.ends_with(b"f04"))
        .unwrap();
    let big = String::from_utf8(big).unwrap();
    lab.file(&big, &vec![1; 20_000]);
    let ran = lab.run(&how(true));
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!(std::fs::metadata(two.join(&big)).unwrap().len(), 20_000);
    let ran = lab.run(&how(false));
    assert_eq!(ran.applied[0].removed_files, 1);
    compare::same_union(&lab.source, &[&one, &two]);
    common::check_lists(&one);
    common::check_lists(&two);
}

#[test]
fn hard_links_that_join_and_part() {
    let lab = Lab::new();
    lab.file("x", b"content");
    std::fs::hard_link(lab.source.join("x"), lab.source.join("y")).unwrap();
    lab.run(&Run::default());
    // A third name; then the content of all changes in place; then one parts.
    std::fs::hard_link(lab.source.join("x"), lab.source.join("sub")).unwrap();
    let ran = lab.run(&Run::default());
    assert_eq!(ran.outcomes[0].entries, 1);
    lab.check();
    std::fs::write(lab.source.join("x"), b"all three change").unwrap();
    let ran = lab.run(&Run::default());
    assert_eq!(ran.outcomes[0].entries, 3);
    lab.check();
    std::fs::remove_file(lab.source.join("y")).unwrap();
    lab.file("y", b"on its own");
    lab.run(&Run::default());
    lab.check();
    // The name that the others were recorded under goes, or becomes another file.
    for name in ["m", "n"] {
        std::fs::hard_link(lab.source.join("x"), lab.source.join(name)).unwrap();
    }
    lab.run(&Run::default());
    let leader = common::manifest(&lab.drive_path(1))
        .into_iter()
        .find_map(|i| i.link)
        .unwrap();
    let leader = String::from_utf8(leader).unwrap();
    std::fs::remove_file(lab.source.join(&leader)).unwrap();
    lab.run(&gone());
    lab.check();
    lab.file(&leader, b"another file");
    lab.run(&gone());
    lab.check();
    let items = common::manifest(&lab.drive_path(1));
    assert_eq!(items.iter().filter(|i| i.link.is_some()).count(), 2);
}

#[test]
fn the_next_name_of_a_file_gets_its_chance_when_the_first_one_fails() {
    for workers in [0, 2] {
        let lab = Lab::new();
        lab.file("1", b"content");
        std::fs::hard_link(lab.source.join("1"), lab.source.join("2")).unwrap();
        std::fs::hard_link(lab.source.join("1"), lab.source.join("3")).unwrap();
        let catalog = lab.catalog();
        let run = catalog.begin_run(1).unwrap();
        let filter = Default::default();
        let options = multivolumecopy_core::walk::Options::new(&filter);
        common::scan(&catalog, run, 1, b"", &lab.source, &options).unwrap();
        common::plan(&catalog, run, &[u64::MAX]).unwrap();
        std::fs::remove_file(lab.source.join("1")).unwrap();
        let (cancel, progress) = Default::default();
        let mut drive = common::open_drive(&lab.drive_path(1), 1).unwrap();
        let out = multivolumecopy_core::engine::copy::copy_volume(
            &mut drive,
            &catalog,
            run,
            &multivolumecopy_core::engine::copy::Options {
                workers,
                ..Default::default()
            },
            &cancel,
            &progress,
        )
        .unwrap();
        assert_eq!((out.vanished, out.files), (1, 2));
    }
}

#[test]
fn a_link_is_not_made_to_what_somebody_else_put_there() {
    let lab = Lab::new();
    lab.file("x", b"content");
    std::fs::hard_link(lab.source.join("x"), lab.source.join("y")).unwrap();
    lab.run(&Run::default());
    let d = lab.drive_path(1);
    for (n, replace) in [b"theirs, not ours".as_slice(), b""]
        .into_iter()
        .enumerate()
    {
        for name in ["x", "y"] {
            let _ = std::fs::remove_file(d.join(name));
            if !replace.is_empty() {
                std::fs::write(d.join(name), replace).unwrap();
            }
        }
        let name = format!("new {n}");
        std::fs::hard_link(lab.source.join("x"), lab.source.join(&name)).unwrap();
        let ran = lab.run(&Run::default());
        assert!(ran.errors.is_empty(), "{:?}", ran.errors);
        assert_eq!(std::fs::read(d.join(name)).unwrap(), b"content");
    }
}

#[test]
fn a_lost_catalog_comes_back_from_the_drive() {
    let lab = Lab::new();
    small_tree(&lab);
    std::fs::hard_link(lab.source.join("a"), lab.source.join("a too")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(lab.source.join("fifo"))
            .status()
            .unwrap()
            .success()
    );
    lab.run(&Run::default());
    // Scanned first, then told by the drive.
    std::fs::remove_file(lab.catalog_path()).unwrap();
    let catalog = lab.catalog();
    let run = catalog.begin_run(1).unwrap();
    let filter = Default::default();
    let options = multivolumecopy_core::walk::Options::new(&filter);
    common::scan(&catalog, run, 1, b"", &lab.source, &options).unwrap();
    let (cancel, _) = <(_, ())>::default();
    let mut drive = common::open_drive(&lab.drive_path(1), 1).unwrap();
    let told = multivolumecopy_core::engine::recover::recover(&mut drive, &catalog, true, &cancel);
    assert!(told.unwrap().manifest_read);
    common::plan(&catalog, run, &[u64::MAX]).unwrap();
    assert_eq!(catalog.planned(run, 1, 10).unwrap(), []);
    drop((catalog, drive));
    // Told first, before the source has even joined; then scanned.
    std::fs::remove_file(lab.catalog_path()).unwrap();
    let set = multivolumecopy_core::catalog::SetInfo {
        id: common::SET.into(),
        name: "t".into(),
        created: 1,
    };
    let catalog = Catalog::create(&lab.catalog_path(), &set).unwrap();
    let mut drive = common::open_drive(&lab.drive_path(1), 1).unwrap();
    multivolumecopy_core::engine::recover::recover(&mut drive, &catalog, true, &cancel).unwrap();
    drop(drive);
    catalog
        .add_source(common::bytes(&lab.source), b"", false, "")
        .unwrap();
    std::fs::remove_file(lab.source.join("z")).unwrap();
    drop(catalog);
    let ran = lab.run(&gone());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!(ran.outcomes[0].entries, 0);
    // What no walk of this catalog has ever seen is not known to be gone.
    assert!(lab.drive_path(1).join("z").exists());
    common::check_lists(&lab.drive_path(1));
}

#[test]
fn what_a_drive_no_longer_holds_is_copied_again() {
    let lab = Lab::new();
    small_tree(&lab);
    lab.run(&Run::default());
    let older = lab.dir.path().join("older");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let done = Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(to)
            .status()
            .unwrap();
        assert!(done.success());
    };
    copy(&lab.drive_path(1), &older);
    lab.file("a", b"changed");
    lab.file("new", b"new");
    lab.run(&Run::default());
    // The drive comes back in an older state, as its lower generation tells.
    std::fs::remove_dir_all(lab.drive_path(1)).unwrap();
    copy(&older, &lab.drive_path(1));
    let reread = Run {
        reread: true,
        ..Run::default()
    };
    lab.run(&reread);
    let ran = lab.run(&Run::default());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    lab.check();
}

#[test]
fn unknown_is_not_gone() {
    let lab = Lab::new();
    for name in ["keep/x", "keep-c", "keep.d", "other/y", "m/z", "m-1", "zz"] {
        lab.file(name, b"1");
    }
    symlink("x", lab.source.join("keep-link")).unwrap();
    lab.run(&Run::default());
    // Excluded now, and its neighbours in the order of names are really gone.
    for name in ["keep-c", "keep.d", "m-1"] {
        std::fs::remove_file(lab.source.join(name)).unwrap();
    }
    std::fs::remove_dir_all(lab.source.join("keep")).unwrap();
    std::fs::create_dir(lab.source.join("keep")).unwrap();
    let exclude = |p: &str| Rule {
        include: false,
        pattern: p.as_bytes().to_vec(),
    };
    let ran = lab.run(&Run {
        rules: vec![exclude("/keep"), exclude("/m")],
        gone: true,
        ..Run::default()
    });
    assert_eq!((ran.tally.gone_files, ran.applied[0].removed_files), (3, 3));
    let d = lab.drive_path(1);
    assert!(d.join("keep/x").exists() && d.join("m/z").exists());
    // Without the rules it was looked for.
    let ran = lab.run(&gone());
    assert_eq!((ran.tally.gone_files, ran.applied[0].removed_files), (1, 1));
    lab.check();
}

#[test]
fn after_a_walk_with_errors_nothing_is_gone() {
    let lab = Lab::new();
    small_tree(&lab);
    lab.run(&Run::default());
    let catalog = lab.catalog();
    let filter = Default::default();
    let options = multivolumecopy_core::walk::Options::new(&filter);
    // Found gone once, with no yes; then there is an error in the walk, and then a yes.
    std::fs::remove_file(lab.source.join("a")).unwrap();
    let run = catalog.begin_run(1).unwrap();
    common::scan(&catalog, run, 1, b"", &lab.source, &options).unwrap();
    assert_eq!(catalog.gone_on_volumes().unwrap(), (1, 1));
    std::fs::remove_file(lab.source.join("link")).unwrap();
    let run = catalog.begin_run(1).unwrap();
    let fd = multivolumecopy_core::sys::open_root(common::bytes(&lab.source)).unwrap();
    let fd = std::os::fd::AsFd::as_fd(&fd);
    let meta = multivolumecopy_core::sys::stat_fd(fd).unwrap();
    let mut scan = catalog.scan(run, 1, b"", &meta).unwrap();
    let (cancel, progress) = Default::default();
    multivolumecopy_core::walk::walk(fd, b"", &options, &cancel, &progress, &mut |l| {
        scan.listing(&l)
    })
    .unwrap();
    let tally = scan.finish(false).unwrap();
    assert_eq!(tally.gone_files, 0);
    assert_eq!(catalog.gone_on_volumes().unwrap(), (0, 0));
    assert_eq!(catalog.removable(1, true, None, 10).unwrap().len(), 0);
}

#[test]
fn below_an_unmounted_mount_point_nothing_is_gone() {
    let lab = Lab::new();
    small_tree(&lab);
    let point = lab.source.join("mnt");
    std::fs::create_dir(&point).unwrap();
    let mount = |args: &[&str]| Command::new("mount").args(args).arg(&point).status();
    if !mount(&["-t", "tmpfs", "none"]).is_ok_and(|s| s.success()) {
        eprintln!("skipped: mounting does not work here");
        return;
    }
    std::fs::create_dir(point.join("deep")).unwrap();
    std::fs::write(point.join("deep/x"), b"x").unwrap();
    std::fs::write(point.join("y"), b"y").unwrap();
    let first = lab.run(&Run::default());
    // On one file system only: what is on the other one is unknown.
    let ran = lab.run(&Run {
        one_file_system: true,
        gone: true,
        ..Run::default()
    });
    assert_eq!((ran.tally.gone_files, ran.tally.unmounted), (0, 0));
    assert!(
        Command::new("umount")
            .arg(&point)
            .status()
            .unwrap()
            .success()
    );
    assert!(first.errors.is_empty(), "{:?}", first.errors);
    // However often it is not mounted.
    for _ in 0..3 {
        let ran = lab.run(&gone());
        assert_eq!((ran.tally.gone_files, ran.tally.unmounted), (0, 1));
        assert_eq!(ran.applied[0].removed_files, 0);
    }
    assert!(lab.drive_path(1).join("mnt/deep/x").exists());
    assert!(mount(&["-t", "tmpfs", "none"]).unwrap().success());
    let ran = lab.run(&gone());
    assert!(
        Command::new("umount")
            .arg(&point)
            .status()
            .unwrap()
            .success()
    );
    // Mounted, and there is nothing in it: that is gone.
    assert_eq!((ran.tally.gone_files, ran.tally.unmounted), (2, 0));
}
