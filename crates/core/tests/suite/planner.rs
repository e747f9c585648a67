//! Pages, runs and worklists for random trees: each entry that needs a place is handed out once, in the order
//! of the paths' bytes, and comes back from the worklist of the volume that it was given, and of no other.

use crate::common;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use multivolumecopy_core::catalog::order::{Entries, Ordered, Step};
use multivolumecopy_core::catalog::place::Key;
use multivolumecopy_core::catalog::plan::{EMPTY_DIR, NEEDS_PLACE, NO_PLACE_NEEDED};
use multivolumecopy_core::catalog::{Catalog, SetInfo};
use multivolumecopy_core::walk::{Listing, What};
use multivolumecopy_core::{Code, Kind, Meta, Time};
use proptest::prelude::*;

fn meta(kind: Kind, size: u64) -> Meta {
    Meta {
        kind,
        size,
        allocated: size,
        mtime: Time { sec: 5, nsec: 6 },
        mode: 0o644,
        uid: 1,
        gid: 2,
        dev: 1,
        ino: 9,
        nlink: 1,
        rdev: 0,
        changed: 0,
        flags: 0,
    }
}

/// A tree by sort key: a path, with a slash at its end for a directory; the directories above are added.
fn tree(paths: &[(Vec<u8>, bool)]) -> BTreeMap<Vec<u8>, Kind> {
    let mut tree = BTreeMap::new();
    for (path, dir) in paths {
        let mut free = true;
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            free &= !tree.contains_key(&path[..at]);
        }
        let as_dir = [path, &b"/"[..]].concat();
        if !free || tree.contains_key(path) || tree.contains_key(&as_dir) {
            continue;
        }
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            tree.insert(path[..=at].to_vec(), Kind::Dir);
        }
        match dir {
            true => tree.insert(as_dir, Kind::Dir),
            false => tree.insert(path.clone(), Kind::File),
        };
    }
    tree
}

/// What a walk of such a tree hands over.
fn listings(tree: &BTreeMap<Vec<u8>, Kind>) -> Vec<Listing> {
    let mut tokens = BTreeMap::from([(Vec::new(), 0u64)]);
    for (n, key) in tree.keys().filter(|k| k.ends_with(b"/")).enumerate() {
        tokens.insert(key.clone(), n as u64 + 1);
    }
    let mut out: BTreeMap<Vec<u8>, Listing> = tokens
        .iter()
        .map(|(key, token)| {
            let path = key.strip_suffix(b"/").unwrap_or(key).to_vec();
            (key.clone(), Listing::new(*token, path, true))
        })
        .collect();
    for (key, kind) in tree {
        let bare = key.strip_suffix(b"/").unwrap_or(key);
        let at = bare.iter().rposition(|b| *b == b'/').map_or(0, |n| n + 1);
        let what = What::Known {
            meta: meta(*kind, 10),
            child: tokens.get(key).filter(|_| *kind == Kind::Dir).copied(),
        };
        out.get_mut(&bare[..at])
            .unwrap()
            .push(&bare[at..], *kind == Kind::Dir, what);
    }
    // Parents before what is in them: their keys are shorter.
    let mut out: Vec<_> = out.into_values().collect();
    out.sort_by_key(|l| l.path.len());
    out
}

fn catalog(dir: &Path) -> Catalog {
    let set = SetInfo {
        id: common::SET.into(),
        name: "t".into(),
        created: 1,
    };
    let catalog = common::unlocked(|| Catalog::create(&dir.join("c.sqlite"), &set)).unwrap();
    catalog.add_source(b"/s", b"", false, "").unwrap();
    catalog
}

fn scan(catalog: &Catalog, tree: &BTreeMap<Vec<u8>, Kind>) -> i64 {
    let run = catalog.begin_run(1).unwrap();
    let mut scan = catalog.scan(run, 1, b"", &meta(Kind::Dir, 0)).unwrap();
    for listing in listings(tree) {
        scan.listing(&listing).unwrap();
    }
    scan.finish(true).unwrap();
    run
}

fn is_empty_dir(tree: &BTreeMap<Vec<u8>, Kind>, key: &[u8]) -> bool {
    key.ends_with(b"/")
        && !tree
            .range(key.to_vec()..)
            .any(|(k, _)| k != key && k.starts_with(key))
}

fn paths() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    // Bytes around the slash: what sorts before and after it.
    let part = proptest::collection::vec(
        prop_oneof![
            Just(b'a'),
            Just(b'-'),
            Just(b'.'),
            Just(b'0'),
            Just(0xff),
            Just(b'\n')
        ],
        1..4,
    )
    .prop_filter("no dots", |p| p != b"." && p != b"..");
    let path = proptest::collection::vec(part, 1..5).prop_map(|parts| parts.join(&b'/'));
    proptest::collection::vec((path, any::<bool>()), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn each_entry_once_in_order_and_on_its_volume(
        paths in paths(),
        page in 1usize..9,
        ahead in 0usize..3,
        volumes in proptest::collection::vec(0u32..4, 1..13),
        failed in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(dir.path());
        let tree = tree(&paths);
        let run = scan(&catalog, &tree);
        // Some need nothing any more, before the plan is made.
        let keys: Vec<_> = tree.keys().collect();
        let mut done = Vec::new();
        for n in &failed {
            if let Some(key) = keys.get(*n as usize) {
                let is_dir = key.ends_with(b"/");
                let bare = key.strip_suffix(b"/").unwrap_or(key);
                let found: Key = catalog.find(bare, is_dir).unwrap().unwrap();
                catalog.give_up(&found, run).unwrap();
                done.push((*key).clone());
            }
        }
        let wanted: Vec<_> = tree
            .iter()
            .filter(|(k, kind)| **kind != Kind::Dir || is_empty_dir(&tree, k))
            .map(|(k, _)| k.clone())
            .filter(|k| !done.contains(k))
            .collect();
        let mut given: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        let mut planner = catalog.planner(run).unwrap();
        let mut next = 0;
        let mut rows = 0;
        // Pages may be made before those before them are answered.
        let mut waiting = VecDeque::new();
        while let Some(p) = planner.page(page).unwrap() {
            prop_assert!(p.count > 0 && p.count <= page);
            prop_assert_eq!(p.size.len(), p.count);
            let mut answer = vec![NO_PLACE_NEEDED; p.count];
            for (i, volume) in answer.iter_mut().enumerate() {
                rows += 1;
                let empty = p.flags[i] & EMPTY_DIR != 0;
                prop_assert!(!empty || p.kind[i] == Kind::Dir as u8);
                if p.flags[i] & NEEDS_PLACE != 0 {
                    *volume = volumes[next % volumes.len()];
                    let key = &wanted[next];
                    let bare = key.strip_suffix(b"/").unwrap_or(key);
                    prop_assert_eq!(p.path_length[i] as usize, bare.len());
                    let depth = bare.iter().filter(|b| **b == b'/').count();
                    prop_assert_eq!(p.depth[i] as usize, depth);
                    given.entry(*volume).or_default().push(bare.to_vec());
                    next += 1;
                }
            }
            waiting.push_back(answer);
            if waiting.len() > ahead {
                let answer = waiting.pop_front().unwrap();
                prop_assert_eq!(planner.answer(&answer[1..]).unwrap_err().code, Code::Internal);
                planner.answer(&answer).unwrap();
            }
        }
        for answer in waiting {
            planner.answer(&answer).unwrap();
        }
        prop_assert_eq!(planner.answer(&[]).unwrap_err().code, Code::Internal);
        planner.finish().unwrap();
        prop_assert_eq!(next, wanted.len());
        prop_assert!(rows <= tree.len());
        let shares = catalog.plan_shares().unwrap();
        let files = wanted.iter().filter(|k| !k.ends_with(b"/")).count() as u64;
        prop_assert_eq!(shares.iter().map(|s| s.files).sum::<u64>(), files);
        for volume in 0..4 {
            let list: Vec<_> = catalog
                .planned(run, volume, usize::MAX)
                .unwrap()
                .into_iter()
                .map(|(path, _)| path)
                .collect();
            prop_assert_eq!(&list, given.entry(volume).or_default());
        }
        // Again, and nobody answers: that is no plan.
        let mut planner = catalog.planner(run).unwrap();
        let any = planner.page(page).unwrap().is_some();
        prop_assert_eq!(planner.finish().err().map(|e| e.code), any.then_some(Code::Internal));
    }

    #[test]
    fn a_traversal_gives_every_path_in_order_and_can_begin_anywhere(
        paths in paths(),
        from in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(dir.path());
        let tree = tree(&paths);
        scan(&catalog, &tree);
        let conn = rusqlite::Connection::open(catalog.path()).unwrap();
        let collect = |mut entries: Ordered<Entries<'_>>| {
            let mut found = Vec::new();
            while entries.next_entry().unwrap().is_some() {
                found.push(entries.key().to_vec());
            }
            found
        };
        let all: Vec<_> = tree.keys().cloned().collect();
        prop_assert_eq!(&collect(Ordered::new(Entries(&conn)).unwrap()), &all);
        // Every directory ends after what it holds, and no other ends in between.
        let mut entries = Ordered::new(Entries(&conn)).unwrap();
        let mut open: Vec<Vec<u8>> = Vec::new();
        while let Some(step) = entries.step().unwrap() {
            match step {
                Step::Entry(row) => {
                    let key = entries.key();
                    prop_assert!(open.last().is_none_or(|d| key.starts_with(d)));
                    if row.child != 0 {
                        open.push(key.to_vec());
                    }
                }
                Step::Leave => {
                    let left = open.pop().unwrap();
                    prop_assert_eq!(entries.path(), left.strip_suffix(b"/").unwrap());
                }
            }
        }
        prop_assert!(open.is_empty());
        if !all.is_empty() {
            let n = from.index(all.len());
            let rest = collect(Ordered::seek(Entries(&conn), &all[n]).unwrap());
            prop_assert_eq!(&rest, &all[n..]);
            // A key that is not there: the first one after it.
            let mut missing = all[n].clone();
            missing.push(1);
            let rest = collect(Ordered::seek(Entries(&conn), &missing).unwrap());
            let after: Vec<_> = all.iter().filter(|k| **k > missing).cloned().collect();
            prop_assert_eq!(rest, after);
        }
    }

    #[test]
    fn a_second_scan_finds_what_came_and_went(before in paths(), after in paths()) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(dir.path());
        let (before, after) = (tree(&before), tree(&after));
        scan(&catalog, &before);
        let run = scan(&catalog, &after);
        // Nothing was copied, so all that is there now is needed and nothing else.
        let conn = rusqlite::Connection::open(catalog.path()).unwrap();
        let mut entries = Ordered::new(Entries(&conn)).unwrap();
        let mut found = Vec::new();
        while let Some(row) = entries.next_entry().unwrap() {
            prop_assert_eq!(row.need, run);
            found.push(entries.key().to_vec());
        }
        let all: Vec<_> = after.keys().cloned().collect();
        prop_assert_eq!(found, all);
        // A third scan of the same is all known, and what went is dropped where no drive holds it.
        catalog.drop_gone_unplaced().unwrap();
        let n: i64 = conn
            .query_row("SELECT count(*) FROM entry WHERE dir <> 0", [], |r| r.get(0))
            .unwrap();
        prop_assert_eq!(n as usize, after.len());
    }
}
