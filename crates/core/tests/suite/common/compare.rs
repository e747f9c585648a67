//! Comparing trees entry by entry: kind, content, mode, owner, nanosecond times, targets, device numbers,
//! hard-link groups and holes. Paths are bytes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use multivolumecopy_core::Kind;
use multivolumecopy_core::format::item::Item;

/// All that is below a directory, by path; `.mvcopy` at its root is left out.
pub fn tree(root: &Path) -> BTreeMap<Vec<u8>, Metadata> {
    let mut found = BTreeMap::new();
    let mut todo = vec![Vec::new()];
    while let Some(dir) = todo.pop() {
        let path = root.join(OsStr::from_bytes(&dir));
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            let mut rel = dir.clone();
            if !rel.is_empty() {
                rel.push(b'/');
            }
            rel.extend_from_slice(entry.file_name().as_bytes());
            if rel == b".mvcopy" || rel == b"START-HERE.html" {
                continue;
            }
            let meta = std::fs::symlink_metadata(entry.path()).unwrap();
            if meta.is_dir() {
                todo.push(rel.clone());
            }
            found.insert(rel, meta);
        }
    }
    found
}

fn show(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

/// What differs between one entry here and one there.
fn differences(a: &Path, b: &Path, ma: &Metadata, mb: &Metadata) -> Vec<String> {
    let mut out = Vec::new();
    let mut check = |what: &str, x: String, y: String| {
        if x != y {
            out.push(format!("{what} {x} is {y}"));
        }
    };
    check(
        "mode",
        format!("{:o}", ma.mode()),
        format!("{:o}", mb.mode()),
    );
    check("uid", ma.uid().to_string(), mb.uid().to_string());
    check("gid", ma.gid().to_string(), mb.gid().to_string());
    let time = |m: &Metadata| format!("{}.{:09}", m.mtime(), m.mtime_nsec());
    check("time", time(ma), time(mb));
    let kind = ma.file_type();
    if kind.is_file() {
        let (x, y) = (std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
        check("size", x.len().to_string(), y.len().to_string());
        if x != y {
            out.push("content".into());
        }
    }
    if kind.is_symlink() {
        let target = |p: &Path| show(std::fs::read_link(p).unwrap().as_os_str().as_bytes());
        if target(a) != target(b) {
            out.push(format!("target {} is {}", target(a), target(b)));
        }
    }
    if (kind.is_block_device() || kind.is_char_device()) && ma.rdev() != mb.rdev() {
        out.push(format!("device {} is {}", ma.rdev(), mb.rdev()));
    }
    out
}

/// Hard-link groups, each as the sorted list of its paths in this tree.
fn groups(tree: &BTreeMap<Vec<u8>, Metadata>) -> Vec<Vec<Vec<u8>>> {
    let mut by_inode: BTreeMap<(u64, u64), Vec<Vec<u8>>> = BTreeMap::new();
    for (path, m) in tree {
        if m.is_file() {
            by_inode
                .entry((m.dev(), m.ino()))
                .or_default()
                .push(path.clone());
        }
    }
    let mut groups: Vec<_> = by_inode.into_values().filter(|g| g.len() > 1).collect();
    groups.sort();
    groups
}

/// The drive is the source, entry by entry, both ways.
pub fn same_trees(source: &Path, drive: &Path) {
    let (a, b) = (tree(source), tree(drive));
    let mut bad = Vec::new();
    for (path, ma) in &a {
        let Some(mb) = b.get(path) else {
            bad.push(format!("missing on the drive: {}", show(path)));
            continue;
        };
        let name = OsStr::from_bytes(path);
        for d in differences(&source.join(name), &drive.join(name), ma, mb) {
            bad.push(format!("{}: {d}", show(path)));
        }
    }
    bad.extend(
        b.keys()
            .filter(|p| !a.contains_key(*p))
            .map(|p| format!("too much on the drive: {}", show(p))),
    );
    let time = |p: &Path| {
        let m = std::fs::metadata(p).unwrap();
        (m.mtime(), m.mtime_nsec(), m.mode(), m.uid(), m.gid())
    };
    if time(source) != time(drive) {
        bad.push(format!("the root: {:?} is {:?}", time(source), time(drive)));
    }
    if groups(&a) != groups(&b) {
        bad.push(format!("links {:?} are {:?}", groups(&a), groups(&b)));
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The drives together are the source: each path is on one drive only, and as in the source.
pub fn same_union(source: &Path, drives: &[&Path]) {
    let a = tree(source);
    let trees: Vec<_> = drives.iter().map(|d| (d, tree(d))).collect();
    let mut bad = Vec::new();
    for (path, ma) in &a {
        let held: Vec<_> = trees.iter().filter(|(_, t)| t.contains_key(path)).collect();
        if held.is_empty() || (!ma.is_dir() && held.len() > 1) {
            bad.push(format!("{} is on {} drives", show(path), held.len()));
        }
        for (drive, tree) in held {
            let name = OsStr::from_bytes(path);
            for d in differences(&source.join(name), &drive.join(name), ma, &tree[path]) {
                bad.push(format!("{}: {d}", show(path)));
            }
        }
    }
    for (_, tree) in &trees {
        for path in tree.keys().filter(|p| !a.contains_key(*p)) {
            bad.push(format!("too much on a drive: {}", show(path)));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The manifest says what stands on the drive: every entry, each as it is.
pub fn manifest_matches(drive: &Path, items: &[Item]) {
    let found = tree(drive);
    let mut bad = Vec::new();
    let listed: std::collections::BTreeSet<_> = items.iter().map(|i| i.path.clone()).collect();
    for path in found.keys().filter(|p| !listed.contains(*p)) {
        bad.push(format!("not in the manifest: {}", show(path)));
    }
    for item in items.iter().filter(|i| i.stored) {
        let Some(m) = found.get(&item.path) else {
            bad.push(format!("only in the manifest: {}", show(&item.path)));
            continue;
        };
        let kind = Kind::from_mode(m.mode()).unwrap();
        let size = if kind == Kind::File { m.len() } else { 0 };
        let there = (
            kind,
            size,
            m.mode() & 0o7777,
            m.uid(),
            m.gid(),
            m.mtime(),
            m.mtime_nsec(),
        );
        let said = (
            item.kind,
            item.size,
            item.mode,
            item.uid,
            item.gid,
            item.mtime.sec,
            i64::from(item.mtime.nsec),
        );
        if there != said {
            bad.push(format!("{}: {said:?} is {there:?}", show(&item.path)));
        }
        if let Some(link) = &item.link {
            let same = found.get(link).is_some_and(|l| l.ino() == m.ino());
            if !same {
                bad.push(format!(
                    "{}: is no link to {}",
                    show(&item.path),
                    show(link)
                ));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
