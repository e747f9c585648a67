use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

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
    Digest {
        algorithm: Algorithm::Sha256,
        bytes: Sha256::digest(content).into(),
    }
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

#[test]
fn the_real_b3sum_reads_the_lines_of_names_in_utf8() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut sums = Vec::new();
    // b3sum reads no names that are not UTF-8.
    for name in NAMES
        .iter()
        .filter(|name| std::str::from_utf8(name).is_ok())
    {
        // The escape of the carriage return is younger than the b3sum of some systems.
        if name.contains(&b'\r') {
            continue;
        }
        let path = at(dir.path(), name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, name).expect("a file");
        let Some((good, hex)) = run(Command::new("b3sum").arg("--no-names").arg(&path), b"") else {
            return;
        };
        assert!(good);
        let bytes = crate::format::text::parse_hex32(hex.trim_ascii()).expect("hex digits");
        push_line(
            &mut sums,
            &Digest {
                algorithm: Algorithm::Blake3,
                bytes,
            },
            name,
        );
    }
    fs::write(dir.path().join("B3SUMS"), &sums).expect("a file");
    let mut command = Command::new("b3sum");
    command.current_dir(dir.path()).args(["-c", "B3SUMS"]);
    let (good, output) = run(&mut command, b"").expect("it was there before");
    assert!(good, "{}", String::from_utf8_lossy(&output));
}
