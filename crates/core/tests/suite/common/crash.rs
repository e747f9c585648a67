//! What the tests that break a run off have in common: the tree, and what must hold wherever it broke.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::Duration;

use multivolumecopy_core::Kind;
use multivolumecopy_core::catalog::Catalog;
use multivolumecopy_core::catalog::order::Ordered;
use multivolumecopy_core::catalog::place::OnVolume;

use super::{Lab, Run, at, compare, unlocked};

/// Every file in a group of its own: the most points for the fewest files.
pub fn single_steps(gone: bool) -> Run {
    Run {
        epoch: Duration::ZERO,
        gone,
        ..Run::default()
    }
}

pub fn source(lab: &Lab) {
    lab.file("a", b"first");
    lab.file("d/b", &[1; 5_000]);
    lab.file("d/e/c", &vec![2; 300_000]);
    std::fs::hard_link(lab.source.join("a"), lab.source.join("d/z")).unwrap();
    let _ = std::fs::remove_file(lab.source.join("link"));
    symlink("a", lab.source.join("link")).unwrap();
    std::fs::create_dir_all(lab.source.join("hollow")).unwrap();
}

/// No file under a final name is torn: each is what the source has now, or what it had before.
pub fn whole(lab: &Lab, older: &BTreeMap<Vec<u8>, Vec<u8>>, point: &str) {
    if !lab.drive_path(1).exists() {
        return;
    }
    for (path, meta) in compare::tree(&lab.drive_path(1)) {
        if !meta.is_file() {
            continue;
        }
        let there = std::fs::read(at(&lab.drive_path(1), &path)).unwrap();
        let now = std::fs::read(at(&lab.source, &path)).ok();
        let good = now.as_deref() == Some(&there[..]) || older.get(&path) == Some(&there);
        assert!(good, "{point}: {} is torn", path.escape_ascii());
    }
}

/// The inodes of the files that the catalog calls placed.
pub fn promised(lab: &Lab, changed: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<Vec<u8>, u64> {
    let mut found = BTreeMap::new();
    if !lab.catalog_path().exists() {
        return found;
    }
    let catalog = match unlocked(|| Catalog::open(&lab.catalog_path())) {
        // Killed while it was made: the next run starts with a new one.
        Err(_) => return found,
        Ok(catalog) => catalog,
    };
    let mut entries = Ordered::new(OnVolume {
        catalog: &catalog,
        volume: 1,
    })
    .unwrap();
    while let Some(placed) = entries.next_entry().unwrap() {
        if placed.item.kind == Kind::File {
            let path = entries.path().to_vec();
            let at = at(&lab.drive_path(1), &path);
            if let Ok(meta) = std::fs::metadata(&at) {
                // A newer version may stand there already, with its intent in the journal.
                let size = changed.contains_key(&path) || meta.len() == placed.item.size;
                assert!(size, "{at:?}");
                found.insert(path, meta.ino());
            }
        }
    }
    found
}
