//! Renames: found in the source, counted as backed up, carried out when the drive is in; nothing is copied again.

use crate::common;

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use common::again::gone;
use common::query::volume;
use common::{Lab, Ran, Run, at, compare};
use multivolumecopy_core::catalog::place::Key;

/// A run with no drive in: what is found is only written down.
fn away(lab: &Lab) -> Ran {
    let how = Run {
        mounted: vec![99],
        ..Run::default()
    };
    lab.run(&how)
}

fn rename(lab: &Lab, from: &str, to: &str) {
    let to = lab.source.join(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(lab.source.join(from), to).unwrap();
}

fn planned(lab: &Lab) -> usize {
    let catalog = lab.catalog();
    let run = catalog.begin_run(1).unwrap() - 1;
    (0..3)
        .map(|volume| catalog.planned(run, volume, 100).unwrap().len())
        .sum()
}

fn entries(ran: &Ran) -> (u64, u64) {
    (
        ran.applied.iter().map(|a| a.renamed).sum(),
        ran.outcomes.iter().map(|o| o.entries).sum(),
    )
}

fn inode(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).unwrap().ino()
}

/// One of everything below `top`.
fn tree(lab: &Lab) {
    for n in 0..40 {
        lab.file(
            &format!("top/d{}/f{n}", n % 4),
            format!("content {n}").as_bytes(),
        );
    }
    lab.file("top/none", b"");
    lab.file("top/two", b"of two names");
    std::fs::hard_link(lab.source.join("top/two"), lab.source.join("top/too")).unwrap();
    symlink("d0/f0", lab.source.join("top/link")).unwrap();
    symlink("nowhere", lab.source.join("top/dangling")).unwrap();
    std::fs::create_dir_all(lab.source.join("top/hollow/inner")).unwrap();
    std::fs::write(at(&lab.source.join("top"), b"od\xffd\nname"), b"odd").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        lab.source.join("top/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    lab.file("stays", b"here");
}

#[test]
fn a_directory_of_everything_is_renamed_and_nothing_is_copied() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    let old = inode(&lab.drive_path(1).join("top/d1/f1"));
    rename(&lab, "top", "other/place");
    let ran = lab.run(&Run::default());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    // 40 and four more files; two links, a fifo; and the one directory that holds nothing.
    assert_eq!(ran.renamed.files(), 44);
    assert_eq!(entries(&ran), (48, 0));
    assert_eq!(inode(&lab.drive_path(1).join("other/place/d1/f1")), old);
    lab.check();
    let ran = lab.run(&gone());
    assert_eq!(ran.renamed.files(), 0);
    assert_eq!(entries(&ran), (0, 0));
    assert_eq!(ran.applied[0].removed_files, 0);
    lab.check();
}

#[test]
fn while_the_drive_is_away_it_is_backed_up_and_chains_are_one_rename() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    let old = inode(&lab.drive_path(1).join("stays"));
    rename(&lab, "stays", "b");
    assert_eq!(away(&lab).renamed.files(), 1);
    assert_eq!(planned(&lab), 0);
    rename(&lab, "b", "deeper/c");
    assert_eq!(away(&lab).renamed.files(), 1);
    assert_eq!(planned(&lab), 0);
    let catalog = lab.catalog();
    let key = catalog.find(b"deeper/c", false).unwrap().unwrap();
    let from = Key {
        dir: 1,
        name: b"stays".to_vec(),
    };
    assert_eq!(catalog.pending_from(&key).unwrap(), [(1, from)]);
    assert_eq!(catalog.pending_on(1).unwrap(), (1, 4));
    assert_eq!(catalog.gone_on_volumes().unwrap(), (0, 0));
    assert!(catalog.gone_paths(9).unwrap().is_empty());
    assert!(catalog.has_work(1, false).unwrap());
    drop(catalog);
    let ran = lab.run(&Run::default());
    assert_eq!(entries(&ran), (1, 0));
    assert_eq!(inode(&lab.drive_path(1).join("deeper/c")), old);
    lab.check();
    assert!(!lab.catalog().has_work(1, true).unwrap());
}

#[test]
fn there_and_back_again_is_nothing() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    rename(&lab, "top", "away");
    away(&lab);
    rename(&lab, "away", "top");
    away(&lab);
    assert_eq!(planned(&lab), 0);
    let ran = lab.run(&gone());
    assert_eq!(entries(&ran), (0, 0));
    lab.check();
}

#[test]
fn what_is_renamed_and_then_changed_is_copied_and_the_old_one_goes_unasked() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    rename(&lab, "top/d0/f0", "b");
    away(&lab);
    lab.file("b", b"changed since then");
    let ran = lab.run(&Run::default());
    // Not while it is the only version; after that without a question.
    assert_eq!(entries(&ran), (0, 1));
    assert!(lab.catalog().has_work(1, false).unwrap());
    let ran = lab.run(&Run::default());
    assert_eq!(ran.applied[0].removed_files, 1);
    lab.check();
}

#[test]
fn a_renamed_file_that_is_removed_then_is_gone_like_any_other() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    rename(&lab, "stays", "b");
    away(&lab);
    std::fs::remove_file(lab.source.join("b")).unwrap();
    let ran = lab.run(&Run::default());
    assert_eq!(ran.tally.gone_files, 1);
    assert!(lab.drive_path(1).join("stays").exists());
    assert_eq!(
        lab.catalog().gone_paths(9).unwrap(),
        [(b"stays".to_vec(), 1)]
    );
    lab.run(&gone());
    lab.check();
}

#[test]
fn the_old_name_may_be_used_again() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    rename(&lab, "stays", "b");
    away(&lab);
    lab.file("stays", b"another one");
    let ran = lab.run(&Run::default());
    assert_eq!(entries(&ran), (1, 1));
    lab.check();
}

#[test]
fn names_of_one_file_are_paired() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    std::fs::hard_link(lab.source.join("top/two"), lab.source.join("top/three")).unwrap();
    rename(&lab, "top/two", "one");
    let ran = lab.run(&Run::default());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    // "one" comes before "top/three": it takes the old name over, the other is a link.
    assert_eq!(entries(&ran), (1, 1));
    assert_eq!(ran.outcomes[0].bytes, 0);
    lab.check();
    rename(&lab, "top", "new top");
    std::fs::remove_file(lab.source.join("one")).unwrap();
    away(&lab);
    std::fs::hard_link(lab.source.join("new top/too"), lab.source.join("four")).unwrap();
    away(&lab);
    let ran = lab.run(&gone());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!(ran.outcomes[0].bytes, 0);
    lab.check();
}

#[test]
fn a_foreign_file_in_the_way_is_not_replaced_and_nothing_is_lost() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    let theirs = lab.drive_path(1).join("b");
    std::fs::write(&theirs, b"theirs").unwrap();
    rename(&lab, "stays", "b");
    // Even with a yes to removals: nobody was asked about this one.
    let ran = lab.run(&gone());
    assert_eq!(entries(&ran), (0, 0));
    assert_eq!(ran.applied[0].given_up, 1);
    assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
    assert_eq!(
        std::fs::read(lab.drive_path(1).join("stays")).unwrap(),
        b"here"
    );
    std::fs::remove_file(&theirs).unwrap();
    let ran = lab.run(&gone());
    assert_eq!(entries(&ran), (1, 0));
    lab.check();
}

#[test]
fn what_was_changed_on_the_drive_is_not_renamed() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    let changed = lab.drive_path(1).join("stays");
    std::fs::write(&changed, b"edited on the drive").unwrap();
    std::fs::remove_file(lab.drive_path(1).join("top/d0/f0")).unwrap();
    rename(&lab, "stays", "b");
    rename(&lab, "top/d0/f0", "c");
    let ran = lab.run(&Run::default());
    assert_eq!((ran.applied[0].given_up, ran.errors.len()), (2, 1));
    lab.run(&Run::default());
    assert_eq!(std::fs::read(&changed).unwrap(), b"edited on the drive");
    std::fs::remove_file(changed).unwrap();
    lab.run(&Run::default());
    lab.check();
}

#[test]
fn a_number_used_again_is_no_rename() {
    let lab = Lab::new();
    // Times alone don't tell these apart: all are the same.
    let put = |name: &str, content: &[u8]| {
        let file = std::fs::File::open(lab.file(name, content)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    put("a", b"12345");
    lab.run(&Run::default());
    let until = std::time::Instant::now();
    let old = inode(&lab.source.join("a"));
    std::fs::remove_file(lab.source.join("a")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_100).saturating_sub(until.elapsed()));
    put("b", b"54321");
    if inode(&lab.source.join("b")) != old {
        eprintln!("the file system did not use the inode again: nothing to see");
    }
    let ran = lab.run(&gone());
    assert_eq!(ran.renamed.files(), 0);
    lab.check();
}

#[test]
fn files_moved_out_of_a_directory_that_goes_leave_nothing_behind() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    for n in 0..40 {
        rename(&lab, &format!("top/d{}/f{n}", n % 4), &format!("flat/f{n}"));
    }
    for n in 0..4 {
        std::fs::remove_dir(lab.source.join(format!("top/d{n}"))).unwrap();
    }
    let ran = lab.run(&Run::default());
    assert_eq!(entries(&ran), (40, 0));
    lab.check();
}

#[test]
fn a_foreign_file_keeps_the_old_directory() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    let theirs = lab.drive_path(1).join("top/d2/theirs");
    std::fs::write(&theirs, b"theirs").unwrap();
    rename(&lab, "top", "new");
    let ran = lab.run(&Run::default());
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
    assert!(!lab.drive_path(1).join("top/d1").exists());
    assert!(!lab.catalog().has_work(1, true).unwrap());
    std::fs::remove_dir_all(lab.drive_path(1).join("top")).unwrap();
    lab.run(&Run::default());
    lab.check();
}

#[test]
fn a_drive_whose_manifest_is_read_anew_knows_the_old_names() {
    let lab = Lab::new();
    tree(&lab);
    lab.run(&Run::default());
    rename(&lab, "top", "new");
    away(&lab);
    let reread = Run {
        reread: true,
        ..Run::default()
    };
    let ran = lab.run(&reread);
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!(entries(&ran), (48, 0));
    lab.check();
    let copied = compare::tree(&lab.drive_path(1)).len();
    lab.run(&reread);
    assert_eq!(compare::tree(&lab.drive_path(1)).len(), copied);
    lab.check();
}

#[test]
fn what_waits_for_its_new_name_on_a_lost_or_retired_drive_is_planned_anew() {
    for lose in [true, false] {
        let lab = Lab::new();
        lab.catalog().put_volume(&volume(1)).unwrap();
        lab.file("a/one", b"first");
        lab.file("a/two", b"second");
        lab.file("stays", b"here");
        lab.run(&Run::default());
        rename(&lab, "a", "b");
        assert_eq!(away(&lab).renamed.files(), 2);
        assert_eq!(planned(&lab), 0);
        let catalog = lab.catalog();
        let said = match lose {
            true => catalog.lose(1),
            false => catalog.retire(1),
        };
        let said = said.unwrap();
        assert_eq!((said.planned.files, said.planned.bytes), (3, 15), "{lose}");
        assert_eq!(said.alone.files, 0, "{lose}");
    }
}
