//! The rule for names, by example and with names that nobody would think of.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn on_windows(name: &[u8]) -> String {
    String::from_utf8(encode(name, &Rules::WINDOWS).into_owned()).unwrap()
}

#[test]
fn ordinary_names_stay_as_they_are() {
    for name in [
        "photo.jpg",
        "Füße (1).ogg",
        "写真：夏？.txt",
        ".hidden",
        "a. b",
        " leading blank",
        "CONTENTS",
        "com.example",
        "it's a ‘quote’",
        "🎉🎉",
        "COM10",
        "%41",
    ] {
        assert_eq!(on_windows(name.as_bytes()), name);
    }
    for name in [&b"a:b"[..], b"\xff", b"con", b"x.", "‛".as_bytes()] {
        assert_eq!(&*encode(name, &Rules::PLAIN), name);
    }
}

#[test]
fn what_is_refused_is_quoted_and_read_back() {
    for (name, expected) in [
        (&b"12:30 what?.txt"[..], "12‛：30 what‛？.txt"),
        (b"a\"*:<>?\\|b", "a‛＂‛＊‛：‛＜‛＞‛？‛＼‛｜b"),
        (b"caf\xe9", "caf‛E9"),
        (b"end.", "end‛2E"),
        (b"end..", "end.‛2E"),
        (b"end ", "end‛20"),
        (b"tab\there", "tab‛09here"),
        (b"con", "‛63on"),
        (b"Aux.txt", "‛41ux.txt"),
        (b"COM1", "‛43OM1"),
        (b"nul .x", "‛6Eul .x"),
        ("‛".as_bytes(), "‛‛"),
        (b" ", "‛20"),
        (b"\xff\xfe", "‛FF‛FE"),
    ] {
        assert_eq!(on_windows(name), expected);
        assert_eq!(decode(expected.as_bytes()).as_deref(), Some(name));
    }
}

#[test]
fn what_is_too_long_keeps_its_beginning_its_extension_and_a_digest() {
    let name = ["é".repeat(200), ".jpeg".to_owned()].concat();
    assert_eq!(on_windows(name.as_bytes()), name, "405 bytes are 205 units");
    let name = ["x".repeat(300), ".jpeg".to_owned()].concat();
    let short = on_windows(name.as_bytes());
    assert_eq!(short.encode_utf16().count(), 255);
    assert!(short.starts_with(&"x".repeat(200)) && short.ends_with(".jpeg"));
    assert!(short.contains("x‛~"), "{short}");
    assert_eq!(decode(short.as_bytes()), None);
    // 255 bytes that are no text become 765 units.
    let short = on_windows(&[0xff; 255]);
    assert!(short.encode_utf16().count() <= 255 && short.contains("‛~"));
    let bytes = Rules {
        longest: Longest::Bytes(143),
        ..Rules::PLAIN
    };
    let name = "é".repeat(100);
    let short = encode(name.as_bytes(), &bytes);
    assert!(short.len() <= 143 && std::str::from_utf8(&short).is_ok());
}

#[test]
fn a_clash_is_told_apart_by_the_digest_of_the_true_name() {
    let name = String::from_utf8(distinct(b"cASE.txt", &Rules::WINDOWS, 0)).unwrap();
    assert_eq!(name, format!("cASE‛~{}.txt", &hex(b"cASE.txt", 64)[..8]));
    assert_ne!(name, on_windows(b"cASE.txt"));
    let longer = distinct(b"cASE.txt", &Rules::WINDOWS, 1);
    assert_eq!(longer.len(), name.len() + 8);
}

#[test]
fn spellings_that_look_the_same_fold_together() {
    for (a, b) in [
        ("Case", "cASE"),
        ("é", "e\u{301}"),
        ("É", "e\u{301}"),
        ("ß", "ẞ"),
        ("ß", "SS"),
        ("\u{212a}", "k"),
        ("ſ", "s"),
        ("Ǆ", "ǅ"),
        ("ΑΣ", "ας"),
        ("ｆ", "Ｆ"),
    ] {
        assert_eq!(fold(a.as_bytes()), fold(b.as_bytes()), "{a} {b}");
    }
    for (a, b) in [("a", "b"), ("é", "e"), ("ä", "a")] {
        assert_ne!(fold(a.as_bytes()), fold(b.as_bytes()), "{a} {b}");
    }
}

#[test]
fn what_windows_refuses_is_in_no_name_and_no_two_names_become_one() {
    let mut seen: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"\"*:<>?\\|. \x01\xe2\x80\x9bconAUX1".to_vec())
    ];
    let names = prop::collection::vec(byte, 1..256);
    for _ in 0..4000 {
        let name: Vec<u8> = names.new_tree(&mut runner).unwrap().current();
        let name: Vec<u8> = name.into_iter().filter(|b| *b != 0 && *b != b'/').collect();
        if name.is_empty() || name == b"." || name == b".." {
            continue;
        }
        let encoded = encode(&name, &Rules::WINDOWS).into_owned();
        let text = String::from_utf8(encoded.clone()).unwrap();
        assert!(text.encode_utf16().count() <= 255);
        assert!(
            !text
                .chars()
                .any(|c| REFUSED.contains(c) || c.is_ascii_control())
        );
        assert!(
            !text.ends_with(['.', ' ']) && !is_device(&encoded),
            "{text}"
        );
        assert!(!text.contains('/') && !text.is_empty());
        match decode(&encoded) {
            Some(back) => assert_eq!(back, name),
            None => assert!(text.contains("‛~")),
        }
        if let Some(other) = seen.insert(encoded, name.clone()) {
            assert_eq!(other, name);
        }
    }
}

use proptest::strategy::{Strategy, ValueTree};
