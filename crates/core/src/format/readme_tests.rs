use serde_json::Map;

use super::*;
use crate::format::volumejson::{SetRef, VERSION, VolumeRef};

fn volume(name: &str, label: &str) -> VolumeJson {
    VolumeJson {
        version: VERSION,
        set: SetRef {
            id: "5e".repeat(16),
            name: name.to_owned(),
        },
        volume: VolumeRef {
            number: 3,
            id: "70".repeat(16),
            label: label.to_owned(),
        },
        generation: 1,
        created: "2026-11-22T19:00:00Z".to_owned(),
        closed: None,
        capacity: 0,
        tool: "multivolumecopy 0.1.0".to_owned(),
        copy: 1,
        verified: None,
        other: Map::new(),
    }
}

fn sha256() -> Checks {
    Checks {
        sha256: 7,
        ..Checks::default()
    }
}

fn blake3() -> Checks {
    Checks {
        blake3: 7,
        ..Checks::default()
    }
}

/// The most that there can be, in the longest words.
fn mixed() -> Checks {
    Checks {
        sha256: u64::MAX,
        blake3: u64::MAX,
        unlisted: u64::MAX,
        without: u64::MAX,
        parts: u64::MAX,
        aliases: u64::MAX,
    }
}

#[test]
fn it_is_plain_ascii_of_78_columns_whatever_the_names_are() {
    let long = "ü💾 ".repeat(36);
    for (name, label) in [
        ("photos", ""),
        (&long[..], &"x".repeat(255)[..]),
        ("a\u{1b}[2J\n", "@SUMS@"),
    ] {
        for checks in [Checks::default(), sha256(), blake3(), mixed()] {
            let text = text(&volume(name, label), &checks, true);
            assert!(
                text.bytes()
                    .all(|b| b == b'\n' || (b' '..=b'~').contains(&b)),
                "{text}"
            );
            for line in text.lines() {
                assert!(line.len() <= WIDTH, "{line}");
            }
            assert!(text.ends_with('\n'));
            assert!(!text.contains("@PROGRAM@"), "{text}");
        }
    }
}

#[test]
fn it_says_what_the_drive_is() {
    let text = text(&volume("photos", "blue WD"), &sha256(), false);
    for line in [
        "Set:          photos\n",
        "Drive:        3\n",
        "Label:        blue WD\n",
        "Created:      2026-11-22T19:00:00Z\n",
        "    sha256sum -c --quiet .mvcopy/SHA256SUMS\n",
        "    rsync -aH --exclude=/.mvcopy DRIVE/ /where/they/belong/\n",
        "  SHA256SUMS      the digest",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn it_only_speaks_of_digests_that_are_there() {
    let with = |checks| text(&volume("photos", "x"), &checks, true);
    assert!(with(blake3()).contains("    cd DRIVE\n    b3sum -c --quiet .mvcopy/B3SUMS\n"));
    assert!(!with(blake3()).contains("SHA256SUMS"));
    assert!(!with(sha256()).contains("B3SUMS"));
    let without = Checks {
        without: 2,
        ..Checks::default()
    };
    assert!(!with(without).contains("SUMS"));
    assert!(with(without).contains("This drive was written without digests"));
    assert!(!with(Checks::default()).contains("SUMS"));
}

#[test]
fn it_tells_how_parts_are_joined_where_there_are_any() {
    let with = |parts| {
        let checks = Checks { parts, ..sha256() };
        text(&volume("photos", "x"), &checks, true)
    };
    let line = "    cat FILE.mvpart-*-of-0007 > FILE && rm FILE.mvpart-*-of-0007\n";
    assert!(with(2).contains(line));
    assert!(!with(0).contains("mvpart"));
}

#[test]
fn it_names_both_lists_and_what_neither_has() {
    let with = |checks| text(&volume("photos", "x"), &checks, true);
    let both = with(mixed());
    for line in [
        "    sha256sum -c --quiet .mvcopy/SHA256SUMS\n    b3sum -c --quiet .mvcopy/B3SUMS\n",
        "  SHA256SUMS      the digests",
        "  B3SUMS          the digests",
        " files cannot be checked in this way:\n",
        "Without a digest, and only told by size and time (.mvcopy/manifest.jsonl):\n",
    ] {
        assert!(both.contains(line), "{line} is not in\n{both}");
    }
    let one = Checks {
        unlisted: 1,
        ..blake3()
    };
    assert!(with(one).contains("\n1 file cannot be checked in this way"));
    assert!(!with(blake3()).contains("cannot be checked"));
    let odd_names_only = Checks {
        unlisted: 3,
        ..Checks::default()
    };
    assert!(with(odd_names_only).contains("    b3sum --no-names < FILE\n"));
    assert!(!with(odd_names_only).contains("without digests"));
}
