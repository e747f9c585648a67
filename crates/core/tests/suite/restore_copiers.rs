//! Several files are brought back at a time: what comes is the same as one after the other.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use multivolumecopy_core::restore::Options;

use crate::common::compare::same_union;
use crate::common::restore::Restore;
use crate::common::{Lab, Run};
use crate::restore_hostile::{lines, write_list};

fn with(copiers: usize) -> Options {
    Options {
        copiers,
        one_large: copiers.is_multiple_of(2),
        keep_bad: true,
        ..Options::default()
    }
}

/// A new host restores drive 1 of a laboratory.
fn begin(lab: &Lab, name: &str, to: &Path) -> Restore {
    fs::create_dir_all(to).unwrap();
    let restore = Restore::begin(&lab.dir.path().join(name), to).unwrap();
    restore.learn(&lab.drive_path(1)).unwrap();
    restore.stage(&[]).unwrap();
    restore
}

/// Files of all sizes, first names whose other names come right behind them, before them, and far away.
fn many() -> Lab {
    let lab = Lab::new();
    for n in 0..400usize {
        let content = vec![n as u8; if n % 50 == 7 { 700_000 } else { n * 37 }];
        let dir = format!("d{}", n / 40);
        let first = lab.file(&format!("{dir}/f{n:03}"), &content);
        if n % 5 == 0 {
            for other in [
                format!("{dir}/f{n:03}-again"),
                format!("{dir}/a{n:03}"),
                format!("z{n}"),
            ] {
                fs::hard_link(&first, lab.source.join(other)).unwrap();
            }
        }
    }
    lab.run(&Run::default());
    lab
}

/// The first name of a group says nothing of the others then: only they name it.
fn drop_words(manifest: &Path) {
    let mut dropped = 0;
    let without = |line: Vec<u8>| {
        let text = String::from_utf8(line).unwrap();
        let Some((before, word)) = text.split_once(",\"same_file\":\"") else {
            return text.into_bytes();
        };
        dropped += 1;
        let (_, after) = word.split_once('"').unwrap();
        format!("{before}{after}").into_bytes()
    };
    let now: Vec<_> = lines(manifest).into_iter().map(without).collect();
    assert_eq!(dropped, 4 * 80);
    write_list(manifest, &now);
}

#[test]
fn as_many_copiers_as_there_are_files_make_the_same_tree() {
    let lab = many();
    for (words, copiers) in [(true, 1), (true, 3), (false, 1), (false, 2), (false, 64)] {
        if !words && copiers == 1 {
            drop_words(&lab.drive_path(1).join(".mvcopy/manifest.jsonl"));
        }
        let name = format!("{copiers}-{words}");
        let to = lab.dir.path().join(format!("to-{name}"));
        let mut restore = begin(&lab, &name, &to);
        let outcome = restore
            .drive(&lab.drive_path(1), 1, &with(copiers))
            .unwrap();
        assert_eq!(outcome.files, 400 + 3 * 80, "{outcome:?}");
        assert_eq!((outcome.bad, outcome.failed, outcome.links_lost), (0, 0, 0));
        restore.finish().unwrap();
        assert!(restore.errors().is_empty());
        same_union(&lab.source, &[&to]);
        for n in (0..400).step_by(5) {
            let meta = fs::metadata(to.join(format!("z{n}"))).unwrap();
            assert_eq!(meta.nlink(), 4, "{name}: all names of f{n:03} are one file");
        }
    }
}

#[test]
fn each_bad_copy_is_told_once_and_the_others_come() {
    let lab = many();
    let drive = lab.drive_path(1);
    let rotten: Vec<PathBuf> = (0..400)
        .filter(|n| n % 5 == 3)
        .map(|n| PathBuf::from(format!("d{}/f{n:03}", n / 40)))
        .collect();
    for (i, name) in rotten.iter().enumerate() {
        let path = drive.join(name);
        match i % 3 {
            0 => fs::remove_file(&path).unwrap(),
            1 => fs::write(&path, b"short").unwrap(),
            _ => {
                let mut content = fs::read(&path).unwrap();
                content[0] ^= 1;
                fs::write(&path, content).unwrap();
            }
        }
    }
    let to = lab.dir.path().join("to");
    let mut restore = begin(&lab, "private", &to);
    let outcome = restore.drive(&drive, 1, &with(4)).unwrap();
    restore.finish().unwrap();
    assert_eq!(outcome.bad, rotten.len() as u64);
    assert_eq!(outcome.files, 400 + 3 * 80 - rotten.len() as u64);
    let mut told: Vec<Vec<u8>> = restore.errors().into_iter().map(|e| e.path).collect();
    told.sort();
    let mut expected: Vec<Vec<u8>> = rotten
        .iter()
        .map(|name| drive.join(name).as_os_str().as_encoded_bytes().to_vec())
        .collect();
    expected.sort();
    assert_eq!(told, expected);
    for (i, name) in rotten.iter().enumerate() {
        assert!(!to.join(name).exists(), "{}", name.display());
        let kept = to.join(format!("{}.mvcopy-corrupt", name.display()));
        assert_eq!(kept.exists(), i % 3 != 0, "{}", kept.display());
    }
}

#[test]
fn a_stop_in_the_middle_leaves_whole_files_and_the_next_run_brings_the_rest() {
    let lab = many();
    let to = lab.dir.path().join("to");
    let mut came = 0;
    for after in [1, 40, 200] {
        let mut restore = begin(&lab, &format!("private{after}"), &to);
        let outcome = restore
            .drive_until(&lab.drive_path(1), 1, &with(4), after)
            .unwrap();
        // It may have been through before the stop came.
        assert!(
            outcome.stopped || came + outcome.files == 640,
            "{outcome:?}"
        );
        assert!(outcome.equal <= came, "nothing else was there");
        came += outcome.files;
        assert!(restore.errors().is_empty());
        for dir in fs::read_dir(&to).unwrap().flatten() {
            for file in fs::read_dir(dir.path()).into_iter().flatten().flatten() {
                let name = file.path();
                let below = name.strip_prefix(&to).unwrap();
                if !below.starts_with(".mvcopy") {
                    let source = fs::read(lab.source.join(below)).unwrap();
                    assert!(fs::read(&name).unwrap() == source, "{}", below.display());
                }
            }
        }
    }
    let mut restore = begin(&lab, "private", &to);
    let outcome = restore.drive(&lab.drive_path(1), 1, &with(4)).unwrap();
    assert_eq!((outcome.equal, outcome.files), (came, 640 - came));
    restore.finish().unwrap();
    same_union(&lab.source, &[&to]);
}

#[test]
fn more_files_than_one_directory_for_files_in_work_holds() {
    let lab = Lab::in_memory();
    for n in 0..9_000 {
        lab.file(&format!("d{}/f{n}", n / 100), b"");
    }
    lab.run(&Run::default());
    let to = lab.dir.path().join("to");
    let places = || fs::read_dir(to.join(".mvcopy")).unwrap().count();
    let mut restore = begin(&lab, "broken", &to);
    let outcome = restore.drive_until(&lab.drive_path(1), 1, &with(3), 8_500);
    let came = outcome.unwrap().files;
    // It goes as a killed one does: what it has in work stays.
    drop(restore);
    assert_eq!(places(), 1);
    let mut restore = begin(&lab, "next", &to);
    assert_eq!(places(), 1, "that of the broken one is cleared away");
    let outcome = restore.drive(&lab.drive_path(1), 1, &with(3)).unwrap();
    assert_eq!((outcome.equal, outcome.files), (came, 9_000 - came));
    restore.finish().unwrap();
    assert!(!to.join(".mvcopy").exists());
    same_union(&lab.source, &[&to]);
}
