use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::format::testing::run;

const NAMES: &[&[u8]] = &[
    b"plain",
    b"-",
    b"-n",
    b"--help",
    b"*star",
    b" leading",
    b"trailing ",
    b"new\nline",
    b"end\n",
    b"back\\slash",
    b"\\n",
    b"cr\rmid",
    b"cr-end\r",
    b"both\\\n\r",
    b"caf\xe9",
    b"\r",
    b"a\rb\\c",
    b"a\rb\nc",
    b"mid\r end\r",
    b"#hash",
    b"~",
    b"%s",
    b"SHA256 (x) = y",
    b"dir/-",
    b"dir/sub \\/x\n",
    "ü日本💾\u{202e}".as_bytes(),
];

fn at(root: &Path, name: &[u8]) -> std::path::PathBuf {
    root.join(OsStr::from_bytes(name))
}

fn sha256(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

#[test]
fn the_real_sha256sum_reads_and_writes_the_same_lines() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut sums = Vec::new();
    for name in NAMES {
        let path = at(dir.path(), name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, name).expect("a file");
        push_line(&mut sums, &sha256(name), name);
    }
    fs::create_dir(dir.path().join(".mvcopy")).expect("a directory");
    fs::write(dir.path().join(".mvcopy/SHA256SUMS"), &sums).expect("a file");
    let check = || {
        let mut command = Command::new("sha256sum");
        command.current_dir(dir.path()).stderr(Stdio::null());
        run(
            command.args(["-c", "--strict", ".mvcopy/SHA256SUMS"]),
            b"not a file of the drive",
        )
    };

    let Some((good, output)) = check() else {
        return;
    };
    assert!(good, "{}", String::from_utf8_lossy(&output));
    let ok = output
        .split(|&b| b == b'\n')
        .filter(|line| line.ends_with(b": OK"))
        .count();
    assert_eq!(ok, NAMES.len());

    let mut command = Command::new("sha256sum");
    command.current_dir(dir.path()).arg("--");
    // The one name that the tool itself would not find.
    command.args(
        NAMES
            .iter()
            .map(|name| if *name == b"-" { b"./-" } else { *name })
            .map(OsStr::from_bytes),
    );
    let (_, theirs) = run(&mut command, b"").expect("it was there before");
    assert_eq!(
        String::from_utf8_lossy(&sums),
        String::from_utf8_lossy(&theirs)
    );

    for name in NAMES {
        let path = at(dir.path(), name);
        fs::write(&path, b"changed").expect("a file");
        assert!(
            !check().expect("it was there before").0,
            "{name:?} is not looked at"
        );
        fs::write(&path, name).expect("a file");
    }
}

/// Names that b3sum cannot read: it ends at a line that is not UTF-8, and refuses U+FFFD.
const BEYOND_B3SUM: &[&[u8]] = &[b"caf\xe9", b"\xff\n", "\u{fffd}".as_bytes(), b"dir\x80/x"];

fn blake3(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Blake3, content)
}

/// b3sum's rule for a line, as its document "How does `b3sum --check` behave exactly?" and its source have it:
/// the path and the digest; `None` where it refuses the line. `trims`: versions since 1.5.5, which know `\r` as
/// an escape and take carriage returns at the end for the line's.
fn parsed(line: &str, trims: bool) -> Option<(String, String)> {
    let line = line.trim_end_matches('\n');
    let line = if trims {
        line.trim_end_matches(['\r', '\n'])
    } else {
        line
    };
    let (escaped, rest) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (hex, name) = rest.split_once("  ")?;
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() != 64 || !hex.bytes().all(is_hex) {
        return None;
    }
    let mut path = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        path.push(match (c, escaped) {
            ('\\', true) => match chars.next()? {
                'n' => '\n',
                'r' if trims => '\r',
                '\\' => '\\',
                _ => return None,
            },
            _ => c,
        });
    }
    let refused = path.is_empty() || path.contains(['\0', '\u{fffd}']);
    (!refused).then(|| (path, hex.to_owned()))
}

#[test]
fn every_line_is_read_by_the_rule_of_b3sum() {
    for path in NAMES.iter().filter(|name| !name.contains(&0xe9)) {
        assert!(takes(Algorithm::Blake3, path), "{path:?}");
        let mut line = Vec::new();
        push_line(&mut line, &blake3(path), path);
        let line = String::from_utf8(line).expect("UTF-8");
        let mut hex = Vec::new();
        blake3(path).push_hex(&mut hex);
        let on_disk = if **path == *b"-" { b"./-" } else { *path };
        let expected = Some((
            String::from_utf8(on_disk.to_vec()).expect("UTF-8"),
            String::from_utf8(hex).expect("hex digits"),
        ));
        assert_eq!(parsed(&line, true), expected, "{line:?}");
        // Before 1.5.5 a carriage return at the end is the one thing that it cannot be told of.
        if !path.ends_with(b"\r") {
            assert_eq!(parsed(&line, false), expected, "{line:?}");
        }
    }
    for path in BEYOND_B3SUM {
        assert!(!takes(Algorithm::Blake3, path), "{path:?}");
        assert!(takes(Algorithm::Sha256, path), "{path:?}");
    }
}

#[test]
fn the_real_b3sum_reads_the_lines_and_finds_each_change() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut sums = Vec::new();
    let names: Vec<&[u8]> = NAMES
        .iter()
        .copied()
        // The escape of the carriage return is younger than the b3sum of some systems.
        .filter(|name| takes(Algorithm::Blake3, name) && !name.ends_with(b"\r"))
        .collect();
    for name in &names {
        let path = at(dir.path(), name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, name).expect("a file");
        push_line(&mut sums, &blake3(name), name);
    }
    fs::write(dir.path().join("B3SUMS"), &sums).expect("a file");
    let check = || {
        let mut command = Command::new("b3sum");
        command.current_dir(dir.path()).stderr(Stdio::null());
        run(command.args(["-c", "B3SUMS"]), b"not a file of the drive")
    };
    let Some((good, output)) = check() else {
        return;
    };
    let output = String::from_utf8_lossy(&output);
    assert!(good, "{output}");
    // A raw carriage return is no end of a line.
    let ok = output.split('\n').filter(|line| line.ends_with(": OK"));
    assert_eq!(ok.count(), names.len(), "{output}");
    for name in &names {
        let path = at(dir.path(), name);
        fs::write(&path, b"changed").expect("a file");
        assert!(
            !check().expect("it was there before").0,
            "{name:?} is not looked at"
        );
        fs::write(&path, name).expect("a file");
    }
}
