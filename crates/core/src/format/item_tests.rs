use proptest::prelude::*;

use super::*;
use crate::format::MAX_LINE;
use crate::format::testing::{file, item};

fn encoded(item: &Item) -> String {
    let mut out = Vec::new();
    item.encode(&mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[test]
fn a_file_looks_as_documented() {
    let mut item = file("Füße/caf\u{1b}".as_bytes());
    item.path.push(0xe9);
    item.link = Some(b"first".to_vec());
    item.stored = false;
    let digest = "ab".repeat(32);
    assert_eq!(
        encoded(&item),
        format!(
            r#"{{"path":"Füße/caf\u001b\udce9","kind":"file","size":1,"mtime":"1700000000.123456789","mode":"0644","uid":1000,"gid":100,"digest":"sha256:{digest}","link":"first","stored":false}}"#
        )
    );
}

#[test]
fn links_and_devices_look_as_documented() {
    let mut link = file(b"l");
    link.kind = Kind::Symlink;
    link.digest = None;
    link.target = Some(b"../\xff".to_vec());
    assert!(encoded(&link).ends_with(r#""gid":100,"target":"../\udcff"}"#));
    let mut device = file(b"d");
    device.kind = Kind::BlockDevice;
    device.digest = None;
    device.mode = 0o4007;
    device.rdev = Some((8, 1));
    assert!(encoded(&device).ends_with(r#""mode":"4007","uid":1000,"gid":100,"rdev":[8,1]}"#));
}

#[test]
fn names_of_one_file_look_as_documented() {
    let mut item = file(b"a");
    item.same_file = Some(SameFile(0x0123_4567_89ab_cdef));
    let line = encoded(&item);
    assert!(
        line.ends_with(r#","same_file":"0123456789abcdef"}"#),
        "{line}"
    );
    assert_eq!(Item::decode(line.as_bytes()).unwrap(), item);
    for bad in [
        "0123456789ABCDEF",
        "123456789abcdef",
        "",
        "0123456789abcdef0",
    ] {
        let wrong = line.replace("0123456789abcdef", bad);
        assert!(Item::decode(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let fifo = line
        .replace("\"file\",\"size\":1", "\"fifo\",\"size\":0")
        .replace("\"digest\"", "\"other\"");
    let refused = Item::decode(fifo.as_bytes()).unwrap_err();
    assert!(refused.message.contains("several names"), "{refused}");
}

#[test]
fn times_have_one_spelling() {
    let cases = [
        (0, 0, "0.000000000"),
        (1_700_000_000, 123_456_789, "1700000000.123456789"),
        (5, 7, "5.000000007"),
        (-1, 0, "-1.000000000"),
        (-1, 500_000_000, "-0.500000000"),
        (-2, 500_000_000, "-1.500000000"),
        (-1, 999_999_999, "-0.000000001"),
        (i64::MAX, 999_999_999, "9223372036854775807.999999999"),
        (i64::MIN, 0, "-9223372036854775808.000000000"),
        (i64::MIN, 1, "-9223372036854775807.999999999"),
    ];
    for (sec, nsec, text) in cases {
        let mut out = Vec::new();
        push_time(&mut out, Time { sec, nsec });
        assert_eq!(String::from_utf8_lossy(&out), text);
        assert_eq!(
            parse_time(text.as_bytes()),
            Some(Time { sec, nsec }),
            "{text}"
        );
    }
    for text in [
        "",
        "1",
        "1.",
        "1.5",
        "1.0000000000",
        "01.000000000",
        "+1.000000000",
        "--1.000000000",
        "-0.000000000",
        ".000000000",
        "1,000000000",
        "1.00000000a",
        "1e3.000000000",
        " 1.000000000",
        "9223372036854775808.000000000",
        "-9223372036854775808.000000001",
        "99999999999999999999.000000000",
        "-9223372036854775809.000000000",
    ] {
        assert_eq!(parse_time(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn paths_stay_below_the_root_and_out_of_our_own_directory() {
    let good: &[&[u8]] = &[
        b"a",
        b"a/b",
        b"...",
        b"..a/b..",
        b".mvcopy2",
        b"a/.mvcopy",
        b".mvcop",
        b"-",
        b"\xff\n\\",
    ];
    for path in good {
        check_path(path).expect("a good path");
    }
    let bad: &[&[u8]] = &[
        b"",
        b"/",
        b"/a",
        b"a/",
        b"a//b",
        b".",
        b"..",
        b"./a",
        b"a/.",
        b"a/../b",
        b"a/..",
        b"a\0b",
        b".mvcopy",
        b".mvcopy/volume.json",
    ];
    for path in bad {
        let e = check_path(path).expect_err("a bad path");
        assert_eq!((e.code, e.path.as_deref()), (Code::BadInput, Some(*path)));
    }
    check_path(&vec![b'a'; MAX_PATH]).expect("as long as may be");
    check_path(&vec![b'a'; MAX_PATH + 1]).expect_err("too long");
}

#[test]
fn the_worst_item_fits_in_a_line() {
    let mut item = file(&vec![1; MAX_PATH]);
    item.kind = Kind::Symlink;
    item.digest = None;
    item.link = Some(vec![0xff; MAX_PATH]);
    item.target = Some(vec![0xff; MAX_TARGET]);
    item.check().expect("a good item");
    // Room for what the journal puts around it, with its temporary path.
    assert!(encoded(&item).len() + 255 * 6 + 200 <= MAX_LINE);
}

#[test]
fn what_cannot_be_is_refused_by_writer_and_reader() {
    type Spoil = fn(&mut Item);
    let cases: &[(&str, Spoil)] = &[
        ("path", |i| i.path = b"../x".to_vec()),
        ("link path", |i| i.link = Some(b"/etc/passwd".to_vec())),
        ("own", |i| i.path = b".mvcopy/x".to_vec()),
        ("target of a file", |i| i.target = Some(b"x".to_vec())),
        ("no target", |i| (i.kind, i.digest) = (Kind::Symlink, None)),
        ("empty target", |i| {
            (i.kind, i.digest, i.target) = (Kind::Symlink, None, Some(Vec::new()));
        }),
        ("NUL in target", |i| {
            (i.kind, i.digest, i.target) = (Kind::Symlink, None, Some(b"a\0".to_vec()));
        }),
        ("rdev of a file", |i| i.rdev = Some((1, 2))),
        ("no rdev", |i| (i.kind, i.digest) = (Kind::CharDevice, None)),
        ("digest of a directory", |i| i.kind = Kind::Dir),
        ("linked directory", |i| {
            (i.kind, i.digest, i.link) = (Kind::Dir, None, Some(b"x".to_vec()));
        }),
    ];
    for (what, spoil) in cases {
        let mut item = file(b"a/b");
        spoil(&mut item);
        assert_eq!(item.check().expect_err(what).code, Code::BadInput);
        let e = Item::decode(encoded(&item).as_bytes()).expect_err(what);
        assert_eq!(e.code, Code::BadFormat, "{what}");
    }
    // These have no form in JSON, so only the writer can meet them.
    let mut item = file(b"a");
    item.mode = 0o10000;
    item.check().expect_err("type bits");
    let mut item = file(b"a");
    item.mtime.nsec = 1_000_000_000;
    item.check().expect_err("a second of nanoseconds");
}

#[test]
fn a_changed_field_is_refused_and_an_unknown_one_passed_over() {
    let good = encoded(&file(b"a"));
    let cases = [
        (r#""kind":"file""#, r#""kind":"door""#),
        (r#""size":1"#, r#""size":-1"#),
        (r#""size":1"#, r#""size":1.5"#),
        (r#""size":1"#, r#""size":"1""#),
        (r#""size":1"#, r#""size":1,"size":2"#),
        (r#""size":1,"#, ""),
        (r#""size":1"#, r#""size":18446744073709551616"#),
        (r#""mode":"0644""#, r#""mode":"644""#),
        (r#""mode":"0644""#, r#""mode":"10644""#),
        (r#""mode":"0644""#, r#""mode":"0648""#),
        (r#""mode":"0644""#, r#""mode":420"#),
        (r#""uid":1000"#, r#""uid":4294967296"#),
        (r#"123456789""#, r#"12345678""#),
        ("sha256:ab", "sha256:AB"),
        ("sha256:ab", "sha256:a"),
        ("sha256:", "md5:"),
        (r#""path":"a""#, r#""path":"a\ud800""#),
        (r#""path":"a""#, r#""path":["a"]"#),
        (r#""path":"a""#, "\"path\":\"a\u{1}\""),
        ("}", "} "),
        ("{", "[{"),
    ];
    for (from, to) in cases {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "the case {from} changes something");
        let result = Item::decode(text.as_bytes());
        if to == "} " {
            result.expect("white space after an object is JSON");
        } else {
            assert_eq!(result.expect_err(&text).code, Code::BadFormat);
        }
    }
    let more = good.replacen('{', r#"{"colours":{"user.a":[1,null]},"#, 1);
    assert_eq!(
        Item::decode(more.as_bytes()).expect("a later program's field"),
        file(b"a")
    );
}

proptest! {
    #[test]
    fn items_come_back_as_they_were(item in item()) {
        item.check().expect("the strategy makes good items");
        let text = encoded(&item);
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(Item::decode(text.as_bytes()).expect("our own item"), item);
    }

    #[test]
    fn changed_items_never_break_the_reader(item in item(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = encoded(&item).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(item) = Item::decode(&bytes) {
            item.check().expect("what is read passes the check");
        }
    }
}
