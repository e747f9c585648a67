//! Single flipped bits, 10,000 of them, anywhere on a drive: each is found and called by the right word, and none
//! is a panic.

use crate::common;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::{Lab, Run, bytes, random_seed};
use multivolumecopy_core::format::verify::Word;
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::verify::{Options, verify};
use multivolumecopy_core::{CancelToken, Code};

const FLIPS: usize = 10_000;

/// A file of the drive as it was.
struct Saved {
    path: PathBuf,
    content: Vec<u8>,
    time: SystemTime,
}

impl Saved {
    fn put(&self, content: &[u8]) {
        std::fs::write(&self.path, content).unwrap();
        let file = std::fs::File::options()
            .write(true)
            .open(&self.path)
            .unwrap();
        file.set_modified(self.time).unwrap();
    }
}

fn saved(dir: &Path, all: &mut Vec<Saved>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            saved(&path, all);
        } else if meta.is_file() && meta.len() > 0 {
            all.push(Saved {
                content: std::fs::read(&path).unwrap(),
                time: meta.modified().unwrap(),
                path,
            });
        }
    }
}

/// A small drive in memory where that can be had; `open`: a run on it was broken off.
fn drive(lab: &Lab, open: bool) -> PathBuf {
    lab.file("a", b"first");
    lab.file("dir/b", b"second, of some more bytes");
    lab.file("dir/c", &[7; 300]);
    lab.run(&Run::default());
    if open {
        lab.file("dir/d", b"third");
        lab.file("e", b"fourth");
        lab.run(&Run {
            close: false,
            ..Run::default()
        });
    }
    lab.drive_path(1)
}

fn flips(open: bool, count: usize, seed: u64) {
    let lab = Lab::in_memory();
    let drive = drive(&lab, open);
    let mut all = Vec::new();
    saved(&drive, &mut all);
    // What is for people, and made anew from the rest.
    all.retain(|s| !s.path.ends_with("README.txt") && !s.path.ends_with("START-HERE.html"));
    all.sort_by(|a, b| a.path.cmp(&b.path));
    let own = drive.join(".mvcopy");
    assert_eq!(open, all.iter().any(|s| s.path.ends_with("journal.log")));
    let options = Options {
        scope: b"all".to_vec(),
        threads: 1,
        ..Options::default()
    };
    let mut state = seed;
    let mut random = |below: usize| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    };
    let volume = all
        .iter()
        .position(|s| s.path.ends_with("volume.json"))
        .unwrap();
    for n in 0..count {
        let victim = &all[n % all.len()];
        let (at, bit) = (random(victim.content.len()), random(8));
        let mut content = victim.content.clone();
        content[at] ^= 1 << bit;
        victim.put(&content);
        let name = victim.path.strip_prefix(&drive).unwrap().to_str().unwrap();
        let about = format!("seed {seed}: bit {bit} of byte {at} of {name}");
        let ours = victim.path.starts_with(&own);
        match verify(
            bytes(&drive),
            &options,
            &CancelToken::new(),
            &Progress::new(),
        ) {
            Ok(report) => {
                let told = report.tables.told(None, 100).unwrap();
                let word = if ours { Word::Damaged } else { Word::Corrupt };
                let found: Vec<_> = told
                    .iter()
                    .map(|t| (&t.finding.path[..], t.finding.word))
                    .collect();
                assert!(
                    found.contains(&(name.as_bytes(), word)),
                    "{about}: {found:?}"
                );
                // What was on the drive by the journal alone is not known without it.
                if !name.ends_with("journal.log") && !report.no_manifest {
                    assert_eq!(found.len(), 1, "{about}: {found:?}");
                }
            }
            Err(e) => panic!("{about}: {e}"),
        }
        victim.put(&victim.content);
        all[volume].put(&all[volume].content);
        let _ = std::fs::remove_file(own.join("verify.jsonl"));
    }
    let good = verify(
        bytes(&drive),
        &options,
        &CancelToken::new(),
        &Progress::new(),
    )
    .unwrap();
    assert_eq!(good.counts.bad(), 0);
}

#[test]
fn ten_thousand_flipped_bits_are_found_and_named() {
    let seed = random_seed();
    std::thread::scope(|scope| {
        for (n, open) in [(0, false), (1, true)] {
            scope.spawn(move || flips(open, FLIPS / 2, seed + n));
        }
    });
}

#[test]
fn a_drive_of_a_later_version_is_refused() {
    let lab = Lab::in_memory();
    let drive = drive(&lab, false);
    let file = drive.join(".mvcopy/volume.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let later = text.replacen("\"version\": 1", "\"version\": 2", 1);
    // With the seal that the later version would have made.
    let at = later.find("\"seal\": \"").unwrap() + 9;
    let zeroed = format!("{}{}{}", &later[..at], "0".repeat(64), &later[at + 64..]);
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), zeroed.as_bytes()).unwrap();
    let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    std::fs::write(&file, zeroed.replace(&"0".repeat(64), &out[..64])).unwrap();
    let options = Options::default();
    let e = verify(
        bytes(&drive),
        &options,
        &CancelToken::new(),
        &Progress::new(),
    )
    .unwrap_err();
    assert_eq!(e.code, Code::BadFormat);
    assert!(e.message.contains("newer"), "{e}");
}
