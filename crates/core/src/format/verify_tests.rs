#![allow(clippy::unwrap_used)]

use super::*;

fn head() -> Head {
    Head {
        set: "5e".repeat(16),
        volume: "70".repeat(16),
        number: 3,
        generation: 7,
        kind: CheckKind::Remounted,
        begun: 1_700_000_000,
        ended: None,
        scope: b"all".to_vec(),
        files: 12,
        bytes: 34,
        through: Some(b"a/caf\xe9".to_vec()),
    }
}

fn lines() -> Vec<Line> {
    let mut lines = vec![Line::Part(Part {
        from: b"a/".to_vec(),
        through: b"z\n".to_vec(),
        at: 1_600_000_000,
        generation: 2,
    })];
    for (n, word) in Word::ALL.into_iter().enumerate() {
        lines.push(Line::Finding(Finding {
            path: format!("d/{n}/").into_bytes(),
            word,
            errno: (word == Word::Unreadable).then_some(5),
            at: 1_700_000_001,
        }));
    }
    for (n, word) in SourceWord::ALL.into_iter().enumerate() {
        lines.push(Line::InSource(InSource {
            path: format!("s/{n}").into_bytes(),
            word,
            errno: (word == SourceWord::Unreadable).then_some(13),
        }));
    }
    lines
}

fn written() -> Vec<u8> {
    let mut writer = VerifyWriter::new(Vec::new(), b"verify.jsonl", &head()).unwrap();
    for line in lines() {
        writer.push(&line).unwrap();
    }
    writer.finish().unwrap()
}

fn read_all(bytes: &[u8]) -> Result<(Head, Vec<Line>)> {
    let mut found = Vec::new();
    let head = read(bytes, b"verify.jsonl", &mut |line| {
        found.push(line);
        Ok(())
    })?;
    Ok((head, found))
}

#[test]
fn what_was_written_is_read_back() {
    assert_eq!(read_all(&written()).unwrap(), (head(), lines()));
    let text = String::from_utf8(written()).unwrap();
    assert!(
        text.contains(
            r#"{"path":"d/4/","word":"unreadable","errno":5,"at":"2023-11-14T22:13:21Z"}"#
        )
    );
}

#[test]
fn every_cut_and_every_flipped_bit_is_found() {
    let whole = written();
    for len in 0..whole.len() {
        assert_eq!(read_all(&whole[..len]).unwrap_err().code, Code::BadFormat);
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            assert_eq!(read_all(&bytes).unwrap_err().code, Code::BadFormat);
        }
    }
}

#[test]
fn paths_that_lead_elsewhere_and_newer_versions_are_refused() {
    let text = String::from_utf8(written()).unwrap();
    for (from, to, why) in [
        ("d/0/", "../x/", "'..'"),
        ("d/0/", "/x/", "absolute"),
        ("\"version\":1", "\"version\":2", "newer"),
        ("remounted", "remembered", "no kind"),
        ("\"corrupt\"", "\"curious\"", "no word"),
    ] {
        let e = read_all(text.replace(from, to).as_bytes()).unwrap_err();
        assert!(e.message.contains(why), "{}", e.message);
    }
}
