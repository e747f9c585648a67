//! Unknown is not gone, and gone from the catalog is not gone from the drive: filters, errors, mount points,
//! a lost catalog, an older drive.

use crate::common;

use std::os::unix::fs::symlink;
use std::process::Command;

use common::again::{gone, small_tree};
use common::{Lab, Run};
use multivolumecopy_core::catalog::Catalog;
use multivolumecopy_core::filter::Rule;

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
