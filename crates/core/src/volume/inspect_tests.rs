//! Looks at directories in a temporary place. Mounts are looked at by the tests of the addon, as root.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;

fn look(path: &Path) -> PathFacts {
    inspect(path.as_os_str().as_bytes()).expect("a look never fails on such a path")
}

fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn mkfifo(path: &Path) {
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a fifo");
}

const GOOD: &str = r#"{"version":1,"set":{"id":"0123456789abcdef0123456789abcdef","name":"films"},
    "volume":{"number":3,"id":"fedcba9876543210fedcba9876543210","label":"blue"},"generation":7,
    "created":"2026-11-22T19:00:00Z","closed":null,"capacity":1000,"tool":"multivolumecopy 0.1.0"}"#;

#[test]
fn an_empty_directory() {
    let dir = tempdir();
    let facts = look(dir.path());
    assert_eq!(facts.found, Found::Directory);
    assert_eq!(facts.top, Some(TopNames::default()));
    assert_eq!(facts.identity, Identity::None);
    assert_eq!(
        (facts.write_errno, facts.list_errno, facts.is_mount_point),
        (None, None, false)
    );
    let space = facts.space.expect("statvfs works on a directory");
    assert!(space.block > 0 && space.total >= space.free && space.name_max >= 255);
    let m = fs::metadata(dir.path()).expect("stat");
    assert_eq!(facts.chain[0], file_id(m.dev(), m.ino()));
    let root = fs::metadata("/").expect("stat");
    assert_eq!(facts.chain.last(), Some(&file_id(root.dev(), root.ino())));
}

#[test]
fn the_chain_holds_each_directory_above_once() {
    let dir = tempdir();
    let deep = dir.path().join("a/b/c");
    fs::create_dir_all(&deep).expect("mkdir");
    let facts = look(&deep);
    let expected: Vec<FileId> = deep
        .canonicalize()
        .expect("real path")
        .ancestors()
        .map(|p| fs::metadata(p).expect("stat"))
        .map(|m| file_id(m.dev(), m.ino()))
        .collect();
    assert_eq!(facts.chain, expected);
}

#[test]
fn the_root_is_a_mount_point_on_its_own_mount() {
    let facts = look(Path::new("/"));
    assert!(facts.is_mount_point);
    assert!(facts.mount.expect("a mount").is_root);
    assert_eq!(facts.chain.len(), 1);
    assert!(!look(Path::new("/proc")).mount.expect("a mount").is_root);
}

#[test]
fn missing_paths_tell_about_the_directory_above() {
    let dir = tempdir();
    let real = dir.path().canonicalize().expect("real path");
    let facts = look(&dir.path().join("new"));
    assert_eq!(facts.found, Found::Missing { parent: true });
    assert_eq!(facts.real_path, real.join("new").as_os_str().as_bytes());
    assert_eq!(facts.write_errno, None);
    assert_eq!(facts.mount, look(dir.path()).mount);
    assert_eq!(facts.chain, look(dir.path()).chain);
    assert_eq!(
        look(&dir.path().join("new/er")).found,
        Found::Missing { parent: false }
    );
    fs::write(dir.path().join("file"), "").expect("write");
    assert_eq!(
        look(&dir.path().join("file/x")).found,
        Found::Missing { parent: false }
    );
}

#[test]
fn what_is_no_directory_is_named_and_never_waited_for() {
    let dir = tempdir();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "x").expect("write");
    mkfifo(&at("fifo"));
    symlink("nowhere", at("dangling")).expect("symlink");
    symlink("loop", at("loop")).expect("symlink");
    assert_eq!(look(&at("file")).found, Found::Other(Kind::File));
    assert_eq!(look(&at("fifo")).found, Found::Other(Kind::Fifo));
    assert_eq!(look(&at("dangling")).found, Found::Other(Kind::Symlink));
    assert_eq!(
        look(&at("loop")).found,
        Found::Unreadable(Errno::LOOP.raw_os_error())
    );
    let m = fs::metadata(at("file")).expect("stat");
    let chain = look(&at("file")).chain;
    assert_eq!(chain[0], file_id(m.dev(), m.ino()));
    assert_eq!(chain[1..], look(dir.path()).chain);
}

#[test]
fn symlinks_are_resolved_and_names_are_bytes() {
    let dir = tempdir();
    let odd = dir.path().join(OsStr::from_bytes(b"\xff\n"));
    fs::create_dir(&odd).expect("mkdir");
    symlink(&odd, dir.path().join("link")).expect("symlink");
    let facts = look(&dir.path().join("link/.//sub"));
    let real = odd.canonicalize().expect("real path").join("sub");
    assert_eq!(facts.real_path, real.as_os_str().as_bytes());
    assert_eq!(
        facts.path,
        dir.path().join("link/sub").as_os_str().as_bytes()
    );
    assert_eq!(facts.found, Found::Missing { parent: true });
}

#[test]
fn foolish_paths_are_refused() {
    for path in [&b""[..], b"/a\0b"] {
        assert_eq!(inspect(path).map_err(|e| e.code), Err(Code::BadInput));
    }
}

#[test]
fn a_volume_is_recognised() {
    let dir = tempdir();
    let ours = dir.path().join(".mvcopy");
    fs::create_dir(&ours).expect("mkdir");
    assert_eq!(look(dir.path()).identity, Identity::None);
    fs::write(ours.join("volume.json"), GOOD).expect("write");
    fs::write(ours.join("journal.log"), "").expect("write");
    let facts = look(dir.path());
    let Identity::Volume(v) = facts.identity else {
        panic!("no volume: {:?}", facts.identity)
    };
    assert_eq!(
        (&v.set_name[..], v.number, &v.label[..], v.generation),
        ("films", 3, "blue", 7)
    );
    assert_eq!(v.closed, None);
    assert_eq!((facts.has_journal, facts.has_manifest), (true, false));
    assert!(facts.top.expect("listed").ours);
}

#[test]
fn a_newer_volume_is_not_called_damaged() {
    let dir = tempdir();
    fs::create_dir(dir.path().join(".mvcopy")).expect("mkdir");
    let newer = GOOD.replace("\"version\":1", "\"version\":99");
    fs::write(dir.path().join(".mvcopy/volume.json"), newer).expect("write");
    let identity = look(dir.path()).identity;
    assert!(matches!(identity, Identity::Newer(_)), "{identity:?}");
}

#[test]
fn a_hostile_mvcopy_is_damaged_and_never_followed() {
    type Make = fn(&Path);
    let cases: [(&str, Make); 8] = [
        (".mvcopy is a file", |d| {
            fs::write(d.join(".mvcopy"), "").expect("write")
        }),
        (".mvcopy is a fifo", |d| mkfifo(&d.join(".mvcopy"))),
        (".mvcopy is a symlink to a volume", |d| {
            fs::create_dir(d.join("elsewhere")).expect("mkdir");
            fs::write(d.join("elsewhere/volume.json"), GOOD).expect("write");
            symlink("elsewhere", d.join(".mvcopy")).expect("symlink");
        }),
        ("volume.json is a fifo", |d| {
            fs::create_dir(d.join(".mvcopy")).expect("mkdir");
            mkfifo(&d.join(".mvcopy/volume.json"));
        }),
        ("volume.json is a symlink to one", |d| {
            fs::create_dir(d.join(".mvcopy")).expect("mkdir");
            fs::write(d.join("other.json"), GOOD).expect("write");
            symlink("../other.json", d.join(".mvcopy/volume.json")).expect("symlink");
        }),
        ("volume.json is a directory", |d| {
            fs::create_dir_all(d.join(".mvcopy/volume.json")).expect("mkdir");
        }),
        ("volume.json is empty", |d| {
            fs::create_dir(d.join(".mvcopy")).expect("mkdir");
            fs::write(d.join(".mvcopy/volume.json"), "").expect("write");
        }),
        ("volume.json is huge", |d| {
            fs::create_dir(d.join(".mvcopy")).expect("mkdir");
            let file = fs::File::create(d.join(".mvcopy/volume.json")).expect("create");
            file.set_len(1 << 40).expect("a hole");
        }),
    ];
    for (what, make) in cases {
        let dir = tempdir();
        make(dir.path());
        let identity = look(dir.path()).identity;
        assert!(
            matches!(identity, Identity::Damaged(_)),
            "{what}: {identity:?}"
        );
    }
}

#[test]
fn a_directory_without_permissions_is_told_about() {
    if rustix::process::geteuid().is_root() {
        return; // Permissions do not bind root; the unprivileged run of the suite covers this.
    }
    let dir = tempdir();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).expect("mkdir");
    let mode = |m| fs::set_permissions(&closed, fs::Permissions::from_mode(m)).expect("chmod");
    mode(0o000);
    let (facts, below) = (look(&closed), look(&closed.join("x")));
    mode(0o700);
    let denied = Some(Errno::ACCESS.raw_os_error());
    assert_eq!(facts.found, Found::Directory);
    assert_eq!(
        (facts.list_errno.is_some(), facts.write_errno),
        (true, denied)
    );
    assert_eq!(Some(below.found), denied.map(Found::Unreadable));
}
