use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::format::testing::{path, python};

const SEED: &[u8] = include_bytes!("../../tests/fixtures/jobdata-0.5.0.json");

/// Gives a few bytes at a time, so that every entry lies across the ends of chunks.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(self.0.len()).min(to.len());
        let (now, later) = self.0.split_at(count);
        to[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

fn entries_of(reader: impl Read) -> Result<Vec<(JobEntry, u64)>> {
    let mut entries = Vec::new();
    let count = read(reader, b"job.json", &mut |entry, line| {
        entries.push((entry, line));
        Ok(())
    })?;
    assert_eq!(count, entries.len() as u64);
    Ok(entries)
}

/// The entries, read whole and in drips.
fn entries(bytes: &[u8]) -> Result<Vec<(JobEntry, u64)>> {
    let whole = entries_of(bytes);
    for size in [1, 7] {
        match (&whole, entries_of(Drip(bytes, size))) {
            (Ok(whole), Ok(drip)) => assert_eq!(*whole, drip),
            (Err(whole), Err(drip)) => assert_eq!(whole.message, drip.message),
            (whole, drip) => panic!("{whole:?} whole, {drip:?} in drips"),
        }
    }
    whole
}

fn refused(bytes: &[u8]) -> String {
    let e = entries(bytes).expect_err("a bad job file");
    assert_eq!(
        (e.code, e.path.as_deref()),
        (Code::BadJobFile, Some(&b"job.json"[..]))
    );
    assert!(e.message.starts_with("line "), "{e}");
    e.message
}

fn entry(relpath: &[u8], bytes: u64, index: u64) -> JobEntry {
    JobEntry {
        src: [b"/mnt/src/", relpath].concat(),
        dst: [b"/mnt/usb/", relpath].concat(),
        relpath: relpath.to_vec(),
        bytes,
        index,
    }
}

fn written(entries: &[JobEntry]) -> Vec<u8> {
    let mut writer = JobWriter::new(Vec::new(), b"job.json");
    for e in entries {
        writer
            .push(&e.src, &e.dst, &e.relpath, e.bytes)
            .expect("a good entry");
    }
    let (count, bytes) = writer.finish().expect("memory takes everything");
    assert_eq!(count, entries.len() as u64);
    bytes
}

fn seed() -> Vec<JobEntry> {
    let names: [(&[u8], u64); 9] = [
        (b"ambient/empty", 0),
        (b"books/caf\xe9.txt", 5),
        ("books/emoji-💾.txt".as_bytes(), 9),
        (b"books/new\nline.txt", 3),
        (b"books/plain.txt", 1000),
        (b"books/quote\"back\\slash.txt", 1),
        (b"books/with space.txt", 10),
        ("books/ünïcode-日本語.txt".as_bytes(), 77),
        (b"radio/2019/deep/show.ogg", 4096),
    ];
    let known = names.iter().enumerate();
    known
        .map(|(index, (name, bytes))| entry(name, *bytes, index as u64))
        .collect()
}

#[test]
fn the_seeds_own_file_is_read_byte_for_byte() {
    let read = entries(SEED).expect("the seed's file");
    let (first, lines): (Vec<JobEntry>, Vec<u64>) = read.into_iter().unzip();
    assert_eq!(first, seed());
    assert_eq!(lines[..3], [2, 9, 16]);
    assert!(
        first
            .iter()
            .all(|e| e.dst_root() == b"/mnt/usb" && e.src_root() == b"/mnt/src")
    );
    let values: serde_json::Value = python("import json, os, sys
json.dump([[*(os.fsencode(x).hex() for x in e[:3]), *e[3:]] for e in json.load(sys.stdin)], sys.stdout)", SEED)
        .map_or(serde_json::Value::Null, |out| serde_json::from_slice(&out).expect("JSON"));
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    if let Some(theirs) = values.as_array() {
        let ours: Vec<serde_json::Value> = first
            .iter()
            .map(|e| {
                serde_json::json!([hex(&e.src), hex(&e.dst), hex(&e.relpath), e.bytes, e.index])
            })
            .collect();
        assert_eq!(*theirs, ours);
    }
}

#[test]
fn what_we_write_is_the_same_to_python_as_the_seeds_file() {
    let first: Vec<JobEntry> = entries(SEED)
        .expect("the seed's file")
        .into_iter()
        .map(|e| e.0)
        .collect();
    let ours = written(&first);
    let script = "
import json, sys
ours, seeds = sys.stdin.read().split('\\0')
assert json.loads(ours) == json.loads(seeds)
lines = ours.splitlines()
entries = json.loads(ours)
assert lines[0] == '[' and lines[-1] == ']' and len(lines) == len(entries) + 2
for entry, line in zip(entries, lines[1:]):
    assert line.rstrip(',') == json.dumps(entry), line
";
    python(script, &[&ours[..], b"\0", SEED].concat());
}

#[test]
fn a_job_file_looks_as_documented() {
    assert_eq!(written(&[]), b"[]\n");
    let text = String::from_utf8(written(&[entry(b"a", 1, 0), entry(b"caf\xe9/\"", 2, 1)]));
    assert_eq!(
        text.expect("ASCII"),
        r#"[
["/mnt/src/a", "/mnt/usb/a", "a", 1, 0],
["/mnt/src/caf\udce9/\"", "/mnt/usb/caf\udce9/\"", "caf\udce9/\"", 2, 1]
]
"#
    );
}

#[test]
fn every_form_of_the_seed_is_read() {
    let expected = [entry(b"a b", 1, 0), entry("ü".as_bytes(), 0, 1)];
    for text in [
        r#"[["/mnt/src/a b","/mnt/usb/a b","a b",1,0],["/mnt/src/ü","/mnt/usb/ü","ü",0,1]]"#,
        "\r\n [ [ \"/mnt/src/a b\" ,\n\"/mnt/usb/a b\"\t,\"a b\",1\n,0\n]\n,\n[\"/mnt/src/\\u00fc\",\"/mnt/usb/\\u00FC\",\"\\u00fc\",0,1]\n] \n\n",
        r#"[{"src":"/mnt/src/a b","dst":"/mnt/usb/a b","relpath":"a b","bytes":1,"index":0},
            {"index":1,"bytes":0,"dst":"/mnt/usb/ü","relpath":"ü","src":"/mnt/src/ü"}]"#,
        r#"[{"src":"/mnt/src/a b","dst":"/mnt/usb/a b","relpath":"a b","bytes":1,"index":0},
            ["/mnt/src/ü","/mnt/usb/ü","ü",0,1]]"#,
    ] {
        let read: Vec<JobEntry> = entries(text.as_bytes())
            .expect(text)
            .into_iter()
            .map(|e| e.0)
            .collect();
        assert_eq!(read, expected, "{text}");
    }
    for text in ["[]", " [ \n ] \n"] {
        assert_eq!(entries(text.as_bytes()).expect(text), []);
    }
}

#[test]
fn roots_are_what_is_left_of_the_paths() {
    let mut writer = JobWriter::new(Vec::new(), b"job.json");
    writer
        .push(b"/a/b", b"/mnt/x/../../b", b"b", 0)
        .expect_err("a way up");
    writer
        .push(b"/a/b", b"/a/b", b"a/b", 0)
        .expect("the root itself");
    let (_, bytes) = writer.finish().expect("memory takes everything");
    let read = entries(&bytes).expect("our own file");
    assert_eq!(
        (read[0].0.src_root(), read[0].0.dst_root()),
        (&b"/"[..], &b"/"[..])
    );
}

#[test]
fn a_hostile_or_broken_file_is_refused_with_its_line() {
    let a = r#"["/s/a","/d/a","a",1,0]"#;
    let cases: &[(&str, &str)] = &[
        ("", "line 1: the job file is cut off"),
        ("\n\n", "line 3: the job file is cut off"),
        ("null", "line 1: a job file is a JSON array"),
        ("{\"jobs\":[]}", "line 1: a job file is a JSON array"),
        ("\u{feff}[]", "line 1: a job file is a JSON array"),
        ("[", "line 1: the job file is cut off"),
        ("[\n@", "line 2: the job file is cut off"),
        ("[\n@,", "line 2: the job file is cut off"),
        ("[\n@,]", "line 2: an entry is an array or an object"),
        ("[,@]", "line 1: an entry is an array or an object"),
        ("[\n@\n@]", "line 3: neither ',' nor ']' after an entry"),
        ("[@}", "line 1: neither ',' nor ']' after an entry"),
        ("[@]]", "line 1: something follows the end of the array"),
        ("[@]\n[]", "line 2: something follows the end of the array"),
        ("[1]", "line 1: an entry is an array or an object"),
        ("[\n\"a\"]", "line 2: an entry is an array or an object"),
        ("[\n\n[]]", "line 3: invalid length 0"),
        (r#"[["/s/a","/d/a","a",1]]"#, "line 1: invalid length 4"),
        (
            r#"[["/s/a","/d/a","a",1,0,0]]"#,
            "line 1: trailing characters",
        ),
        (r#"[["/s/a","/d/a","a",1,0}]"#, "line 1: "),
        (r#"[["/s/a" "/d/a","a",1,0]]"#, "line 1: "),
        (r#"[["/s/a","/d/a","a",1,0,]]"#, "line 1: "),
        (
            "[[\n\"/s/a\",\n\"/d/a\",\n\"a\",\n-1,0]]",
            "line 5: invalid value: integer `-1`",
        ),
        (
            r#"[["/s/a","/d/a","a",1.0,0]]"#,
            "line 1: invalid type: floating point",
        ),
        (
            r#"[["/s/a","/d/a","a",1e3,0]]"#,
            "line 1: invalid type: floating point",
        ),
        (
            r#"[["/s/a","/d/a","a","1",0]]"#,
            "line 1: invalid type: string",
        ),
        (
            r#"[["/s/a","/d/a","a",null,0]]"#,
            "line 1: invalid type: null",
        ),
        (
            r#"[["/s/a","/d/a","a",true,0]]"#,
            "line 1: invalid type: boolean",
        ),
        (r#"[["/s/a","/d/a","a",NaN,0]]"#, "line 1: "),
        (
            r#"[["/s/a","/d/a","a",9007199254740992,0]]"#,
            "line 1: a size of 2^53 bytes or more",
        ),
        (
            r#"[["/s/a","/d/a","a",18446744073709551616,0]]"#,
            "line 1: invalid type: floating point",
        ),
        (r#"[[1,"/d/a","a",1,0]]"#, "line 1: invalid type: integer"),
        (
            r#"[[["/s/a"],"/d/a","a",1,0]]"#,
            "line 1: invalid type: sequence",
        ),
        (
            r#"[["/s/a","/d/a","a",1,1]]"#,
            "line 1: index 1 where 0 should be",
        ),
        ("[\n@,\n@]", "line 3: index 0 where 1 should be"),
        (r#"[["/s/a","/d/a","a",1,-0]]"#, "line 1: "),
        (
            r#"[["/s//a","/d//a","/a",1,0]]"#,
            "line 1: the relative path is absolute: /a",
        ),
        (
            r#"[["/s/../a","/d/../a","../a",1,0]]"#,
            "line 1: the relative path has a component '..': ../a",
        ),
        (
            r#"[["/s/x/..","/d/x/..","x/..",1,0]]"#,
            "line 1: the relative path has a component '..'",
        ),
        (
            r#"[["/s/x/../a","/d/x/../a","x/../a",1,0]]"#,
            "line 1: the relative path has a component '..'",
        ),
        (
            r#"[["/s/./a","/d/./a","./a",1,0]]"#,
            "line 1: the relative path has a component '.'",
        ),
        (
            r#"[["/s/x//a","/d/x//a","x//a",1,0]]"#,
            "line 1: the relative path has an empty component",
        ),
        (
            r#"[["/s/","/d/","",1,0]]"#,
            "line 1: the relative path is empty",
        ),
        (
            r#"[["/s/a\u0000","/d/a\u0000","a\u0000",1,0]]"#,
            "line 1: the relative path has a NUL in it: a\\x00",
        ),
        (
            r#"[["/s\u0000/a","/d/a","a",1,0]]"#,
            "line 1: a NUL in the path",
        ),
        (
            r#"[["s/a","/d/a","a",1,0]]"#,
            "line 1: the source is not absolute: s/a",
        ),
        (
            r#"[["/s/b","/d/a","a",1,0]]"#,
            "line 1: the source does not end in the relative path",
        ),
        (
            r#"[["/s/xa","/d/a","a",1,0]]"#,
            "line 1: the source does not end in the relative path",
        ),
        (
            r#"[["/s/a","d/a","a",1,0]]"#,
            "line 1: the destination is not absolute",
        ),
        (
            r#"[["/s/a","/d/../etc/a","a",1,0]]"#,
            "line 1: the destination has a component '..'",
        ),
        (
            r#"[["/s/a","/d/b","a",1,0]]"#,
            "line 1: the destination does not end in the relative path",
        ),
        (
            "[@,\n[\"/s/b\",\"/e/b\",\"b\",1,1]]",
            "line 2: another output than in the entries before (/d): /e",
        ),
        (
            r#"[["/s/a\ud800","/d/a\ud800","a\ud800",1,0]]"#,
            "line 1: the lone surrogate U+D800 stands for no byte",
        ),
        (
            "[[\"/s/a\n\",\"/d/a\",\"a\",1,0]]",
            "line 1: a raw control character (0x0a) in a string",
        ),
        (
            r#"[{"src":"/s/a","dst":"/d/a","relpath":"a","bytes":1}]"#,
            "line 1: missing field `index`",
        ),
        (
            r#"[{"src":"/s/a","src":"/s/a","dst":"/d/a","relpath":"a","bytes":1,"index":0}]"#,
            "line 1: duplicate field `src`",
        ),
        (
            r#"[{"src":"/s/a","dst":"/d/a","relpath":"a","bytes":1,"index":0,"\u001b[2J":1}]"#,
            "line 1: unknown field `\\x1b[2J`",
        ),
    ];
    for (text, message) in cases {
        let text = text.replace('@', a);
        let found = refused(text.as_bytes());
        assert!(found.starts_with(message), "{text}\n{found}\n{message}");
    }
    assert_eq!(
        refused(b"[[\"/s/\xff\",\"/d/\xff\",\"\xff\",1,0]]"),
        "line 1: not UTF-8"
    );
    assert!(refused(b"[[\"\0").starts_with("line 1: a raw control character (0x00)"));
}

#[test]
fn cut_anywhere_it_is_refused() {
    let ours = written(&seed());
    for bytes in [SEED.trim_ascii_end(), ours.trim_ascii_end()] {
        for cut in 0..bytes.len() {
            assert!(
                refused(&bytes[..cut]).ends_with("the job file is cut off"),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn an_entry_without_end_takes_no_memory() {
    for start in ["[\n[\"", "[\n[", "[\n[[[[[", "[\n{\"src\":"] {
        let reader = start.as_bytes().chain(std::io::repeat(b'1').take(32 << 20));
        let e = entries_of(reader).expect_err("an endless entry");
        assert!(
            e.message.starts_with("line 2: an entry of more than 1 MiB"),
            "{e}"
        );
    }
    let brackets = b"[".chain(std::io::repeat(b'['));
    let e = entries_of(brackets).expect_err("an endless entry");
    assert!(
        e.message.starts_with("line 1: an entry of more than 1 MiB"),
        "{e}"
    );
    // Deep, but not long: refused by depth, not by an overflown stack.
    assert!(
        refused(&[b"[[", &vec![b'['; 1 << 19][..], &vec![b']'; 1 << 19], b"]]"].concat())
            .starts_with("line 1: ")
    );
}

#[test]
fn the_longest_names_are_shown_cut() {
    let name = "x".repeat(60_000);
    let message = refused(format!("[[\"/s/{name}\",\"/d/y\",\"y\",1,0]]").as_bytes());
    assert!(message.len() < 400, "{}", message.len());
}

#[test]
fn the_writer_refuses_what_the_reader_would_and_goes_on() {
    let mut writer = JobWriter::new(Vec::new(), b"job.json");
    let huge = vec![0xff; 60_000];
    let huge_src = [b"/s/", &huge[..]].concat();
    type Pushed<'a> = (&'a [u8], &'a [u8], &'a [u8], u64);
    let bad: &[Pushed] = &[
        (b"/s/../a", b"/d/../a", b"../a", 1),
        (b"s/a", b"/d/a", b"a", 1),
        (b"/s/a", b"/d/b", b"a", 1),
        (b"/s/a", b"/d/a", b"a", 1 << 53),
        (&huge_src, &huge_src, &huge, 1),
    ];
    for (src, dst, relpath, bytes) in bad {
        let e = writer
            .push(src, dst, relpath, *bytes)
            .expect_err("a bad entry");
        assert_eq!((e.code, e.path.as_deref()), (Code::BadInput, Some(*src)));
    }
    writer
        .push(b"/s/a", b"/d/a", b"a", MAX_SIZE)
        .expect("a good entry");
    let (count, bytes) = writer.finish().expect("memory takes everything");
    assert_eq!(
        (count, entries(&bytes).expect("our own file").len()),
        (1, 1)
    );
}

#[test]
fn the_first_error_of_the_sink_ends_it() {
    let e = read(SEED, b"job.json", &mut |_, _| Err(Error::cancelled()));
    assert_eq!(e.expect_err("the sink's error").code, Code::Cancelled);
}

proptest! {
    #[test]
    fn entries_come_back_as_they_were(list in vec((path(), 0..=MAX_SIZE), 0..6)) {
        let list: Vec<JobEntry> = list
            .iter()
            .enumerate()
            .map(|(index, (path, bytes))| entry(path, *bytes, index as u64))
            .collect();
        let back = entries(&written(&list)).expect("our own file");
        prop_assert!(back.iter().enumerate().all(|(at, (_, line))| *line == at as u64 + 2));
        prop_assert_eq!(back.into_iter().map(|e| e.0).collect::<Vec<_>>(), list);
    }

    #[test]
    fn changed_bytes_never_break_the_reader(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = SEED.to_vec();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if let Ok(list) = entries(&bytes) {
            for (e, _) in list {
                prop_assert_eq!(fault(&e.src, &e.dst, &e.relpath, e.bytes), None);
            }
        }
    }

    #[test]
    fn garbage_never_breaks_the_reader(text in "[\\[\\]{}\",:\\\\ \n0-9a-z/.-]{0,80}", bytes in vec(any::<u8>(), 0..80)) {
        let _ = entries(text.as_bytes());
        let _ = entries(&bytes);
        let _ = entries(&[b"[[", &bytes[..]].concat());
    }
}
