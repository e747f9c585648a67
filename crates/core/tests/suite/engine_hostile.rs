//! What goes wrong with single entries: files that vanish, change, lie about their size, or find something
//! else where they should go. Each is named, none stops the others, and nothing foreign is touched.

use crate::common;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::{Lab, Run};
use multivolumecopy_core::error::FileFault;

#[test]
fn one_bad_file_stops_nothing_and_is_named() {
    let lab = Lab::new();
    for n in 0..20 {
        lab.file(&format!("f{n:02}"), format!("{n}").as_bytes());
    }
    let catalog = lab.catalog();
    let filter = Default::default();
    let options = multivolumecopy_core::walk::Options::new(&filter);
    let run = catalog.begin_run(1).unwrap();
    common::scan(&catalog, run, 1, b"", &lab.source, &options).unwrap();
    common::plan(&catalog, run, &[u64::MAX]).unwrap();
    // After the walk: one vanishes, one becomes a directory, one a symlink, one a fifo.
    let s = &lab.source;
    std::fs::remove_file(s.join("f03")).unwrap();
    std::fs::remove_file(s.join("f05")).unwrap();
    std::fs::create_dir(s.join("f05")).unwrap();
    std::fs::remove_file(s.join("f07")).unwrap();
    symlink("f08", s.join("f07")).unwrap();
    std::fs::remove_file(s.join("f09")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(s.join("f09"))
            .status()
            .unwrap()
            .success()
    );
    std::fs::write(s.join("f11"), b"changed since").unwrap();
    let (cancel, progress) = Default::default();
    let mut drive = common::open_drive(&lab.drive_path(1), 1).unwrap();
    let out = multivolumecopy_core::engine::copy::copy_volume(
        &mut drive,
        &catalog,
        run,
        &Default::default(),
        &cancel,
        &progress,
    )
    .unwrap();
    assert_eq!(
        (out.files, out.vanished, out.changing, out.failed),
        (16, 1, 3, 0)
    );
    let mut errors: Vec<_> = progress
        .take_errors()
        .into_iter()
        .map(|e| (e.path, e.fault))
        .collect();
    errors.sort_by(|a, b| a.0.cmp(&b.0));
    let name = |n: &str| common::bytes(&s.join(n)).to_vec();
    assert_eq!(
        errors,
        [
            (name("f03"), FileFault::Vanished),
            (name("f05"), FileFault::Changing),
            (name("f07"), FileFault::Changing),
            (name("f09"), FileFault::Changing),
        ]
    );
    multivolumecopy_core::engine::close::close(drive, &catalog, None, &cancel, &progress).unwrap();
    common::check_lists(&lab.drive_path(1));
    assert_eq!(
        std::fs::read(lab.drive_path(1).join("f11")).unwrap(),
        b"changed since"
    );
    // The next run takes what is there now.
    let ran = lab_again(&lab, catalog);
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    lab.check();
}

fn lab_again(lab: &Lab, catalog: multivolumecopy_core::catalog::Catalog) -> common::Ran {
    drop(catalog);
    lab.run(&Run {
        gone: true,
        ..Run::default()
    })
}

#[test]
fn a_foreign_file_in_the_way_is_left_alone() {
    let lab = Lab::new();
    lab.file("mine", b"from the source");
    lab.file("other", b"o");
    lab.file("sub/x", b"x");
    let d = lab.drive_path(1);
    std::fs::create_dir(&d).unwrap();
    std::fs::write(d.join("mine"), b"the user's").unwrap();
    std::fs::write(d.join("sub"), b"a file where a directory should be").unwrap();
    let ran = lab.run(&Run::default());
    assert_eq!((ran.outcomes[0].foreign, ran.outcomes[0].files), (2, 1));
    assert_eq!(ran.errors.len(), 2);
    assert!(
        ran.errors
            .iter()
            .all(|e| e.fault == FileFault::ForeignInTheWay)
    );
    assert_eq!(std::fs::read(d.join("mine")).unwrap(), b"the user's");
    assert!(d.join("sub").is_file());
    assert_eq!(common::manifest(&d).len(), 1);
    // With consent it is replaced.
    std::fs::remove_file(d.join("sub")).unwrap();
    let ran = lab.run(&Run {
        adopt: true,
        ..Run::default()
    });
    assert!(ran.errors.is_empty(), "{:?}", ran.errors);
    lab.check();
}

#[test]
fn files_that_say_size_zero_and_hold_more() {
    // /proc/self/... of this test; big ones too (kallsyms has megabytes).
    let lab = Lab::new();
    let catalog = {
        let set = multivolumecopy_core::catalog::SetInfo {
            id: common::SET.into(),
            name: "t".into(),
            created: 1,
        };
        multivolumecopy_core::catalog::Catalog::create(&lab.catalog_path(), &set).unwrap()
    };
    let id = catalog.add_source(b"/proc", b"", false, "").unwrap();
    let errors = lab.copy_listed(&catalog, id, Path::new("/proc"), b"version\nkallsyms\n");
    assert!(errors.is_empty(), "{errors:?}");
    for name in ["version", "kallsyms"] {
        let there = std::fs::read(lab.drive_path(1).join(name)).unwrap();
        assert_eq!(
            there,
            std::fs::read(Path::new("/proc").join(name)).unwrap(),
            "{name}"
        );
    }
    let sizes: Vec<_> = common::manifest(&lab.drive_path(1))
        .into_iter()
        .map(|i| i.size)
        .collect();
    assert!(sizes.iter().all(|n| *n > 0), "{sizes:?}");
}

#[test]
fn a_symlink_on_the_drive_leads_no_write_out_of_it() {
    let lab = Lab::new();
    lab.file("sub/x", b"x");
    lab.file("sub/deeper/y", b"y");
    lab.file("z", b"z");
    let (d, outside) = (lab.drive_path(1), lab.dir.path().join("outside"));
    for dir in [&d, &outside] {
        std::fs::create_dir(dir).unwrap();
    }
    symlink(&outside, d.join("sub")).unwrap();
    symlink(outside.join("z"), d.join("z")).unwrap();
    let ran = lab.run(&Run::default());
    assert_eq!((ran.outcomes[0].foreign, ran.outcomes[0].files), (3, 0));
    // With consent the link itself is replaced, not what it leads to.
    let ran = lab.run(&Run {
        adopt: true,
        ..Run::default()
    });
    assert_eq!(ran.outcomes[0].files, 1);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert!(d.join("z").symlink_metadata().unwrap().is_file());
}

#[test]
fn a_file_that_is_written_to_all_the_time_is_whole_or_named() {
    use std::io::Write;
    let lab = Lab::new();
    let path = lab.file("log", &vec![1; 400_000]);
    lab.file("quiet", b"q");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let ran = std::thread::scope(|s| {
        s.spawn(|| {
            let mut file = std::fs::File::options().append(true).open(&path).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(b"another line").unwrap();
            }
        });
        let ran =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lab.run(&Run::default())));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        ran.unwrap()
    });
    let d = lab.drive_path(1);
    common::check_lists(&d);
    assert!(d.join("quiet").exists());
    let o = &ran.outcomes[0];
    assert_eq!(
        (o.changing == 1, d.join("log").exists()),
        (o.files == 1, o.files == 2)
    );
}
