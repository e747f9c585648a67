//! The list of the set on the drives, and what a host learns from drives that it does not know.

use crate::common;

use std::path::Path;

use common::{Lab, Run, SET, at, bytes, unlocked};
use multivolumecopy_core::catalog::aside::set_aside;
use multivolumecopy_core::catalog::learn::Difference;
use multivolumecopy_core::catalog::volumes::{Fate, Volume};
use multivolumecopy_core::catalog::{Catalog, SetInfo};
use multivolumecopy_core::engine::learn::{Learned, ListRead, Place, learn};
use multivolumecopy_core::engine::setlist::List;
use multivolumecopy_core::format::setlist::{self, Line};
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::{CancelToken, Code, Result};

fn place(path: &Path) -> Place {
    Place {
        path: bytes(path).to_vec(),
        mount_id: None,
        mount: Vec::new(),
        fs_type: "ext4".into(),
        fs_uuid: String::new(),
        capacity: 1 << 40,
        available: 1 << 39,
        block_size: 4096,
        inodes_free: 0,
        has_links: true,
    }
}

/// A host that knows nothing but the set's id.
fn host(dir: &Path, name: &str) -> Catalog {
    let set = SetInfo {
        id: SET.into(),
        name: "test".into(),
        created: 1,
    };
    unlocked(|| Catalog::create(&dir.join(name), &set)).unwrap()
}

fn take(catalog: &Catalog, drive: &Path) -> Result<Learned> {
    learn(
        &place(drive),
        catalog,
        &CancelToken::new(),
        &Progress::new(),
    )
}

fn list(drive: &Path) -> Vec<Line> {
    let path = drive.join(".mvcopy/catalog.jsonl");
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let mut lines = Vec::new();
    setlist::read(file, bytes(&path), &mut |line| {
        lines.push(line);
        Ok(())
    })
    .unwrap();
    lines
}

/// What a list says: paths with the volumes that hold them.
fn held(lines: &[Line]) -> Vec<(String, u32)> {
    lines
        .iter()
        .filter_map(|line| match line {
            Line::Entry(e) => Some((String::from_utf8_lossy(&e.path).into_owned(), e.volume)),
            _ => None,
        })
        .collect()
}

/// The row that the control plane keeps of a volume.
fn row(number: u32) -> Volume {
    Volume {
        state: "open".into(),
        capacity: 1,
        available: 1,
        ..common::query::volume(number)
    }
}

/// Two drives with a source: three files of 30 bytes, of which two fit on the first.
fn two_drives() -> Lab {
    let lab = Lab::new();
    for name in ["a/one", "b/two", "c/three"] {
        lab.file(name, &[7; 30]);
    }
    std::fs::create_dir(lab.source.join("d")).unwrap();
    let catalog = lab.catalog();
    for number in [1, 2] {
        catalog.put_volume(&row(number)).unwrap();
    }
    drop(catalog);
    lab.run(&two(false));
    lab
}

fn two(gone: bool) -> Run {
    Run {
        capacities: vec![60, 10_000],
        gone,
        ..Run::default()
    }
}

#[test]
fn each_drive_lists_the_set_and_is_rewritten_only_when_it_changed() {
    let lab = two_drives();
    let all =
        [("a/one", 1), ("b/two", 1), ("c/three", 2), ("d", 2)].map(|(p, v)| (p.to_owned(), v));
    assert_eq!(held(&list(&lab.drive_path(2))), all);
    // The first was closed before the second was written.
    let early: Vec<_> = all.iter().filter(|(_, v)| *v == 1).cloned().collect();
    assert_eq!(held(&list(&lab.drive_path(1))), early);
    let again = lab.run(&two(false));
    assert!(matches!(again.closed[0].list, List::Written(_)));
    assert_eq!(again.closed[1].list, List::Fresh);
    assert_eq!(held(&list(&lab.drive_path(1))), all);
    let third = lab.run(&two(false));
    assert!(third.closed.iter().all(|c| c.list == List::Fresh));
    // A list that is gone is written again; one more file makes both stale.
    std::fs::remove_file(lab.drive_path(1).join(".mvcopy/catalog.jsonl")).unwrap();
    assert!(matches!(
        lab.run(&two(false)).closed[0].list,
        List::Written(_)
    ));
    lab.file("e", b"e");
    let more = lab.run(&two(false));
    assert!(
        more.closed
            .iter()
            .any(|c| matches!(c.list, List::Written(_)))
    );
    assert!(lab.catalog().projected_list().unwrap() > 500);
}

#[test]
fn one_drive_tells_of_the_set_and_the_other_corrects_it() {
    let lab = two_drives();
    let host = host(lab.dir.path(), "host.sqlite");
    let second = take(&host, &lab.drive_path(2)).unwrap();
    assert!(!second.known && !second.journal);
    let ListRead::Read(date, hearsay) = &second.list else {
        panic!("{:?}", second.list);
    };
    assert_eq!((&hearsay.volumes[..], hearsay.sources), (&[1][..], 1));
    let volumes = host.volumes().unwrap();
    assert_eq!((volumes[0].as_of, volumes[1].as_of), (*date, 0));
    assert_eq!(host.count_volume(1).unwrap(), (2, 60));
    assert_eq!(host.sources().unwrap()[0].path, bytes(&lab.source));
    let first = take(&host, &lab.drive_path(1)).unwrap();
    assert_eq!((first.known, first.heard_of), (true, *date));
    assert!(
        first.differences.unwrap().is_none(),
        "the list said the same"
    );
    assert_eq!(host.volumes().unwrap()[0].as_of, 0);
    // What the host knows from the drive itself no list replaces.
    let ListRead::Read(_, hearsay) = take(&host, &lab.drive_path(2)).unwrap().list else {
        panic!("no list");
    };
    assert!(hearsay.volumes.is_empty());
    assert!(host.unknown_volumes().unwrap().is_empty());
}

#[test]
fn after_learning_nothing_is_copied_again() {
    let lab = two_drives();
    let learned = lab.dir.path().join("learned.sqlite");
    {
        let host = host(lab.dir.path(), "learned.sqlite");
        take(&host, &lab.drive_path(2)).unwrap();
    }
    let catalog = unlocked(|| Catalog::open(&learned)).unwrap();
    let how = Run {
        // Drive 1 is not touched at all.
        capacities: vec![],
        ..Run::default()
    };
    let ran = lab.run_with(&catalog, &how, &CancelToken::new()).unwrap();
    assert_eq!(
        (
            ran.tally.files,
            ran.tally.new_files,
            ran.tally.changed_files
        ),
        (3, 0, 0)
    );
    let shares = catalog.plan_shares().unwrap();
    assert_eq!(shares, [], "nothing is left to be placed");
}

#[test]
fn an_older_version_on_another_drive_is_no_reason_to_copy() {
    let lab = two_drives();
    // b/two changes and finds no room at home: a new version on the second drive, the old one stays.
    lab.file("b/two", &[8; 90]);
    let how = Run {
        capacities: vec![0, 10_000],
        ..two(false)
    };
    lab.run(&how);
    let learned = lab.dir.path().join("learned.sqlite");
    {
        let host = host(lab.dir.path(), "learned.sqlite");
        for number in [1, 2] {
            take(&host, &lab.drive_path(number)).unwrap();
        }
    }
    let catalog = unlocked(|| Catalog::open(&learned)).unwrap();
    let how = Run {
        capacities: vec![],
        ..Run::default()
    };
    let ran = lab.run_with(&catalog, &how, &CancelToken::new()).unwrap();
    assert_eq!((ran.tally.new_files, ran.tally.changed_files), (0, 0));
}

#[test]
fn what_differs_is_counted_and_named_and_needs_a_copy_again() {
    let lab = two_drives();
    let elsewhere = lab.dir.path().join("elsewhere.sqlite");
    std::fs::copy(lab.catalog_path(), &elsewhere).unwrap();
    // The drives go on with another host's catalog; ours does not hear of it.
    let other = unlocked(|| Catalog::open(&elsewhere)).unwrap();
    std::fs::remove_file(lab.source.join("a/one")).unwrap();
    lab.file("b/two", &[9; 29]);
    lab.file("b/new", b"new");
    lab.run_with(&other, &two(true), &CancelToken::new())
        .unwrap();
    lab.file("a/one", &[7; 30]);
    let ours = lab.catalog();
    let learned = take(&ours, &lab.drive_path(1)).unwrap();
    let found = learned.differences.unwrap();
    assert_eq!((found.added, found.changed, found.missing), (1, 1, 1));
    let named: Vec<_> = found
        .names
        .iter()
        .map(|(what, path)| (*what, String::from_utf8_lossy(path).into_owned()))
        .collect();
    assert!(
        named.contains(&(Difference::Missing, "a/one".to_owned())),
        "{named:?}"
    );
    assert!(
        named.contains(&(Difference::Changed, "b/two".to_owned())),
        "{named:?}"
    );
    assert!(
        named.contains(&(Difference::Added, "b/new".to_owned())),
        "{named:?}"
    );
    drop(ours);
    let ran = lab.run(&two(false));
    assert_eq!(
        ran.outcomes.iter().map(|o| o.files).sum::<u64>(),
        1,
        "a/one is copied again"
    );
}

#[test]
fn strangers_and_copies_are_refused_and_change_nothing() {
    let lab = two_drives();
    let host = host(lab.dir.path(), "host.sqlite");
    let drive = lab.drive_path(1);
    take(&host, &drive).unwrap();
    let mut known = host.volume(1).unwrap().unwrap();
    known.generation += 1;
    host.put_volume(&known).unwrap();
    let refused = take(&host, &drive).unwrap_err();
    assert_eq!(refused.code, Code::DriveChanged);
    assert!(
        refused.message.contains("an old copy of drive 1"),
        "{refused}"
    );
    known.id = "f".repeat(32);
    host.put_volume(&known).unwrap();
    assert_eq!(take(&host, &drive).unwrap_err().code, Code::BadInput);
    let set = SetInfo {
        id: "e".repeat(32),
        name: "other".into(),
        created: 1,
    };
    let other = unlocked(|| Catalog::create(&lab.dir.path().join("o.sqlite"), &set)).unwrap();
    assert_eq!(take(&other, &drive).unwrap_err().code, Code::BadInput);
    assert_eq!(other.volumes().unwrap(), []);
    let nothing = lab.dir.path().join("nothing");
    std::fs::create_dir_all(nothing.join(".mvcopy")).unwrap();
    assert_eq!(take(&other, &nothing).unwrap_err().code, Code::BadFormat);
}

#[test]
fn a_drive_whose_manifest_is_damaged_leaves_the_catalog_as_it_was() {
    let lab = two_drives();
    let manifest = lab.drive_path(1).join(".mvcopy/manifest.jsonl");
    let host = host(lab.dir.path(), "host.sqlite");
    take(&host, &lab.drive_path(1)).unwrap();
    let mut damaged = std::fs::read(&manifest).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&manifest, damaged).unwrap();
    let e = take(&host, &lab.drive_path(1)).unwrap_err();
    assert_eq!(
        (e.code, e.path.as_deref()),
        (Code::BadFormat, Some(bytes(&manifest)))
    );
    assert_eq!(host.count_volume(1).unwrap(), (2, 60));
}

#[test]
fn a_lost_drive_that_turns_up_counts_again() {
    let lab = two_drives();
    let catalog = lab.catalog();
    let mut lost = catalog.volume(1).unwrap().unwrap();
    lost.fate = Fate::Lost;
    catalog.put_volume(&lost).unwrap();
    catalog.clear_volume(1).unwrap();
    catalog.need_what_is_nowhere().unwrap();
    let learned = take(&catalog, &lab.drive_path(1)).unwrap();
    assert!(learned.was_lost);
    assert_eq!(catalog.volume(1).unwrap().unwrap().fate, Fate::None);
    drop(catalog);
    let ran = lab.run(&two(false));
    assert_eq!(ran.outcomes.iter().map(|o| o.files).sum::<u64>(), 0);
}

#[test]
fn a_catalog_is_set_aside_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.sqlite");
    drop(host(dir.path(), "set.sqlite"));
    std::fs::write(dir.path().join("set.sqlite-wal"), b"wal").unwrap();
    let held = unlocked(|| Catalog::open(&path));
    if let Ok(held) = held {
        assert_eq!(set_aside(&path, "x").unwrap_err().code, Code::CatalogLocked);
        drop(held);
    }
    std::fs::write(&path, b"nonsense").unwrap();
    std::fs::write(dir.path().join("set.sqlite-wal"), b"wal").unwrap();
    let aside = unlocked(|| set_aside(&path, "damaged-1")).unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), b"nonsense");
    assert_eq!(
        std::fs::read(at(dir.path(), b"set.sqlite.damaged-1-wal")).unwrap(),
        b"wal"
    );
    assert!(!path.exists());
    assert_eq!(
        unlocked(|| set_aside(&path, "y")).unwrap_err().code,
        Code::Io
    );
}
