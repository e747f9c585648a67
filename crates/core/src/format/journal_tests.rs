use std::io::Read;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::format::testing::{file, item, path};

fn start() -> Record {
    Record::Start {
        session: "00c0ffee".to_owned(),
        generation: 3,
        version: VERSION,
    }
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        ("[0-9a-f-]{1,64}", any::<u64>()).prop_map(|(session, generation)| Record::Start {
            session,
            generation,
            version: VERSION
        }),
        (any::<u64>(), option::of(path()), item(), any::<bool>()).prop_map(
            |(id, temp, item, replaces)| Record::Intent {
                id,
                temp,
                item,
                replaces
            }
        ),
        (any::<u64>(), path(), item()).prop_map(|(id, from, item)| Record::Moving {
            id,
            from,
            item
        }),
        vec((any::<u32>(), any::<u32>()), 0..5).prop_map(|ranges| Record::Done {
            ids: ranges
                .iter()
                .map(|&(a, b)| (a.into(), u64::from(a) + u64::from(b)))
                .collect()
        }),
        any::<u64>().prop_map(|through| Record::Durable { through }),
        path().prop_map(|path| Record::Removed { path }),
        item().prop_map(|item| Record::Mended { item }),
    ]
}

/// A journal with a record of every kind.
fn sample() -> Vec<Record> {
    let intent = |id, temp: Option<&[u8]>, replaces| Record::Intent {
        id,
        temp: temp.map(<[u8]>::to_vec),
        item: file(b"a/\xff"),
        replaces,
    };
    vec![
        start(),
        intent(1, Some(b"e1/1"), false),
        intent(2, None, true),
        Record::Done { ids: vec![(1, 2)] },
        Record::Durable { through: 2 },
        Record::Removed {
            path: b"old".to_vec(),
        },
        Record::Mended { item: file(b"b") },
        Record::Moving {
            id: 3,
            from: b"was/c".to_vec(),
            item: file(b"c"),
        },
    ]
}

fn journal(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        encode(record, &mut out).expect("a good record");
    }
    out
}

/// The line of any JSON, with the right length and checksum.
fn line(json: &str) -> Vec<u8> {
    let crc = crc32c::crc32c(json.as_bytes());
    format!("{} {crc:08x} {json}\n", json.len()).into_bytes()
}

fn records(bytes: &[u8]) -> Result<(Good, Vec<Record>)> {
    let mut records = Vec::new();
    let good = read(bytes, b"journal.log", &mut |record| {
        records.push(record);
        Ok(())
    })?;
    assert_eq!(good.records, records.len() as u64);
    Ok((good, records))
}

#[test]
fn a_journal_looks_as_documented() {
    let text = String::from_utf8(journal(&sample())).expect("UTF-8");
    let item = |path: &str| {
        let mut json = Vec::new();
        file(path.as_bytes()).encode(&mut json);
        String::from_utf8(json).expect("UTF-8")
    };
    let first = item("a/@").replace('@', "\\udcff");
    let expected = [
        r#"{"record":"start","version":2,"session":"00c0ffee","generation":3}"#.to_owned(),
        format!(r#"{{"record":"intent","id":1,"temp":"e1/1","item":{first}}}"#),
        format!(r#"{{"record":"intent","id":2,"replaces":true,"item":{first}}}"#),
        r#"{"record":"done","ids":[[1,2]]}"#.to_owned(),
        r#"{"record":"durable","through":2}"#.to_owned(),
        r#"{"record":"removed","path":"old"}"#.to_owned(),
        format!(r#"{{"record":"mended","item":{}}}"#, item("b")),
        format!(
            r#"{{"record":"moving","id":3,"from":"was/c","item":{}}}"#,
            item("c")
        ),
    ];
    let expected: Vec<u8> = expected.iter().flat_map(|json| line(json)).collect();
    assert_eq!(text, String::from_utf8(expected).expect("UTF-8"));
    // By another implementation of CRC-32C.
    assert!(text.starts_with("66 da6ea7a7 {"), "{text}");
}

#[test]
fn cut_anywhere_it_gives_the_whole_records_before() {
    let bytes = journal(&sample());
    let ends: Vec<usize> = (0..=sample().len())
        .map(|n| journal(&sample()[..n]).len())
        .collect();
    for cut in 0..=bytes.len() {
        let (good, records) = records(&bytes[..cut]).expect("a torn journal is no error");
        let whole = ends.iter().filter(|&&end| end > 0 && end <= cut).count();
        assert_eq!(records, &sample()[..whole], "cut at {cut}");
        assert_eq!(good.bytes, ends[whole] as u64);
        assert_eq!(good.torn, cut != ends[whole]);
        assert!(!good.corrupt && !good.behind_barrier);
    }
}

#[test]
fn every_flipped_bit_is_found_and_none_is_taken_for_a_record() {
    let bytes = journal(&sample());
    let ends: Vec<usize> = (0..=sample().len())
        .map(|n| journal(&sample()[..n]).len())
        .collect();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (good, records) = records(&bytes).expect("damage is no error");
        let hit = ends.iter().filter(|&&end| end <= bit / 8).count() - 1;
        assert!(good.torn, "bit {bit}");
        assert_eq!(records, &sample()[..hit], "bit {bit}");
        // A flipped newline takes the next record with it.
        let newline = bit / 8 + 1 == ends[hit + 1];
        let first_after = hit + 1 + usize::from(newline);
        assert_eq!(good.corrupt, first_after < sample().len(), "bit {bit}");
        assert_eq!(good.behind_barrier, first_after <= 4, "bit {bit}");
    }
}

#[test]
fn a_hole_before_unflushed_records_is_no_loss_behind_a_barrier() {
    let mut bytes = journal(&sample()[..1]);
    let good_bytes = bytes.len() as u64;
    bytes.extend_from_slice(&[0; 4096]);
    bytes.push(b'\n');
    bytes.extend_from_slice(&journal(&sample()[2..4]));
    let (good, records) = records(&bytes).expect("a hole is no error");
    assert_eq!(records.len(), 1);
    let expected = Good {
        bytes: good_bytes,
        records: 1,
        torn: true,
        corrupt: true,
        behind_barrier: false,
    };
    assert_eq!(good, expected);
}

#[test]
fn a_line_without_end_takes_no_memory_and_is_a_torn_tail() {
    let mut bytes = journal(&sample()[..2]);
    let good_bytes = bytes.len() as u64;
    bytes.extend_from_slice(&vec![b'7'; 3 << 20]);
    let (good, _) = records(&bytes).expect("a torn journal is no error");
    assert_eq!(
        (good.bytes, good.records, good.torn, good.corrupt),
        (good_bytes, 2, true, false)
    );
    // The same when it ends, and is followed by a record.
    bytes.push(b'\n');
    bytes.extend_from_slice(&journal(&sample()[4..5]));
    let (good, _) = records(&bytes).expect("damage is no error");
    assert_eq!(
        (good.bytes, good.corrupt, good.behind_barrier),
        (good_bytes, true, true)
    );

    let mut buffer = Vec::new();
    let endless = std::io::repeat(b'x').take(64 << 20);
    let mut reader = std::io::BufReader::new(endless);
    let (found, consumed) = read_line(&mut reader, &mut buffer, MAX_LINE).expect("no I/O error");
    assert_eq!((found, consumed), (Line::TooLong, 64 << 20));
    assert!(buffer.capacity() <= 2 * MAX_LINE, "{}", buffer.capacity());
}

#[test]
fn nothing_at_all_is_an_empty_journal() {
    assert_eq!(
        records(b"").expect("an empty journal"),
        (Good::default(), Vec::new())
    );
}

#[test]
fn whole_records_that_make_no_sense_are_refused_with_their_line() {
    let item = |path: &str| {
        format!(
            r#"{{"path":"{path}","kind":"fifo","size":0,"mtime":"0.000000000","mode":"0644","uid":0,"gid":0}}"#
        )
    };
    let cases = [
        r#"{"record":"start","version":3,"session":"00","generation":3}"#.to_owned(),
        r#"{"record":"start","version":0,"session":"00","generation":3}"#.to_owned(),
        r#"{"record":"start","version":1,"session":"X","generation":3}"#.to_owned(),
        r#"{"record":"start","version":1,"session":"00"}"#.to_owned(),
        r#"{"record":"moved","path":"a"}"#.to_owned(),
        r#"{"record":"removed","path":"../a"}"#.to_owned(),
        r#"{"record":"removed","path":".mvcopy/volume.json"}"#.to_owned(),
        r#"{"record":"removed"}"#.to_owned(),
        r#"{"record":"done","ids":[[2,1]]}"#.to_owned(),
        r#"{"record":"done","ids":[[1,-1]]}"#.to_owned(),
        r#"{"record":"durable","through":1,"through":2}"#.to_owned(),
        format!(r#"{{"record":"mended","item":{}}}"#, item("/etc/passwd")),
        format!(r#"{{"record":"moving","id":1,"item":{}}}"#, item("a")),
        format!(
            r#"{{"record":"moving","id":1,"from":"a/../b","item":{}}}"#,
            item("a")
        ),
        format!(
            r#"{{"record":"intent","id":1,"temp":"../../x","item":{}}}"#,
            item("a")
        ),
        format!(
            r#"{{"record":"intent","id":1,"temp":"{}","item":{}}}"#,
            "x".repeat(256),
            item("a")
        ),
        "{".to_owned(),
        "not JSON".to_owned(),
        "{\"record\":\"removed\",\"path\":\"a\u{1}\"}".to_owned(),
    ];
    for json in cases {
        let bytes = [journal(&[start()]), line(&json)].concat();
        let e = records(&bytes).expect_err(&json);
        assert_eq!(
            (e.code, e.path.as_deref()),
            (Code::BadFormat, Some(&b"journal.log"[..]))
        );
        assert!(e.message.starts_with("line 2: "), "{e}");
    }
}

#[test]
fn a_newer_journal_is_refused_in_words_whatever_else_changed() {
    let json = r#"{"record":"start","version":3,"session":{"new":"form"},"generation":"x"}"#;
    let e = records(&line(json)).expect_err("a newer version");
    assert_eq!(e.code, Code::BadFormat);
    assert!(
        e.message
            .contains("newer version of multivolumecopy (journal version 3"),
        "{e}"
    );
}

#[test]
fn a_journal_of_version_1_is_read_and_written_on() {
    let text = b"66 1efe47c7 {\"record\":\"start\",\"version\":1,\"session\":\"00c0ffee\",\"generation\":3}\n";
    let bytes = [&text[..], &journal(&[start()])].concat();
    let (good, records) = records(&bytes).expect("an older version");
    assert!(!good.torn);
    assert!(matches!(records[0], Record::Start { version: 1, .. }));
    assert_eq!(records[1], start());
}

#[test]
fn a_journal_without_its_start_is_refused() {
    let e = records(&journal(&sample()[1..])).expect_err("no start");
    assert!(e.message.contains("start"), "{e}");
}

#[test]
fn unknown_fields_are_passed_over() {
    let json = r#"{"record":"durable","through":2,"by":"fsync"}"#;
    let bytes = [journal(&[start()]), line(json)].concat();
    let (_, records) = records(&bytes).expect("a later program's field");
    assert_eq!(records[1], Record::Durable { through: 2 });
}

#[test]
fn very_many_ranges_become_several_lines() {
    let ids: Vec<(u64, u64)> = (0..50_000)
        .map(|n| (u64::MAX - 2 * n, u64::MAX - 2 * n))
        .collect();
    let bytes = journal(&[start(), Record::Done { ids: ids.clone() }]);
    assert!(
        bytes
            .split(|&b| b == b'\n')
            .all(|line| line.len() <= MAX_LINE)
    );
    let (good, records) = records(&bytes).expect("our own journal");
    assert_eq!(good.records, 1 + 50_000_u64.div_ceil(RANGES_A_LINE as u64));
    let back = records[1..].iter().flat_map(|record| match record {
        Record::Done { ids } => ids.clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(back.collect::<Vec<_>>(), ids);
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let long = Some(vec![b'x'; 256]);
    let cases = [
        Record::Start {
            session: "a\"b".to_owned(),
            generation: 0,
            version: VERSION,
        },
        Record::Done { ids: vec![(2, 1)] },
        Record::Removed {
            path: b"/".to_vec(),
        },
        Record::Mended { item: file(b"..") },
        Record::Intent {
            id: 1,
            temp: Some(b"..".to_vec()),
            item: file(b"a"),
            replaces: false,
        },
        Record::Intent {
            id: 1,
            temp: long,
            item: file(b"a"),
            replaces: false,
        },
    ];
    for record in cases {
        let mut out = b"before".to_vec();
        let e = encode(&record, &mut out).expect_err("a bad record");
        assert_eq!((e.code, &out[..]), (Code::BadInput, &b"before"[..]));
    }
}

#[test]
fn the_first_error_of_the_sink_ends_it() {
    let mut seen = 0;
    let e = read(&journal(&sample())[..], b"journal.log", &mut |_| {
        seen += 1;
        if seen == 2 {
            Err(Error::cancelled())
        } else {
            Ok(())
        }
    });
    assert_eq!(
        (e.expect_err("the sink's error").code, seen),
        (Code::Cancelled, 2)
    );
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(list in vec(record(), 0..8)) {
        let list = [vec![start()], list].concat();
        let too_long = |r: &Record| matches!(r, Record::Intent { temp: Some(t), .. } if t.len() > MAX_TEMP);
        prop_assume!(!list.iter().any(too_long));
        let bytes = journal(&list);
        let (good, back) = records(&bytes).expect("our own journal");
        prop_assert_eq!(back, list);
        prop_assert_eq!((good.bytes, good.torn), (bytes.len() as u64, false));
    }

    #[test]
    fn garbage_never_breaks_the_reader(bytes in vec(any::<u8>(), 0..400), json in "[{}\":,a-z0-9\\[\\]]{0,60}") {
        let _ = records(&bytes);
        let _ = records(&[journal(&[start()]), bytes.clone()].concat());
        let _ = records(&[journal(&[start()]), line(&json), bytes].concat());
    }
}
