use super::data::{DataWriter, part_file, push_json_text};
use super::largest::Largest;
use super::*;
use crate::format::setlist::ListedEntry;
use crate::meta::Time;

fn entry(path: &[u8], kind: Kind, size: u64, volume: u32) -> ListedEntry {
    ListedEntry {
        path: path.to_vec(),
        kind,
        size,
        mtime: Time {
            sec: 1_700_000_000,
            nsec: 5,
        },
        rdev: None,
        volume,
        alias: None,
        part: None,
    }
}

fn file(path: &str, size: u64, volume: u32) -> ListedEntry {
    entry(path.as_bytes(), Kind::File, size, volume)
}

fn parts(entries: &[(ListedEntry, bool)]) -> (Vec<String>, u64) {
    let mut texts = Vec::new();
    let mut take = |text| {
        texts.push(text);
        Ok(())
    };
    let mut data = DataWriter::new(&mut take);
    for (entry, is_planned) in entries {
        data.push(entry, *is_planned).unwrap();
    }
    let entries = data.finish().unwrap();
    (texts, entries)
}

#[test]
fn a_part_has_directories_names_drives_and_kinds() {
    let (texts, entries) = parts(&[
        (file("a", 36, 1), false),
        (file("d/b", 0, 1), false),
        (file("d/b", 0, 2), false),
        (file("d/c", 1, 2), false),
        (entry(b"d/link", Kind::Symlink, 3, 2), false),
        (entry(b"d/x", Kind::Dir, 0, 1), false),
        (
            ListedEntry {
                alias: Some(b"d/y_".to_vec()),
                ..file("d/y:", 2, 1)
            },
            false,
        ),
        (file("z/later", 9, 3), true),
    ]);
    let time = "s44we8";
    assert_eq!(entries, 7);
    assert_eq!(
        texts,
        [format!(
            "///1\na/10/{time}\n/d//1,2\nb/0/{time}\nc/1/{time}/2\nlink/3/{time}/2/l\nx/0/{time}/1/d\ny:/2/{time}/1//d/y_\n\
             /z//p3\nlater/9/{time}\n"
        )]
    );
}

#[test]
fn parts_are_cut_at_entries_and_begin_with_a_directory() {
    let many: Vec<_> = (0..60_000)
        .map(|n| (file(&format!("dir/file number {n:06}"), n, 1), false))
        .collect();
    let (texts, entries) = parts(&many);
    assert_eq!(entries, 60_000);
    assert!(texts.len() > 1, "{}", texts.len());
    for text in &texts {
        assert!(text.starts_with("/dir//1\nfile number "), "{}", &text[..40]);
        assert!(text.ends_with('\n') && text.len() <= (1 << 20) + 100);
    }
    let lines: usize = texts.iter().map(|text| text.lines().count() - 1).sum();
    assert_eq!(lines, 60_000);
}

#[test]
fn no_name_is_markup_or_moves_the_text() {
    let hostile: &[&[u8]] = &[
        b"<img src=x onerror=alert(1)>",
        b"x</script><script>alert(1)<",
        "a\u{202e}gpj.exe\u{2028}b\u{2029}c\u{85}".as_bytes(),
        b"new\nline\ttab\"quote'\\back",
        b"caf\xe9 & co",
    ];
    let entries: Vec<_> = hostile
        .iter()
        .map(|name| (entry(name, Kind::File, 1, 1), false))
        .collect();
    // A slash is no part of a name.
    let name = "x<\u{2f}script>".replace('/', "|");
    let (texts, _) = parts(&entries);
    // One of them has a slash: to a list of names, that is two directories more.
    assert_eq!(texts[0].lines().count(), 3 + hostile.len());
    let mut json = Vec::new();
    push_json_text(&mut json, &format!("{}{name}", texts[0]));
    let json = String::from_utf8(json).unwrap();
    let bad = |c: char| matches!(c, '<' | '>' | '&') || crate::name::is_hazard(c);
    assert!(!json.contains(bad), "{json}");
    let back: String = serde_json::from_str(&json).unwrap();
    assert_eq!(back, format!("{}{name}", texts[0]));
    let js = String::from_utf8(part_file(7, &texts[0])).unwrap();
    assert!(
        js.starts_with("mvcopyPart(7,\"") && js.ends_with("\");\n"),
        "{js}"
    );
    assert!(!js.trim_end().contains(bad), "{js}");
}

#[test]
fn the_largest_directories_are_of_the_first_level_that_tells_them_apart() {
    let mut largest = Largest::default();
    for n in 0..20_u64 {
        largest.count(&file(&format!("one/{n:02}/x/f"), n, 1));
    }
    largest.count(&file("root file", 1_000, 1));
    largest.count(&file("a/f", 5, 2));
    largest.count(&file("b/f", 7, 2));
    largest.count(&file("c/d/e/f/g", 6, 2));
    largest.count(&entry(b"c/dir", Kind::Dir, 99, 2));
    largest.finish();
    let shown = |volume| -> Vec<(String, u64, u64)> {
        let of = largest.of(volume).iter();
        of.map(|d| (display(&d.path), d.bytes, d.files)).collect()
    };
    assert_eq!(shown(1).len(), largest::SHOWN);
    assert_eq!(shown(1)[0], ("one/19".into(), 19, 1));
    let two = [("b", 7), ("c", 6), ("a", 5)];
    assert_eq!(shown(2), two.map(|(path, bytes)| (path.into(), bytes, 1)));
    assert!(shown(3).is_empty());
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let from = text.find(start).map_or(0, |at| at + start.len());
    let length = text[from..].find(end).unwrap_or(0);
    &text[from..from + length]
}

fn page(name: &str, label: &str, source: &[u8], parts: &Parts) -> String {
    let header = Header {
        set: "00000000000000000000000000000001".into(),
        name: name.into(),
        date: 1_700_000_000,
        volume: 1,
        copies: 1,
        digest: Some(Algorithm::Sha256),
    };
    let volume = ListedVolume {
        number: 1,
        label: label.into(),
        ..ListedVolume::default()
    };
    let facts = Facts {
        header: &header,
        is_report: false,
        is_inside: false,
        tool: "test",
        sources: &[ListedSource {
            path: source.to_vec(),
            prefix: Vec::new(),
            is_file: false,
        }],
        volumes: &[volume],
        largest: &Largest::default(),
        checks: Checks::default(),
        entries: 1,
        runs: &[],
        past_checks: &[],
    };
    String::from_utf8(render(&facts, parts)).unwrap()
}

#[test]
fn a_page_is_small_says_what_it_is_and_takes_no_markup() {
    let inside = Parts::Inside(vec!["///1\nx<b>/0/0\n".into()]);
    let hostile = "<script>alert(1)</script>\"&";
    let page = page(hostile, hostile, b"/</script><img src=x>", &inside);
    assert!(is_ours(page.as_bytes()));
    assert!(page.len() < 30_000, "{}", page.len());
    assert!(!page.contains("@@"));
    assert!(!page.contains("alert(1)</") && !page.contains("<img"));
    // Facts, one part, the script: and each is closed.
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script>").count(), 3);
    let facts = between(&page, "id=\"facts\">", "</script>");
    let facts: serde_json::Value = serde_json::from_str(facts).unwrap();
    assert_eq!(facts["set"], hostile);
    assert_eq!(facts["volumes"][0]["label"], hostile);
    assert_eq!(facts["sources"][0]["path"], "/</script><img src=x>");
}

#[test]
fn the_script_is_the_one_that_is_allowed() {
    let page = page("x", "y", b"/s", &Parts::Files(vec!["1-0000.js".into()]));
    let script = between(&page, "<script>", "</script>");
    assert!(script.contains("mvcopyPart"));
    let hash = STANDARD.encode(Sha256::digest(script.as_bytes()));
    assert!(page.contains(&format!("script-src 'sha256-{hash}' ")));
}
