//! Questions to a catalog that real runs have filled: what is where, how the set stands; and the same from the
//! lists on a drive, without the catalog.

use crate::common;

use std::collections::BTreeSet;

use common::query::{found, hits, patterns, volume};
use common::{Lab, Run, at};
use multivolumecopy_core::catalog::order::Ordered;
use multivolumecopy_core::catalog::place::OnVolume;
use multivolumecopy_core::catalog::query::Standing;
use multivolumecopy_core::catalog::status::Amount;
use multivolumecopy_core::filter::search::{Patterns, Reading};
use multivolumecopy_core::volume::lists::DriveLists;
use multivolumecopy_core::{CancelToken, Kind};

/// Two drives: what does not fit on the first goes to the second.
fn two_drives(first: u64) -> Run {
    Run {
        capacities: vec![first, u64::MAX],
        ..Run::default()
    }
}

fn with_volumes(lab: &Lab) {
    let catalog = lab.catalog();
    for number in 1..=2 {
        catalog.put_volume(&volume(number)).unwrap();
    }
}

#[test]
fn each_copy_is_found_on_its_drive_in_path_order() {
    let lab = Lab::new();
    for name in ["a/one", "a/two", "b/one", "c"] {
        lab.file(name, b"123456");
    }
    with_volumes(&lab);
    lab.run(&two_drives(12));
    let catalog = lab.catalog();
    assert_eq!(
        found(&catalog, b"one"),
        ["a/one 1 current", "b/one 2 current"]
    );
    assert_eq!(
        found(&catalog, b"a/"),
        ["a 1 current", "a/one 1 current", "a/two 1 current"]
    );
    assert_eq!(
        found(&catalog, b"?"),
        ["a 1 current", "b 2 current", "c 2 current"]
    );
    assert_eq!(found(&catalog, b"none"), [""; 0]);
    let one = &hits(&catalog, b"a/one")[0];
    assert_eq!(
        (one.size, one.digest.is_some(), one.stored),
        (6, true, true)
    );
}

#[test]
fn what_is_old_gone_or_not_there_is_told_apart() {
    let lab = Lab::new();
    for name in ["changed", "gone", "same"] {
        lab.file(name, b"123456");
    }
    with_volumes(&lab);
    lab.run(&two_drives(100));
    lab.file("changed", b"longer now");
    lab.file("new", b"nowhere yet");
    std::fs::remove_file(lab.source.join("gone")).unwrap();
    // Nothing fits anywhere in this run.
    lab.run(&Run {
        capacities: vec![0, 0],
        ..Run::default()
    });
    let catalog = lab.catalog();
    assert_eq!(
        found(&catalog, b"*"),
        [
            "changed 1 older",
            "changed 0 not-backed-up",
            "gone 1 gone",
            "new 0 not-backed-up",
            "same 1 current",
        ]
    );
    let status = catalog.status(&CancelToken::new()).unwrap();
    let amount = |files, bytes| Amount { files, bytes };
    assert_eq!(status.source, amount(3, 27));
    assert_eq!(status.waiting, amount(2, 21));
    assert_eq!(status.volumes[0].all, amount(3, 18));
    assert_eq!(status.volumes[0].gone, amount(1, 6));
    assert_eq!(
        status.volumes[0].superseded,
        amount(0, 0),
        "the older version is the only one"
    );
    assert_eq!(status.volumes[0].alone, amount(1, 6));
    drop(catalog);
    // The new version goes to the other drive: now the older one can go.
    lab.run(&two_drives(0));
    let catalog = lab.catalog();
    let status = catalog.status(&CancelToken::new()).unwrap();
    assert_eq!(status.waiting, Amount::default());
    assert_eq!(
        status.last_run.as_ref().unwrap().outcome.as_deref(),
        Some("exit 0")
    );
    assert!(status.volumes.iter().all(|h| h.volume.number < 3));
}

#[test]
fn a_search_finds_what_looking_at_every_path_finds() {
    let lab = Lab::new();
    let mut bytes: Vec<Vec<u8>> = Vec::new();
    // More names than are fetched at once, in one directory; directories in directories; bytes of any kind.
    for n in 0..2_500 {
        bytes.push(format!("many/{n}-{}", if n % 3 == 0 { "odd" } else { "even" }).into_bytes());
    }
    for n in 0..40u8 {
        bytes.push(
            [
                b"deep/".repeat(usize::from(n % 9)),
                vec![b'x', 0x80 + n, b'\n'],
            ]
            .concat(),
        );
        bytes.push([&b"d\xff/odd"[..], &[b'0' + n % 10, b'*']].concat());
    }
    for name in &bytes {
        let path = at(&lab.source, name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"1234").unwrap();
    }
    with_volumes(&lab);
    lab.run(&two_drives(4_000));
    let catalog = lab.catalog();
    let mut all: Vec<(Vec<u8>, u32)> = Vec::new();
    for number in 1..=2 {
        let on = OnVolume {
            catalog: &catalog,
            volume: number,
        };
        let mut ordered = Ordered::new(on).unwrap();
        while ordered.next_entry().unwrap().is_some() {
            all.push((ordered.key().to_vec(), number));
        }
    }
    assert!(all.len() > 2_500 && all.iter().any(|(_, v)| *v == 2));
    for pattern in [
        &b"odd"[..],
        b"99",
        b"deep",
        b"deep/deep",
        b"p/x",
        b"*",
        b"*odd*",
        b"many/*9-*",
        b"/deep/x*",
        b"**even",
        b"d*/",
        b"\xff",
        b"\n",
        b"x[\x81-\x84]?",
        b"many/1",
        b"nothing",
    ] {
        let patterns = patterns(pattern);
        let mut expected: Vec<_> = all
            .iter()
            .filter(|(key, _)| patterns.matches_alone(key))
            .map(|(key, v)| (key.strip_suffix(b"/").unwrap_or(key).to_vec(), *v))
            .collect();
        let found: Vec<_> = hits(&catalog, pattern)
            .into_iter()
            .map(|h| {
                assert_eq!(h.standing, Standing::Current);
                (h.path, h.volume)
            })
            .collect();
        assert_eq!(
            found.iter().cloned().collect::<BTreeSet<_>>().len(),
            found.len(),
            "twice"
        );
        expected.sort();
        let mut sorted = found.clone();
        sorted.sort();
        assert_eq!(sorted, expected, "{pattern:?}");
    }
}

#[test]
fn a_drive_alone_answers_as_its_catalog_does() {
    let lab = Lab::new();
    for name in ["a/one", "a/two", "b/one", "c"] {
        lab.file(name, b"123456");
    }
    with_volumes(&lab);
    lab.run(&two_drives(12));
    // Drive 1 was closed before drive 2 was written: a run with nothing to do brings its list up to date.
    lab.run(&two_drives(12));
    let snapshot = |n| {
        let own = lab.drive_path(n).join(".mvcopy");
        let mut names: Vec<_> = std::fs::read_dir(own)
            .unwrap()
            .map(|e| e.unwrap())
            .map(|e| (e.file_name(), std::fs::read(e.path()).unwrap_or_default()))
            .collect();
        names.sort();
        names
    };
    let catalog = lab.catalog();
    for number in 1..=2 {
        let before = snapshot(number);
        let lists = DriveLists::open(common::bytes(&lab.drive_path(number))).unwrap();
        assert!(lists.date.is_some() && lists.has_manifest && !lists.has_journal);
        assert_eq!(lists.volumes.len(), 2);
        for pattern in [&b"one"[..], b"*", b"b/", b"nothing"] {
            let mut from_drive = Vec::new();
            lists
                .search(&patterns(pattern), &CancelToken::new(), &mut |hit| {
                    // Of the other drives the list tells no directory that holds something.
                    if hit.kind != Kind::Dir {
                        from_drive.push((hit.path, hit.volume, hit.size, hit.mtime));
                    }
                    Ok(())
                })
                .unwrap();
            from_drive.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
            let mut known: Vec<_> = hits(&catalog, pattern)
                .into_iter()
                .filter(|h| h.kind != Kind::Dir)
                .map(|h| (h.path, h.volume, h.size, h.mtime))
                .collect();
            known.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
            assert_eq!(from_drive, known, "{pattern:?} on drive {number}");
        }
        assert_eq!(snapshot(number), before, "a search writes nothing");
    }
}

#[test]
fn a_drive_that_is_not_what_it_says_is_refused() {
    let lab = Lab::new();
    lab.file("a", b"123456");
    with_volumes(&lab);
    lab.run(&Run::default());
    let drive = lab.drive_path(1);
    let own = drive.join(".mvcopy");
    let search = || {
        let lists = DriveLists::open(common::bytes(&drive))?;
        lists.search(&patterns(b"*"), &CancelToken::new(), &mut |_| Ok(()))
    };
    search().unwrap();
    for name in ["manifest.jsonl", "catalog.jsonl"] {
        let good = std::fs::read(own.join(name)).unwrap();
        let mut bad = good.clone();
        let at = bad.len() / 2;
        bad[at] ^= 1;
        std::fs::write(own.join(name), bad).unwrap();
        assert!(search().is_err(), "{name}");
        std::fs::write(own.join(name), &good[..good.len() - 5]).unwrap();
        assert!(search().is_err(), "{name}");
        std::fs::remove_file(own.join(name)).unwrap();
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            own.join(name),
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .unwrap();
        assert!(search().is_err(), "a fifo is not waited for");
        std::fs::remove_file(own.join(name)).unwrap();
        std::fs::write(own.join(name), good).unwrap();
    }
    search().unwrap();
    std::fs::remove_file(own.join("catalog.jsonl")).unwrap();
    search().unwrap();
    std::fs::remove_file(own.join("manifest.jsonl")).unwrap();
    assert!(search().is_err(), "nothing to answer from");
}

#[test]
fn several_patterns_and_both_cases() {
    let lab = Lab::new();
    for name in ["One.JPG", "two.jpg", "three.png"] {
        lab.file(name, b"1");
    }
    with_volumes(&lab);
    lab.run(&Run::default());
    let catalog = lab.catalog();
    let folded = Reading {
        regex: false,
        ignore_case: true,
    };
    let given = [b"*.jpg".to_vec(), b"THREE".to_vec()];
    let patterns = Patterns::new(&given, folded).unwrap();
    let mut search = catalog.search(&patterns).unwrap();
    let page = search.page(10, &CancelToken::new()).unwrap();
    assert_eq!(page.len(), 3);
}
