//! A drive held against its source: what moved on is told and is no fault, and where size and time agree and the
//! content does not, the recorded digest says on which side the damage is.

use crate::common;

use std::os::unix::fs::symlink;
use std::path::Path;

use common::query::volume;
use common::{Lab, Run, bytes};
use multivolumecopy_core::format::verify::{SourceWord, Word};
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::verify::{Options, Report, lists, verify};
use multivolumecopy_core::{CancelToken, Code};
use sha2::{Digest as _, Sha256};

fn lab(run: &Run) -> Lab {
    let lab = Lab::new();
    for n in 0..8u8 {
        lab.file(&format!("d/f{n}"), &vec![n; 1000 * usize::from(n) + 1]);
    }
    lab.file("empty", b"");
    symlink("d/f1", lab.source.join("link")).unwrap();
    std::fs::hard_link(lab.source.join("d/f2"), lab.source.join("second")).unwrap();
    lab.catalog().put_volume(&volume(1)).unwrap();
    lab.run(run);
    lab
}

fn options(lab: &Lab) -> Options {
    Options {
        scope: b"--against-source".to_vec(),
        catalog: Some(lab.catalog_path()),
        against_source: true,
        ..Options::default()
    }
}

fn check(lab: &Lab, options: &Options) -> Report {
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    verify(bytes(&lab.drive_path(1)), options, &cancel, &progress).unwrap()
}

fn in_source(report: &Report) -> Vec<(String, SourceWord, String)> {
    let told = report.tables.in_source(None, 1000).unwrap();
    told.into_iter()
        .map(|t| {
            let path = String::from_utf8(t.found.path).unwrap();
            (path, t.found.word, t.why)
        })
        .collect()
}

/// Flips a bit of the last byte and puts the time back.
fn rot(file: &Path, bit: u8) {
    let time = std::fs::metadata(file).unwrap().modified().unwrap();
    let mut content = std::fs::read(file).unwrap();
    *content.last_mut().unwrap() ^= bit;
    std::fs::write(file, content).unwrap();
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_modified(time).unwrap();
}

/// Whatever a write would change of what is in a directory.
fn picture(dir: &Path) -> String {
    let out = std::process::Command::new("find")
        .arg(dir)
        .args(["-printf", "%p %y %s %m %T@ %C@\\n"])
        .output()
        .unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn a_source_that_is_as_it_was_is_the_same_and_is_only_read() {
    let lab = lab(&Run::default());
    let before = picture(&lab.source);
    let report = check(&lab, &options(&lab));
    assert_eq!(in_source(&report), []);
    let (counts, absent) = report.in_source.unwrap();
    // All but the directory.
    assert_eq!((counts.same, absent.len()), (11, 0));
    assert_eq!(report.counts.bad(), 0);
    assert_eq!(picture(&lab.source), before);
    // Not asked for is not told.
    let alone = check(&lab, &Options::default());
    assert!(alone.in_source.is_none());
}

#[test]
fn each_side_has_its_words_and_the_digest_tells_whose_damage_it_is() {
    let lab = lab(&Run::default());
    let drive = lab.drive_path(1);
    // The source moved on.
    std::fs::remove_file(lab.source.join("d/f0")).unwrap();
    std::fs::write(lab.source.join("d/f1"), b"another version").unwrap();
    std::fs::remove_file(lab.source.join("link")).unwrap();
    symlink("elsewhere", lab.source.join("link")).unwrap();
    let touched = std::fs::File::options()
        .write(true)
        .open(lab.source.join("d/f3"))
        .unwrap();
    touched.set_modified(std::time::SystemTime::now()).unwrap();
    std::fs::write(lab.source.join("d/new"), b"not on this drive").unwrap();
    // The drive rots; the source rots; both do.
    rot(&drive.join("d/f4"), 1);
    rot(&lab.source.join("d/f5"), 1);
    rot(&drive.join("d/f6"), 1);
    rot(&lab.source.join("d/f6"), 2);
    // Gone from the drive alone.
    std::fs::remove_file(drive.join("d/f7")).unwrap();
    let file = |name: &str| Some(lab.dir.path().join(name));
    let report = check(
        &lab,
        &Options {
            lists: lists::Wanted {
                report: file("report"),
                combined: file("combined"),
                ..Default::default()
            },
            ..options(&lab)
        },
    );
    let found = in_source(&report);
    let words: Vec<(&str, SourceWord)> = found.iter().map(|(p, w, _)| (&p[..], *w)).collect();
    assert_eq!(
        words,
        [
            ("d/f0", SourceWord::Gone),
            ("d/f1", SourceWord::Newer),
            ("d/f3", SourceWord::Newer),
            ("d/f5", SourceWord::Differs),
            ("d/f6", SourceWord::Differs),
            ("link", SourceWord::Newer),
        ]
    );
    assert!(found[2].2.contains("the same content"), "{}", found[2].2);
    assert!(
        found[3]
            .2
            .contains("the drive has what was backed up, the source does not")
    );
    assert!(found[4].2.contains("neither the source nor the drive"));
    let told = report.tables.told(None, 100).unwrap();
    let told: Vec<(&[u8], Word, bool)> = told
        .iter()
        .map(|t| {
            let has = t.why.contains("the source has what was backed up");
            (&t.finding.path[..], t.finding.word, has)
        })
        .collect();
    assert_eq!(
        told,
        [
            (&b"d/f4"[..], Word::Corrupt, true),
            (b"d/f6", Word::Corrupt, false),
            (b"d/f7", Word::Missing, true),
        ]
    );
    let (counts, _) = report.in_source.unwrap();
    // f2, second and empty.
    assert_eq!(counts.same, 3);
    let read = |name: &str| std::fs::read_to_string(lab.dir.path().join(name)).unwrap();
    assert_eq!(
        read("report"),
        "gone\td/f0\nnewer\td/f1\nnewer\td/f3\ncorrupt\td/f4\ndiffers\td/f5\ncorrupt\td/f6\n\
         differs\td/f6\nmissing\td/f7\nnewer\tlink\n"
    );
    // One line a path.
    assert_eq!(
        read("combined"),
        "- d/f0\n* d/f1\n= d/f2\n* d/f3\n* d/f4\n* d/f5\n* d/f6\n+ d/f7\n= empty\n* link\n= second\n"
    );
    // None of it is a finding about the drive.
    let known = lab.catalog().findings(1, None, 100).unwrap();
    assert_eq!(known.len(), 3);
    let kept = std::fs::read_to_string(drive.join(".mvcopy/verify.jsonl")).unwrap();
    assert!(!kept.contains("\"source\""), "{kept}");
}

#[test]
fn without_a_checksum_the_two_are_compared_with_each_other() {
    let lab = lab(&Run {
        digest: None,
        ..Run::default()
    });
    rot(&lab.source.join("d/f5"), 1);
    let found = in_source(&check(&lab, &options(&lab)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].0[..], found[0].1), ("d/f5", SourceWord::Differs));
    assert!(found[0].2.contains("nothing tells which"), "{found:?}");
}

#[test]
fn a_renamed_file_is_the_same_under_its_new_name_once_the_set_knows_it() {
    let lab = lab(&Run::default());
    std::fs::rename(lab.source.join("d/f5"), lab.source.join("d/g5")).unwrap();
    let found = in_source(&check(&lab, &options(&lab)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].0[..], found[0].1), ("d/f5", SourceWord::Gone));
    lab.run(&Run::default());
    assert_eq!(in_source(&check(&lab, &options(&lab))), []);
}

#[test]
fn a_source_that_is_not_there_is_unknown_and_never_gone() {
    let lab = lab(&Run::default());
    let hidden = lab.dir.path().join("hidden");
    std::fs::rename(&lab.source, &hidden).unwrap();
    for empty in [false, true] {
        if empty {
            std::fs::create_dir(&lab.source).unwrap();
        }
        let (cancel, progress) = (CancelToken::new(), Progress::new());
        let drive = lab.drive_path(1);
        let e = verify(bytes(&drive), &options(&lab), &cancel, &progress).unwrap_err();
        assert_eq!(e.code, Code::BadInput);
        assert!(e.message.contains("not there, or empty"), "{e}");
    }
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let without = Options {
        catalog: None,
        ..options(&lab)
    };
    let e = verify(bytes(&lab.drive_path(1)), &without, &cancel, &progress).unwrap_err();
    assert!(e.message.contains("no catalog"), "{e}");
}

#[test]
fn a_stopped_comparison_goes_on_and_still_knows_what_it_had_found() {
    let lab = lab(&Run::default());
    std::fs::remove_file(lab.source.join("d/f0")).unwrap();
    rot(&lab.source.join("d/f5"), 1);
    // As a check leaves it that was killed when it was done with d/f3.
    check(&lab, &options(&lab));
    let file = lab.drive_path(1).join(".mvcopy/verify.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    let ended = lines[0].find("\"ended\":").unwrap();
    let scope = lines[0].find(",\"scope\"").unwrap();
    lines[0].replace_range(ended..scope, "\"ended\":null");
    let end = lines[0].len() - 1;
    lines[0].insert_str(end, ",\"through\":\"d/f3\"");
    lines.truncate(1);
    lines.push("{\"source\":\"gone\",\"path\":\"d/f0\"}".to_owned());
    let text = lines.join("\n") + "\n";
    let hash = Sha256::digest(&text);
    let hash: String = hash.iter().map(|b| format!("{b:02x}")).collect();
    std::fs::write(
        &file,
        format!("{text}{{\"lines\":1,\"sha256\":\"{hash}\"}}\n"),
    )
    .unwrap();
    // It comes back between the two: what is done is not looked at again.
    std::fs::write(lab.source.join("d/f0"), b"back").unwrap();
    let report = check(&lab, &options(&lab));
    assert!(report.resumed.is_some());
    let found = in_source(&report);
    let words: Vec<(&str, SourceWord)> = found.iter().map(|(p, w, _)| (&p[..], *w)).collect();
    assert_eq!(
        words,
        [("d/f0", SourceWord::Gone), ("d/f5", SourceWord::Differs)]
    );
}
