//! Stopped, cancelled, full, unmounted, damaged: what was promised stays, the rest is told, and the next run
//! completes it.

use crate::common;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use common::crash::{promised, single_steps, source, whole};
use common::{Lab, Run, compare};
use multivolumecopy_core::catalog::{Catalog, SetInfo};
use multivolumecopy_core::{CancelToken, Code};

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
        digest: None,
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
        digest: None,
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
