//! Later runs: what changed is written, what did not stays; nothing is removed unasked; nothing is lost.

use crate::common;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use common::again::{gone, small_tree};
use common::{Lab, Run, compare};

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
