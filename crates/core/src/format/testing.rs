//! What the tests of names and formats share: hostile names, arbitrary items, and Python to compare with.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::extra::Extra;
use super::item::{Algorithm, Digest, Item, check_path};
use super::samefile::SameFile;
use crate::meta::{Kind, Time};

/// Pieces at which encoders and decoders go wrong.
const PIECES: &[&[u8]] = &[
    b"\\",
    b"\"",
    b"\n",
    b"\r",
    b"\t",
    b"\x1b[2J",
    b"\0",
    b"\x7f",
    b" ",
    b"*",
    b"-",
    b"/",
    b".",
    b"\\u0041",
    b"\\x41",
    b"\\udc80",
    "é".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{a0}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2066}".as_bytes(),
    "\u{61c}".as_bytes(),
    "\u{200f}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{2029}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{ffff}".as_bytes(),
    "💾".as_bytes(),
    "日本".as_bytes(),
    // Half characters, overlong forms, and surrogates in UTF-8 clothes.
    b"\xc3",
    b"\xa9",
    b"\xf0\x9f",
    b"\x92\xbe",
    b"\xc0\xaf",
    b"\xe0\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xed\xa0\xbd",
    b"\xed\xb2\xbe",
    b"\xed\xb2\x80",
    b"\xed\xb3\xbf",
    b"\xed\xbf\xbf",
];

/// Names of any bytes, rich in what is hard.
pub(crate) fn name() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => (0..PIECES.len()).prop_map(|i| PIECES[i].to_vec()),
        2 => vec(any::<u8>(), 1..4),
        2 => "[a-z]{1,5}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Paths that pass [`check_path`].
pub(crate) fn path() -> impl Strategy<Value = Vec<u8>> {
    vec(name(), 1..4).prop_map(|parts| {
        let path = parts.join(&b'/');
        if check_path(&path).is_ok() {
            return path;
        }
        // Make the best of a bad one.
        let mut path: Vec<u8> = path
            .split(|&b| b == b'/')
            .map(|part| [b"_", part].concat())
            .collect::<Vec<_>>()
            .join(&b'/');
        path.iter_mut().filter(|b| **b == 0).for_each(|b| *b = 1);
        path
    })
}

/// Any item that passes [`Item::check`].
pub(crate) fn item() -> impl Strategy<Value = Item> {
    let rest = (
        any::<u64>(),
        (any::<i64>(), 0..1_000_000_000u32),
        0..0o10000u32,
        any::<(u32, u32, u32, u32)>(),
    );
    let digest = option::of((any::<bool>(), any::<[u8; 32]>()));
    (
        path(),
        0..7u8,
        rest,
        digest,
        option::of(path()),
        path(),
        (
            any::<bool>(),
            option::of((path(), any::<[u8; 5]>(), 0..8u8)),
        ),
    )
        .prop_map(
            |(
                path,
                kind,
                (size, (sec, nsec), mode, (uid, gid, major, minor)),
                digest,
                link,
                target,
                (stored, extra),
            )| {
                let kind = Kind::from_u8(kind).expect("all numbers below 7 are kinds");
                Item {
                    path,
                    kind,
                    size,
                    mtime: Time { sec, nsec },
                    mode,
                    uid,
                    gid,
                    digest: digest
                        .filter(|_| kind == Kind::File)
                        .map(|(sha, bytes)| Digest {
                            algorithm: if sha {
                                Algorithm::Sha256
                            } else {
                                Algorithm::Blake3
                            },
                            bytes,
                        }),
                    target: (kind == Kind::Symlink).then_some(target),
                    link: link.filter(|_| kind != Kind::Dir),
                    rdev: matches!(kind, Kind::CharDevice | Kind::BlockDevice)
                        .then_some((major, minor)),
                    stored,
                    extra: extra.and_then(|(mut name, value, flags)| {
                        name.truncate(255);
                        Extra::of(vec![(name, value.to_vec())], flags)
                    }),
                    names: None,
                    alias: None,
                    part: None,
                    same_file: (kind == Kind::File && uid % 2 == 0).then_some(SameFile(size)),
                }
            },
        )
}

/// A plain file of the given path.
pub(crate) fn file(path: &[u8]) -> Item {
    Item {
        path: path.to_vec(),
        kind: Kind::File,
        size: 1,
        mtime: Time {
            sec: 1_700_000_000,
            nsec: 123_456_789,
        },
        mode: 0o644,
        uid: 1000,
        gid: 100,
        digest: Some(Digest {
            algorithm: Algorithm::Sha256,
            bytes: [0xab; 32],
        }),
        target: None,
        link: None,
        rdev: None,
        stored: true,
        extra: None,
        names: None,
        alias: None,
        part: None,
        same_file: None,
    }
}

/// `count` names, the same in every run.
pub(crate) fn fixed_names(count: usize) -> Vec<Vec<u8>> {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    (0..count)
        .map(|_| {
            let tree = name().new_tree(&mut runner);
            tree.expect("the strategy rejects nothing").current()
        })
        .collect()
}

/// What the program answers to this input, or `None` where it is not installed.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Option<(bool, Vec<u8>)> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {:?} is not installed", command.get_program());
            return None;
        }
        child => child.expect("the program starts"),
    };
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let output = std::thread::scope(|scope| {
        // A program that doesn't read its input is free to end before it is written.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("the program ends")
    });
    Some((output.status.success(), output.stdout))
}

/// What a Python script prints for this input, or `None` where there is no Python.
pub(crate) fn python(script: &str, input: &[u8]) -> Option<Vec<u8>> {
    let (good, output) = run(
        Command::new("python3").args(["-X", "utf8", "-c", script]),
        input,
    )?;
    assert!(good, "the script failed");
    Some(output)
}
