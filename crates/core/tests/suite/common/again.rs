//! A small tree, and the run that removes what is gone.

use std::os::unix::fs::symlink;

use super::{Lab, Run};

pub fn gone() -> Run {
    Run {
        gone: true,
        ..Run::default()
    }
}

pub fn small_tree(lab: &Lab) {
    for name in ["a", "b", "dir/c", "dir/d", "dir/sub/e", "z"] {
        lab.file(name, name.as_bytes());
    }
    let _ = std::fs::remove_file(lab.source.join("link"));
    symlink("a", lab.source.join("link")).unwrap();
    std::fs::create_dir_all(lab.source.join("hollow")).unwrap();
}
