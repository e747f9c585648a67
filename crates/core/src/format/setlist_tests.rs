use std::io::Write;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::error::{Code, Result};
use crate::format::testing::{item, name, path};
use crate::format::text::{MAX_LINE, push_hex};

fn header() -> Header {
    Header {
        set: "5e".repeat(16),
        name: "photos".to_owned(),
        date: 1_700_000_000,
        volume: 2,
        copies: 1,
        digest: Some(Algorithm::Sha256),
    }
}

fn volume(number: u32) -> ListedVolume {
    ListedVolume {
        number,
        id: format!("{number:032x}"),
        label: format!("drive ü{number}"),
        complete: number == 1,
        generation: 7,
        copy: 1,
        files: 2,
        bytes: 30,
        capacity: 1000,
        available: 10,
        file_system: "ext4".to_owned(),
        created: 1_600_000_000,
        written: 1_650_000_000,
        ..ListedVolume::default()
    }
}

fn entry(path: &[u8], volume: u32) -> ListedEntry {
    ListedEntry {
        path: path.to_vec(),
        kind: Kind::File,
        size: 15,
        mtime: Time {
            sec: 1_700_000_000,
            nsec: 5,
        },
        rdev: None,
        alias: None,
        volume,
        part: None,
    }
}

fn sample() -> Vec<Line> {
    let retired = ListedVolume {
        fate: "retired".to_owned(),
        verified: Some(ListedCheck {
            date: 1_690_000_000,
            kind: "remounted".to_owned(),
            bad: 1,
        }),
        ..volume(2)
    };
    let mut dir = entry(b"a", 2);
    (dir.kind, dir.size) = (Kind::Dir, 0);
    let mut tty = entry(b"b", 1);
    (tty.kind, tty.rdev) = (Kind::CharDevice, Some((4, 64)));
    vec![
        Line::Source(ListedSource {
            path: b"/mnt/src".to_vec(),
            prefix: Vec::new(),
            is_file: false,
        }),
        Line::Volume(volume(1)),
        Line::Volume(retired),
        Line::Entry(entry(b"a-b", 1)),
        Line::Entry(dir),
        Line::Entry(tty),
        Line::Entry(entry("ü/\n".as_bytes(), 1)),
        Line::Entry(entry("ü/\n".as_bytes(), 2)),
        Line::Entry(entry(b"\xff", 2)),
        Line::Planned(entry(b"a-b", 3)),
        Line::Planned(entry("ü/é".as_bytes(), 3)),
        Line::Planned(entry(b"a", 7)),
    ]
}

fn push(writer: &mut ListWriter<Vec<u8>>, line: &Line) -> Result<()> {
    match line {
        Line::Source(source) => writer.source(source),
        Line::Volume(volume) => writer.volume(volume),
        Line::Entry(entry) => writer.entry(entry),
        Line::Planned(entry) => writer.planned(entry),
    }
}

fn list(lines: &[Line]) -> Vec<u8> {
    let mut writer = ListWriter::new(Vec::new(), b"catalog.jsonl", &header()).expect("a header");
    for line in lines {
        push(&mut writer, line).expect("a line");
    }
    let (count, bytes) = writer.finish().expect("memory takes everything");
    assert_eq!(count, bytes.len() as u64);
    bytes
}

fn lines(bytes: &[u8]) -> Result<(Header, Vec<Line>)> {
    let mut lines = Vec::new();
    let header = read(bytes, b"catalog.jsonl", &mut |line| {
        lines.push(line);
        Ok(())
    })?;
    Ok((header, lines))
}

fn refused(bytes: &[u8]) -> String {
    let e = lines(bytes).expect_err("a bad list");
    assert_eq!(
        (e.code, e.path.as_deref()),
        (Code::BadFormat, Some(&b"catalog.jsonl"[..]))
    );
    e.message
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).expect("a list is UTF-8");
    text.lines().map(str::to_owned).collect()
}

/// The lines with a last one that fits them.
fn closed(lines: &[&str]) -> Vec<u8> {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut bytes = body.into_bytes();
    let mut hex = Vec::new();
    push_hex(&mut hex, &Sha256::digest(&bytes));
    let hex = String::from_utf8(hex).expect("ASCII");
    let is_entry = |l: &&&str| l.starts_with("{\"path\"") || l.starts_with("{\"planned\"");
    let entries = lines.iter().filter(is_entry).count();
    bytes.extend_from_slice(format!("{{\"entries\":{entries},\"sha256\":\"{hex}\"}}\n").as_bytes());
    bytes
}

#[test]
fn a_list_looks_as_documented() {
    let bytes = list(&sample());
    let texts = texts(&bytes);
    let set = "5e".repeat(16);
    let id = format!("{:032x}", 2);
    assert_eq!(
        texts[0],
        format!(
            r#"{{"multivolumecopy":"catalog","version":1,"set":"{set}","name":"photos","date":"2023-11-14T22:13:20Z","volume":2}}"#
        )
    );
    assert_eq!(
        texts[1],
        r#"{"source":"/mnt/src","prefix":"","file":false}"#
    );
    assert_eq!(
        texts[3],
        format!(
            r#"{{"volume":2,"id":"{id}","label":"drive ü2","state":"open","fate":"retired","generation":7,"files":2,"bytes":30,"capacity":1000,"available":10,"filesystem":"ext4","created":"2020-09-13T12:26:40Z","written":"2022-04-15T05:20:00Z","verified":"2023-07-22T04:26:40Z","verified_kind":"remounted","verified_bad":1}}"#
        )
    );
    assert!(
        texts[2].contains(r#""state":"complete","generation":7"#),
        "{}",
        texts[2]
    );
    assert_eq!(
        texts[4],
        r#"{"path":"a-b","volume":1,"label":"drive ü1","size":15,"mtime":"1700000000.000000005"}"#
    );
    assert!(
        texts[5].contains(r#""kind":"dir","size":0,"#),
        "{}",
        texts[5]
    );
    assert!(texts[6].ends_with(r#","rdev":[4,64]}"#), "{}", texts[6]);
    assert!(
        texts[7].starts_with(r#"{"path":"ü/\n","volume":1,"#),
        "{}",
        texts[7]
    );
    assert!(
        texts[9].starts_with(r#"{"path":"\udcff","volume":2,"#),
        "{}",
        texts[9]
    );
    assert_eq!(
        texts[10],
        r#"{"planned":"a-b","volume":3,"size":15,"mtime":"1700000000.000000005"}"#
    );
    let body: Vec<&str> = texts[..13].iter().map(String::as_str).collect();
    assert_eq!(bytes, closed(&body));
    assert!(texts[13].starts_with(r#"{"entries":9,"sha256":""#));
    assert_eq!(lines(&bytes).expect("our own list"), (header(), sample()));
    assert_eq!(
        read_header(&bytes[..], b"l").expect("our own header"),
        header()
    );
}

#[test]
fn large_and_empty_lists_come_back() {
    for count in [0, 1, 5_000] {
        let mut written = vec![Line::Volume(volume(1))];
        written.extend((0..count).map(|n| Line::Entry(entry(format!("{n:06}").as_bytes(), 1))));
        assert_eq!(
            lines(&list(&written)).expect("our own list"),
            (header(), written)
        );
    }
    assert_eq!(lines(&list(&[])).expect("our own list").1, []);
}

#[test]
fn cut_anywhere_it_is_refused() {
    let bytes = list(&sample());
    for cut in 0..bytes.len() {
        refused(&bytes[..cut]);
    }
    assert!(refused(&bytes[..bytes.len() - 1]).ends_with("line 14: the list is cut off"));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = list(&sample());
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let good = texts(&list(&sample()));
    let good: Vec<&str> = good[..13].iter().map(String::as_str).collect();
    lines(&closed(&good)).expect("as the writer makes it");
    let with = |n: usize, line: &str| {
        let mut lines = good.clone();
        lines[n] = line;
        refused(&closed(&lines))
    };
    let changed = |n: usize, from: &str, to: &str| {
        assert!(good[n].contains(from), "{from} is not in {}", good[n]);
        with(n, &good[n].replace(from, to))
    };
    assert!(changed(0, "\"version\":1", "\"version\":7,\"set\":{}").contains("newer version"));
    assert!(changed(0, "\"version\":1", "\"version\":0").starts_with("line 1: "));
    assert!(changed(0, ":\"catalog\"", ":\"manifest\"").contains("no list of a set"));
    assert!(changed(0, "photos", "").contains("name is empty"));
    assert!(changed(0, "photos", "a\\u202eb").contains("control character"));
    assert!(changed(0, "2023-11-14", "2023-02-30").contains("no date"));
    assert!(changed(0, "\"volume\":2", "\"volume\":0").starts_with("line 1: "));
    assert!(changed(1, "/mnt/src", "mnt/src").contains("line 2: the source is not absolute"));
    assert!(changed(1, "/mnt/src", "/mnt/../etc").contains("component '..'"));
    assert!(changed(1, "\"prefix\":\"\"", "\"prefix\":\"../a\"").starts_with("line 2: "));
    assert!(changed(1, "\"prefix\":\"\"", "\"prefix\":\".mvcopy\"").contains(".mvcopy"));
    assert!(with(2, good[3]).starts_with("line 4: out of order: volume 2"));
    assert!(changed(2, "\"volume\":1", "\"volume\":65536").starts_with("line 3: "));
    assert!(changed(2, "complete", "half").contains("no state"));
    assert!(changed(3, "retired", "eaten").contains("no fate"));
    assert!(changed(3, "\"bytes\":30", "\"bytes\":9007199254740992").contains("2^53"));
    assert!(changed(3, "\"id\":\"0", "\"id\":\"X").starts_with("line 4: "));
    assert!(changed(4, "a-b", "../b").starts_with("line 5: "));
    assert!(changed(4, "a-b", "/etc/passwd").contains("is absolute"));
    assert!(changed(4, "a-b", ".mvcopy/volume.json").contains(".mvcopy"));
    assert!(changed(4, "\"volume\":1", "\"volume\":3").contains("no volume 3 in the list"));
    assert!(changed(4, "\"size\":15", "\"size\":-1").starts_with("line 5: "));
    assert!(changed(4, "1700000000.0", "01700000000.0").starts_with("line 5: "));
    assert!(changed(6, "\"rdev\":[4,64]", "\"rdev\":null").contains("device numbers"));
    assert!(
        with(8, good[7]).starts_with("line 9: out of order"),
        "the same line twice"
    );
    assert!(with(4, good[7]).starts_with("line 6: out of order"));
    assert!(with(9, good[10]).starts_with("line 11: out of order"));
    assert!(with(11, good[12]).starts_with("line 13: out of order"));
    assert!(with(12, good[9]).starts_with("line 13: out of order"));
    assert!(changed(12, "\"volume\":7", "\"volume\":0").starts_with("line 13: "));
    assert!(changed(12, "\"planned\":\"a\"", "\"planned\":\"../a\"").starts_with("line 13: "));
    assert!(with(5, good[1]).contains("a source after the volumes"));
    assert!(with(5, good[3]).contains("line 6: out of order: volume 2"));
    assert!(with(5, "").contains("neither a source, a volume nor an entry"));
    assert!(with(5, r#"{"kind":"file"}"#).contains("line 6: neither"));
    assert!(with(5, "{\"path\":\"\u{1}\"}").contains("control character"));
    let long = format!(r#"{{"path":"{}"}}"#, "x".repeat(MAX_LINE));
    assert!(with(5, &long).contains("line 6: longer than 1 MiB"));

    let mut bytes = closed(&good);
    bytes.extend_from_slice(b"\n");
    assert!(refused(&bytes).contains("line 14: something follows"));
    let text = String::from_utf8(closed(&good)).expect("UTF-8");
    let miscounted = text.replace("\"entries\":9", "\"entries\":10");
    assert!(refused(miscounted.as_bytes()).contains("10 entries expected, 9 found"));
    assert!(read_header(&b"{}\n"[..], b"l").is_err());
}

#[test]
fn fields_of_later_programs_are_passed_over() {
    let good = texts(&list(&sample()));
    let with: Vec<String> = good[..13]
        .iter()
        .map(|line| format!("{},\"later\":[1,{{}}]}}", &line[..line.len() - 1]))
        .collect();
    let with: Vec<&str> = with.iter().map(String::as_str).collect();
    assert_eq!(lines(&closed(&with)).expect("the same list").1, sample());
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    for spoil in [
        |h: &mut Header| h.set = "x".repeat(32),
        |h: &mut Header| h.name.clear(),
        |h: &mut Header| h.name.push('\n'),
        |h: &mut Header| h.date = -1,
        |h: &mut Header| h.volume = 0,
    ] {
        let mut header = header();
        spoil(&mut header);
        let e = ListWriter::new(Vec::new(), b"l", &header)
            .err()
            .expect("a bad header");
        assert_eq!(e.code, Code::BadInput);
    }
    let mut writer = ListWriter::new(Vec::new(), b"l", &header()).expect("a header");
    let code = |result: Result<()>| result.expect_err("a bad line").code;
    let mut bad = volume(1);
    bad.label = "a\u{1b}b".to_owned();
    assert_eq!(code(writer.volume(&bad)), Code::BadInput);
    writer.volume(&volume(2)).expect("a volume");
    assert_eq!(code(writer.volume(&volume(2))), Code::Internal);
    assert_eq!(
        code(writer.entry(&entry(b"a", 1))),
        Code::Internal,
        "an unknown volume"
    );
    assert_eq!(code(writer.entry(&entry(b"../a", 2))), Code::BadInput);
    writer.entry(&entry(b"b", 2)).expect("an entry");
    assert_eq!(code(writer.entry(&entry(b"a", 2))), Code::Internal);
    assert_eq!(code(writer.entry(&entry(b"b", 2))), Code::Internal);
    let (_, bytes) = writer.finish().expect("memory takes everything");
    let read = lines(&bytes).expect("the refused ones left no trace").1;
    assert_eq!(read, [Line::Volume(volume(2)), Line::Entry(entry(b"b", 2))]);
}

#[test]
fn a_write_that_fails_is_told_with_the_path() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(28))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let writer = ListWriter::new(Full, b"/mnt/l", &header()).expect("a header");
    let e = writer.finish().err().expect("no space");
    assert_eq!(
        (e.code, e.errno, e.path),
        (Code::Io, Some(28), Some(b"/mnt/l".to_vec()))
    );
}

/// A text that passes for a label.
fn label() -> impl Strategy<Value = String> {
    name().prop_map(|bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.chars()
            .filter(|c| !crate::name::is_hazard(*c))
            .take(60)
            .collect()
    })
}

fn any_volume() -> impl Strategy<Value = ListedVolume> {
    let n = 0..=MAX_SAFE;
    let date = 0..=date::LAST;
    let check = proptest::option::of((date.clone(), label(), n.clone()));
    let rest = (n.clone(), n.clone(), n.clone(), n.clone(), n);
    let words = (label(), label(), 0..3usize, any::<bool>());
    (
        1..100u32,
        any::<u128>(),
        words,
        rest,
        date.clone(),
        date,
        check,
    )
        .prop_map(
            |(number, id, (label, file_system, fate, complete), n, created, written, check)| {
                ListedVolume {
                    number,
                    id: format!("{id:032x}"),
                    label,
                    complete,
                    fate: ["", "retired", "lost"][fate].to_owned(),
                    generation: n.0,
                    copy: 1 + number % 3,
                    files: n.1,
                    bytes: n.2,
                    capacity: n.3,
                    available: n.4,
                    file_system,
                    created,
                    written,
                    verified: check.map(|(date, kind, bad)| ListedCheck { date, kind, bad }),
                }
            },
        )
}

fn listed(item: crate::format::item::Item, volume: u32) -> ListedEntry {
    ListedEntry {
        path: item.path,
        kind: item.kind,
        size: item.size,
        mtime: item.mtime,
        rdev: item.rdev,
        alias: None,
        volume,
        part: None,
    }
}

fn any_list() -> impl Strategy<Value = Vec<Line>> {
    let source = (path(), path(), any::<bool>(), any::<bool>()).prop_map(
        |(path, prefix, at_root, is_file)| {
            Line::Source(ListedSource {
                path: [b"/", &path[..]].concat(),
                prefix: if at_root { Vec::new() } else { prefix },
                is_file,
            })
        },
    );
    let sources = proptest::collection::vec(source, 0..3);
    let volumes = proptest::collection::vec(any_volume(), 1..4);
    let entries = proptest::collection::vec((item(), any::<proptest::sample::Index>()), 0..8);
    let planned = proptest::collection::vec((item(), 1..9u32), 0..4);
    (sources, volumes, entries, planned).prop_map(|(mut lines, mut volumes, items, planned)| {
        volumes.sort_by_key(|v| v.number);
        volumes.dedup_by_key(|v| v.number);
        let mut entries: Vec<ListedEntry> = items
            .into_iter()
            .map(|(item, at)| listed(item, volumes[at.index(volumes.len())].number))
            .collect();
        entries.sort_by_key(ListedEntry::sort_key);
        entries.dedup_by_key(|e| e.sort_key());
        lines.extend(volumes.into_iter().map(Line::Volume));
        lines.extend(entries.into_iter().map(Line::Entry));
        let mut planned: Vec<ListedEntry> = planned
            .into_iter()
            .map(|(item, volume)| listed(item, volume))
            .collect();
        planned.sort_by_key(ListedEntry::plan_key);
        planned.dedup_by_key(|e| e.plan_key());
        lines.extend(planned.into_iter().map(Line::Planned));
        lines
    })
}

proptest! {
    #[test]
    fn lists_come_back_as_they_were(written in any_list()) {
        prop_assert_eq!(lines(&list(&written)).expect("our own list"), (header(), written));
    }

    #[test]
    fn garbage_never_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = lines(&bytes);
        let mut start = list(&sample());
        start.truncate(start.len() / 2);
        start.extend_from_slice(&bytes);
        prop_assert!(lines(&start).is_err());
    }
}

#[test]
fn the_header_tells_how_digests_are_made() {
    let written = |digest| {
        let header = Header { digest, ..header() };
        let list = ListWriter::new(Vec::new(), b"l", &header).expect("a header");
        list.finish().expect("a list").1
    };
    let told = |bytes: &[u8]| read_header(bytes, b"l").expect("a header").digest;
    for digest in [None, Some(Algorithm::Sha256), Some(Algorithm::Blake3)] {
        assert_eq!(told(&written(digest)), digest);
    }
    let text = String::from_utf8(written(Some(Algorithm::Blake3))).expect("UTF-8");
    assert!(
        text.lines()
            .next()
            .is_some_and(|l| l.contains(",\"digest\":\"blake3\"}"))
    );
    // What nobody chose is not said; what a later program chose is not refused.
    let plain = String::from_utf8(written(Some(Algorithm::Sha256))).expect("UTF-8");
    assert!(!plain.contains("digest"));
    let later = text.replace("blake3", "blake9");
    assert_eq!(told(later.as_bytes()), Some(Algorithm::Sha256));
}
