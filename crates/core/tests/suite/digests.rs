//! Drives whose files have digests of both algorithms: nothing is copied because of the change, both sums files
//! tell the truth, and content is compared by whichever digest a drive has.

use crate::common;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use common::crash::single_steps;
use common::{Lab, Run, compare, manifest};
use multivolumecopy_core::catalog::scan::Sameness;
use multivolumecopy_core::format::item::{Algorithm, Digest};

fn by(digest: Algorithm) -> Run {
    Run {
        digest: Some(digest),
        ..Run::default()
    }
}

fn by_content(digest: Algorithm) -> Run {
    Run {
        same: Sameness {
            content: true,
            ..Sameness::default()
        },
        ..by(digest)
    }
}

/// The digests that a sums file has, by path; none where it is not there. Plain names only.
fn listed(drive: &Path, file: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(drive.join(".mvcopy").join(file)).unwrap_or_default();
    text.lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(hex, path)| (path.to_owned(), hex.to_owned()))
        .collect()
}

/// Each stored file of the manifest is in the sums file of its algorithm and in no other, and its digest is that
/// of what stands there.
fn check_sums(drive: &Path) -> (usize, usize) {
    let sha256 = listed(drive, "SHA256SUMS");
    let blake3 = listed(drive, "B3SUMS");
    let mut files = 0;
    for item in manifest(drive) {
        let Some(digest) = item.digest else { continue };
        let path = String::from_utf8(item.path).unwrap();
        let content = std::fs::read(drive.join(&path)).unwrap();
        assert_eq!(Digest::of(digest.algorithm, &content), digest, "{path}");
        let mut hex = Vec::new();
        digest.push_hex(&mut hex);
        let hex = String::from_utf8(hex).unwrap();
        let (has, has_not) = match digest.algorithm {
            Algorithm::Sha256 => (&sha256, &blake3),
            Algorithm::Blake3 => (&blake3, &sha256),
        };
        assert_eq!(has.get(&path), Some(&hex), "{path}");
        assert_eq!(has_not.get(&path), None, "{path}");
        files += 1;
    }
    assert_eq!(files, sha256.len() + blake3.len());
    (sha256.len(), blake3.len())
}

/// Two files by each algorithm, one small and one of several blocks; the last is a hard link more.
fn both_kinds() -> Lab {
    let lab = Lab::new();
    lab.file("old-small", b"old");
    lab.file("old-large", &vec![1; 3 << 20]);
    lab.run(&by(Algorithm::Sha256));
    lab.file("new-small", b"new");
    let large = lab.file("new-large", &vec![2; 3 << 20]);
    std::fs::hard_link(&large, lab.source.join("new-link")).unwrap();
    let ran = lab.run(&by(Algorithm::Blake3));
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!(ran.outcomes[0].files, 3, "nothing is copied again");
    lab
}

fn touch(path: &Path) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

#[test]
fn a_drive_may_have_files_of_both_and_both_lists_tell_the_truth() {
    let lab = both_kinds();
    assert_eq!(check_sums(&lab.drive_path(1)), (2, 3));
    // And back again: still nothing is copied, and what is new gets the other digest.
    lab.file("newest", b"newest");
    let ran = lab.run(&by(Algorithm::Sha256));
    assert_eq!(ran.outcomes[0].files, 1);
    assert_eq!(check_sums(&lab.drive_path(1)), (3, 3));
    lab.check();
    // A list whose last file is gone goes too.
    for name in ["new-small", "new-large", "new-link"] {
        std::fs::remove_file(lab.source.join(name)).unwrap();
    }
    lab.run(&Run {
        gone: true,
        ..Run::default()
    });
    assert_eq!(check_sums(&lab.drive_path(1)), (3, 0));
    assert!(!lab.drive_path(1).join(".mvcopy/B3SUMS").exists());
}

#[test]
fn names_that_b3sum_cannot_read_are_in_the_manifest_alone() {
    let lab = Lab::new();
    lab.file("plain", b"plain");
    for name in [&b"caf\xe9"[..], b"\xff\xfe", "\u{fffd}".as_bytes()] {
        std::fs::write(lab.source.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let ran = lab.run(&by(Algorithm::Blake3));
    let checks = ran.closed[0].checks;
    assert_eq!((checks.blake3, checks.unlisted), (1, 3));
    let drive = lab.drive_path(1);
    assert_eq!(listed(&drive, "B3SUMS").len(), 1);
    let items = manifest(&drive);
    let files = items.iter().filter(|item| item.digest.is_some());
    assert_eq!(files.count(), 4);
    let readme = std::fs::read_to_string(drive.join(".mvcopy/README.txt")).unwrap();
    assert!(readme.contains("3 files cannot be checked in this way"));
}

#[test]
fn content_is_compared_by_the_digest_that_the_drive_has() {
    let lab = both_kinds();
    for name in ["old-small", "old-large", "new-small", "new-large"] {
        touch(&lab.source.join(name));
    }
    // Whatever the set would choose now.
    let ran = lab.run(&by_content(Algorithm::Sha256));
    assert_eq!(ran.compared.spared_files, 5, "{:?}", ran.compared);
    assert_eq!(ran.outcomes[0].files, 0);
    lab.check();
    // Behind their times.
    for name in ["old-large", "new-large"] {
        let path = lab.source.join(name);
        let time = path.metadata().unwrap().modified().unwrap();
        std::fs::write(&path, vec![9; 3 << 20]).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
    }
    let ran = lab.run(&by_content(Algorithm::Sha256));
    assert_eq!(ran.compared.changed_files, 3, "{:?}", ran.compared);
    assert_eq!(ran.outcomes[0].files, 3);
    compare::same_trees(&lab.source, &lab.drive_path(1));
    assert_eq!(check_sums(&lab.drive_path(1)), (4, 1));
    let again = lab.run(&by_content(Algorithm::Blake3));
    assert_eq!(
        (again.compared.changed_files, again.outcomes[0].files),
        (0, 0)
    );
}

#[test]
fn a_renamed_file_is_known_by_either_digest() {
    let lab = both_kinds();
    for (old, new) in [("old-large", "moved/a"), ("new-small", "moved/b")] {
        // Under another inode, so that only the content tells.
        let content = std::fs::read(lab.source.join(old)).unwrap();
        let path = lab.file(new, &content);
        touch(&path);
        std::fs::remove_file(lab.source.join(old)).unwrap();
    }
    let ran = lab.run(&Run {
        gone: true,
        ..by_content(Algorithm::Sha256)
    });
    assert_eq!(ran.outcomes[0].files, 0, "{:?}", ran.compared.renamed);
    assert_eq!(ran.applied[0].renamed_files, 2);
    compare::same_trees(&lab.source, &lab.drive_path(1));
    // The digests came along.
    assert_eq!(check_sums(&lab.drive_path(1)), (2, 3));
}

#[test]
fn what_a_crash_left_is_settled_by_either_digest() {
    for digest in [Algorithm::Sha256, Algorithm::Blake3] {
        let lab = Lab::new();
        for n in 0..20u8 {
            lab.file(&format!("f{n}"), &vec![n; 1 + usize::from(n) * 40_000]);
        }
        lab.run(&Run {
            digest: Some(digest),
            close: false,
            ..single_steps(false)
        });
        let journal = lab.drive_path(1).join(".mvcopy/journal.log");
        let text = std::fs::read(&journal).unwrap();
        let kept: Vec<u8> = text
            .split_inclusive(|b| *b == b'\n')
            .filter(|l| {
                !l.windows(10).any(|w| w == b"\"durable\",")
                    && !l.windows(7).any(|w| w == b"\"done\",")
            })
            .flatten()
            .copied()
            .collect();
        assert!(kept.len() < text.len());
        std::fs::write(&journal, kept).unwrap();
        // One of them did not reach the device whole, at its full length.
        let torn = lab.drive_path(1).join("f13");
        let mut content = std::fs::read(&torn).unwrap();
        *content.last_mut().unwrap() ^= 1;
        std::fs::write(&torn, content).unwrap();
        std::fs::remove_file(lab.catalog_path()).unwrap();
        let ran = lab.run(&Run {
            reread: true,
            // What is torn counts as nobody's: the catalog is gone.
            adopt: true,
            ..by(digest)
        });
        assert!(ran.errors.is_empty(), "{:?}", ran.errors);
        let recovered = ran.recovered[0];
        assert_eq!(
            (recovered.finished, recovered.dropped),
            (19, 1),
            "{digest:?}"
        );
        compare::same_trees(&lab.source, &lab.drive_path(1));
        check_sums(&lab.drive_path(1));
    }
}
