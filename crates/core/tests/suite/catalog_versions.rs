//! Catalogs of every published version are opened, brought up to date, and keep all that they knew.
//!
//! `fixtures/v1` and `v3` were written by the program when its catalog had that version: a catalog, and `.mvcopy` of
//! the drive that it is about. That of `v3` is exFAT, with two names of one file.

use std::path::{Path, PathBuf};

use multivolumecopy_core::catalog::Catalog;
use multivolumecopy_core::catalog::order::Ordered;
use multivolumecopy_core::catalog::place::OnVolume;
use multivolumecopy_core::error::Code;
use multivolumecopy_core::format::item::Item;
use multivolumecopy_core::format::manifest;
use rusqlite::Connection;

fn fixture(version: i64, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/fixtures/v{version}"))
        .join(name)
}

/// The fixture's catalog in a directory of its own: opening changes it.
fn old_catalog(version: i64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("family.sqlite");
    std::fs::copy(fixture(version, "catalog.sqlite"), &file).unwrap();
    (dir, file)
}

fn tables(file: &Path) -> Vec<String> {
    let conn = Connection::open(file).unwrap();
    let mut stmt = conn
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        .unwrap();
    stmt.query_map([], |r| r.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

fn version(file: &Path) -> i64 {
    Connection::open(file)
        .unwrap()
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .unwrap()
}

#[test]
fn version_1_is_brought_up_to_date_and_loses_nothing() {
    brought_up_to_date(1, 9);
}

#[test]
fn version_3_is_brought_up_to_date_and_loses_nothing() {
    brought_up_to_date(3, 8);
}

fn brought_up_to_date(old: i64, count: usize) {
    let (dir, file) = old_catalog(old);
    assert_eq!(version(&file), old);
    let catalog = Catalog::open(&file).unwrap();
    assert_eq!(catalog.set_info().unwrap().name, "family");
    let volumes = catalog.volumes().unwrap();
    assert_eq!(volumes.len(), 1);
    assert_eq!(
        (volumes[0].label.as_str(), volumes[0].files),
        ("family-1", 4)
    );
    assert_eq!((volumes[0].verified, volumes[0].as_of), (0, 0));
    // The same entries, byte for byte, as the drive of that time says.
    let mut entries = Ordered::new(OnVolume {
        catalog: &catalog,
        volume: 1,
    })
    .unwrap();
    let mut known = Vec::new();
    while let Some(mut placed) = entries.next_entry().unwrap() {
        placed.item.path = entries.path().to_vec();
        known.push(placed.item);
    }
    let mut told = Vec::new();
    let manifest = std::fs::File::open(fixture(old, "drive/manifest.jsonl")).unwrap();
    manifest::read(
        std::io::BufReader::new(manifest),
        b"manifest.jsonl",
        &mut |item| {
            // What owners are called stands beside the entries.
            told.push(Item {
                names: None,
                ..item
            });
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(known, told);
    assert_eq!(known.len(), count);
    assert!(known.iter().all(|item| item.same_file.is_none()));
    drop(catalog);
    let new = dir.path().join("new.sqlite");
    let set = multivolumecopy_core::catalog::SetInfo {
        id: "0".repeat(32),
        name: "new".into(),
        created: 0,
    };
    drop(Catalog::create(&new, &set).unwrap());
    assert_eq!(tables(&file), tables(&new));
    assert_eq!(version(&file), version(&new));
}

#[test]
fn reading_takes_no_lock_once_it_is_up_to_date() {
    let (_dir, file) = old_catalog(1);
    let held = Catalog::open(&file).unwrap();
    let reader = Catalog::open_to_read(&file).unwrap();
    assert_eq!(reader.volumes().unwrap().len(), 1);
    drop((held, reader));
}

#[test]
fn an_old_one_is_not_brought_up_to_date_under_somebody_who_holds_it() {
    let (_dir, file) = old_catalog(1);
    let mut lock = file.clone().into_os_string();
    lock.push(".lock");
    let lock = std::fs::File::create(lock).unwrap();
    lock.try_lock().unwrap();
    let refused = Catalog::open_to_read(&file).unwrap_err();
    assert_eq!(refused.code, Code::CatalogLocked);
    assert_eq!(version(&file), 1);
}

#[test]
fn a_newer_one_is_refused_and_left_alone() {
    let (_dir, file) = old_catalog(1);
    Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = std::fs::read(&file).unwrap();
    assert_eq!(Catalog::open(&file).unwrap_err().code, Code::CatalogNewer);
    assert_eq!(
        Catalog::open_to_read(&file).unwrap_err().code,
        Code::CatalogNewer
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn what_a_killed_process_left_of_one_in_the_making_is_no_part_of_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let set = |name: &str| multivolumecopy_core::catalog::SetInfo {
        id: "1".repeat(32),
        name: name.into(),
        created: 0,
    };
    let (old, new) = (dir.path().join("old.sqlite"), dir.path().join("new.sqlite"));
    let held = Catalog::create(&old, &set("old")).unwrap();
    Connection::open(&old)
        .unwrap()
        .execute_batch("INSERT INTO meta VALUES('left', 1)")
        .unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let from = dir.path().join(format!("old.sqlite{suffix}"));
        std::fs::copy(from, dir.path().join(format!("new.sqlite.new{suffix}"))).unwrap();
    }
    drop(held);
    drop(Catalog::create(&new, &set("new")).unwrap());
    let conn = Connection::open(&new).unwrap();
    let count = |sql: &str| -> i64 { conn.query_row(sql, [], |r| r.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM meta WHERE key = 'left'"), 0);
    assert_eq!(
        count("SELECT count(*) FROM meta WHERE key = 'set_name' AND value = 'new'"),
        1
    );
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("new.sqlite."))
        .collect();
    names.sort();
    assert_eq!(names, ["new.sqlite.lock"]);
}
