//! Job files and trees that are broken or mean harm.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;

#[test]
fn no_symlink_is_followed_on_the_drive() {
    let place = Place::new();
    // The very same file, but by way of a link out of the drive.
    fs::remove_file(place.path("usb", NAMES[0])).expect("rm");
    symlink(place.path("src", NAMES[0]), place.path("usb", NAMES[0])).expect("ln");
    fs::remove_dir_all(place.path("usb", b"books")).expect("rm");
    symlink(place.path("src", b"books"), place.path("usb", b"books")).expect("ln");
    for report in [place.verify(), place.verify_content()] {
        assert_eq!(
            report.findings[0].why,
            "there is a symbolic link on the drive"
        );
        let behind = "a symbolic link is in its path on the drive";
        assert!(report.findings[1..].iter().all(|f| f.why == behind));
        assert_eq!(
            found(&report),
            [(Different, 0), (Different, 2), (Different, 3)]
        );
        assert_eq!(report.backup_bytes, 16);
    }
}

#[test]
fn a_fifo_is_named_and_never_waited_for() {
    let place = Place::new();
    for (root, name) in [("usb", NAMES[0]), ("src", NAMES[1])] {
        let path = place.path(root, name);
        fs::remove_file(&path).expect("rm");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
            .expect("a fifo");
    }
    let report = place.verify_content();
    let why: Vec<&str> = report.findings.iter().map(|f| &f.why[..]).collect();
    assert_eq!(
        why,
        ["there is a fifo on the drive", "the source is a fifo now"]
    );
}

#[test]
fn what_cannot_be_looked_at_is_named_and_the_rest_goes_on() {
    let place = Place::new();
    // A link in the middle of the source: not followed, and not the same as gone.
    fs::rename(place.path("src", b"a"), place.path("src", b"real")).expect("mv");
    symlink("a", place.path("src", b"a")).expect("ln");
    place.write("usb", NAMES[2], b"");
    let report = place.verify();
    let expected = [(Unreadable, 0), (Unreadable, 1), (Different, 2)];
    assert_eq!(found(&report), expected);
    assert_eq!((report.gone, report.unreadable), (0, 2));
}

#[test]
fn a_bad_job_file_is_refused_before_anything_is_looked_at() {
    let place = Place::new();
    let (src, usb) = (place.path("src", b"a/one"), place.path("usb", b"a/one"));
    let (src, usb) = (src.display(), usb.display());
    let good = format!("[\"{src}\", \"{usb}\", \"a/one\", 17, 0]");
    let cases = [
        (
            format!("[\n{good},\n[\"/s/../x\", \"{usb}\", \"../x\", 1, 1]\n]"),
            "line 3: the relative path has a component '..'",
        ),
        (
            format!("[\n{good},\n[\"/etc/passwd\", \"/etc/passwd\", \"etc/passwd\", 1, 1]]"),
            "line 3: another output",
        ),
        (format!("[\n{good},\n"), "line 3: the job file is cut off"),
        (good.replace("17", "-1"), "line 1: "),
    ];
    for (text, expected) in cases {
        fs::write(place.job(), text).expect("write");
        let progress = Progress::new();
        let output = place.path("usb", b"");
        let e = verify(
            &place.job(),
            output.as_os_str().as_bytes(),
            &Options::default(),
            &CancelToken::new(),
            &progress,
        )
        .expect_err("a bad job file");
        assert_eq!(e.code, Code::BadJobFile, "{e}");
        assert!(e.message.starts_with(expected), "{e}");
        assert_eq!(progress.current(), b"");
    }
}

#[test]
fn what_is_no_job_file_or_no_drive() {
    let place = Place::new();
    let refuse = |job: &Path, output: PathBuf| {
        let output = output.as_os_str().as_bytes();
        let (cancel, progress) = (CancelToken::new(), Progress::new());
        verify(job, output, &Options::default(), &cancel, &progress)
            .expect_err("nothing to compare")
            .code
    };
    let (job, usb) = (place.job(), place.path("usb", b""));
    assert_eq!(refuse(&job, place.path("usb", b"no/such")), Code::BadInput);
    assert_eq!(refuse(&job, place.path("usb", b"empty")), Code::BadInput);
    assert_eq!(refuse(&place.path("no", b"job"), usb.clone()), Code::Io);
    assert_eq!(refuse(&usb, usb.clone()), Code::BadJobFile);
    let fifo = place.path("usb", b"fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a fifo");
    assert_eq!(refuse(&fifo, usb), Code::BadJobFile);
}

#[test]
fn a_raised_token_ends_it() {
    let place = Place::new();
    let cancel = CancelToken::new();
    cancel.stop();
    let output = place.path("usb", b"");
    let output = output.as_os_str().as_bytes();
    let e = verify(
        &place.job(),
        output,
        &Options::default(),
        &cancel,
        &Progress::new(),
    )
    .expect_err("cancelled");
    assert_eq!(e.code, Code::Cancelled);
}

#[test]
fn memory_is_bounded_however_much_is_wrong() {
    let place = Place::new();
    let mut job = fs::File::create(place.job()).expect("create");
    let top = place.top.path().display();
    let entries = KEPT_FINDINGS + 50;
    place.write("src", b"f", b"");
    let mut text = String::from("[");
    for n in 0..entries {
        let comma = if n == 0 { "" } else { ",\n" };
        text += &format!("{comma}[\"{top}/src/f\", \"{top}/usb/f\", \"f\", 0, {n}]");
    }
    job.write_all(text.as_bytes()).expect("write");
    job.write_all(b"]").expect("write");
    let report = place.verify();
    assert_eq!(report.missing, entries as u64);
    assert_eq!((report.findings.len(), report.more), (KEPT_FINDINGS, 50));
}
