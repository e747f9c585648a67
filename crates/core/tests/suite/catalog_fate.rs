//! Drives that are retired, lost and found again: what has to be copied anew, what is lost for good, and that
//! nothing which is somewhere is ever called lost.

use crate::common;

use common::query::{found, lost, volume};
use common::{Lab, Run};
use multivolumecopy_core::catalog::Catalog;
use multivolumecopy_core::catalog::status::Amount;
use multivolumecopy_core::catalog::volumes::Fate;
use multivolumecopy_core::{CancelToken, Code};

fn amount(files: u64, bytes: u64) -> Amount {
    Amount { files, bytes }
}

/// Drives with this much room; only drive 1 is there when one number is given.
fn room(capacities: &[u64]) -> Run {
    Run {
        capacities: capacities.to_vec(),
        ..Run::default()
    }
}

/// `a` and `b` on drive 1, `c` and `d` on drive 2.
fn lab() -> Lab {
    let lab = Lab::new();
    let catalog = lab.catalog();
    for number in 1..=3 {
        catalog.put_volume(&volume(number)).unwrap();
    }
    drop(catalog);
    for name in ["a", "b", "dir/c", "dir/d"] {
        lab.file(name, name.as_bytes());
    }
    lab.run(&room(&[2, 100]));
    lab
}

fn waiting(catalog: &Catalog) -> Amount {
    catalog.status(&CancelToken::new()).unwrap().waiting
}

/// A run after which what is gone from the source has been looked for.
fn settle(lab: &Lab, capacities: &[u64], gone: bool) {
    let run = Run {
        gone,
        ..room(capacities)
    };
    lab.run(&run);
    lab.catalog().drop_gone_unplaced().unwrap();
}

#[test]
fn what_a_lost_drive_held_is_copied_to_another() {
    let lab = lab();
    let catalog = lab.catalog();
    let said = catalog.lose(2).unwrap();
    assert_eq!((said.planned, said.alone), (amount(2, 10), amount(0, 0)));
    assert_eq!(waiting(&catalog), amount(2, 10));
    assert!(lost(&catalog).is_empty());
    assert_eq!(
        found(&catalog, b"*c"),
        ["dir/c 2 current", "dir/c 0 not-backed-up"]
    );
    drop(catalog);
    // Drive 3 is the third: the lost one gets nothing.
    lab.run(&room(&[0, 0, 100]));
    let catalog = lab.catalog();
    assert_eq!(waiting(&catalog), amount(0, 0));
    assert!(lab.drive_path(3).join("dir/c").exists());
    catalog.drop_gone_unplaced().unwrap();
    assert_eq!(found(&catalog, b"*c"), ["dir/c 3 current"]);
    assert_eq!(
        found(&catalog, b"dir"),
        ["dir 3 current", "dir/c 3 current", "dir/d 3 current"]
    );
}

#[test]
fn what_no_source_has_and_no_other_drive_is_lost_and_only_that() {
    let lab = lab();
    std::fs::remove_file(lab.source.join("dir/c")).unwrap();
    std::fs::remove_file(lab.source.join("a")).unwrap();
    settle(&lab, &[2, 100], false);
    let catalog = lab.catalog();
    let said = catalog.lose(2).unwrap();
    assert_eq!((said.planned, said.alone), (amount(1, 5), amount(1, 5)));
    assert_eq!(lost(&catalog), [(b"dir/c".to_vec(), 2)]);
    assert_eq!(found(&catalog, b"*c"), ["dir/c 2 lost"]);
    assert_eq!(found(&catalog, b"a"), ["a 1 gone"]);
    let status = catalog.status(&CancelToken::new()).unwrap();
    assert_eq!(status.lost, amount(1, 5));
    // Saying it twice changes nothing.
    assert_eq!(catalog.lose(2).unwrap().alone, amount(1, 5));
    assert_eq!(lost(&catalog).len(), 1);
}

#[test]
fn what_a_later_scan_finds_gone_is_lost_then() {
    let lab = lab();
    lab.catalog().lose(2).unwrap();
    std::fs::remove_file(lab.source.join("dir/d")).unwrap();
    std::fs::remove_file(lab.source.join("b")).unwrap();
    settle(&lab, &[100, 0], false);
    let catalog = lab.catalog();
    assert_eq!(lost(&catalog), [(b"dir/d".to_vec(), 2)]);
    assert_eq!(found(&catalog, b"b"), ["b 1 gone"]);
    assert_eq!(found(&catalog, b"*d"), ["dir/d 2 lost"]);
}

#[test]
fn what_was_never_backed_up_is_not_lost_with_a_drive() {
    let lab = lab();
    lab.file("never", b"x");
    lab.run(&room(&[0, 0]));
    lab.catalog().lose(2).unwrap();
    std::fs::remove_file(lab.source.join("never")).unwrap();
    settle(&lab, &[100, 0], false);
    let catalog = lab.catalog();
    assert!(lost(&catalog).is_empty());
    assert!(found(&catalog, b"never").is_empty());
}

#[test]
fn what_comes_back_to_the_source_is_not_lost_any_more() {
    let lab = lab();
    let keep = lab.dir.path().join("kept");
    std::fs::rename(lab.source.join("dir/c"), &keep).unwrap();
    settle(&lab, &[2, 100], false);
    lab.catalog().lose(2).unwrap();
    assert_eq!(lost(&lab.catalog()).len(), 1);
    std::fs::rename(keep, lab.source.join("dir/c")).unwrap();
    settle(&lab, &[100, 0], false);
    assert!(lost(&lab.catalog()).is_empty());
    assert!(lab.drive_path(1).join("dir/c").exists());
}

#[test]
fn what_was_removed_by_agreement_is_not_lost() {
    let lab = lab();
    // A second copy of `dir/c`: drive 2 lost, copied to drive 1, and drive 2 found again.
    lab.catalog().lose(2).unwrap();
    lab.run(&room(&[100, 0]));
    let catalog = lab.catalog();
    std::fs::remove_file(lab.source.join("dir/c")).unwrap();
    drop(catalog);
    settle(&lab, &[100, 0], true);
    let catalog = lab.catalog();
    assert!(!lab.drive_path(1).join("dir/c").exists());
    assert!(lost(&catalog).is_empty(), "{:?}", lost(&catalog));
}

#[test]
fn a_drive_that_is_found_again_counts_again() {
    let lab = lab();
    std::fs::remove_file(lab.source.join("dir/c")).unwrap();
    settle(&lab, &[2, 100], false);
    let catalog = lab.catalog();
    catalog.lose(2).unwrap();
    // As whoever takes the drive in again does it.
    let mut there = catalog.volume(2).unwrap().unwrap();
    assert_eq!(there.fate, Fate::Lost);
    there.fate = Fate::None;
    catalog.put_volume(&there).unwrap();
    catalog.not_lost(2).unwrap();
    assert!(lost(&catalog).is_empty());
    drop(catalog);
    // Its manifest is read anew; the scan after that looks for what it told of.
    lab.run(&Run {
        reread: true,
        ..room(&[2, 100])
    });
    lab.run(&room(&[2, 100]));
    let catalog = lab.catalog();
    assert_eq!(
        found(&catalog, b"dir/*"),
        ["dir/c 2 gone", "dir/d 2 current"]
    );
    assert_eq!(waiting(&catalog), amount(0, 0));
}

#[test]
fn another_version_elsewhere_does_not_make_up_for_the_lost_one() {
    let lab = lab();
    lab.file("a", b"second");
    // The new version of `a` goes to drive 2, the old one stays on drive 1.
    lab.run(&room(&[0, 100]));
    std::fs::remove_file(lab.source.join("a")).unwrap();
    settle(&lab, &[0, 100], false);
    let catalog = lab.catalog();
    assert_eq!(found(&catalog, b"a"), ["a 1 gone", "a 2 gone"]);
    catalog.lose(2).unwrap();
    assert_eq!(lost(&catalog), [(b"a".to_vec(), 2)]);
    assert_eq!(found(&catalog, b"a")[0], "a 1 gone");
}

#[test]
fn a_retired_drive_is_emptied_onto_others_and_left_as_it_is() {
    let lab = lab();
    std::fs::remove_file(lab.source.join("dir/c")).unwrap();
    settle(&lab, &[2, 100], false);
    let catalog = lab.catalog();
    let said = catalog.retire(2).unwrap();
    assert_eq!((said.planned, said.alone), (amount(1, 5), amount(1, 5)));
    let status = catalog.status(&CancelToken::new()).unwrap();
    assert_eq!(
        (status.waiting, status.on_retired),
        (amount(1, 5), amount(1, 5))
    );
    drop(catalog);
    // Its home counts for nothing: with room on both, drive 1 gets it.
    lab.run(&room(&[100, 100]));
    let catalog = lab.catalog();
    assert_eq!(waiting(&catalog), amount(0, 0));
    assert_eq!(
        found(&catalog, b"*d"),
        ["dir/d 1 current", "dir/d 2 current"]
    );
    for name in ["dir/c", "dir/d"] {
        assert!(lab.drive_path(2).join(name).exists(), "{name} stays on it");
    }
}

#[test]
fn a_retired_drive_may_be_taken_back() {
    let lab = lab();
    let catalog = lab.catalog();
    catalog.retire(2).unwrap();
    assert_eq!(waiting(&catalog), amount(2, 10));
    catalog.unretire(2).unwrap();
    assert_eq!(waiting(&catalog), amount(0, 0));
    drop(catalog);
    let ran = lab.run(&room(&[100, 100]));
    assert_eq!(ran.outcomes.iter().map(|o| o.entries).sum::<u64>(), 0);
}

#[test]
fn what_a_retired_drive_finishes_still_needs_a_copy() {
    let lab = Lab::new();
    let catalog = lab.catalog();
    catalog.put_volume(&volume(1)).unwrap();
    catalog.put_volume(&volume(2)).unwrap();
    drop(catalog);
    lab.file("a", b"a");
    // Left open: its journal tells of `a` when it is opened again.
    lab.run(&Run {
        close: false,
        ..room(&[100])
    });
    lab.catalog().retire(1).unwrap();
    lab.run(&room(&[0]));
    assert_eq!(waiting(&lab.catalog()), amount(1, 1));
}

#[test]
fn a_label_and_a_fate_make_the_lists_stale_and_want_a_drive_that_there_is() {
    let lab = lab();
    let catalog = lab.catalog();
    let before = catalog.revision().unwrap();
    catalog.relabel(1, "blue").unwrap();
    assert_eq!(catalog.volume(1).unwrap().unwrap().label, "blue");
    assert!(catalog.revision().unwrap() > before);
    for error in [
        catalog.relabel(9, "x").unwrap_err(),
        catalog.lose(9).unwrap_err(),
        catalog.retire(9).unwrap_err(),
    ] {
        assert_eq!(error.code, Code::BadInput);
    }
}
