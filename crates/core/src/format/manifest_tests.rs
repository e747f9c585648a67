use proptest::prelude::*;

use super::*;
use crate::format::testing::{file, item};

fn header() -> Header {
    Header {
        set: "5e".repeat(16),
        volume: "70".repeat(16),
        number: 2,
    }
}

fn manifest(items: &[Item]) -> Vec<u8> {
    let mut writer =
        ManifestWriter::new(Vec::new(), b"manifest.jsonl", &header()).expect("a header");
    for item in items {
        writer.push(item).expect("an item");
    }
    let (entries, bytes) = writer.finish().expect("memory takes everything");
    assert_eq!(entries, items.len() as u64);
    bytes
}

fn items(bytes: &[u8]) -> Result<(Header, Vec<Item>)> {
    let mut items = Vec::new();
    let header = read(bytes, b"manifest.jsonl", &mut |item| {
        items.push(item);
        Ok(())
    })?;
    Ok((header, items))
}

/// The same by a thread that reads beside.
fn items_beside(bytes: &[u8]) -> (Result<Header>, Vec<Item>) {
    let mut items = Vec::new();
    let header = read_beside(bytes, b"manifest.jsonl", &mut |item| {
        items.push(item);
        Ok(())
    });
    (header, items)
}

fn refused(bytes: &[u8]) -> String {
    let e = items(bytes).expect_err("a bad manifest");
    let beside = items_beside(bytes).0.expect_err("a bad manifest");
    assert_eq!((e.code, &e.message), (beside.code, &beside.message));
    assert_eq!(
        (e.code, e.path.as_deref()),
        (Code::BadFormat, Some(&b"manifest.jsonl"[..]))
    );
    e.message
}

/// The lines with a last one that fits them.
fn closed(lines: &[&str]) -> Vec<u8> {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut bytes = body.into_bytes();
    let mut hex = Vec::new();
    push_hex(&mut hex, &Sha256::digest(&bytes));
    let hex = String::from_utf8(hex).expect("ASCII");
    let entries = lines.len() - 1;
    bytes.extend_from_slice(format!("{{\"entries\":{entries},\"sha256\":\"{hex}\"}}\n").as_bytes());
    bytes
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn sample() -> Vec<Item> {
    vec![file(b"a-b"), file(b"a/b"), file("ü/\n".as_bytes())]
}

#[test]
fn a_manifest_looks_as_documented() {
    let bytes = manifest(&sample());
    let lines = lines(&bytes);
    let (set, volume) = ("5e".repeat(16), "70".repeat(16));
    assert_eq!(
        lines[0],
        format!(
            r#"{{"multivolumecopy":"manifest","version":1,"set":"{set}","volume":"{volume}","number":2}}"#
        )
    );
    assert_eq!(lines.len(), 5);
    assert!(
        lines[3].starts_with(r#"{"path":"ü/\n","kind":"file","size":1,"#),
        "{}",
        lines[3]
    );
    let body: Vec<&str> = lines[..4].iter().map(String::as_str).collect();
    assert_eq!(bytes, closed(&body));
}

#[test]
fn large_and_empty_manifests_come_back() {
    for count in [0, 1, 5_000] {
        let written: Vec<Item> = (0..count)
            .map(|n| file(format!("{n:06}").as_bytes()))
            .collect();
        assert_eq!(
            items(&manifest(&written)).expect("our own manifest"),
            (header(), written)
        );
    }
}

#[test]
fn read_beside_everything_comes_in_order_until_somebody_fails() {
    // More than the threads may have between them.
    let many: Vec<Item> = (0..(2 * BATCHES + 5) * BATCH + 7)
        .map(|n| file(format!("f{n:09}").as_bytes()))
        .collect();
    let bytes = manifest(&many);
    let (read, items) = items_beside(&bytes);
    assert_eq!((read.expect("whole"), items), (header(), many.clone()));
    // Cut off: what came before is handed over all the same.
    let cut = bytes.len() - 200;
    let (read, items) = items_beside(&bytes[..cut]);
    assert_eq!(read.expect_err("cut off").code, Code::BadFormat);
    assert!(items.len() + 2 >= many.len() && items == many[..items.len()]);
    // Who listens fails: that is what is told, and nothing is handed over after it.
    for last in [1, BATCH, BATCH + 1, many.len()] {
        let mut count = 0;
        let e = read_beside(&bytes[..], b"manifest.jsonl", &mut |_| {
            count += 1;
            match count == last {
                true => Err(Error::new(Code::Collision, "listing", "full")),
                false => Ok(()),
            }
        });
        assert_eq!((e.expect_err("full").code, count), (Code::Collision, last));
    }
}

#[test]
fn cut_anywhere_it_is_refused() {
    let bytes = manifest(&sample());
    for cut in 0..bytes.len() {
        refused(&bytes[..cut]);
    }
    assert!(refused(&bytes[..bytes.len() - 1]).ends_with("line 5: the manifest is cut off"));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = manifest(&sample());
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let good = lines(&manifest(&sample()));
    let good: Vec<&str> = good[..4].iter().map(String::as_str).collect();
    items(&closed(&good)).expect("as the writer makes it");
    let with = |n: usize, line: &str| {
        let mut lines = good.clone();
        lines[n] = line;
        refused(&closed(&lines))
    };
    let long = format!(r#"{{"path":"{}"}}"#, "x".repeat(MAX_LINE));
    let newer = good[0].replace("\"version\":1", "\"version\":7,\"set\":{}");
    assert!(with(0, &newer).contains("line 1: written by a newer version"));
    assert!(with(0, &good[0].replace("\"version\":1", "\"version\":0")).starts_with("line 1: "));
    assert!(with(0, &good[0].replace(":\"manifest\"", ":\"catalog\"")).contains("no manifest"));
    assert!(with(0, &good[0].replace("\"number\":2", "\"number\":0")).starts_with("line 1: "));
    assert!(with(0, &good[0].replace("5e5e", "5E5E")).starts_with("line 1: "));
    assert!(with(1, &good[1].replace("a-b", "../b")).starts_with("line 2: "));
    assert!(
        with(2, good[1]).starts_with("line 3: out of order"),
        "the same path twice"
    );
    assert!(with(1, good[3]).starts_with("line 3: out of order"));
    assert!(with(2, "").starts_with("line 3: "));
    assert!(with(3, &long).contains("line 4: longer than 1 MiB"));

    let mut bytes = closed(&good);
    bytes.extend_from_slice(b"\n");
    assert!(refused(&bytes).contains("line 5: something follows"));
    let bytes = closed(&good);
    let miscounted = String::from_utf8_lossy(&bytes).replace("\"entries\":3", "\"entries\":4");
    assert!(refused(miscounted.as_bytes()).contains("4 entries expected, 3 found"));
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    for spoil in [
        |h: &mut Header| h.set = "x".repeat(32),
        |h: &mut Header| h.volume.push('0'),
        |h: &mut Header| h.number = 65_536,
    ] {
        let mut header = header();
        spoil(&mut header);
        let e = ManifestWriter::new(Vec::new(), b"m", &header)
            .err()
            .expect("a bad header");
        assert_eq!(e.code, Code::BadInput);
    }
    let mut writer = ManifestWriter::new(Vec::new(), b"m", &header()).expect("a header");
    assert_eq!(
        writer.push(&file(b"../a")).expect_err("a bad path").code,
        Code::BadInput
    );
    writer.push(&file(b"b")).expect("an item");
    for path in [b"a", b"b"] {
        assert_eq!(
            writer.push(&file(path)).expect_err("out of order").code,
            Code::Internal
        );
    }
    writer
        .push(&file(b"c"))
        .expect("the refused ones left no trace");
    let (_, bytes) = writer.finish().expect("memory takes everything");
    assert_eq!(
        items(&bytes).expect("our own manifest").1,
        [file(b"b"), file(b"c")]
    );
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
    let writer = ManifestWriter::new(Full, b"/mnt/m", &header()).expect("a header");
    let e = writer.finish().err().expect("no space");
    assert_eq!(
        (e.code, e.errno, e.path),
        (Code::Io, Some(28), Some(b"/mnt/m".to_vec()))
    );
}

proptest! {
    #[test]
    fn manifests_come_back_as_they_were(mut list in proptest::collection::vec(item(), 0..6)) {
        // As on a drive: a directory stands where what it holds does.
        list.sort_by_key(Item::sort_key);
        list.dedup_by(|a, b| a.path == b.path);
        prop_assert_eq!(items(&manifest(&list)).expect("our own manifest"), (header(), list));
    }

    #[test]
    fn garbage_never_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = items(&bytes);
        let mut lines = manifest(&sample());
        lines.truncate(lines.len() / 2);
        lines.extend_from_slice(&bytes);
        prop_assert!(items(&lines).is_err());
    }
}
