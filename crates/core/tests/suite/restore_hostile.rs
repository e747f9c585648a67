//! Hostile drives: whatever their lists and trees say, nothing outside the destination is written, nothing
//! outside the drive is read, no file gets a name that is not what was recorded, and nothing hangs or panics.
//!
//! Cases are made by chance from a seed, which a failure tells: `MVCOPY_SEED=N` makes them again.

use crate::common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::restore::Restore;
use common::{Lab, Run, SET};
use multivolumecopy_core::restore::{Existing, Options};
use sha2::{Digest, Sha256};

/// What must never be found in a destination.
const SECRET: &[u8] = b"the secret of the host";

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }
    fn of<'t, T: ?Sized>(&mut self, list: &[&'t T]) -> &'t T {
        list[self.below(list.len())]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Everything below a directory, without following a link: path, kind, mode, time, content.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_file() && meta.len() > 1 << 30 {
            format!("{} bytes", meta.len())
        } else if meta.is_file() {
            hex(&Sha256::digest(fs::read(&path).unwrap()))
        } else if meta.is_symlink() {
            format!("{:?}", fs::read_link(&path).unwrap())
        } else {
            String::new()
        };
        if meta.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
        let facts = format!(
            "{:?} {:o} {}.{} {content}",
            meta.file_type(),
            meta.mode(),
            meta.mtime(),
            meta.mtime_nsec()
        );
        all.insert(path, facts);
    }
    all
}

/// Writes a list with a last line that is true.
pub fn write_list(path: &Path, lines: &[Vec<u8>]) {
    let mut text = Vec::new();
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let entries = lines.iter().filter(|l| l.starts_with(b"{\"path\"")).count();
    let sum = hex(&Sha256::digest(&text));
    text.extend_from_slice(format!("{{\"entries\":{entries},\"sha256\":\"{sum}\"}}\n").as_bytes());
    fs::write(path, text).unwrap();
}

/// The lines of a list but the last.
pub fn lines(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read(path).unwrap();
    let mut lines: Vec<_> = text
        .split(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .filter(|l| !l.is_empty())
        .collect();
    lines.pop();
    lines
}

fn replace(line: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(line)
        .replacen(from, to, 1)
        .into_bytes()
}

/// Which changes of [`twist_lines`] leave a list that can be believed as far as its form goes.
const BELIEVABLE: [usize; 7] = [2, 3, 4, 9, 10, 11, 12];

/// Changes what a list says; `gently`: so that it is still taken for one.
fn twist_lines(chance: &mut Chance, lines: &mut Vec<Vec<u8>>, canary: &str, gently: bool) {
    let at = 1 + chance.below(lines.len() - 1);
    let line = lines[at].clone();
    let text = String::from_utf8_lossy(&line).into_owned();
    let path = text.split('"').nth(3).unwrap_or_default().to_owned();
    let quoted = |p: &str| format!("\"path\":\"{p}\"");
    let evil = [
        "../canary/file",
        "/etc/passwd",
        "sub/../../canary/file",
        "..",
        ".",
        "",
        "a//b",
        ".mvcopy/volume.json",
        ".mvcopy",
        "sub/./x",
        "x/",
        "\\u0000",
        "\\ud800",
    ];
    let way = match gently {
        true => BELIEVABLE[chance.below(BELIEVABLE.len())],
        false => chance.below(13),
    };
    let changed = match way {
        0 => replace(&line, &quoted(&path), &quoted(chance.of(&evil))),
        1 => replace(&line, &quoted(&path), &quoted(&format!("{canary}/file"))),
        2 => {
            let links = [
                "a",
                "sub/deep/c",
                "zzz",
                "l",
                "../canary/file",
                "/etc/passwd",
            ];
            let link = chance.of(&links[..if gently { 4 } else { 6 }]);
            replace(&line, "\"kind\"", &format!("\"link\":\"{link}\",\"kind\""))
        }
        3 => {
            let kinds = ["file", "dir", "symlink", "fifo", "socket", "char", "none"];
            let kind = chance.of(&kinds[..if gently { 5 } else { 7 }]);
            let digestless = match text.find(",\"digest\"") {
                Some(n) => format!("{}}}", &text[..n]).into_bytes(),
                None => line.clone(),
            };
            let from = text.split("\"kind\":\"").nth(1).unwrap_or_default();
            let old = from.split('"').next().unwrap_or_default();
            let new = match kind {
                "symlink" => format!("\"kind\":\"symlink\",\"target\":\"{canary}\""),
                kind => format!("\"kind\":\"{kind}\""),
            };
            replace(&digestless, &format!("\"kind\":\"{old}\""), &new)
        }
        4 => {
            let sizes = ["0", "1", "9223372036854775807", "9223372036854775808", "-1"];
            let size = chance.of(&sizes[..if gently { 3 } else { 5 }]);
            let old = text.split("\"size\":").nth(1).unwrap_or_default();
            let old = old.split(',').next().unwrap_or_default();
            let new = format!("\"size\":{size}");
            replace(&line, &format!("\"size\":{old}"), &new)
        }
        5 => {
            lines.insert(at, line.clone());
            line
        }
        6 => [&line[..], &vec![b' '; 2 << 20]].concat(),
        7 => line[..line.len() / 2].to_vec(),
        8 => {
            let mut line = line;
            let n = chance.below(line.len());
            line[n] ^= 1 << chance.below(8);
            line
        }
        9 => replace(&line, "\"mtime\":\"", "\"mtime\":\"99999999999"),
        10 => replace(&line, "\"mode\":\"0", "\"mode\":\"7"),
        11 => {
            let above = ["sub/x/", "a/", "e/", "l/", "../"];
            let above = chance.of(&above[..if gently { 4 } else { 5 }]);
            replace(&line, "sub/", above)
        }
        _ => replace(&line, "sha256:", "sha256:0123456789abcdef")
            .split(|b| *b == b'"')
            .fold(Vec::new(), |mut line, part| {
                // As long as a digest is, and another one.
                if !line.is_empty() {
                    line.push(b'"');
                }
                let is_digest = part.starts_with(b"sha256:");
                line.extend_from_slice(&part[..if is_digest { 71 } else { part.len() }]);
                line
            }),
    };
    lines[at] = changed;
}

/// Puts something else in the place of an entry.
fn twist_tree(chance: &mut Chance, root: &Path, canary: &Path) {
    let names = [
        "a",
        "big",
        "sub",
        "sub/b",
        "sub/deep",
        "sub/deep/c",
        "l",
        "e",
        "first",
        "second",
    ];
    let name = chance.of(&names);
    let path = root.join(name);
    // Through a link of an earlier change the test itself would make something in the canary.
    let through_link = Path::new(name).ancestors().skip(1).any(|above| {
        !above.as_os_str().is_empty()
            && fs::symlink_metadata(root.join(above)).is_ok_and(|m| m.is_symlink())
    });
    if through_link {
        return;
    }
    let _ = fs::remove_file(&path);
    if chance.below(2) == 0 {
        let _ = fs::remove_dir_all(&path);
    }
    // What can't be made because of what an earlier change has made is another case.
    let _ = match chance.below(8) {
        0 => symlink(canary.join("file"), &path),
        1 => symlink(canary, &path),
        2 => symlink("../../canary/file", &path),
        3 => Command::new("mkfifo").arg(&path).output().map(|_| ()),
        4 => fs::create_dir(&path),
        5 => fs::write(&path, b"something else of another size"),
        6 => fs::File::create(&path).and_then(|f| f.set_len(1 << 40)),
        _ => std::os::unix::net::UnixListener::bind(&path).map(|_| ()),
    };
}

/// What each path may hold, by what the lists say: digests, and for files without one anything.
fn recorded(lists: &[PathBuf]) -> BTreeMap<String, Vec<Option<String>>> {
    let mut all: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for list in lists {
        for line in lines(list) {
            let text = String::from_utf8_lossy(&line).into_owned();
            let field = |name: &str| {
                let rest = text.split(&format!("\"{name}\":\"")).nth(1)?;
                Some(rest.split('"').next()?.to_owned())
            };
            if let Some(path) = field("path") {
                let digest = field("digest").map(|d| d.trim_start_matches("sha256:").to_owned());
                all.entry(path).or_default().push(digest);
            }
        }
    }
    all
}

#[test]
fn whatever_a_drive_says_nothing_outside_is_touched() {
    let seed = std::env::var("MVCOPY_SEED").map_or_else(
        |_| u64::from(std::process::id()) << 20 ^ 0x9e37_79b9,
        |s| s.parse().unwrap(),
    );
    let cases: usize = match std::env::var("MVCOPY_ALL").is_ok() {
        true => 5000,
        false => 500,
    };
    println!("MVCOPY_SEED={seed}");
    let mut chance = Chance(seed | 1);
    let lab = Lab::new();
    lab.file("a", b"the content of a");
    lab.file("big", &vec![7; 300_000]);
    lab.file("sub/b", b"b");
    lab.file("sub/deep/c", b"the content of c");
    lab.file("first", b"two names");
    fs::hard_link(lab.source.join("first"), lab.source.join("second")).unwrap();
    symlink("a", lab.source.join("l")).unwrap();
    fs::create_dir(lab.source.join("e")).unwrap();
    lab.run(&Run::default());
    let good = lab.drive_path(1);

    // Each case flushes a file system several times: one in memory has nothing to wait for.
    let memory = tempfile::tempdir_in("/dev/shm").ok();
    let top = memory.as_ref().map_or(lab.dir.path(), |dir| dir.path());
    let canary = top.join("canary");
    fs::create_dir_all(canary.join("dir")).unwrap();
    fs::write(canary.join("file"), SECRET).unwrap();
    fs::write(canary.join("dir/file"), SECRET).unwrap();
    fs::set_permissions(&canary, fs::Permissions::from_mode(0o755)).unwrap();
    let before = snapshot(&canary);
    let (mut copied, mut refused, mut case) = (0, 0, 0);
    // So many are to come as far as the copying; of each four one is anything, and most of those are refused whole.
    while copied < cases {
        case += 1;
        assert!(
            case < 4 * cases,
            "most drives were refused: {refused}, MVCOPY_SEED={seed}"
        );
        let gently = case % 4 != 0;
        let place = top.join("case");
        let (drive, to) = (place.join("drive"), place.join("to"));
        fs::create_dir(&place).unwrap();
        let made = Command::new("cp").arg("-a").arg(&good).arg(&drive).status();
        assert!(made.unwrap().success());
        fs::create_dir(&to).unwrap();
        // The same relative steps lead to a canary from the drive and from the destination.
        for from in [&place, &to] {
            let _ = symlink(&canary, from.join("canary"));
        }
        let manifest = drive.join(".mvcopy/manifest.jsonl");
        let list = drive.join(".mvcopy/catalog.jsonl");
        for path in [&manifest, &list] {
            let mut now = lines(path);
            for _ in 0..chance.below(3) {
                twist_lines(&mut chance, &mut now, canary.to_str().unwrap(), gently);
            }
            if gently || chance.below(3) > 0 {
                // Out of order it would be refused as a whole, and nothing else would be tried.
                let head = now
                    .iter()
                    .take_while(|l| !l.starts_with(b"{\"path\""))
                    .count();
                now[head..].sort_by_key(|l| {
                    let text = String::from_utf8_lossy(l).into_owned();
                    let dir = text.contains("\"kind\":\"dir\"");
                    let path = text.split('"').nth(3).unwrap_or_default().to_owned();
                    if dir { path + "/" } else { path }
                });
            }
            write_list(path, &now);
        }
        for _ in 0..chance.below(3) + usize::from(gently) {
            twist_tree(&mut chance, &drive, &canary);
        }
        if chance.below(3) == 0 {
            twist_tree(&mut chance, &to, &canary);
        }
        let kept = snapshot(&to);
        let options = Options {
            existing: [
                Existing::Keep,
                Existing::Overwrite,
                Existing::Update,
                Existing::KeepBoth,
            ][chance.below(4)],
            keep_bad: chance.below(2) == 0,
            copiers: 1 + chance.below(4),
            one_large: chance.below(2) == 0,
        };
        let mut restore = Restore::begin(&place.join("private.sqlite"), &to).unwrap();
        match restore.learn(&drive).and_then(|_| restore.stage(&[])) {
            Ok(_) => {
                // Errors are answers; only what they leave behind is looked at.
                let tried = restore.drive(&drive, 1, &options).is_ok_and(|o| {
                    o.files + o.others + o.equal + o.kept + o.newer + o.bad + o.failed > 0
                });
                copied += usize::from(tried);
            }
            Err(_) => refused += 1,
        }
        let _ = restore.finish();
        drop(restore);

        let why = format!("case {case}, MVCOPY_SEED={seed}");
        assert_eq!(snapshot(&canary), before, "{why}");
        let now = snapshot(&to);
        let may = recorded(&[manifest]);
        for (path, facts) in &now {
            let meta = fs::symlink_metadata(path).unwrap();
            let name = path.strip_prefix(&to).unwrap();
            assert!(!name.starts_with(".mvcopy"), "{path:?} is left, {why}");
            if !meta.is_file() || kept.get(path) == Some(facts) {
                continue;
            }
            let content = fs::read(path).unwrap();
            assert!(content != SECRET, "{path:?} has the secret, {why}");
            let text = String::from_utf8_lossy(name.as_os_str().as_bytes()).into_owned();
            if text.ends_with(".mvcopy-corrupt") {
                continue;
            }
            let own = text.split(".restored-").next().unwrap_or_default();
            let sum = hex(&Sha256::digest(&content));
            let known = may
                .get(own)
                .is_some_and(|all| all.iter().any(|d| d.as_ref().is_none_or(|d| *d == sum)));
            assert!(known, "{path:?} is not what was recorded, {why}");
        }
        if options.existing == Existing::Keep {
            for (path, facts) in &kept {
                let meta = fs::symlink_metadata(path).unwrap();
                let plain = meta.is_file() || meta.is_symlink() || meta.file_type().is_fifo();
                assert!(
                    !plain || now.get(path) == Some(facts),
                    "{path:?} changed, {why}"
                );
            }
        }
        let _ = Command::new("chmod")
            .arg("-R")
            .arg("u+rwx")
            .arg(&place)
            .status();
        fs::remove_dir_all(&place).unwrap();
    }
    println!(
        "of {case} drives {copied} came as far as the copying, {refused} were refused as a whole"
    );
    assert!(refused > cases / 20, "no list was bad: nothing was tried");
    assert!(SET.len() == 32);
}
