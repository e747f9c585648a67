//! Broken off anywhere, and continued: killed at system calls, stopped, cancelled, failed, full.
//!
//! The runs that are killed are this same program, started again under strace(1), which kills it before the
//! n-th call of a kind takes effect. The copying is done on one thread, so the points are the same each time.

use crate::common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitStatus};

use common::crash::{promised, single_steps, source, whole};
use common::{Lab, Run, compare, unlocked};
use multivolumecopy_core::CancelToken;
use multivolumecopy_core::catalog::Catalog;

/// Started by the tests below in a process of its own; by itself it has nothing to do.
#[test]
fn child() {
    let Some(dir) = std::env::var_os("MVC_LAB") else {
        return;
    };
    let dir = Path::new(&dir);
    let source = dir.join("source");
    let catalog = common::open_catalog(&dir.join("catalog.sqlite"), &source);
    let lab = Lab {
        // Not to be removed by us.
        dir: tempfile::tempdir_in(dir).unwrap(),
        source,
    };
    let gone = std::env::var_os("MVC_GONE").is_some();
    let how = single_steps(gone);
    let drive = dir.join("drive1");
    let ran = lab.run_on(&catalog, &how, &CancelToken::new(), &|_| drive.clone());
    // 3: it said that it failed. 4: it named files that failed.
    let code = match ran {
        Err(e) => {
            eprintln!("error: {:?} {e}", e.code);
            3
        }
        Ok(ran) if !ran.errors.is_empty() || ran.outcomes.iter().any(|o| o.no_room > 0) => {
            eprintln!("errors: {:?}", ran.errors);
            4
        }
        Ok(_) => 0,
    };
    drop(catalog);
    // SAFETY-free and at once: what the harness does afterwards must not be counted.
    std::process::exit(code);
}

/// Runs [`child`] with something injected into its system calls; `None` where there is no strace.
fn injected(lab: &Lab, gone: bool, inject: &str) -> Option<ExitStatus> {
    let mut command = Command::new("strace");
    let call = inject.split(':').next().unwrap();
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .arg("-e")
        .arg(format!("inject={inject}"))
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "engine_crash::child",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("MVC_LAB", lab.dir.path())
        .env("RUST_BACKTRACE", "0");
    if gone {
        command.env("MVC_GONE", "1");
    }
    match command.output() {
        Ok(out) => Some(out.status),
        Err(_) => {
            eprintln!("skipped: there is no strace");
            None
        }
    }
}

/// Puts the drive and the catalog back to what `base` has; without a `base` there are none.
fn reset(lab: &Lab, base: Option<&Path>) {
    for name in [
        "drive1",
        "catalog.sqlite",
        "catalog.sqlite-wal",
        "catalog.sqlite-shm",
    ] {
        let path = lab.dir.path().join(name);
        let _ = std::fs::remove_dir_all(&path);
        let _ = std::fs::remove_file(&path);
        if let Some(base) = base
            && base.join(name).exists()
        {
            let done = Command::new("cp")
                .arg("-a")
                .arg(base.join(name))
                .arg(&path)
                .status();
            assert!(done.unwrap().success());
        }
    }
}

/// The content of every file on a drive.
fn contents(drive: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    compare::tree(drive)
        .into_iter()
        .filter(|(_, m)| m.is_file())
        .map(|(p, _)| {
            let content = std::fs::read(common::at(drive, &p)).unwrap();
            (p, content)
        })
        .collect()
}

/// Kills a run at every call of these kinds; after each the next run has to complete, with nothing torn and
/// nothing that was promised copied again. Gives the number of points, and the most bytes that a next run copied.
fn kill_everywhere(lab: &Lab, gone: bool, base: Option<&Path>, calls: &[&str]) -> (u32, u64) {
    let older = base.map_or_else(BTreeMap::new, |base| contents(&base.join("drive1")));
    let (mut points, mut most) = (0, 0);
    for call in calls {
        for n in 1.. {
            let point = format!("{call} {n}");
            reset(lab, base);
            let status = injected(lab, gone, &format!("{call}:signal=SIGKILL:when={n}"));
            let Some(status) = status else { return (0, 0) };
            whole(lab, &older, &point);
            if status.success() {
                break;
            }
            points += 1;
            let usable = unlocked(|| Catalog::open(&lab.catalog_path())).is_ok();
            if !usable {
                // Made by whoever decides where a catalog is; not what is tested here.
                for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
                    let _ = std::fs::remove_file(lab.dir.path().join(name));
                }
            }
            let before = promised(lab, &older);
            let ran = lab.run(&Run {
                reread: !usable,
                ..single_steps(gone)
            });
            assert!(ran.errors.is_empty(), "{point}: {:?}", ran.errors);
            most = most.max(ran.outcomes[0].bytes);
            let after = promised(lab, &older);
            for (path, inode) in &before {
                let same = after.get(path).is_none_or(|now| now == inode);
                let changed = older.contains_key(path);
                assert!(same || changed, "{point}: {} again", path.escape_ascii());
            }
            if gone || base.is_none() {
                lab.check();
            }
        }
    }
    (points, most)
}

const DRIVE_CALLS: [&str; 4] = ["renameat2", "syncfs", "unlinkat", "mkdirat"];

#[test]
fn killed_at_every_call_of_a_first_run() {
    let lab = Lab::new();
    source(&lab);
    let (points, _) = kill_everywhere(&lab, false, None, &DRIVE_CALLS);
    eprintln!("{points} points");
}

#[test]
fn killed_at_every_call_of_a_later_run_that_changes_and_removes() {
    let lab = Lab::new();
    source(&lab);
    lab.file("old/gone", b"gone");
    lab.file("old/too", b"gone too");
    lab.run(&Run::default());
    let base = saved(&lab);
    lab.file("d/b", &[3; 6_000]);
    lab.file("d/new", b"new");
    std::fs::remove_dir_all(lab.source.join("old")).unwrap();
    let (points, _) = kill_everywhere(&lab, true, Some(&base), &DRIVE_CALLS);
    eprintln!("{points} points");
}

/// Saves what drive and catalog hold now.
fn saved(lab: &Lab) -> std::path::PathBuf {
    let base = lab.dir.path().join("base");
    std::fs::create_dir(&base).unwrap();
    for name in ["drive1", "catalog.sqlite"] {
        let done = Command::new("cp")
            .arg("-a")
            .arg(lab.dir.path().join(name))
            .arg(base.join(name))
            .status();
        assert!(done.unwrap().success());
    }
    base
}

#[test]
fn killed_at_every_call_of_a_run_that_renames() {
    let lab = Lab::new();
    source(&lab);
    lab.file("old/kept", b"kept");
    lab.file("old/gone", b"gone");
    lab.run(&Run::default());
    let base = saved(&lab);
    // A directory, one of two names, a link, an empty directory; and one that is removed and one that is new.
    for (from, to) in [
        ("d", "new place"),
        ("old/kept", "kept"),
        ("link", "x-link"),
        ("hollow", "new place/hollow"),
    ] {
        std::fs::rename(lab.source.join(from), lab.source.join(to)).unwrap();
    }
    std::fs::remove_dir_all(lab.source.join("old")).unwrap();
    lab.file("new", b"new");
    let (points, most) = kill_everywhere(&lab, true, Some(&base), &DRIVE_CALLS);
    let (more, most_more) = kill_everywhere(&lab, true, Some(&base), &["pwrite64", "fsync"]);
    // Wherever it was killed, nothing but what is new was copied.
    assert!(most.max(most_more) <= 3, "{most} {most_more}");
    eprintln!("{points} and {more} points");
}

#[test]
fn a_call_that_fails_while_it_renames_is_told_and_nothing_is_lost() {
    let lab = Lab::new();
    source(&lab);
    lab.run(&Run::default());
    let base = saved(&lab);
    std::fs::rename(lab.source.join("d"), lab.source.join("new place")).unwrap();
    let older = contents(&base.join("drive1"));
    for call in ["renameat2", "syncfs", "mkdirat", "pwrite64", "openat2"] {
        for errno in ["EIO", "ENOSPC", "EACCES", "EMFILE"] {
            for when in ["1", "2", "3", "5", "2+"] {
                let point = format!("{call} {errno} {when}");
                reset(&lab, Some(&base));
                let inject = format!("{call}:error={errno}:when={when}");
                let Some(status) = injected(&lab, false, &inject) else {
                    return;
                };
                let code = status.code().unwrap_or(-1);
                assert!([0, 3, 4, 101].contains(&code), "{point}: {status:?}");
                whole(&lab, &older, &point);
                // What could not be looked at in the source was no rename: its old name is gone, then.
                let ran = lab.run(&common::again::gone());
                assert!(ran.errors.is_empty(), "{point}: {:?}", ran.errors);
                if call != "openat2" {
                    assert_eq!(ran.outcomes[0].bytes, 0, "{point}");
                }
                lab.check();
            }
        }
    }
}

#[test]
fn killed_while_it_writes() {
    let lab = Lab::new();
    source(&lab);
    let (points, _) = kill_everywhere(&lab, false, None, &["pwrite64", "fsync"]);
    eprintln!("{points} points");
}

#[test]
fn a_call_that_fails_is_told_and_nothing_is_lost() {
    let lab = Lab::new();
    source(&lab);
    for call in [
        "syncfs",
        "fsync",
        "renameat2",
        "pwrite64",
        "mkdirat",
        "unlinkat",
        "openat2",
    ] {
        for errno in ["EIO", "ENOSPC", "EROFS", "EMFILE"] {
            for when in ["3", "9", "5+"] {
                let point = format!("{call} {errno} {when}");
                reset(&lab, None);
                // Two names for the same file may be made by one call: that is why some points are not met.
                let inject = format!("{call}:error={errno}:when={when}");
                let Some(status) = injected(&lab, false, &inject) else {
                    return;
                };
                let code = status.code().unwrap_or(-1);
                assert!([0, 3, 4, 101].contains(&code), "{point}: {status:?}");
                whole(&lab, &BTreeMap::new(), &point);
                if when == "5+" && ["syncfs", "renameat2"].contains(&call) {
                    assert_ne!(code, 0, "{point}");
                }
                if unlocked(|| Catalog::open(&lab.catalog_path())).is_err() {
                    continue;
                }
                if code == 0 {
                    lab.check();
                }
                let ran = lab.run(&Run::default());
                assert!(ran.errors.is_empty(), "{point}: {:?}", ran.errors);
                lab.check();
            }
        }
    }
}
