//! Repair: what is bad comes back as it was recorded, from wherever it still is; what nobody has is told; what
//! somebody changed is theirs; and a kill anywhere leaves nothing worse.

use crate::common;

use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use common::{Lab, Run, bytes, check_lists, compare, manifest, open_drive};
use multivolumecopy_core::catalog::Catalog;
use multivolumecopy_core::catalog::findings::Found;
use multivolumecopy_core::engine::close::close;
use multivolumecopy_core::engine::findings::learn_findings;
use multivolumecopy_core::engine::origin::{Outlook, outlook};
use multivolumecopy_core::engine::recover::recover;
use multivolumecopy_core::engine::repair::{Origin, Repaired, repair};
use multivolumecopy_core::format::item::Algorithm;
use multivolumecopy_core::format::verify::{
    CheckKind, Finding, Head, Line, Part, VerifyWriter, Word,
};
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::{CancelToken, Code};

/// Notes a finding, as a check would.
fn note(catalog: &Catalog, volume: u32, path: &str, word: &str) {
    let is_dir = word == "missing-dir";
    let key = catalog.find(path.as_bytes(), is_dir).unwrap().unwrap();
    let finding = Found {
        key,
        word: Word::from_word(word.trim_end_matches("-dir")).unwrap(),
        errno: None,
        checked: 1,
    };
    catalog.record_finding(volume, &finding).unwrap();
}

fn mend(lab: &Lab, catalog: &Catalog, from: &Origin, aside: bool) -> (Repaired, usize) {
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let mut drive = open_drive(&lab.drive_path(1), 1).unwrap();
    recover(&mut drive, catalog, false, &cancel).unwrap();
    let done = repair(&mut drive, catalog, from, aside, &cancel, &progress).unwrap();
    close(drive, catalog, Some(common::DATE), &cancel, &progress).unwrap();
    let told = progress.take_errors().len();
    assert_eq!(told as u64, done.failed);
    (done, told)
}

fn from_sources(lab: &Lab, catalog: &Catalog) -> Repaired {
    mend(lab, catalog, &Origin::Sources, false).0
}

fn left(catalog: &Catalog) -> Outlook {
    outlook(catalog, 1, true, &CancelToken::new()).unwrap()
}

/// Flips a bit and leaves size and times.
fn rot(file: &Path, at: u64) {
    let time = file.metadata().unwrap().modified().unwrap();
    let open = std::fs::File::options()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, at).unwrap();
    open.write_all_at(&[byte[0] ^ 1], at).unwrap();
    open.set_modified(time).unwrap();
}

fn names(named: &multivolumecopy_core::engine::repair::Named) -> Vec<String> {
    let text = |n: &Vec<u8>| String::from_utf8(n.clone()).unwrap();
    assert_eq!(named.count as usize, named.names.len());
    let mut names: Vec<_> = named.names.iter().map(text).collect();
    names.sort();
    names
}

fn lost(catalog: &Catalog) -> Vec<Vec<u8>> {
    let page = catalog.lost_page(None, None, 100).unwrap();
    page.into_iter().map(|one| one.path).collect()
}

/// A tree of everything, on drive 1, by either digest.
fn tree(digest: Option<Algorithm>) -> (Lab, Catalog) {
    let lab = Lab::new();
    lab.file("small", b"small");
    lab.file("large", &vec![3; 3 << 20]);
    lab.file("d/e/deep", b"deep");
    lab.file("d/other", b"other");
    symlink("small", lab.source.join("link")).unwrap();
    std::fs::create_dir(lab.source.join("hollow")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        lab.source.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o640),
        0,
    )
    .unwrap();
    lab.run(&Run {
        digest,
        ..Run::default()
    });
    let catalog = lab.catalog();
    (lab, catalog)
}

fn on_drive(lab: &Lab, name: &str) -> PathBuf {
    lab.drive_path(1).join(name)
}

#[test]
fn what_is_bad_comes_back_from_the_source() {
    for digest in [Algorithm::Sha256, Algorithm::Blake3] {
        let (lab, catalog) = tree(Some(digest));
        // The set has chosen otherwise since: what was recorded counts.
        catalog.set_digest(Some(Algorithm::Sha256)).unwrap();
        rot(&on_drive(&lab, "small"), 2);
        rot(&on_drive(&lab, "large"), 2 << 20);
        std::fs::remove_dir_all(on_drive(&lab, "d")).unwrap();
        for name in ["link", "fifo"] {
            std::fs::remove_file(on_drive(&lab, name)).unwrap();
        }
        std::fs::remove_dir(on_drive(&lab, "hollow")).unwrap();
        for name in ["small", "large"] {
            note(&catalog, 1, name, "corrupt");
        }
        for name in ["d/e/deep", "d/other", "link", "fifo"] {
            note(&catalog, 1, name, "missing");
        }
        for name in ["d", "d/e", "hollow"] {
            note(&catalog, 1, name, "missing-dir");
        }
        let done = from_sources(&lab, &catalog);
        assert_eq!((done.failed, done.repaired.count + done.good.count), (0, 9));
        assert_eq!(catalog.count_findings(1).unwrap(), 0);
        compare::same_trees(&lab.source, &lab.drive_path(1));
        compare::manifest_matches(&lab.drive_path(1), &manifest(&lab.drive_path(1)));
        let again = lab.run_with(&catalog, &Run::default(), &CancelToken::new());
        assert_eq!(again.unwrap().outcomes[0].entries, 0);
    }
}

#[test]
fn what_is_good_after_all_or_only_touched_is_not_copied() {
    let (lab, catalog) = tree(Some(Algorithm::Sha256));
    let inode = |name: &str| on_drive(&lab, name).metadata().unwrap().ino();
    let before = (inode("small"), inode("large"));
    let file = std::fs::File::options()
        .write(true)
        .open(on_drive(&lab, "large"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    note(&catalog, 1, "small", "corrupt");
    note(&catalog, 1, "large", "changed");
    note(&catalog, 1, "link", "missing");
    let done = from_sources(&lab, &catalog);
    assert_eq!(names(&done.good), ["large", "link", "small"]);
    assert_eq!(done.repaired.count, 0);
    assert_eq!((inode("small"), inode("large")), before);
    lab.check();
}

#[test]
fn what_was_changed_on_the_drive_is_left_alone_or_kept_beside() {
    let (lab, catalog) = tree(Some(Algorithm::Sha256));
    std::fs::write(on_drive(&lab, "small"), b"mine!").unwrap();
    std::fs::write(on_drive(&lab, "large"), b"mine, and shorter").unwrap();
    std::fs::remove_file(on_drive(&lab, "d/other")).unwrap();
    std::fs::create_dir(on_drive(&lab, "d/other")).unwrap();
    std::fs::write(on_drive(&lab, "d/other/in it"), b"mine too").unwrap();
    // The check thought otherwise of one: what stands there now counts.
    note(&catalog, 1, "small", "corrupt");
    note(&catalog, 1, "large", "changed");
    note(&catalog, 1, "d/other", "changed");
    let done = from_sources(&lab, &catalog);
    assert_eq!((done.repaired.count, done.failed), (0, 0));
    assert_eq!(
        names(&left(&catalog).changed),
        ["d/other", "large", "small"]
    );
    assert_eq!(std::fs::read(on_drive(&lab, "small")).unwrap(), b"mine!");

    let (done, _) = mend(&lab, &catalog, &Origin::Sources, true);
    assert_eq!(names(&done.repaired), ["d/other", "large", "small"]);
    assert_eq!(done.aside.len(), 3);
    let kept = |name: &str| std::fs::read(on_drive(&lab, name)).unwrap();
    assert_eq!(kept("small.mvcopy-changed"), b"mine!");
    assert_eq!(kept("large.mvcopy-changed"), b"mine, and shorter");
    assert_eq!(kept("d/other.mvcopy-changed/in it"), b"mine too");
    for name in ["small", "large", "d/other"] {
        assert_eq!(kept(name), std::fs::read(lab.source.join(name)).unwrap());
    }
    check_lists_of_ours(&lab);
}

/// `sha256sum -c` alone: what was kept beside is foreign.
fn check_lists_of_ours(lab: &Lab) {
    let out = std::process::Command::new("sha256sum")
        .args(["-c", "--quiet", ".mvcopy/SHA256SUMS"])
        .current_dir(lab.drive_path(1))
        .output()
        .unwrap();
    assert!(out.status.success() && out.stdout.is_empty(), "{out:?}");
}

#[test]
fn all_names_of_a_bad_file_become_names_of_the_new_one() {
    for found in [&["a"][..], &["b", "c"], &["a", "b", "c"], &["c"]] {
        let lab = Lab::new();
        let a = lab.file("a", &vec![5; 400_000]);
        for name in ["b", "c"] {
            std::fs::hard_link(&a, lab.source.join(name)).unwrap();
        }
        lab.run(&Run::default());
        let catalog = lab.catalog();
        rot(&on_drive(&lab, "b"), 300_000);
        for name in found {
            note(&catalog, 1, name, "corrupt");
        }
        let done = from_sources(&lab, &catalog);
        assert_eq!((done.repaired.count, done.failed), (3, 0), "{found:?}");
        assert_eq!(catalog.count_findings(1).unwrap(), 0);
        lab.check();
        let inodes = ["a", "b", "c"].map(|name| on_drive(&lab, name).metadata().unwrap().ino());
        assert!(inodes.iter().all(|one| *one == inodes[0]), "{inodes:?}");
    }
    // One that is missing becomes a name of the good one.
    let lab = Lab::new();
    let a = lab.file("a", &vec![5; 400_000]);
    std::fs::hard_link(&a, lab.source.join("b")).unwrap();
    lab.run(&Run::default());
    let catalog = lab.catalog();
    std::fs::remove_file(on_drive(&lab, "a")).unwrap();
    note(&catalog, 1, "a", "missing");
    std::fs::remove_dir_all(&lab.source).unwrap();
    assert_eq!(names(&from_sources(&lab, &catalog).repaired), ["a"]);
    let ino = |name: &str| on_drive(&lab, name).metadata().unwrap().ino();
    assert_eq!(ino("a"), ino("b"));
    check_lists(&lab.drive_path(1));
}

#[test]
fn what_the_source_has_no_more_is_told_for_what_it_is() {
    let (lab, catalog) = tree(Some(Algorithm::Sha256));
    for name in ["small", "large", "d/other", "d/e/deep"] {
        rot(&on_drive(&lab, name), 1);
        note(&catalog, 1, name, "corrupt");
    }
    let bad = ["small", "large", "d/other"].map(|n| std::fs::read(on_drive(&lab, n)).unwrap());
    // A newer version; other content behind the same time; gone; and one that was only touched.
    lab.file("small", b"a newer one");
    rot(&lab.source.join("large"), 7);
    std::fs::remove_file(lab.source.join("d/other")).unwrap();
    let touched = std::fs::File::options()
        .write(true)
        .open(lab.source.join("d/e/deep"))
        .unwrap();
    touched.set_modified(std::time::UNIX_EPOCH).unwrap();
    let done = from_sources(&lab, &catalog);
    assert_eq!(names(&done.repaired), ["d/e/deep"]);
    let after = left(&catalog);
    assert_eq!(names(&after.newer), ["small"]);
    assert_eq!(names(&after.silent), ["large"]);
    assert_eq!(names(&after.lost), ["d/other"]);
    assert_eq!(after.from_source.count + after.elsewhere.count, 0);
    assert_eq!(lost(&catalog), [b"d/other"]);
    // What is there of them is still there.
    let still = ["small", "large", "d/other"].map(|n| std::fs::read(on_drive(&lab, n)).unwrap());
    assert_eq!(bad, still);
    // The record says when the file was written, also where the source was touched since.
    let time = on_drive(&lab, "d/e/deep").metadata().unwrap().mtime();
    assert!(time > 1_000_000_000);
    // It turns up again: not lost any more.
    lab.file("d/other", b"other");
    let (done, _) = mend(&lab, &catalog, &Origin::Sources, false);
    assert_eq!(names(&done.repaired), ["d/other"]);
    assert!(lost(&catalog).is_empty());
}

#[test]
fn a_source_that_is_not_there_makes_nothing_lost() {
    for empty in [false, true] {
        let (lab, catalog) = tree(Some(Algorithm::Sha256));
        rot(&on_drive(&lab, "small"), 1);
        note(&catalog, 1, "small", "corrupt");
        std::fs::rename(&lab.source, lab.dir.path().join("unmounted")).unwrap();
        if empty {
            std::fs::create_dir(&lab.source).unwrap();
        }
        assert_eq!(from_sources(&lab, &catalog).repaired.count, 0);
        assert_eq!(names(&left(&catalog).unseen), ["small"]);
        assert!(lost(&catalog).is_empty());
    }
}

#[test]
fn without_digests_size_and_time_decide() {
    let (lab, catalog) = tree(None);
    for name in ["small", "large"] {
        std::fs::remove_file(on_drive(&lab, name)).unwrap();
        note(&catalog, 1, name, "missing");
    }
    let touched = std::fs::File::options()
        .write(true)
        .open(lab.source.join("large"))
        .unwrap();
    touched.set_modified(std::time::UNIX_EPOCH).unwrap();
    let done = from_sources(&lab, &catalog);
    assert_eq!(names(&done.repaired), ["small"]);
    assert_eq!(names(&left(&catalog).newer), ["large"]);
}

#[test]
fn what_was_renamed_in_the_source_is_found_under_its_new_name() {
    let (lab, catalog) = tree(Some(Algorithm::Sha256));
    drop(catalog);
    rot(&on_drive(&lab, "large"), 5);
    std::fs::rename(lab.source.join("large"), lab.source.join("renamed")).unwrap();
    // A run that has seen it, and not been at the drive.
    lab.run(&Run {
        mounted: vec![7],
        ..Run::default()
    });
    let catalog = lab.catalog();
    note(&catalog, 1, "large", "corrupt");
    let done = from_sources(&lab, &catalog);
    assert_eq!(names(&done.repaired), ["large"]);
    drop(catalog);
    lab.run(&Run::default());
    lab.check();
}

#[test]
fn another_drive_is_read_and_only_what_it_really_has_is_taken() {
    let (lab, catalog) = tree(Some(Algorithm::Sha256));
    // Drive 2 holds the same: made by hand, since what matters is what the catalog and the drive say.
    let copy = |name: &str| {
        let to = lab.drive_path(2).join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(lab.source.join(name), &to).unwrap();
    };
    let mut second = open_drive(&lab.drive_path(2), 2).unwrap();
    recover(&mut second, &catalog, false, &CancelToken::new()).unwrap();
    for number in [1, 2] {
        let volume = multivolumecopy_core::catalog::volumes::Volume {
            id: open_id(&lab, number),
            ..common::query::volume(number)
        };
        catalog.put_volume(&volume).unwrap();
    }
    for name in ["small", "large", "d/other"] {
        copy(name);
        let key = catalog.find(name.as_bytes(), false).unwrap().unwrap();
        let mut placed = catalog.placement(1, &key).unwrap().unwrap();
        placed.item.path = name.into();
        catalog.place_dirs(2, key.dir).unwrap();
        catalog.place(2, &key, &placed.item, None).unwrap();
        rot(&on_drive(&lab, name), 1);
        note(&catalog, 1, name, "corrupt");
    }
    drop(second);
    rot(&lab.drive_path(2).join("large"), 9);
    std::fs::remove_file(lab.drive_path(2).join("d/other")).unwrap();
    for name in ["small", "large", "d/other"] {
        std::fs::remove_file(lab.source.join(name)).unwrap();
    }
    assert_eq!(left(&catalog).volumes[&2].0, 3);
    let from = Origin::Drive {
        path: bytes(&lab.drive_path(2)).to_vec(),
        volume: 2,
    };
    let (done, _) = mend(&lab, &catalog, &from, false);
    assert_eq!(names(&done.repaired), ["small"]);
    // What drive 2 turned out not to have is a finding about it.
    assert_eq!(catalog.count_findings(2).unwrap(), 2);
    let after = left(&catalog);
    assert_eq!(names(&after.lost), ["d/other", "large"]);
    assert!(after.volumes.is_empty());

    // Another drive there than was said.
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let mut drive = open_drive(&lab.drive_path(1), 1).unwrap();
    let wrong = Origin::Drive {
        path: bytes(&lab.drive_path(1)).to_vec(),
        volume: 2,
    };
    let e = repair(&mut drive, &catalog, &wrong, false, &cancel, &progress).unwrap_err();
    assert_eq!(e.code, Code::DriveChanged);
}

fn open_id(lab: &Lab, number: u32) -> String {
    let json = std::fs::read(lab.drive_path(number).join(".mvcopy/volume.json")).unwrap();
    let volume = multivolumecopy_core::format::volumejson::parse(&json).unwrap();
    volume.volume.id
}

#[test]
fn stopped_or_cancelled_it_goes_on_from_there() {
    let (lab, catalog) = tree(Some(Algorithm::Sha256));
    for name in ["small", "large"] {
        rot(&on_drive(&lab, name), 1);
        note(&catalog, 1, name, "corrupt");
    }
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    cancel.stop();
    let mut drive = open_drive(&lab.drive_path(1), 1).unwrap();
    let done = repair(
        &mut drive,
        &catalog,
        &Origin::Sources,
        false,
        &cancel,
        &progress,
    )
    .unwrap();
    assert!(done.stopped);
    cancel.now();
    let e = repair(
        &mut drive,
        &catalog,
        &Origin::Sources,
        false,
        &cancel,
        &progress,
    )
    .unwrap_err();
    assert_eq!(e.code, Code::Cancelled);
    drop(drive);
    assert_eq!(from_sources(&lab, &catalog).repaired.count, 2);
    lab.check();
}

/// Writes a list of findings onto drive 1, as a check on another computer would.
fn write_list(lab: &Lab, lines: &[(&str, Word)]) -> Vec<u8> {
    let head = Head {
        set: common::SET.into(),
        volume: open_id(lab, 1),
        number: 1,
        generation: 1,
        kind: CheckKind::Remounted,
        begun: 5,
        ended: Some(6),
        scope: b"all".to_vec(),
        files: 7,
        bytes: 8,
        through: None,
    };
    let mut list = VerifyWriter::new(Vec::new(), b"list", &head).unwrap();
    let part = Part {
        from: b"a".to_vec(),
        through: b"z".to_vec(),
        at: 5,
        generation: 1,
    };
    list.push(&Line::Part(part)).unwrap();
    for (path, word) in lines {
        let finding = Finding {
            path: path.as_bytes().to_vec(),
            word: *word,
            errno: None,
            at: 5,
        };
        list.push(&Line::Finding(finding)).unwrap();
    }
    let bytes = list.finish().unwrap();
    std::fs::write(on_drive(lab, ".mvcopy/verify.jsonl"), &bytes).unwrap();
    bytes
}

#[test]
fn what_the_drive_says_of_a_check_elsewhere_is_repaired_and_taken_off_its_list() {
    let (lab, catalog) = tree(Some(Algorithm::Sha256));
    let known = multivolumecopy_core::catalog::volumes::Volume {
        id: open_id(&lab, 1),
        verified: 5,
        verified_bad: 9,
        ..common::query::volume(1)
    };
    catalog.put_volume(&known).unwrap();
    rot(&on_drive(&lab, "small"), 1);
    std::fs::remove_dir(on_drive(&lab, "hollow")).unwrap();
    std::fs::write(on_drive(&lab, "large"), b"changed by somebody").unwrap();
    let lines = [
        (".mvcopy/manifest.jsonl", Word::Damaged),
        (".mvcopy/other", Word::Damaged),
        ("hollow/", Word::Missing),
        ("large", Word::Changed),
        ("no such entry", Word::Corrupt),
        ("small", Word::Corrupt),
        ("theirs", Word::Extra),
    ];
    let whole = write_list(&lab, &lines);
    let path = bytes(&lab.drive_path(1)).to_vec();
    // A list that is not whole says nothing.
    std::fs::write(
        on_drive(&lab, ".mvcopy/verify.jsonl"),
        &whole[..whole.len() - 3],
    )
    .unwrap();
    assert_eq!(learn_findings(&catalog, &path, 1).unwrap(), 0);
    assert_eq!(catalog.count_findings(1).unwrap(), 0);
    write_list(&lab, &lines);
    assert_eq!(learn_findings(&catalog, &path, 1).unwrap(), 1);
    assert_eq!(catalog.count_findings(1).unwrap(), 3);
    let done = from_sources(&lab, &catalog);
    assert_eq!(names(&done.repaired), ["hollow", "small"]);
    let mut left = Vec::new();
    let list = std::fs::read(on_drive(&lab, ".mvcopy/verify.jsonl")).unwrap();
    multivolumecopy_core::format::verify::read(&list[..], b"list", &mut |line| {
        if let Line::Finding(finding) = line {
            left.push(String::from_utf8(finding.path).unwrap());
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(left, [".mvcopy/other", "large", "no such entry", "theirs"]);
    assert_eq!(catalog.volume(1).unwrap().unwrap().verified_bad, 1);
    // Nothing more to take off: the list stays as it is.
    from_sources(&lab, &catalog);
    assert_eq!(
        std::fs::read(on_drive(&lab, ".mvcopy/verify.jsonl")).unwrap(),
        list
    );
}
