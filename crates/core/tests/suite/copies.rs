//! Several copies of a set: what each copy lacks, what counts for which, and what is left when a run ends early.

use crate::common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::query::volume;
use common::{Lab, compare, open_drive, plan, scan};
use multivolumecopy_core::CancelToken;
use multivolumecopy_core::catalog::Catalog;
use multivolumecopy_core::catalog::scan::Sameness;
use multivolumecopy_core::catalog::status::Amount;
use multivolumecopy_core::catalog::volumes::{Fate, Volume};
use multivolumecopy_core::engine::apply::{Applied, apply};
use multivolumecopy_core::engine::close::close;
use multivolumecopy_core::engine::copy::{Options, copy_volume};
use multivolumecopy_core::engine::renames;
use multivolumecopy_core::filter::{Filter, Rule, parse_rules_file};
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::walk;

/// Drives 1 and 2 are copy 1, drives 3 and 4 are copy 2.
fn lab() -> (Lab, Catalog) {
    let lab = Lab::new();
    let catalog = lab.catalog();
    for number in 1..=4 {
        catalog
            .put_volume(&Volume {
                copy: 1 + u32::from(number > 2),
                ..volume(number)
            })
            .unwrap();
    }
    (lab, catalog)
}

/// What a run is to do, beside its sources.
struct How<'a> {
    /// Copies that it gets to.
    copies: &'a [u32],
    rules: Vec<Rule>,
    gone: bool,
}

const ALL: How<'_> = How {
    copies: &[1, 2],
    rules: Vec::new(),
    gone: false,
};

/// A run; gives what each drive was given, by its number, and what was done on it before.
fn run(lab: &Lab, catalog: &Catalog, how: &How<'_>) -> Vec<(u32, u64, Applied)> {
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    // What was made after the last run is no rename.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let run = catalog.begin_run(now.as_secs() as i64).unwrap();
    let source = catalog.sources().unwrap().remove(0).id;
    let filter = Filter::new(how.rules.clone()).unwrap();
    let options = walk::Options::new(&filter);
    catalog.need_for_copies().unwrap();
    let (tally, _) = scan(catalog, run, source, b"", &lab.source, &options).unwrap();
    renames::find(catalog, run, &Sameness::default(), &[&tally], &cancel).unwrap();
    catalog.drop_gone_unplaced().unwrap();
    let mut done = Vec::new();
    for copy in how.copies {
        catalog.need_for_copy(run, *copy).unwrap();
        let mut room = [0; 4];
        let first = *copy as usize * 2 - 2;
        let in_use = |n: u32| catalog.volume(n).unwrap().unwrap().fate == Fate::None;
        room[first] = if in_use(first as u32 + 1) { 20 } else { 0 };
        room[first + 1] = 1000;
        plan(catalog, run, &room).unwrap();
        for number in [first as u32 + 1, first as u32 + 2] {
            let mut drive = open_drive(&lab.drive_path(number), number).unwrap();
            let applied = apply(&mut drive, catalog, how.gone, &cancel, &progress).unwrap();
            let options = Options::default();
            let copied =
                copy_volume(&mut drive, catalog, run, &options, &cancel, &progress).unwrap();
            close(drive, catalog, None, &cancel, &progress).unwrap();
            done.push((number, copied.files, applied));
        }
    }
    catalog.end_copies(run).unwrap();
    assert_eq!(progress.take_errors().len(), 0);
    done
}

fn files(done: &[(u32, u64, Applied)]) -> Vec<(u32, u64)> {
    done.iter()
        .map(|(number, files, _)| (*number, *files))
        .collect()
}

fn standing(catalog: &Catalog) -> (u64, u64) {
    let status = catalog.status(&CancelToken::new()).unwrap();
    (status.waiting.files, status.fewer.files)
}

/// Whether the drives hold together just what the source holds.
fn whole(lab: &Lab, drives: [u32; 2]) {
    let union = lab.dir.path().join("union");
    let _ = std::fs::remove_dir_all(&union);
    std::fs::create_dir(&union).unwrap();
    for number in drives {
        let from = format!("{}/.", lab.drive_path(number).display());
        let done = std::process::Command::new("cp")
            .args(["-a", &from])
            .arg(&union)
            .status();
        assert!(done.unwrap().success());
    }
    std::fs::remove_dir_all(union.join(".mvcopy")).unwrap();
    // Directories are on several drives; their times are those of the copying here.
    let time = std::time::UNIX_EPOCH;
    for root in [&union, &lab.source] {
        for dir in [root.clone(), root.join("dir")] {
            if dir.exists() {
                std::fs::File::open(dir)
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
            }
        }
    }
    compare::same_trees(&lab.source, &union);
}

fn tree(lab: &Lab) {
    for name in ["a", "b", "dir/c", "dir/d"] {
        lab.file(name, &[b'x'; 8]);
    }
    std::fs::hard_link(lab.source.join("a"), lab.source.join("a-too")).unwrap();
}

#[test]
fn every_copy_is_whole_and_nothing_is_written_twice() {
    let (lab, catalog) = lab();
    catalog.set_copies(2).unwrap();
    tree(&lab);
    assert_eq!(
        files(&run(&lab, &catalog, &ALL)),
        [(1, 3), (2, 2), (3, 3), (4, 2)]
    );
    assert_eq!(standing(&catalog), (0, 0));
    whole(&lab, [1, 2]);
    whole(&lab, [3, 4]);
    assert_eq!(
        files(&run(&lab, &catalog, &ALL)),
        [(1, 0), (2, 0), (3, 0), (4, 0)]
    );
    // A change goes home in each copy, and a rename and a removal are seen by each.
    lab.file("b", b"changed!!");
    std::fs::rename(lab.source.join("dir/c"), lab.source.join("dir/renamed")).unwrap();
    std::fs::remove_file(lab.source.join("dir/d")).unwrap();
    let done = run(&lab, &catalog, &How { gone: true, ..ALL });
    assert_eq!(done.iter().map(|d| d.1).sum::<u64>(), 2);
    assert_eq!(done.iter().map(|d| d.2.renamed_files).sum::<u64>(), 2);
    assert_eq!(done.iter().map(|d| d.2.removed_files).sum::<u64>(), 2);
    assert_eq!(standing(&catalog), (0, 0));
    whole(&lab, [1, 2]);
    whole(&lab, [3, 4]);
}

#[test]
fn a_run_that_ends_after_the_first_copy_leaves_the_second_to_the_next_one() {
    let (lab, catalog) = lab();
    catalog.set_copies(2).unwrap();
    tree(&lab);
    let first = How {
        copies: &[1],
        ..ALL
    };
    assert_eq!(files(&run(&lab, &catalog, &first)), [(1, 3), (2, 2)]);
    assert_eq!(standing(&catalog), (0, 5));
    assert_eq!(
        files(&run(&lab, &catalog, &ALL)),
        [(1, 0), (2, 0), (3, 3), (4, 2)]
    );
    assert_eq!(standing(&catalog), (0, 0));
}

#[test]
fn a_run_that_is_killed_with_a_copy_in_hand_leaves_nothing_out() {
    let (lab, catalog) = lab();
    catalog.set_copies(2).unwrap();
    tree(&lab);
    run(
        &lab,
        &catalog,
        &How {
            copies: &[1],
            ..ALL
        },
    );
    let killed = catalog.begin_run(1).unwrap();
    let source = catalog.sources().unwrap().remove(0).id;
    let filter = Filter::default();
    let options = walk::Options::new(&filter);
    lab.file("new", b"new");
    catalog.need_for_copies().unwrap();
    scan(&catalog, killed, source, b"", &lab.source, &options).unwrap();
    catalog.need_for_copy(killed, 2).unwrap();
    drop(catalog);
    let catalog = lab.catalog();
    assert_eq!(standing(&catalog), (1, 5));
    // Between runs a question is about all copies, not about the one that was in hand.
    catalog.lose(1).unwrap();
    assert_eq!(standing(&catalog).0, 4);
    let done = files(&run(&lab, &catalog, &ALL));
    assert_eq!(done.iter().map(|d| d.1).sum::<u64>(), 3 + 1 + 5 + 1);
    assert_eq!(standing(&catalog), (0, 0));
}

#[test]
fn raised_later_only_the_second_copy_is_written_and_only_what_is_looked_at() {
    let (lab, catalog) = lab();
    catalog.set_copies(1).unwrap();
    tree(&lab);
    let first = How {
        copies: &[1],
        ..ALL
    };
    run(&lab, &catalog, &first);
    assert_eq!(standing(&catalog), (0, 0));
    catalog.set_copies(2).unwrap();
    assert_eq!(standing(&catalog), (0, 5));
    // What a filter leaves out is not copied, and not forgotten.
    let rules = parse_rules_file(b"- /dir/\n").unwrap();
    let done = run(&lab, &catalog, &How { rules, ..ALL });
    assert_eq!(files(&done), [(1, 0), (2, 0), (3, 3), (4, 0)]);
    assert_eq!(standing(&catalog), (0, 2));
    assert_eq!(
        files(&run(&lab, &catalog, &ALL)),
        [(1, 0), (2, 0), (3, 2), (4, 0)]
    );
    assert_eq!(standing(&catalog), (0, 0));
    // Lowered: what copy 1 holds is enough, and what copy 2 holds does not count.
    catalog.set_copies(1).unwrap();
    lab.file("new", b"new");
    run(&lab, &catalog, &first);
    assert_eq!(standing(&catalog), (0, 0));
    catalog.lose(1).unwrap();
    assert_eq!(standing(&catalog).0, 4);
}

#[test]
fn a_drive_that_is_lost_is_missing_in_its_own_copy_only() {
    let (lab, catalog) = lab();
    catalog.set_copies(2).unwrap();
    tree(&lab);
    run(&lab, &catalog, &ALL);
    let said = catalog.lose(3).unwrap();
    assert_eq!(
        said.planned,
        Amount {
            files: 3,
            bytes: 24
        }
    );
    assert_eq!(said.alone, Amount::default());
    assert_eq!(standing(&catalog), (0, 3));
    let run = catalog.begin_run(1).unwrap();
    assert!(!catalog.need_for_copy(run, 1).unwrap());
    catalog.end_copies(run).unwrap();
    assert_eq!(standing(&catalog), (0, 3));
}

#[test]
fn an_older_version_stays_until_its_own_copy_has_the_newer_one() {
    let (lab, catalog) = lab();
    catalog.set_copies(2).unwrap();
    tree(&lab);
    run(&lab, &catalog, &ALL);
    // Too large for drives 1 and 3: it moves to 2 and 4.
    lab.file("b", &[b'y'; 500]);
    run(
        &lab,
        &catalog,
        &How {
            copies: &[1],
            ..ALL
        },
    );
    let old = |number: u32| {
        std::fs::read(lab.drive_path(number).join("b"))
            .unwrap()
            .len()
    };
    assert_eq!((old(2), old(3)), (500, 8));
    let status = catalog.status(&CancelToken::new()).unwrap();
    let superseded: Vec<u64> = status.volumes.iter().map(|h| h.superseded.files).collect();
    assert_eq!(superseded, [1, 0, 0, 0]);
    let done = run(&lab, &catalog, &ALL);
    // Of drive 1 it goes now; drive 3 was in before drive 4 had the new one.
    assert_eq!(
        done.iter().map(|d| d.2.removed_files).collect::<Vec<_>>(),
        [1, 0, 0, 0]
    );
    let done = run(&lab, &catalog, &ALL);
    assert_eq!(
        done.iter().map(|d| d.2.removed_files).collect::<Vec<_>>(),
        [0, 0, 1, 0]
    );
    whole(&lab, [1, 2]);
    whole(&lab, [3, 4]);
}

#[test]
fn what_is_given_up_in_one_copy_is_tried_in_the_next() {
    let (lab, catalog) = lab();
    catalog.set_copies(2).unwrap();
    lab.file("a", b"a");
    // A foreign file stands in the way on the drive of copy 1.
    std::fs::create_dir_all(lab.drive_path(1)).unwrap();
    std::fs::write(lab.drive_path(1).join("a"), b"foreign").unwrap();
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let run = catalog.begin_run(1).unwrap();
    let source = catalog.sources().unwrap().remove(0).id;
    let filter = Filter::default();
    catalog.need_for_copies().unwrap();
    scan(
        &catalog,
        run,
        source,
        b"",
        &lab.source,
        &walk::Options::new(&filter),
    )
    .unwrap();
    for copy in [1, 2] {
        assert!(catalog.need_for_copy(run, copy).unwrap());
        let mut room = [0; 4];
        room[copy as usize * 2 - 2] = 100;
        plan(&catalog, run, &room).unwrap();
        let number = copy * 2 - 1;
        let mut drive = open_drive(&lab.drive_path(number), number).unwrap();
        let options = Options::default();
        let copied = copy_volume(&mut drive, &catalog, run, &options, &cancel, &progress).unwrap();
        close(drive, &catalog, None, &cancel, &progress).unwrap();
        assert_eq!(copied.files, u64::from(copy - 1));
        assert!(!catalog.needs_copies(run).unwrap());
    }
    catalog.end_copies(run).unwrap();
    assert_eq!(standing(&catalog), (0, 1));
}
