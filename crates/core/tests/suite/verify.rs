//! The check of a drive by itself: every kind of fault gets its own word, a part never counts as the whole, and
//! nothing on the drive changes but the check's own files.

use crate::common;

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::query::volume;
use common::{Lab, Run, bytes};
use multivolumecopy_core::filter::search::{Patterns, Reading};
use multivolumecopy_core::format::verify::Word;
use multivolumecopy_core::format::volumejson;
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::verify::{Kept, Options, Report, lists, verify};
use multivolumecopy_core::{CancelToken, Code};

fn lab() -> Lab {
    let lab = Lab::new();
    for n in 0..6 {
        lab.file(&format!("d/f{n}"), &vec![n; 1000 * usize::from(n) + 1]);
    }
    lab.file("empty", b"");
    symlink("d/f1", lab.source.join("link")).unwrap();
    std::fs::hard_link(lab.source.join("d/f2"), lab.source.join("second")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        lab.source.join("fifo"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
    let catalog = lab.catalog();
    catalog.put_volume(&volume(1)).unwrap();
    drop(catalog);
    lab.run(&Run::default());
    lab
}

fn whole() -> Options {
    Options {
        scope: b"all".to_vec(),
        ..Options::default()
    }
}

fn check(drive: &Path, options: &Options) -> Report {
    verify(bytes(drive), options, &CancelToken::new(), &Progress::new()).unwrap()
}

fn found(report: &Report) -> Vec<(String, Word)> {
    let told = report.tables.told(None, 10_000).unwrap();
    told.into_iter()
        .map(|t| (String::from_utf8(t.finding.path).unwrap(), t.finding.word))
        .collect()
}

fn is(report: &Report, want: &[(&str, Word)]) {
    let want: Vec<_> = want.iter().map(|(p, w)| ((*p).to_owned(), *w)).collect();
    assert_eq!(found(report), want);
}

/// Changes a byte and puts the time back.
fn rot(file: &Path) {
    let time = std::fs::metadata(file).unwrap().modified().unwrap();
    let mut content = std::fs::read(file).unwrap();
    *content.last_mut().unwrap() ^= 4;
    std::fs::write(file, content).unwrap();
    set_time(file, time);
}

fn set_time(file: &Path, time: SystemTime) {
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_modified(time).unwrap();
}

/// Everything on a drive but the check's own: path, inode, time and content.
fn picture(drive: &Path) -> Vec<(PathBuf, u64, i64, Vec<u8>)> {
    fn walk(dir: &Path, all: &mut Vec<(PathBuf, u64, i64, Vec<u8>)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if path.ends_with(".mvcopy/verify.jsonl") || path.ends_with(".mvcopy/volume.json") {
                continue;
            }
            let content = match meta.is_file() {
                true => std::fs::read(&path).unwrap(),
                false => Vec::new(),
            };
            if meta.is_dir() {
                walk(&path, all);
            }
            let time = if path.ends_with(".mvcopy") {
                0
            } else {
                meta.mtime_nsec()
            };
            all.push((path, meta.ino(), time, content));
        }
    }
    let mut all = Vec::new();
    walk(drive, &mut all);
    all.sort();
    all
}

#[test]
fn a_good_drive_is_good_and_nothing_on_it_changes() {
    let lab = lab();
    let drive = lab.drive_path(1);
    let before = picture(&drive);
    let report = check(&drive, &whole());
    is(&report, &[]);
    assert_eq!((report.files, report.entries), (8, 11));
    // Of the two names of one file one is read.
    assert_eq!(report.bytes, 1 + 1001 + 2001 + 3001 + 4001 + 5001);
    assert_eq!(report.on_drive, Kept::Yes);
    assert!(report.whole && !report.stopped);
    assert_eq!(picture(&drive), before);
    let text = std::fs::read(drive.join(".mvcopy/volume.json")).unwrap();
    assert_eq!(volumejson::seal(&text), Some(true));
    let said = volumejson::parse(&text).unwrap().check().unwrap();
    assert_eq!((said.bad, said.files), (0, 8));
}

#[test]
fn each_fault_has_its_word() {
    let lab = lab();
    let drive = lab.drive_path(1);
    rot(&drive.join("d/f1"));
    rot(&drive.join("d/f2"));
    std::fs::write(drive.join("d/f3"), b"shorter").unwrap();
    let now = SystemTime::now() + Duration::from_secs(100);
    set_time(&drive.join("d/f4"), now);
    std::fs::remove_file(drive.join("d/f5")).unwrap();
    std::fs::remove_file(drive.join("link")).unwrap();
    symlink("elsewhere", drive.join("link")).unwrap();
    std::fs::remove_file(drive.join("fifo")).unwrap();
    std::fs::create_dir(drive.join("fifo")).unwrap();
    std::fs::create_dir(drive.join("foreign")).unwrap();
    std::fs::write(drive.join("foreign/inside"), b"x").unwrap();
    std::fs::write(drive.join("d/foreign"), b"x").unwrap();
    // Litter of systems does not count at the top, and only there.
    std::fs::create_dir(drive.join("lost+found")).unwrap();
    std::fs::create_dir(drive.join("d/lost+found")).unwrap();
    for seeks in [false, true] {
        let options = Options {
            seeks: Some(seeks),
            ..whole()
        };
        is(
            &check(&drive, &options),
            &[
                ("d/f1", Word::Corrupt),
                ("d/f2", Word::Corrupt),
                ("d/f3", Word::Changed),
                ("d/f4", Word::Changed),
                ("d/f5", Word::Missing),
                ("d/foreign", Word::Extra),
                ("d/lost+found/", Word::Extra),
                ("fifo", Word::Changed),
                ("foreign/", Word::Extra),
                ("link", Word::Changed),
                ("second", Word::Corrupt),
            ],
        );
    }
    let one_way = check(
        &drive,
        &Options {
            one_way: true,
            ..whole()
        },
    );
    assert_eq!(one_way.counts.of(Word::Extra), 0);
    assert_eq!(one_way.counts.bad(), 8);
}

#[test]
fn a_file_of_another_size_is_not_read_however_large_it_is() {
    let lab = lab();
    let file = lab.drive_path(1).join("d/f3");
    let open = std::fs::File::options().write(true).open(&file).unwrap();
    open.set_len(1 << 40).unwrap();
    let report = check(&lab.drive_path(1), &whole());
    is(&report, &[("d/f3", Word::Changed)]);
    assert!(report.bytes < 1 << 20);
}

#[test]
fn damaged_files_of_ours_are_found_and_the_content_is_checked_all_the_same() {
    for (name, want) in [
        ("manifest.jsonl", vec![".mvcopy/manifest.jsonl"]),
        ("SHA256SUMS", vec![".mvcopy/SHA256SUMS"]),
        ("volume.json", vec![".mvcopy/volume.json"]),
    ] {
        let lab = lab();
        let drive = lab.drive_path(1);
        let file = drive.join(".mvcopy").join(name);
        let mut text = std::fs::read(&file).unwrap();
        let at = text.iter().position(|b| *b == b'f').unwrap();
        text[at] ^= 1;
        std::fs::write(&file, &text).unwrap();
        rot(&drive.join("d/f5"));
        let report = check(&drive, &whole());
        let mut want: Vec<_> = want.into_iter().map(|p| (p, Word::Damaged)).collect();
        want.push(("d/f5", Word::Corrupt));
        is(&report, &want);
        assert_eq!(
            std::fs::read(&file).unwrap(),
            text,
            "{name} is left as it is"
        );
    }
}

#[test]
fn a_drive_that_says_nothing_of_itself_is_refused_in_words() {
    let lab = lab();
    let drive = lab.drive_path(1);
    for name in ["manifest.jsonl", "volume.json"] {
        std::fs::remove_file(drive.join(".mvcopy").join(name)).unwrap();
    }
    let e = verify(
        bytes(&drive),
        &whole(),
        &CancelToken::new(),
        &Progress::new(),
    )
    .unwrap_err();
    assert_eq!(e.code, Code::BadFormat);
    assert!(e.message.contains("manifest.jsonl: it is not there"), "{e}");
    std::fs::remove_dir_all(drive.join(".mvcopy")).unwrap();
    let e = verify(
        bytes(&drive),
        &whole(),
        &CancelToken::new(),
        &Progress::new(),
    )
    .unwrap_err();
    assert_eq!(e.code, Code::BadInput);
}

#[test]
fn a_part_is_no_check_of_the_drive_and_keeps_what_is_known_of_the_rest() {
    let lab = lab();
    let drive = lab.drive_path(1);
    rot(&drive.join("d/f1"));
    rot(&drive.join("d/f4"));
    let whole_one = check(&drive, &whole());
    assert_eq!(whole_one.counts.bad(), 2);
    let stamped = std::fs::read(drive.join(".mvcopy/volume.json")).unwrap();
    std::fs::copy(lab.source.join("d/f4"), drive.join("d/f4")).unwrap();
    let time = std::fs::metadata(lab.source.join("d/f4")).unwrap();
    set_time(&drive.join("d/f4"), time.modified().unwrap());
    let options = Options {
        patterns: Some(Patterns::new(&[b"f4".to_vec()], Reading::default()).unwrap()),
        scope: b"f4".to_vec(),
        catalog: Some(lab.catalog_path()),
        ..Options::default()
    };
    let report = check(&drive, &options);
    is(&report, &[]);
    assert_eq!((report.entries, report.whole), (1, false));
    assert_eq!(
        std::fs::read(drive.join(".mvcopy/volume.json")).unwrap(),
        stamped
    );
    let catalog = lab.catalog();
    assert_eq!(catalog.volume(1).unwrap().unwrap().verified, 0);
    // f1 is still known to be bad, f4 is not any more.
    let known = catalog.findings(1, None, 9).unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(catalog.path_of(&known[0].key).unwrap(), b"d/f1");
    drop(catalog);
    let again = check(
        &drive,
        &Options {
            catalog: Some(lab.catalog_path()),
            ..whole()
        },
    );
    is(&again, &[("d/f1", Word::Corrupt)]);
    let volume = lab.catalog().volume(1).unwrap().unwrap();
    assert_eq!(
        (&volume.verified_kind[..], volume.verified_bad),
        ("same-session", 1)
    );
    assert!(volume.verified > 0);
}

#[test]
fn samples_roll_through_the_drive_and_since_asks_for_the_rest() {
    let lab = lab();
    let drive = lab.drive_path(1);
    let sample = || Options {
        sample: Some(30.0),
        scope: b"--sample 30%".to_vec(),
        lists: lists::Wanted {
            matched: Some(lab.dir.path().join("matched")),
            ..Default::default()
        },
        ..Options::default()
    };
    let mut seen = Vec::new();
    for _ in 0..4 {
        let report = check(&drive, &sample());
        assert!(report.entries < 9 && !report.whole);
        let list = std::fs::read_to_string(lab.dir.path().join("matched")).unwrap();
        seen.extend(list.lines().map(str::to_owned));
    }
    seen.sort();
    seen.dedup();
    let all = [
        "d/f0", "d/f1", "d/f2", "d/f3", "d/f4", "d/f5", "empty", "fifo", "link", "second",
    ];
    assert_eq!(seen, all);
    let since = |days| Options {
        since: Some(days),
        scope: b"--since".to_vec(),
        ..Options::default()
    };
    assert_eq!(check(&drive, &since(1)).entries, 0);
    // A file that is put there by a later run has not been checked.
    lab.file("d/new", b"new");
    lab.run(&Run::default());
    rot(&drive.join("d/new"));
    is(&check(&drive, &since(1)), &[("d/new", Word::Corrupt)]);
}

#[test]
fn a_stopped_check_goes_on_where_it_was_unless_the_drive_was_written() {
    let lab = lab();
    let drive = lab.drive_path(1);
    rot(&drive.join("d/f1"));
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    // One thread, one chunk: the stop comes when the first files have been read.
    let stopped = std::thread::scope(|scope| {
        let watcher = cancel.clone();
        let counter = &progress.files;
        scope.spawn(move || {
            while counter.load(std::sync::atomic::Ordering::Relaxed) == 0 {
                std::hint::spin_loop();
            }
            watcher.stop();
        });
        verify(
            bytes(&drive),
            &Options {
                seeks: Some(true),
                ..whole()
            },
            &cancel,
            &progress,
        )
        .unwrap()
    });
    let text = std::fs::read_to_string(drive.join(".mvcopy/verify.jsonl")).unwrap();
    assert_eq!(text.contains("\"ended\":null"), stopped.stopped);
    let report = check(&drive, &whole());
    assert_eq!(report.resumed.is_some(), stopped.stopped);
    is(&report, &[("d/f1", Word::Corrupt)]);
    assert_eq!(report.files, 8);
    let anew = check(&drive, &whole());
    assert_eq!(anew.resumed, None);
}

#[test]
fn lists_are_those_of_rclone() {
    let lab = lab();
    let drive = lab.drive_path(1);
    rot(&drive.join("d/f1"));
    std::fs::remove_file(drive.join("d/f2")).unwrap();
    std::fs::write(drive.join("new\nline"), b"").unwrap();
    let file = |name: &str| Some(lab.dir.path().join(name));
    let options = Options {
        lists: lists::Wanted {
            report: file("report"),
            differ: file("differ"),
            missing_on_dst: file("dst"),
            missing_on_src: file("src"),
            error: file("error"),
            combined: file("combined"),
            matched: file("matched"),
        },
        ..whole()
    };
    check(&drive, &options);
    let read = |name: &str| std::fs::read_to_string(lab.dir.path().join(name)).unwrap();
    assert_eq!(
        read("report"),
        "corrupt\td/f1\nmissing\td/f2\nextra\tnew\\nline\n"
    );
    assert_eq!(
        (read("differ"), read("dst")),
        ("d/f1\n".into(), "d/f2\n".into())
    );
    assert_eq!(
        (read("src"), read("error")),
        ("new\nline\n".into(), String::new())
    );
    assert!(read("combined").starts_with("= d/f0\n* d/f1\n+ d/f2\n= d/f3\n"));
    assert_eq!(read("matched").lines().count(), 8);
}
