//! Drives that keep records: manifest, journal, digests, and what the catalog says of the others.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::format::item::Item;
use crate::format::journal::{self, Record};
use crate::format::manifest::{Header, ManifestWriter};
use crate::format::{Algorithm, Digest};
use crate::meta::{Kind, Time};

impl Place {
    /// Every other record is by BLAKE3: a drive may have both.
    fn by(&self, name: &[u8]) -> Algorithm {
        match NAMES.iter().position(|one| *one == name) {
            Some(n) if n % 2 == 1 => Algorithm::Blake3,
            _ => Algorithm::Sha256,
        }
    }

    fn item(&self, name: &[u8]) -> Item {
        let content = fs::read(self.path("usb", name)).expect("read");
        Item {
            path: name.to_vec(),
            kind: Kind::File,
            size: content.len() as u64,
            mtime: Time::default(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            digest: Some(Digest::of(self.by(name), &content)),
            target: None,
            link: None,
            rdev: None,
            stored: true,
            extra: None,
            names: None,
            alias: None,
            part: None,
            same_file: None,
        }
    }

    fn write_manifest(&self, items: &[Item]) {
        let header = Header {
            set: "0123456789abcdef0123456789abcdef".to_owned(),
            volume: "fedcba9876543210fedcba9876543210".to_owned(),
            number: 3,
        };
        let mut writer =
            ManifestWriter::new(Vec::new(), b"manifest.jsonl", &header).expect("a header");
        for item in items {
            writer.push(item).expect("an item");
        }
        let (_, bytes) = writer.finish().expect("a manifest");
        self.write("usb", b".mvcopy/manifest.jsonl", &bytes);
    }
}

#[test]
fn with_a_manifest_only_what_is_recorded_there_is_looked_at() {
    let place = Place::new();
    place.write_manifest(&[place.item(NAMES[1]), place.item(NAMES[2])]);
    for name in [NAMES[0], NAMES[1], NAMES[3]] {
        fs::remove_file(place.path("usb", name)).expect("rm");
    }
    let report = place.verify();
    assert_eq!(found(&report), [(Missing, 1)]);
    assert_eq!((report.compared, report.elsewhere), (2, 3));
    assert_eq!(
        (report.volume, report.recorded, report.open),
        (Some(3), true, false)
    );
    let range = |first, last| Elsewhere {
        first,
        last,
        volume: None,
    };
    assert_eq!(report.ranges, [range(0, 0), range(3, 4)]);
}

#[test]
fn the_recorded_digest_tells_who_changed() {
    let place = Place::new();
    place.write_manifest(&NAMES.map(|name| place.item(name)));
    assert_eq!(
        (
            place.verify_content().findings,
            place.verify_content().digests
        ),
        (vec![], 5)
    );
    let change = |root, n: usize| {
        let size = fs::metadata(place.path(root, NAMES[n]))
            .expect("stat")
            .len();
        place.write(root, NAMES[n], &vec![b'!'; size as usize]);
        place.date(root, NAMES[n], n as u32);
    };
    change("usb", 0);
    change("src", 2);
    // Both alike, but not as it was written: the source alone would not show it.
    change("usb", 3);
    change("src", 3);
    assert_eq!(place.verify().findings, []);
    let report = place.verify_content();
    let why: Vec<(u64, &str)> = report
        .findings
        .iter()
        .map(|f| (f.index, &f.why[..]))
        .collect();
    let rotten = "content: not what the drive's own record says was written";
    let newer = "content: as it was written, the source has changed since";
    assert_eq!(why, [(0, rotten), (2, newer), (3, rotten)]);
}

#[test]
fn a_journal_counts_for_what_it_says_is_done() {
    let place = Place::new();
    place.write_manifest(&[place.item(NAMES[0]), place.item(NAMES[1])]);
    let intent = |id, n: usize| Record::Intent {
        id,
        temp: Some(b"1/1".to_vec()),
        item: place.item(NAMES[n]),
        replaces: false,
    };
    let records = [
        Record::Start {
            session: "ab".to_owned(),
            generation: 1,
            version: journal::VERSION,
        },
        intent(1, 2),
        intent(2, 3),
        Record::Done { ids: vec![(1, 1)] },
        Record::Removed {
            path: NAMES[0].to_vec(),
        },
    ];
    let mut bytes = Vec::new();
    for record in &records {
        journal::encode(record, &mut bytes).expect("a record");
    }
    place.write("usb", b".mvcopy/journal.log", &bytes);
    for name in NAMES {
        fs::remove_file(place.path("usb", name)).expect("rm");
    }
    let report = place.verify();
    assert_eq!(found(&report), [(Missing, 1), (Missing, 2)]);
    assert!(report.open);
}

#[test]
fn a_hard_link_that_the_drive_could_not_hold_is_read_where_its_content_lies() {
    let place = Place::new();
    let link = Item {
        link: Some(NAMES[0].to_vec()),
        stored: false,
        part: None,
        ..place.item(NAMES[0])
    };
    let second = Item {
        path: b"a/second".to_vec(),
        ..link
    };
    place.write_manifest(&[place.item(NAMES[0]), second]);
    fs::hard_link(place.path("src", NAMES[0]), place.path("src", b"a/second")).expect("ln");
    place.write_job(&[NAMES[0], b"a/second"]);
    let report = place.verify_content();
    assert_eq!((report.findings, report.compared), (vec![], 2));
}

#[test]
fn damaged_records_are_not_passed_over() {
    let place = Place::new();
    place.write_manifest(&[place.item(NAMES[0])]);
    let path = place.path("usb", b".mvcopy/manifest.jsonl");
    let mut bytes = fs::read(&path).expect("read");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("write");
    let e = place.try_verify(&Options::default()).expect_err("damaged");
    assert_eq!(e.code, Code::BadFormat);
    fs::remove_file(&path).expect("rm");
    symlink("/etc/passwd", &path).expect("ln");
    let e = place.try_verify(&Options::default()).expect_err("a link");
    assert_eq!(e.code, Code::Io);
}

#[test]
fn the_catalog_tells_which_drive_has_it() {
    let place = Place::new();
    place.write_manifest(&[place.item(NAMES[1])]);
    let path = place.top.path().join("catalog");
    let set = crate::catalog::SetInfo {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        name: "films".to_owned(),
        created: 0,
    };
    let catalog = Catalog::create(&path, &set).expect("a catalog");
    let dir = "INSERT INTO dir VALUES(7, 1, x'612f')";
    let columns = "source, kind, size, allocated, mtime, mtime_ns, mode, uid, gid, dev, ino, nlink, rdev, child, need, gone";
    let entry = |dir: i64, name: &str, kind: i64, child: i64| {
        format!(
            "INSERT INTO entry(dir, name, {columns}) VALUES({dir}, CAST('{name}' AS BLOB), \
             1, {kind}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, {child}, 0, 0)"
        )
    };
    let placement = "INSERT INTO placement VALUES(7, CAST('one' AS BLOB), 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
                     NULL, NULL, NULL, 0, 1, NULL, NULL, NULL)";
    for sql in [
        dir,
        &entry(1, "a/", 1, 7),
        &entry(7, "one", 0, 0),
        placement,
    ] {
        catalog.conn.execute(sql, []).expect(sql);
    }
    let options = Options {
        catalog: Some(path),
        ..Options::default()
    };
    let report = place.try_verify(&options).expect("a report");
    let volumes: Vec<_> = report.ranges.iter().map(|r| (r.first, r.volume)).collect();
    assert_eq!(volumes, [(0, Some(5)), (2, None)]);
}
