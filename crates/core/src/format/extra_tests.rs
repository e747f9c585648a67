#![allow(clippy::unwrap_used)]

use super::*;
use crate::format::item::Item;
use crate::format::testing::file;

fn full() -> Item {
    let xattrs = vec![
        (b"user.empty".to_vec(), Vec::new()),
        (b"user.colour".to_vec(), b"blue".to_vec()),
        (b"user.\xff\n".to_vec(), vec![0, 255, 10]),
    ];
    Item {
        extra: Extra::of(xattrs, IMMUTABLE | APPEND_ONLY),
        names: Some(Box::new(OwnerNames {
            user: Some(b"alice".to_vec()),
            group: Some(b"\xe9quipe".to_vec()),
        })),
        ..file(b"a")
    }
}

fn encoded(item: &Item) -> String {
    let mut out = Vec::new();
    item.encode(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn attributes_flags_and_names_look_as_documented() {
    let text = encoded(&full());
    let end = r#","xattrs":{"user.colour":"Ymx1ZQ==","user.empty":"","user.\udcff\n":"AP8K"},"flags":"ai","user":"alice","group":"\udce9quipe"}"#;
    assert!(text.ends_with(end), "{text}");
    assert_eq!(Item::decode(text.as_bytes()).unwrap(), full());
}

#[test]
fn nothing_is_no_extra_and_the_catalog_keeps_what_there_is() {
    assert_eq!(Extra::of(Vec::new(), 0), None);
    let extra = full().extra.unwrap();
    assert_eq!(Extra::from_bytes(&extra.to_bytes()).as_ref(), Some(&extra));
    let flags = Extra::of(Vec::new(), NO_DUMP).unwrap();
    assert_eq!(flags.to_bytes(), br#"{"flags":"d"}"#);
    for bad in [&b""[..], b"{}", b"{\"flags\":\"x\"}", b"{\"flags\":7}"] {
        assert_eq!(Extra::from_bytes(bad), None);
    }
}

#[test]
fn what_the_writer_would_not_write_is_refused() {
    let good = encoded(&full());
    for (from, to) in [
        (r#""flags":"ai""#, r#""flags":"ia""#),
        (r#""flags":"ai""#, r#""flags":"""#),
        (r#""flags":"ai""#, r#""flags":"aai""#),
        (r#""Ymx1ZQ==""#, r#""Ymx1ZQ""#),
        (r#""Ymx1ZQ==""#, r#""Ymx1ZR==""#),
        (r#""user.colour""#, r#""user.zolour""#),
        (r#""user.colour""#, r#""user.empty""#),
        (r#""user.colour""#, r#""""#),
        (r#""user.colour""#, r#""user\u0000""#),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        assert!(Item::decode(text.as_bytes()).is_err(), "{to}");
    }
}

#[test]
fn too_much_is_not_recorded_and_the_most_that_is_fits_in_a_line() {
    let value = |n: usize| {
        vec![
            (b"user.a".to_vec(), vec![7; n]),
            (b"user.b".to_vec(), vec![7; n]),
        ]
    };
    assert_eq!(Extra::of(value(65_536), 0), None);
    let most = Extra::of(value(48_000), 7).unwrap();
    let mut out = Vec::new();
    most.push_fields(&mut out);
    assert!(out.len() <= most.length() && most.length() <= MAX_EXTRA);
    // The worst item beside it has all but 128 KiB and some of the line.
    let worst = 2 * 6 * super::super::item::MAX_PATH + 6 * super::super::item::MAX_TARGET;
    assert!(worst + MAX_EXTRA + 2 * (255 * 6 + 12) + 1_000 < crate::format::text::MAX_LINE);
}
