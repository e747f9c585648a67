//! Checks of real trees in a temporary place, with job files as we and as the seed write them.

mod hostile;
mod records;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::format::jobfile::JobWriter;

/// A source, a drive that holds the same, and the job file between them.
struct Place {
    top: tempfile::TempDir,
}

/// The names of the standard tree, in the order of the job file.
const NAMES: [&[u8]; 5] = [
    b"a/one",
    b"a/two",
    b"books/caf\xe9.txt",
    b"books/new\nline",
    b"empty",
];

impl Place {
    fn new() -> Self {
        let place = Place {
            top: tempfile::tempdir().expect("a temporary directory"),
        };
        for (n, name) in NAMES.into_iter().enumerate() {
            let content = if name == b"empty" { "" } else { "content of " };
            let content = [content.as_bytes(), name].concat();
            let content = if name == b"empty" { &[][..] } else { &content };
            for root in ["src", "usb"] {
                place.write(root, name, content);
                place.date(root, name, n as u32);
            }
        }
        place.write_job(&NAMES);
        place
    }

    fn path(&self, root: &str, name: &[u8]) -> PathBuf {
        self.top.path().join(root).join(OsStr::from_bytes(name))
    }

    fn write(&self, root: &str, name: &[u8], content: &[u8]) {
        let path = self.path(root, name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        fs::write(path, content).expect("write");
    }

    /// Gives a file a time in the past with a fraction of a second, so that equality is no accident.
    fn date(&self, root: &str, name: &[u8], n: u32) {
        let time = Duration::new(1_500_000_000 + u64::from(n), 123_456_700 + n);
        self.set_time(root, name, time);
    }

    fn set_time(&self, root: &str, name: &[u8], since_epoch: Duration) {
        let file = fs::File::options()
            .append(true)
            .open(self.path(root, name))
            .expect("open");
        file.set_modified(SystemTime::UNIX_EPOCH + since_epoch)
            .expect("a time");
    }

    fn job(&self) -> PathBuf {
        self.top.path().join("job.json")
    }

    fn write_job(&self, names: &[&[u8]]) {
        let mut writer = JobWriter::new(Vec::new(), b"job.json");
        for name in names {
            let full = |root| self.path(root, name).into_os_string();
            let size = fs::metadata(self.path("src", name)).map_or(7, |m| m.len());
            writer
                .push(full("src").as_bytes(), full("usb").as_bytes(), name, size)
                .expect("an entry");
        }
        let (_, bytes) = writer.finish().expect("a job file");
        fs::write(self.job(), bytes).expect("write");
    }

    fn try_verify(&self, options: &Options) -> Result<Report> {
        verify(
            &self.job(),
            self.path("usb", b"").as_os_str().as_bytes(),
            options,
            &CancelToken::new(),
            &Progress::new(),
        )
    }

    fn verify(&self) -> Report {
        self.try_verify(&Options::default()).expect("a report")
    }

    fn verify_content(&self) -> Report {
        let options = Options {
            checksum: true,
            ..Options::default()
        };
        self.try_verify(&options).expect("a report")
    }
}

fn found(report: &Report) -> Vec<(FindingKind, u64)> {
    report.findings.iter().map(|f| (f.kind, f.index)).collect()
}

#[track_caller]
fn only_why(report: &Report) -> &str {
    assert_eq!(report.findings.len(), 1, "{report:?}");
    &report.findings[0].why
}

use FindingKind::{Different, Missing, Unreadable};

#[test]
fn an_equal_drive() {
    let place = Place::new();
    for report in [place.verify(), place.verify_content()] {
        assert_eq!(report.findings, []);
        let bytes: u64 = NAMES[..4].iter().map(|n| n.len() as u64 + 11).sum();
        assert_eq!((report.backup_bytes, report.expected_bytes), (bytes, bytes));
        assert_eq!(
            (report.entries, report.selected, report.compared),
            (5, 5, 5)
        );
        assert!(report.volume_bytes > bytes);
        assert!(!report.recorded);
    }
}

#[test]
fn a_truncated_file_of_the_same_time_is_different() {
    let place = Place::new();
    place.write("usb", NAMES[1], b"cont");
    place.date("usb", NAMES[1], 1);
    let report = place.verify();
    assert_eq!(found(&report), [(Different, 1)]);
    assert_eq!(
        only_why(&report),
        "size: 4 bytes on the drive, 16 in the source"
    );
    assert_eq!(report.expected_bytes - report.backup_bytes, 12);
    let finding = &report.findings[0];
    assert_eq!(
        finding.src,
        place.path("src", NAMES[1]).as_os_str().as_bytes()
    );
    assert_eq!(
        finding.dst,
        place.path("usb", NAMES[1]).as_os_str().as_bytes()
    );
}

#[test]
fn a_time_that_is_a_nanosecond_off_is_different_unless_in_the_window() {
    let place = Place::new();
    place.set_time("usb", NAMES[0], Duration::new(1_500_000_000, 123_456_699));
    let report = place.verify();
    // On a file system with coarser times in the temporary place there is nothing to see.
    if report.window_ns == 0 {
        assert_eq!(found(&report), [(Different, 0)]);
        assert_eq!(
            only_why(&report),
            "time: 0.000000001 s older on the drive than in the source"
        );
    }
    let window = |seconds| Options {
        modify_window_seconds: Some(seconds),
        ..Options::default()
    };
    place.set_time("usb", NAMES[0], Duration::new(1_500_000_002, 123_456_700));
    let two = place.try_verify(&window(2)).expect("a report");
    assert_eq!(two.findings, []);
    let one = place.try_verify(&window(1)).expect("a report");
    assert_eq!(
        only_why(&one),
        "time: 2 s newer on the drive than in the source"
    );
}

#[test]
fn other_content_of_the_same_size_and_time_is_found_with_checksum_only() {
    let place = Place::new();
    place.write("usb", NAMES[3], &[b'x'; 11 + 14]);
    place.date("usb", NAMES[3], 3);
    assert_eq!(place.verify().findings, []);
    let report = place.verify_content();
    assert_eq!(found(&report), [(Different, 3)]);
    assert_eq!(only_why(&report), "content: not the same as in the source");
}

#[test]
fn large_files_are_read_on_both_sides_to_the_last_byte() {
    let place = Place::new();
    let mut content = vec![7u8; (9 << 20) + 1];
    for root in ["src", "usb"] {
        place.write(root, b"large", &content);
        place.date(root, b"large", 9);
    }
    place.write_job(&[b"large"]);
    assert_eq!(place.verify_content().findings, []);
    *content.last_mut().expect("a byte") = 8;
    place.write("usb", b"large", &content);
    place.date("usb", b"large", 9);
    assert_eq!(found(&place.verify_content()), [(Different, 0)]);
}

#[test]
fn missing_on_the_drive_gone_from_the_source() {
    let place = Place::new();
    fs::remove_file(place.path("usb", NAMES[2])).expect("rm");
    fs::remove_dir_all(place.path("src", b"a")).expect("rm");
    let report = place.verify();
    assert_eq!(found(&report), [(Missing, 2)]);
    assert_eq!((report.gone, report.missing, report.compared), (2, 1, 3));
    // Something else in the place of the directory is as much gone.
    place.write("src", b"a", b"a file");
    assert_eq!(place.verify().gone, 2);
    assert_eq!(place.verify().absent_roots, Vec::<Vec<u8>>::new());
}

#[test]
fn an_absent_or_empty_source_is_told() {
    let place = Place::new();
    let src = place.path("src", b"").as_os_str().as_bytes().to_vec();
    let src = src.strip_suffix(b"/").unwrap_or(&src).to_vec();
    fs::rename(place.path("src", b""), place.path("away", b"")).expect("mv");
    let report = place.verify();
    assert_eq!((report.gone, report.compared), (5, 0));
    assert_eq!(report.absent_roots, std::slice::from_ref(&src));
    fs::create_dir(place.path("src", b"")).expect("mkdir");
    assert_eq!(place.verify().absent_roots, [src]);
}

#[test]
fn ranges() {
    let place = Place::new();
    for name in NAMES {
        fs::remove_file(place.path("usb", name)).expect("rm");
    }
    let indexes = |from, to| {
        let options = Options {
            from,
            to,
            ..Options::default()
        };
        let report = place.try_verify(&options).expect("a report");
        assert_eq!(report.entries, 5);
        assert_eq!(report.selected, report.missing);
        report.findings.iter().map(|f| f.index).collect::<Vec<_>>()
    };
    assert_eq!(indexes(0, None), [0, 1, 2, 3, 4]);
    assert_eq!(indexes(1, Some(3)), [1, 2]);
    assert_eq!(indexes(4, Some(u64::MAX)), [4]);
    assert_eq!(indexes(2, Some(2)), [0u64; 0]);
    assert_eq!(indexes(5, None), [0u64; 0]);
}

#[test]
fn the_job_file_of_the_seed() {
    // Its two roots are moved into the temporary place; all else is as the seed wrote it.
    let place = Place::new();
    let seed = include_str!("../../tests/fixtures/jobdata-0.5.0.json");
    let top = place.top.path().to_str().expect("a plain path");
    let text = seed
        .replace("/mnt/src/", &format!("{top}/src/"))
        .replace("/mnt/usb/", &format!("{top}/usb/"));
    fs::write(place.job(), &text).expect("write");
    let mut names = Vec::new();
    let count = jobfile::read(text.as_bytes(), b"job.json", &mut |entry, _| {
        names.push((entry.relpath, entry.bytes));
        Ok(())
    })
    .expect("the fixture");
    for (name, bytes) in &names {
        for root in ["src", "usb"] {
            place.write(root, name, &vec![b'x'; *bytes as usize]);
            place.date(root, name, 0);
        }
    }
    let report = place.verify_content();
    assert_eq!((report.findings, report.compared), (vec![], count));
    let last = &names[names.len() - 1].0;
    fs::remove_file(place.path("usb", last)).expect("rm");
    assert_eq!(found(&place.verify()), [(Missing, count - 1)]);
}
