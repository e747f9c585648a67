//! Trees that can't be read or that change under the walk.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::filter::Filter;

#[test]
fn what_cannot_be_read_is_reported_and_passed_over() {
    let tmp = tempfile::tempdir().unwrap();
    for p in ["closed/x", "blind/y", "open/z"] {
        let p = tmp.path().join(p);
        fs::create_dir_all(p.parent().unwrap()).unwrap();
        fs::write(p, "").unwrap();
    }
    open_up(tmp.path());
    let mode = |name: &str, mode| {
        let path = tmp.path().join(name);
        if is_root() {
            std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        }
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    mode("closed", 0o000);
    mode("blind", 0o400); // its names can be read, but not what they stand for
    in_child("hostile::unreadable", tmp.path(), true);
    mode("closed", 0o700);
    mode("blind", 0o700);
}

#[test]
fn unreadable() {
    let Some(root) = child_argument() else { return };
    assert!(!is_root());
    let filter = Filter::default();
    let seen = see(&root, &Options::new(&filter));
    assert_eq!(
        seen.picture,
        ["blind/", "blind/y ?", "closed/", "open/", "open/z"]
    );
    assert_eq!(seen.incomplete, ["closed"]);
    assert_eq!(
        seen.errors,
        ["failed /blind/y: looking at", "failed /closed: opening"]
    );
    let summary = Summary {
        directories: 3,
        entries: 4,
        unreadable: 2,
        ..Summary::default()
    };
    assert_eq!(seen.summary, summary);
}

/// Walks with one thread and does `change` when the root's listing comes.
fn change_after_root(root: &Path, change: &dyn Fn()) -> (Vec<Listing>, Vec<String>, Summary) {
    let path = root.as_os_str().as_bytes();
    let fd = sys::open_root(path).unwrap();
    let filter = Filter::default();
    let options = Options {
        threads: 1,
        ..Options::new(&filter)
    };
    let progress = Progress::new();
    let mut listings = Vec::new();
    let mut sink = |listing: Listing| {
        if listing.token == 0 {
            change();
        }
        listings.push(listing);
        Ok(())
    };
    let summary = walk(
        fd.as_fd(),
        path,
        &options,
        &CancelToken::new(),
        &progress,
        &mut sink,
    )
    .unwrap();
    let errors = progress
        .take_errors()
        .iter()
        .map(|e| describe(e, path))
        .collect();
    (listings, errors, summary)
}

/// A tree whose walk stops before `z` until the caller has taken the root's listing: the listings of the
/// directories before it fill the queue.
fn slow_tree() -> tempfile::TempDir {
    let tmp = tempfile::tempdir().unwrap();
    // Paths of 4 KB weigh most for their cost: some 2,000 of them are more than the queue takes.
    let long = "l".repeat(240);
    let mut deep = tmp.path().join("a");
    for _ in 0..15 {
        deep.push(&long);
    }
    fs::create_dir_all(&deep).unwrap();
    for i in 0..2000 {
        fs::create_dir(deep.join(format!("{i:04}"))).unwrap();
    }
    fs::create_dir_all(tmp.path().join("z/x")).unwrap();
    tmp
}

#[test]
fn a_directory_that_is_gone_when_its_turn_comes_is_reported() {
    let tmp = slow_tree();
    let (listings, errors, summary) = change_after_root(tmp.path(), &|| {
        fs::remove_dir_all(tmp.path().join("z")).unwrap();
    });
    let z_listing = listings.iter().find(|l| l.path == b"z").unwrap();
    assert!(!z_listing.complete && z_listing.entries.is_empty());
    assert_eq!(errors, ["vanished /z: opening"]);
    assert_eq!((summary.vanished, summary.unreadable), (1, 0));
}

#[test]
fn a_directory_replaced_by_a_link_is_not_followed() {
    let tmp = slow_tree();
    let (listings, errors, summary) = change_after_root(tmp.path(), &|| {
        fs::rename(tmp.path().join("z"), tmp.path().join("was-z")).unwrap();
        std::os::unix::fs::symlink("/etc", tmp.path().join("z")).unwrap();
    });
    let z_listing = listings.iter().find(|l| l.path == b"z").unwrap();
    assert!(!z_listing.complete && z_listing.entries.is_empty());
    assert_eq!(
        errors,
        ["changing /z: opening: a directory was replaced while it was walked"]
    );
    assert_eq!((summary.vanished, summary.unreadable), (0, 1));
}

#[test]
fn a_tree_in_constant_change_never_fails_the_walk() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let tmp = tempfile::tempdir().unwrap();
    for i in 0..40 {
        fs::create_dir_all(tmp.path().join(format!("{i}/x/y"))).unwrap();
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n = (n + 7) % 40;
                let (from, to) = (tmp.path().join(n.to_string()), tmp.path().join("away"));
                fs::rename(&from, &to).unwrap();
                fs::remove_dir_all(to.join("x")).unwrap();
                fs::write(to.join("x"), "").unwrap();
                fs::rename(&to, &from).unwrap();
                fs::remove_file(from.join("x")).unwrap();
                fs::create_dir_all(from.join("x/y")).unwrap();
            }
        });
        let filter = Filter::default();
        let fd = sys::open_root(tmp.path().as_os_str().as_bytes()).unwrap();
        for round in 0..300 {
            let options = Options {
                threads: 1 + round % 4,
                ..Options::new(&filter)
            };
            let (cancel, progress) = (CancelToken::new(), Progress::new());
            let mut open = std::collections::HashSet::from([0]);
            let summary = walk(
                fd.as_fd(),
                b"/s",
                &options,
                &cancel,
                &progress,
                &mut |listing| {
                    assert!(open.remove(&listing.token));
                    for e in listing.entries.iter() {
                        if let What::Known {
                            child: Some(token), ..
                        } = e.what
                        {
                            open.insert(token);
                        }
                    }
                    Ok(())
                },
            );
            let summary = summary.unwrap();
            assert!(open.is_empty());
            let errors = progress.take_errors();
            assert_eq!(errors.len() as u64, summary.vanished + summary.unreadable);
            assert!(
                errors.iter().all(|e| e.fault != FileFault::Failed),
                "{errors:?}"
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
}
