//! Walks that a list limits.

use std::fs;

use super::*;
use crate::filter::{FileList, Filter, parse_rules_file};

fn tree() -> tempfile::TempDir {
    let tmp = tempfile::tempdir().unwrap();
    for p in ["a/b/c", "a/b/d", "a/e/f", "a/g", "h/i/j", "h-x/k", "l"] {
        let p = tmp.path().join(p);
        fs::create_dir_all(p.parent().unwrap()).unwrap();
        fs::write(p, "").unwrap();
    }
    tmp
}

fn see_list(tmp: &tempfile::TempDir, text: &str) -> Seen {
    let list = FileList::parse(text.as_bytes(), false).unwrap();
    let filter = Filter::default();
    see(
        tmp.path(),
        &Options {
            list: Some(&list),
            ..Options::new(&filter)
        },
    )
}

#[test]
fn takes_what_is_listed_and_the_way_there() {
    let seen = see_list(&tree(), "a/b/d\nh\n./l\n");
    assert_eq!(
        seen.picture,
        ["a/", "a/b/", "a/b/d", "h/", "h/i/", "h/i/j", "l"]
    );
    assert_eq!(
        seen.incomplete,
        ["", "a", "a/b"],
        "what the list does not name is unknown"
    );
    assert_eq!((seen.errors.len(), seen.summary.unreadable), (0, 0));
}

#[test]
fn a_listed_directory_is_whole_whatever_else_is_listed() {
    let seen = see_list(&tree(), "a/b\na/b/c\na/b/none\nh-x\n");
    assert_eq!(
        seen.picture,
        ["a/", "a/b/", "a/b/c", "a/b/d", "h-x/", "h-x/k"]
    );
    assert_eq!(seen.incomplete, ["", "a"]);
    assert_eq!(
        seen.errors,
        ["vanished /a/b/none: looking at: named in the list"]
    );
}

#[test]
fn the_root_may_be_listed() {
    let seen = see_list(&tree(), "/\na/none\n");
    assert_eq!(seen.summary.entries, 7 + 6);
    assert!(seen.incomplete.is_empty());
    assert_eq!(
        seen.errors,
        ["vanished /a/none: looking at: named in the list"]
    );
}

#[test]
fn names_what_is_not_there() {
    let tmp = tree();
    std::os::unix::fs::symlink("a", tmp.path().join("link")).unwrap();
    let seen = see_list(
        &tmp,
        "none\nno/way/there\na/b/x\nl/below-a-file\nlink/g\nlink2\n",
    );
    assert_eq!(seen.picture, ["a/", "a/b/"]);
    assert_eq!(
        seen.errors,
        [
            "vanished /a/b/x: looking at: named in the list",
            "vanished /l/below-a-file: looking at: named in the list",
            "vanished /link/g: looking at: named in the list",
            "vanished /link2: looking at: named in the list",
            "vanished /no/way/there: looking at: named in the list",
            "vanished /none: looking at: named in the list",
        ]
    );
    assert_eq!((seen.summary.vanished, seen.summary.unreadable), (6, 0));
}

#[test]
fn an_empty_list_wants_nothing() {
    let seen = see_list(&tree(), "# nothing\n");
    assert_eq!(
        (seen.picture.len(), seen.incomplete),
        (0, vec![String::new()])
    );
}

#[test]
fn rules_hold_for_listed_paths_too() {
    let tmp = tree();
    let list = FileList::parse(b"a/b/c\na/e\nl\n", false).unwrap();
    let filter = Filter::new(parse_rules_file(b"/a/b/\nf\n").unwrap()).unwrap();
    let seen = see(
        tmp.path(),
        &Options {
            list: Some(&list),
            ..Options::new(&filter)
        },
    );
    assert_eq!(seen.picture, ["a/", "a/b/ ?", "a/e/", "a/e/f ?", "l"]);
    assert_eq!(seen.errors.len(), 0);
}
