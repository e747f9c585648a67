use proptest::prelude::*;

use super::*;
use crate::format::testing::{fixed_names, name, python};

fn json(name: &[u8], style: JsonStyle) -> String {
    let mut out = Vec::new();
    write_json(&mut out, name, style);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// The inverse of `display`: that it exists and gives the same bytes proves that nothing is lost.
fn undisplay(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            push_char(&mut out, c);
            continue;
        }
        match chars.next().expect("a backslash is followed by something") {
            '\\' => out.push(b'\\'),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'x' => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).expect("two hex digits"));
            }
            'u' => {
                let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let code = u32::from_str_radix(&digits, 16).expect("hex digits in braces");
                push_char(&mut out, char::from_u32(code).expect("a character"));
            }
            other => panic!("unknown escape \\{other}"),
        }
    }
    out
}

#[test]
fn ordinary_names_are_shown_as_they_are() {
    for name in [
        "",
        "plain.txt",
        "with space",
        "quote\"'",
        "Füße",
        "日本語",
        "💾",
        "a\u{a0}b",
    ] {
        assert_eq!(display(name.as_bytes()), name);
    }
}

#[test]
fn what_a_terminal_might_act_on_is_escaped() {
    let cases: &[(&[u8], &str)] = &[
        (b"a\nb\rc\td", "a\\nb\\rc\\td"),
        (b"\x1b[2J\x07\0", "\\x1b[2J\\x07\\x00"),
        (b"\x7f", "\\x7f"),
        (b"back\\slash", "back\\\\slash"),
        (b"caf\xe9.txt", "caf\\xe9.txt"),
        (b"\x9b2J", "\\x9b2J"),
        ("\u{9b}2J\u{85}".as_bytes(), "\\u{9b}2J\\u{85}"),
        ("\u{202e}gpj.exe".as_bytes(), "\\u{202e}gpj.exe"),
        (
            "\u{61c}\u{200e}\u{200f}\u{2066}\u{2069}".as_bytes(),
            "\\u{61c}\\u{200e}\\u{200f}\\u{2066}\\u{2069}",
        ),
        ("\u{2028}\u{2029}".as_bytes(), "\\u{2028}\\u{2029}"),
    ];
    for (name, shown) in cases {
        assert_eq!(display(name), *shown);
    }
}

#[test]
fn a_lone_surrogate_that_is_no_byte_is_refused() {
    for unit in [0xD800, 0xDBFF, 0xDC00, 0xDC2F, 0xDC7F, 0xDD00, 0xDFFF] {
        let e = from_utf16(&[u16::from(b'a'), unit]).expect_err("no byte has this surrogate");
        assert_eq!(e.code, Code::BadInput);
        let text = format!("\"a\\u{unit:04x}\"");
        assert_eq!(
            read_json(text.as_bytes()).expect_err(&text).code,
            Code::BadInput
        );
    }
}

#[test]
fn every_spelling_of_a_name_is_the_same_bytes() {
    assert_eq!(
        from_utf16(&[0xDCC3, 0xDCA9]).expect("two bytes"),
        "é".as_bytes()
    );
    for text in [
        r#""é""#,
        r#""\u00e9""#,
        r#""\u00E9""#,
        r#""\udcc3\udca9""#,
        " \"é\"\n",
    ] {
        assert_eq!(read_json(text.as_bytes()).expect(text), "é".as_bytes());
    }
}

#[test]
fn no_json_string_is_no_name() {
    let cases: &[&[u8]] = &[
        b"",
        b"\"",
        b"name",
        b"1",
        b"null",
        b"[\"a\"]",
        b"\"a\" \"b\"",
        b"\"a\nb\"",
        b"\"\x01\"",
        b"\"\\x41\"",
        b"\"\\ud8\"",
        b"\"\xff\"",
        b"\"\xed\xb3\xa9\"",
        b"\"\\udce9",
    ];
    for text in cases {
        let e = read_json(text).expect_err("this is no JSON string");
        assert_eq!(e.code, Code::BadInput);
    }
}

#[test]
fn json_looks_as_agreed() {
    let name = "a\"\\\n\u{1}\u{7f}\u{85}\u{202e}ü💾".as_bytes();
    assert_eq!(
        json(name, JsonStyle::Utf8),
        "\"a\\\"\\\\\\n\\u0001\\u007f\\u0085\\u202eü💾\""
    );
    assert_eq!(
        json(name, JsonStyle::Ascii),
        r#""a\"\\\n\u0001\u007f\u0085\u202e\u00fc\ud83d\udcbe""#
    );
    assert_eq!(json(b"caf\xe9", JsonStyle::Utf8), r#""caf\udce9""#);
}

#[test]
fn python_writes_the_same_json_and_reads_ours() {
    let names = fixed_names(3_000);
    let mut input = Vec::new();
    for name in &names {
        for b in name {
            input.extend_from_slice(format!("{b:02x}").as_bytes());
        }
        input.push(b'\t');
        write_json(&mut input, name, JsonStyle::Utf8);
        input.push(b'\n');
    }
    // A tab and a newline are escaped in JSON: both are free to part the fields.
    let script = "
import json, os, sys
for line in sys.stdin.buffer.read().split(b'\\n')[:-1]:
    raw, ours = line.split(b'\\t')
    name = os.fsdecode(bytes.fromhex(raw.decode()))
    assert json.loads(ours) == name, ours
    print(json.dumps(name))
";
    let Some(output) = python(script, &input) else {
        return;
    };
    let theirs = String::from_utf8(output).expect("ASCII");
    assert_eq!(theirs.lines().count(), names.len());
    for (name, theirs) in names.iter().zip(theirs.lines()) {
        assert_eq!(json(name, JsonStyle::Ascii), theirs);
    }
}

proptest! {
    #[test]
    fn shown_names_are_harmless_and_lose_nothing(name in name()) {
        let shown = display(&name);
        prop_assert!(!shown.chars().any(is_hazard), "{shown:?}");
        prop_assert_eq!(undisplay(&shown), name);
    }

    #[test]
    fn utf16_gives_the_bytes_back(name in name()) {
        prop_assert_eq!(from_utf16(&to_utf16(&name)).expect("our own text"), name);
    }

    #[test]
    fn utf16_of_others_never_breaks_anything(text in proptest::collection::vec(any::<u16>(), 0..20)) {
        if let Ok(name) = from_utf16(&text) {
            prop_assert_eq!(from_utf16(&to_utf16(&name)).expect("our own text"), name);
        }
    }

    #[test]
    fn json_gives_the_bytes_back(name in name()) {
        let utf8 = json(&name, JsonStyle::Utf8);
        let ascii = json(&name, JsonStyle::Ascii);
        prop_assert!(!utf8.chars().any(|c| c.is_control() || is_bidi_control(c)), "{utf8:?}");
        prop_assert!(ascii.bytes().all(|b| (b' '..=b'~').contains(&b)), "{ascii:?}");
        prop_assert_eq!(&read_json(utf8.as_bytes()).expect("our own JSON"), &name);
        prop_assert_eq!(&read_json(ascii.as_bytes()).expect("our own JSON"), &name);
    }

    #[test]
    fn bytes_of_others_never_break_the_json_reader(bytes in name()) {
        let _ = read_json(&bytes);
        let _ = read_json(&[b"\"", &bytes[..], b"\""].concat());
    }
}
