use proptest::prelude::*;
use serde_json::json;

use super::*;

fn sample() -> VolumeJson {
    VolumeJson {
        version: VERSION,
        set: SetRef {
            id: "5e".repeat(16),
            name: "Archiv Füße".to_owned(),
        },
        volume: VolumeRef {
            number: 3,
            id: "70".repeat(16),
            label: "blue \"WD\"".to_owned(),
        },
        generation: 7,
        created: "2026-11-22T19:00:00Z".to_owned(),
        closed: None,
        capacity: 4_000_000_000_000,
        tool: "multivolumecopy 0.1.0".to_owned(),
        copy: 1,
        verified: None,
        other: Map::new(),
    }
}

fn refused(bytes: &[u8]) -> String {
    let e = parse(bytes).expect_err("a bad volume.json");
    assert_eq!(e.code, Code::BadFormat);
    e.message
}

#[test]
fn it_looks_as_documented_and_comes_back() {
    let text = r#"{
  "version": 1,
  "set": {
    "id": "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e",
    "name": "Archiv Füße"
  },
  "volume": {
    "number": 3,
    "id": "70707070707070707070707070707070",
    "label": "blue \"WD\""
  },
  "generation": 7,
  "created": "2026-11-22T19:00:00Z",
  "closed": null,
  "capacity": 4000000000000,
  "tool": "multivolumecopy 0.1.0",
  "seal": "1949b58448a7ac6933e392e47c5e03eea538f79aae83ae10c31f2ad466365f1f"
}
"#;
    let bytes = sample().to_bytes().expect("a good volume");
    assert_eq!(String::from_utf8_lossy(&bytes), text);
    assert_eq!(parse(&bytes).expect("our own file"), sample());
}

#[test]
fn the_seal_finds_every_flipped_bit_and_is_made_anew() {
    let mut volume = sample();
    let bytes = volume.to_bytes().expect("a good volume");
    assert_eq!(seal(&bytes), Some(true));
    // By hand: the SHA-256 of the file with zeros in the place of the digits.
    let text = String::from_utf8(bytes.clone()).expect("text");
    let digits = text.split("\"seal\": \"").nth(1).expect("a seal")[..64].to_owned();
    let zeroed = text.replace(&digits, &"0".repeat(64));
    let mut hash = Vec::new();
    push_hex(&mut hash, &Sha256::digest(zeroed.as_bytes()));
    assert_eq!(hash, digits.as_bytes());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            // A flip in the word "seal" itself leaves none.
            assert_ne!(seal(&flipped), Some(true), "bit {bit} of byte {at}");
        }
    }
    volume.volume.label = "mended by hand".to_owned();
    let mended = text.replace("blue \\\"WD\\\"", "mended by hand");
    assert_eq!(seal(mended.as_bytes()), Some(false));
    let read = parse(mended.as_bytes()).expect("still a volume");
    assert_eq!(read, volume);
    assert_eq!(seal(&read.to_bytes().expect("a good volume")), Some(true));
}

#[test]
fn what_a_later_program_added_is_kept() {
    let mut volume = sample();
    volume.closed = Some("2026-11-22T21:30:00.123456789Z".to_owned());
    volume.verified = Some(json!({"date": "2026-12-01T00:00:00Z", "kind": "remounted", "bad": 0}));
    volume
        .other
        .insert("filesystem".to_owned(), json!({"uuid": [1, null, "x"]}));
    let bytes = volume.to_bytes().expect("a good volume");
    assert_eq!(parse(&bytes).expect("our own file"), volume);
}

#[test]
fn a_newer_version_is_refused_in_words_whatever_else_changed() {
    let message = refused(br#"{"version": 2, "set": "of another form"}"#);
    assert!(
        message.contains("newer version of multivolumecopy (volume.json version 2"),
        "{message}"
    );
    assert!(refused(br#"{"version": 0}"#).contains("no volume.json version 0"));
}

#[test]
fn every_value_has_its_form() {
    type Spoil = fn(&mut VolumeJson);
    let cases: &[(&str, Spoil)] = &[
        ("set id", |v| v.set.id = "5E".repeat(16)),
        ("set id", |v| v.set.id = "5e".repeat(15)),
        ("set id", |v| {
            v.set.id = "../../../../etc/passwd0000000000".to_owned()
        }),
        ("volume id", |v| v.volume.id = "0".repeat(36)),
        ("volume id", |v| v.volume.id.clear()),
        ("number", |v| v.volume.number = 0),
        ("number", |v| v.volume.number = 65_536),
        ("name", |v| v.set.name = "a\nb".to_owned()),
        ("name", |v| v.set.name = "a\u{202e}b".to_owned()),
        ("name", |v| v.set.name.clear()),
        ("label", |v| v.volume.label = "\u{1b}[2J".to_owned()),
        ("label", |v| v.volume.label = "\u{85}".to_owned()),
        ("label", |v| v.volume.label = "x".repeat(256)),
        ("tool", |v| v.tool = "\u{7f}".to_owned()),
        ("created", |v| v.created = "2026-11-22 19:00:00Z".to_owned()),
        ("created", |v| {
            v.created = "2026-11-22T19:00:00+01:00".to_owned()
        }),
        ("created", |v| v.created = "2026-13-22T19:00:00Z".to_owned()),
        ("created", |v| v.created = "2026-11-22T24:00:00Z".to_owned()),
        ("created", |v| {
            v.created = "2026-11-22T19:00:00.Z".to_owned()
        }),
        ("created", |v| {
            v.created = "2026-11-22T19:00:0\u{e9}Z".to_owned()
        }),
        ("created", |v| v.created = "+026-11-22T19:00:00Z".to_owned()),
        ("closed", |v| v.closed = Some(String::new())),
        ("2^53", |v| v.generation = 1 << 53),
        ("2^53", |v| v.capacity = u64::MAX),
    ];
    for (what, spoil) in cases {
        let mut volume = sample();
        spoil(&mut volume);
        let e = volume.to_bytes().expect_err(what);
        assert_eq!(e.code, Code::BadInput);
        assert!(e.message.contains(what), "{e}");
        let bytes = serde_json::to_vec(&volume).expect("it is JSON all the same");
        assert_eq!(refused(&bytes), e.message);
    }
    let mut volume = sample();
    volume.volume.label = "ü".repeat(127);
    volume.volume.id = "01234567-89ab-cdef-0123-456789abcdef".to_owned();
    volume.to_bytes().expect("a label and a UUID that fit");
}

#[test]
fn what_is_no_volume_json_is_refused() {
    let good = String::from_utf8(sample().to_bytes().expect("a good volume")).expect("UTF-8");
    // All but the newline at the end is needed.
    for cut in 0..good.len() - 1 {
        refused(&good.as_bytes()[..cut]);
    }
    for (from, to) in [
        ("\"generation\": 7", "\"generation\": -7"),
        ("\"generation\": 7", "\"generation\": 7.5"),
        ("\"generation\": 7", "\"generation\": \"7\""),
        ("\"generation\": 7", "\"generation\": 7, \"generation\": 8"),
        ("\"generation\": 7,", ""),
        ("\"version\": 1,", ""),
        ("blue", "\\udcff"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "the case {from} changes something");
        refused(bad.as_bytes());
    }
    refused(&[good.as_bytes(), b"x"].concat());
    refused(b"");
    refused(b"[]");
    refused(b"\xff");
    refused("[".repeat(60_000).as_bytes());
    let padded = [good.as_bytes(), &vec![b' '; MAX_BYTES]].concat();
    assert!(refused(&padded).contains("64 KiB"));
}

proptest! {
    #[test]
    fn changed_bytes_never_break_the_reader(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = sample().to_bytes().expect("a good volume");
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(volume) = parse(&bytes) {
            volume.to_bytes().expect("what is read can be written");
        }
    }
}
