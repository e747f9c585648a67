//! Broken off anywhere, and continued: killed at system calls, stopped, cancelled, failed, full.
//!
//! The runs that are killed are this same program, started again under strace(1), which kills it before the
//! n-th call of a kind takes effect. The copying is done on one thread, so the points are the same each time.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use common::{Lab, Run, compare, unlocked};
use multivolumecopy_core::catalog::order::Ordered;
use multivolumecopy_core::catalog::place::OnVolume;
use multivolumecopy_core::catalog::{Catalog, SetInfo};
use multivolumecopy_core::{CancelToken, Code, Kind};

/// Every file in a group of its own: the most points for the fewest files.
fn single_steps(gone: bool) -> Run {
    Run {
        epoch: Duration::ZERO,
        gone,
        ..Run::default()
    }
}

fn source(lab: &Lab) {
    lab.file("a", b"first");
    lab.file("d/b", &[1; 5_000]);
    lab.file("d/e/c", &vec![2; 300_000]);
    std::fs::hard_link(lab.source.join("a"), lab.source.join("d/z")).unwrap();
    let _ = std::fs::remove_file(lab.source.join("link"));
    symlink("a", lab.source.join("link")).unwrap();
    std::fs::create_dir_all(lab.source.join("hollow")).unwrap();
}

/// Started by the tests below, never by itself.
#[test]
#[ignore = "a child of the other tests"]
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
            "child",
            "--ignored",
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

/// No file under a final name is torn: each is what the source has now, or what it had before.
fn whole(lab: &Lab, older: &BTreeMap<Vec<u8>, Vec<u8>>, point: &str) {
    if !lab.drive_path(1).exists() {
        return;
    }
    for (path, meta) in compare::tree(&lab.drive_path(1)) {
        if !meta.is_file() {
            continue;
        }
        let there = std::fs::read(common::at(&lab.drive_path(1), &path)).unwrap();
        let now = std::fs::read(common::at(&lab.source, &path)).ok();
        let good = now.as_deref() == Some(&there[..]) || older.get(&path) == Some(&there);
        assert!(good, "{point}: {} is torn", path.escape_ascii());
    }
}

/// The inodes of the files that the catalog calls placed.
fn promised(lab: &Lab, changed: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<Vec<u8>, u64> {
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
            let at = common::at(&lab.drive_path(1), &path);
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

/// Kills a run at every call of these kinds; after each the next run has to complete, with nothing torn and
/// nothing that was promised copied again.
fn kill_everywhere(lab: &Lab, gone: bool, base: Option<&Path>, calls: &[&str]) -> u32 {
    let older = base.map_or_else(BTreeMap::new, |base| {
        compare::tree(&base.join("drive1"))
            .into_iter()
            .filter(|(_, m)| m.is_file())
            .map(|(p, _)| {
                let content = std::fs::read(common::at(&base.join("drive1"), &p)).unwrap();
                (p, content)
            })
            .collect()
    });
    let mut points = 0;
    for call in calls {
        for n in 1.. {
            let point = format!("{call} {n}");
            reset(lab, base);
            let status = injected(lab, gone, &format!("{call}:signal=SIGKILL:when={n}"));
            let Some(status) = status else { return 0 };
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
    points
}

const DRIVE_CALLS: [&str; 4] = ["renameat2", "syncfs", "unlinkat", "mkdirat"];

#[test]
fn killed_at_every_call_of_a_first_run() {
    let lab = Lab::new();
    source(&lab);
    let points = kill_everywhere(&lab, false, None, &DRIVE_CALLS);
    eprintln!("{points} points");
}

#[test]
fn killed_at_every_call_of_a_later_run_that_changes_and_removes() {
    let lab = Lab::new();
    source(&lab);
    lab.file("old/gone", b"gone");
    lab.file("old/too", b"gone too");
    lab.run(&Run::default());
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
    lab.file("d/b", &[3; 6_000]);
    lab.file("d/new", b"new");
    std::fs::remove_dir_all(lab.source.join("old")).unwrap();
    let points = kill_everywhere(&lab, true, Some(&base), &DRIVE_CALLS);
    eprintln!("{points} points");
}

#[test]
fn killed_while_it_writes() {
    let lab = Lab::new();
    source(&lab);
    let points = kill_everywhere(&lab, false, None, &["pwrite64", "fsync"]);
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

#[test]
fn stopped_or_cancelled_on_the_way_and_continued() {
    for (workers, now) in [(0, false), (0, true), (2, false), (2, true)] {
        let lab = Lab::new();
        for n in 0..300 {
            lab.file(&format!("d{}/f{n}", n % 7), &vec![n as u8; 3_000]);
        }
        lab.file("huge", &vec![7; 20 << 20]);
        let catalog = lab.catalog();
        let cancel = CancelToken::new();
        let how = Run {
            workers,
            ..single_steps(false)
        };
        let ran = std::thread::scope(|s| {
            s.spawn(|| {
                // When it stops does not matter: what holds afterwards is the same.
                while !lab.drive_path(1).join("d3").exists() {
                    std::thread::yield_now();
                }
                if now { cancel.now() } else { cancel.stop() }
            });
            lab.run_with(&catalog, &how, &cancel)
        });
        match &ran {
            Ok(ran) => assert!(ran.outcomes[0].failed == 0 && ran.errors.is_empty()),
            Err(e) => assert_eq!(e.code, Code::Cancelled),
        }
        drop(catalog);
        whole(&lab, &BTreeMap::new(), "stopped");
        let before = promised(&lab, &BTreeMap::new());
        let ran = lab.run(&Run::default());
        assert!(ran.errors.is_empty());
        lab.check();
        let after = promised(&lab, &BTreeMap::new());
        assert!(before.iter().all(|(path, inode)| after[path] == *inode));
        assert_eq!(after.len(), 301);
        let known = before.len() as u64 + ran.recovered[0].finished;
        assert!(ran.outcomes[0].files + known >= 301, "{ran:?}");
        assert!(
            ran.outcomes[0].files + before.len() as u64 <= 301,
            "{ran:?}"
        );
    }
}

#[test]
fn a_full_drive_holds_whole_files_only_and_the_next_takes_the_rest() {
    let lab = Lab::new();
    for n in 0..60 {
        lab.file(&format!("d{}/f{n:02}", n % 5), &vec![n as u8; 40_000]);
    }
    let one = lab.drive_path(1);
    std::fs::create_dir(&one).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "none"])
        .arg(&one)
        .status();
    if !mount.is_ok_and(|s| s.success()) {
        eprintln!("skipped: mounting does not work here");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        // The plan believes that all fits on the first.
        let catalog = lab.catalog();
        let ran = lab
            .run_with(&catalog, &Run::default(), &CancelToken::new())
            .unwrap();
        drop(catalog);
        assert!(
            ran.outcomes[0].no_room > 0 && ran.outcomes[0].failed == 0,
            "{ran:?}"
        );
        assert!(ran.outcomes[0].files >= 15, "{ran:?}");
        common::check_lists(&one);
        let ran = lab.run(&Run {
            capacities: vec![0, u64::MAX],
            ..Run::default()
        });
        assert!(ran.errors.is_empty(), "{:?}", ran.errors);
        compare::same_union(&lab.source, &[&one, &lab.drive_path(2)]);
        common::check_lists(&one);
        common::check_lists(&lab.drive_path(2));
    });
    assert!(Command::new("umount").arg(&one).status().unwrap().success());
    result.unwrap();
}

#[test]
fn a_damaged_or_strange_journal_is_refused_and_a_torn_one_is_cut() {
    let lab = Lab::new();
    source(&lab);
    // A run that was not closed.
    lab.run(&Run {
        close: false,
        ..single_steps(false)
    });
    let journal = lab.drive_path(1).join(".mvcopy/journal.log");
    let identity = lab.drive_path(1).join(".mvcopy/volume.json");
    let (good, said) = (
        std::fs::read(&journal).unwrap(),
        std::fs::read(&identity).unwrap(),
    );
    let refused = || match common::open_drive(&lab.drive_path(1), 1) {
        Ok(_) => panic!("it was opened"),
        Err(e) => {
            assert_eq!(e.code, Code::BadFormat, "{e}");
            assert!(e.path.as_ref().is_some_and(|p| p.ends_with(b"journal.log")));
        }
    };
    let mut bad = good.clone();
    bad[good.len() / 3] ^= 1;
    std::fs::write(&journal, &bad).unwrap();
    refused();
    assert_eq!(
        std::fs::read(&identity).unwrap(),
        said,
        "nothing was written"
    );
    assert_eq!(std::fs::read(&journal).unwrap(), bad, "nothing was written");
    // Of a volume that has lost its volume.json.
    std::fs::write(&journal, &good).unwrap();
    std::fs::remove_file(&identity).unwrap();
    refused();
    std::fs::write(&identity, &said).unwrap();
    // A torn tail is what a power cut leaves.
    std::fs::write(&journal, [&good[..], b"123 0badc0de {\"rec"].concat()).unwrap();
    let ran = lab.run(&Run::default());
    assert!(ran.errors.is_empty());
    assert_eq!(ran.outcomes[0].entries, 0);
    lab.check();
}

#[test]
fn a_hostile_journal_does_not_hang_recovery() {
    use multivolumecopy_core::format::journal::{Record, VERSION, encode};
    let lab = Lab::new();
    source(&lab);
    lab.run(&Run::default());
    let mut bytes = Vec::new();
    for record in [
        Record::Start {
            session: "f".into(),
            generation: 1,
            version: VERSION,
        },
        Record::Done {
            ids: vec![(0, u64::MAX), (5, u64::MAX - 1)],
        },
        Record::Durable { through: u64::MAX },
    ] {
        encode(&record, &mut bytes).unwrap();
    }
    std::fs::write(lab.drive_path(1).join(".mvcopy/journal.log"), bytes).unwrap();
    let ran = lab.run(&Run::default());
    assert!(ran.errors.is_empty());
    lab.check();
}

#[test]
fn without_digests_a_crash_leaves_nothing_in_the_way() {
    let lab = Lab::new();
    source(&lab);
    let how = Run {
        digest: false,
        close: false,
        ..single_steps(false)
    };
    lab.run(&how);
    // As if the last records had not reached the device: intents without their done.
    let journal = lab.drive_path(1).join(".mvcopy/journal.log");
    let text = std::fs::read(&journal).unwrap();
    let kept: Vec<u8> = text
        .split_inclusive(|b| *b == b'\n')
        .filter(|l| {
            !l.windows(8)
                .any(|w| w == b"\"durable" || w == b":\"done\",")
        })
        .flatten()
        .copied()
        .collect();
    assert!(kept.len() < text.len());
    std::fs::write(&journal, kept).unwrap();
    std::fs::remove_file(lab.catalog_path()).unwrap();
    let ran = lab.run(&Run {
        digest: false,
        reread: true,
        ..Run::default()
    });
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    assert_eq!(ran.outcomes[0].foreign, 0);
    compare::same_trees(&lab.source, &lab.drive_path(1));
}

#[test]
fn a_recovery_that_fails_changes_nothing_in_the_catalog() {
    let lab = Lab::new();
    source(&lab);
    lab.run(&Run::default());
    let manifest = lab.drive_path(1).join(".mvcopy/manifest.jsonl");
    let mut text = std::fs::read(&manifest).unwrap();
    let at = text.len() - 10;
    text[at] ^= 1;
    std::fs::write(&manifest, text).unwrap();
    let catalog = lab.catalog();
    let before = catalog.count_volume(1).unwrap();
    let mut drive = common::open_drive(&lab.drive_path(1), 1).unwrap();
    let cancel = CancelToken::new();
    let failed =
        multivolumecopy_core::engine::recover::recover(&mut drive, &catalog, true, &cancel);
    assert_eq!(failed.unwrap_err().code, Code::BadFormat);
    assert_eq!(catalog.count_volume(1).unwrap(), before);
    catalog.begin().unwrap();
    catalog.commit().unwrap();
    assert_eq!(catalog.count_volume(1).unwrap(), before);
}

#[test]
fn another_programs_database_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.sqlite");
    std::fs::write(&path, b"").unwrap();
    assert!(Catalog::open(&path).is_err());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    std::fs::write(
        &path,
        b"this is no database at all, it only has this sentence",
    )
    .unwrap();
    let e = Catalog::open(&path).unwrap_err();
    assert_eq!(e.code, Code::CatalogDamaged);
    // One writer at a time, and the message says who.
    let set = SetInfo {
        id: common::SET.into(),
        name: "t".into(),
        created: 1,
    };
    let path = dir.path().join("catalog.sqlite");
    let _held = Catalog::create(&path, &set).unwrap();
    let e = Catalog::open(&path).unwrap_err();
    assert_eq!(e.code, Code::CatalogLocked);
    assert!(e.message.contains(&std::process::id().to_string()));
}

/// Calls `test` with a small file system mounted as drive 1, and unmounts it whatever comes.
fn on_tmpfs(lab: &Lab, options: &str, test: impl FnOnce() + std::panic::UnwindSafe) {
    let one = lab.drive_path(1);
    std::fs::create_dir(&one).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "none"])
        .arg(&one)
        .status();
    if !mounted.is_ok_and(|s| s.success()) {
        eprintln!("skipped: mounting does not work here");
        return;
    }
    let result = std::panic::catch_unwind(test);
    let _ = Command::new("umount").args(["-q", "-l"]).arg(&one).status();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_drive_without_inodes_is_full_and_can_be_closed() {
    let lab = Lab::new();
    for n in 0..100 {
        lab.file(&format!("d{}/f{n:02}", n % 5), b"tiny");
    }
    for workers in [0, 2] {
        let _ = std::fs::remove_file(lab.catalog_path());
        let _ = std::fs::remove_dir_all(lab.drive_path(1));
        let _ = std::fs::remove_dir_all(lab.drive_path(2));
        on_tmpfs(
            &lab,
            "size=8m,nr_inodes=60",
            std::panic::AssertUnwindSafe(|| {
                let ran = lab.run(&Run {
                    workers,
                    epoch: Duration::ZERO,
                    ..Run::default()
                });
                assert!(ran.outcomes[0].no_room > 0, "{ran:?}");
                assert!(ran.outcomes[0].files >= 20, "{ran:?}");
                common::check_lists(&lab.drive_path(1));
                let ran = lab.run(&Run {
                    capacities: vec![0, u64::MAX],
                    ..Run::default()
                });
                assert!(ran.errors.is_empty(), "{:?}", ran.errors);
                compare::same_union(&lab.source, &[&lab.drive_path(1), &lab.drive_path(2)]);
            }),
        );
    }
}

#[test]
fn a_drive_that_is_unmounted_under_the_writer_leads_no_write_elsewhere() {
    let lab = Lab::new();
    source(&lab);
    let one = lab.drive_path(1);
    on_tmpfs(
        &lab,
        "size=8m",
        std::panic::AssertUnwindSafe(|| {
            let catalog = lab.catalog();
            let (cancel, progress) = Default::default();
            let run = catalog.begin_run(1).unwrap();
            let filter = Default::default();
            let options = multivolumecopy_core::walk::Options::new(&filter);
            common::scan(&catalog, run, 1, b"", &lab.source, &options).unwrap();
            common::plan(&catalog, run, &[u64::MAX]).unwrap();
            let mut drive = common::open_drive(&one, 1).unwrap();
            let gone = Command::new("umount").arg("-l").arg(&one).status().unwrap();
            assert!(gone.success());
            let e = multivolumecopy_core::engine::copy::copy_volume(
                &mut drive,
                &catalog,
                run,
                &Default::default(),
                &cancel,
                &progress,
            )
            .unwrap_err();
            assert_eq!(e.code, Code::DriveChanged, "{e}");
            let e = multivolumecopy_core::engine::close::close(
                drive,
                &catalog,
                Some("x"),
                &cancel,
                &progress,
            )
            .unwrap_err();
            assert_eq!(e.code, Code::DriveChanged, "{e}");
            assert_eq!(catalog.count_volume(1).unwrap(), (0, 0));
            assert_eq!(std::fs::read_dir(&one).unwrap().count(), 0);
        }),
    );
}
