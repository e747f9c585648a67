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

#[test]
fn it_is_plain_ascii_of_78_columns_whatever_the_names_are() {
    let long = "ü💾 ".repeat(36);
    for (name, label) in [
        ("photos", ""),
        (&long[..], &"x".repeat(255)[..]),
        ("a\u{1b}[2J\n", "@SUMS@"),
    ] {
        for digest in [None, Some(Algorithm::Sha256), Some(Algorithm::Blake3)] {
            let text = text(&volume(name, label), digest);
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
    let text = text(&volume("photos", "blue WD"), Some(Algorithm::Sha256));
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
    let with = |digest| text(&volume("photos", "x"), digest);
    assert!(with(Some(Algorithm::Blake3)).contains("    b3sum -c --quiet .mvcopy/B3SUMS\n"));
    assert!(!with(Some(Algorithm::Blake3)).contains("SHA256SUMS"));
    assert!(!with(None).contains("SUMS"));
    assert!(with(None).contains("without digests"));
}
