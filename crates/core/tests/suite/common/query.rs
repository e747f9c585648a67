//! What the tests of questions to a catalog share: volumes as rows, and answers as short texts.

use multivolumecopy_core::CancelToken;
use multivolumecopy_core::catalog::Catalog;
use multivolumecopy_core::catalog::query::Hit;
use multivolumecopy_core::catalog::volumes::{Fate, Volume};
use multivolumecopy_core::filter::search::{Patterns, Reading};

pub fn volume(number: u32) -> Volume {
    Volume {
        number,
        id: format!("{number:032x}"),
        label: format!("drive {number}"),
        state: "complete".into(),
        generation: 1,
        fs_type: "ext4".into(),
        fs_uuid: String::new(),
        capacity: 1 << 30,
        available: 1 << 29,
        block_size: 4096,
        inodes_free: 0,
        has_links: true,
        mount: Vec::new(),
        created: 1,
        written: 1,
        files: 0,
        bytes: 0,
        fate: Fate::None,
        verified: 0,
        verified_kind: String::new(),
        verified_bad: 0,
        listed: 0,
        as_of: 0,
        copy: 1,
    }
}

pub fn patterns(pattern: &[u8]) -> Patterns {
    Patterns::new(&[pattern.to_vec()], Reading::default()).unwrap()
}

/// All hits, a few at a time.
pub fn hits(catalog: &Catalog, pattern: &[u8]) -> Vec<Hit> {
    let patterns = patterns(pattern);
    let mut search = catalog.search(&patterns).unwrap();
    let mut all = Vec::new();
    loop {
        let page = search.page(3, &CancelToken::new()).unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    drop(search);
    catalog.commit().unwrap();
    all
}

/// Each hit as `path volume standing`.
pub fn found(catalog: &Catalog, pattern: &[u8]) -> Vec<String> {
    hits(catalog, pattern)
        .iter()
        .map(|h| {
            let path = multivolumecopy_core::name::display(&h.path);
            format!("{path} {} {}", h.volume, h.standing.as_str())
        })
        .collect()
}

/// The paths that are lost for good, with the volume that each was on.
pub fn lost(catalog: &Catalog) -> Vec<(Vec<u8>, u32)> {
    let mut all = Vec::new();
    let mut after = (Vec::new(), 0);
    loop {
        let page = catalog
            .lost_page(None, Some((&after.0, after.1)), 2)
            .unwrap();
        let Some(last) = page.last() else {
            return all;
        };
        after = (last.path.clone(), last.volume);
        all.extend(page.into_iter().map(|e| (e.path, e.volume)));
    }
}
