//! Mounts inside the tree; need root.

use std::fs;

use super::*;
use crate::filter::Filter;

#[test]
fn other_mounts_are_listed_and_entered_only_if_wanted() {
    if !is_root() {
        eprintln!("SKIPPED other_mounts_are_listed_and_entered_only_if_wanted: needs root");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    fs::create_dir_all(tmp.path().join("a/mount/hidden")).unwrap();
    fs::create_dir_all(tmp.path().join("a/bind")).unwrap();
    let mounts = [Mount::tmpfs(&tmp.path().join("a/mount")), {
        // The same file system, so the device number tells nothing: -x goes by mount.
        Mount::bind(&tmp.path().join("a/mount"), &tmp.path().join("a/bind"))
    }];
    fs::write(tmp.path().join("a/mount/inside"), "").unwrap();
    let filter = Filter::default();
    let all = see(tmp.path(), &Options::new(&filter));
    assert_eq!(
        all.picture,
        [
            "a/",
            "a/bind/",
            "a/bind/inside",
            "a/mount/",
            "a/mount/inside"
        ]
    );
    let one = Options {
        one_file_system: true,
        ..Options::new(&filter)
    };
    assert_eq!(
        see(tmp.path(), &one).picture,
        ["a/", "a/bind/ |", "a/mount/ |"]
    );
    if !cfg!(feature = "portable") {
        let inside = see(&tmp.path().join("a/mount"), &one);
        assert_eq!(inside.picture, ["inside"]);
    }
    drop(mounts);
}

#[test]
fn a_mount_that_shows_an_ancestor_is_reported_and_not_entered() {
    if !is_root() {
        eprintln!("SKIPPED a_mount_that_shows_an_ancestor_is_reported_and_not_entered: needs root");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    // On its own file system: a mount id is needed to see that a bind mount of the same one begins.
    let _outer = Mount::tmpfs(tmp.path());
    fs::create_dir_all(tmp.path().join("a/b")).unwrap();
    fs::write(tmp.path().join("a/file"), "").unwrap();
    let _loop = Mount::bind(&tmp.path().join("a"), &tmp.path().join("a/b"));
    let filter = Filter::default();
    let seen = see(tmp.path(), &Options::new(&filter));
    if cfg!(feature = "portable") {
        return; // Without mount ids a bind mount is not seen; it ends by itself after one round.
    }
    assert_eq!(seen.picture, ["a/", "a/b/", "a/file"]);
    assert_eq!(
        (seen.incomplete, seen.summary.unreadable),
        (vec!["a/b".to_owned()], 1)
    );
    assert_eq!(
        seen.errors,
        [
            "failed /a/b: looking into: a mount that shows a directory above it again; not looked into"
        ]
    );
}

/// A mount that goes away with the test.
struct Mount(std::path::PathBuf);

impl Mount {
    fn tmpfs(at: &Path) -> Self {
        Self::run(&["-t", "tmpfs", "-o", "size=1m", "none"], at)
    }

    fn bind(from: &Path, at: &Path) -> Self {
        Self::run(&["--bind", from.to_str().unwrap()], at)
    }

    fn run(arguments: &[&str], at: &Path) -> Self {
        assert!(
            Command::new("mount")
                .args(arguments)
                .arg(at)
                .status()
                .unwrap()
                .success()
        );
        Mount(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
