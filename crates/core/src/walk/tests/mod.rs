//! Every case runs with one thread and with several; both must tell the same, and each run is held to what
//! `walk` promises of order and tokens.

mod ends;
mod hostile;
mod listed;
mod mounts;
mod plain;

use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use super::*;
use crate::error::{FileError, FileFault};
use crate::meta::Kind;
use crate::sys;

/// What a walk found, in a form that does not depend on threads.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// One line an entry, going down into each directory as it comes: the path, for a directory with a slash;
    /// ` ?` behind what is unknown, ` |` behind a directory that is not looked into.
    picture: Vec<String>,
    /// Paths of directories whose listing is not complete.
    incomplete: Vec<String>,
    /// What was reported, sorted.
    errors: Vec<String>,
    /// The metadata of every known entry.
    metas: BTreeMap<Vec<u8>, crate::Meta>,
    summary: Summary,
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Walks with one and with several threads and gives what both found.
fn see(root: &Path, options: &Options<'_>) -> Seen {
    let serial = see_with(root, options, 1);
    for threads in [2, 5] {
        assert_eq!(
            serial,
            see_with(root, options, threads),
            "{threads} threads"
        );
    }
    serial
}

fn see_with(root: &Path, options: &Options<'_>, threads: usize) -> Seen {
    let path = root.as_os_str().as_bytes();
    let fd = sys::open_root(path).unwrap();
    let progress = Progress::new();
    let mut listings: HashMap<u64, Listing> = HashMap::new();
    let mut announced: HashMap<u64, Vec<u8>> = HashMap::from([(0, Vec::new())]);
    let options = Options {
        threads,
        ..*options
    };
    let summary = walk(
        fd.as_fd(),
        path,
        &options,
        &CancelToken::new(),
        &progress,
        &mut |listing| {
            // Only after its parent's, only once, and under the path that the parent's entry has.
            assert_eq!(
                announced.remove(&listing.token).as_ref(),
                Some(&listing.path)
            );
            for e in listing.entries.iter() {
                if let What::Known { meta, child } = e.what {
                    assert_eq!(e.dir, meta.kind == Kind::Dir);
                    if let Some(token) = child {
                        assert!(e.dir);
                        let path = join(&listing.path, listing.name(&e));
                        assert!(announced.insert(token, path).is_none());
                    }
                }
            }
            assert!(listings.insert(listing.token, listing).is_none());
            Ok(())
        },
    )
    .unwrap();
    assert!(announced.is_empty(), "no listing for {announced:?}");
    assert_eq!(
        progress.entries.load(std::sync::atomic::Ordering::Relaxed),
        summary.entries
    );

    let mut seen = Seen {
        picture: Vec::new(),
        incomplete: Vec::new(),
        errors: Vec::new(),
        metas: BTreeMap::new(),
        summary,
    };
    let mut paths = Vec::new();
    let mut stack = vec![(0u64, 0usize)];
    while let Some((token, at)) = stack.pop() {
        let listing = &listings[&token];
        if at == 0 && !listing.complete {
            seen.incomplete.push(show(&listing.path));
        }
        let Some(e) = listing.entries.get(at) else {
            continue;
        };
        stack.push((token, at + 1));
        let mut path = join(&listing.path, listing.name(&e));
        if let What::Known { meta, .. } = e.what {
            seen.metas.insert(path.clone(), meta);
        }
        if e.dir {
            path.push(b'/');
        }
        seen.picture.push(match e.what {
            What::Unknown => show(&path) + " ?",
            What::Known { child: None, .. } if e.dir => show(&path) + " |",
            What::Known { .. } => show(&path),
        });
        paths.push(path);
        if let What::Known {
            child: Some(child), ..
        } = e.what
        {
            stack.push((child, 0));
        }
    }
    assert!(
        paths.is_sorted(),
        "not in the order of path bytes: {:?}",
        seen.picture
    );
    seen.errors = progress
        .take_errors()
        .iter()
        .map(|e| describe(e, path))
        .collect();
    seen.errors.sort();
    seen
}

/// `fault path: doing[: message]`, with the path below the source.
fn describe(e: &FileError, root: &[u8]) -> String {
    let below = e
        .path
        .strip_prefix(root)
        .expect("the path of an error begins with the source's");
    let message = if e.message.is_empty() {
        String::new()
    } else {
        format!(": {}", e.message)
    };
    format!("{} {}: {}{message}", e.fault.as_str(), show(below), e.doing)
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() {
        name.to_vec()
    } else {
        [dir, b"/", name].concat()
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs one test of this binary in a process of its own, in which `MVC_TEST_CHILD` is `argument`; as nobody if
/// `unprivileged` and we are root.
fn in_child(test: &str, argument: &Path, unprivileged: bool) -> Output {
    let tmp = tempfile::tempdir().unwrap();
    let mut exe = std::env::current_exe().unwrap();
    if unprivileged && is_root() {
        // Where the build lies others may not be allowed to look.
        let copy = tmp.path().join("test");
        std::fs::copy(&exe, &copy).unwrap();
        open_up(tmp.path());
        exe = copy;
    }
    let mut command = Command::new(exe);
    command
        .args(["--exact", "--nocapture"])
        .arg(format!("walk::tests::{test}"));
    command.env("MVC_TEST_CHILD", argument);
    if unprivileged && is_root() {
        use std::os::unix::process::CommandExt;
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "no such test: {text}");
    output
}

fn child_argument() -> Option<std::path::PathBuf> {
    std::env::var_os("MVC_TEST_CHILD").map(Into::into)
}

/// Lets everybody in.
fn open_up(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A chain of `levels` directories called `name`, a file `leaf` in the last one, and where `beside` says so an
/// empty directory `beside` in each. Made by descriptor, because its path is too long for any call.
fn make_chain(root: &Path, name: &[u8], levels: usize, beside: bool) {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let mut at = sys::open_root(root.as_os_str().as_bytes()).unwrap();
    for _ in 0..levels {
        mkdirat(&at, name, Mode::RWXU).unwrap();
        if beside {
            mkdirat(&at, "beside", Mode::RWXU).unwrap();
        }
        at = sys::open_child(at.as_fd(), name).unwrap();
    }
    openat(&at, "leaf", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
}

/// Removes a chain; the standard library's way would need a path or a descriptor for each level.
fn remove_chain(root: &Path, name: &str) {
    let done = Command::new("rm")
        .arg("-rf")
        .arg(root.join(name))
        .status()
        .unwrap();
    assert!(done.success());
}
