//! Makes a catalog of many entries, and times the questions that are put to one.
//!
//! `query_bench make FILE [DIRECTORIES [FILES_EACH]]` (10,000 and 100: a million files on ten volumes), then
//! `query_bench where FILE PATTERN...` and `query_bench status FILE`.

use std::error::Error;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Instant;

use multivolumecopy_core::catalog::place::Key;
use multivolumecopy_core::catalog::volumes::{Fate, Volume};
use multivolumecopy_core::catalog::{Catalog, SetInfo};
use multivolumecopy_core::filter::search::{Patterns, Reading};
use multivolumecopy_core::format::item::{Algorithm, Digest, Item};
use multivolumecopy_core::walk::{Listing, What};
use multivolumecopy_core::{CancelToken, Kind, Meta, Time};

/// Volumes of the set that is made.
const VOLUMES: u32 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: query_bench make|where|status FILE …";
    let mut arguments = std::env::args_os().skip(1);
    let what = arguments.next().ok_or(usage)?;
    let file = arguments.next().ok_or(usage)?;
    let rest: Vec<_> = arguments.collect();
    let number = |at: usize, default: u64| -> Result<u64, Box<dyn Error>> {
        match rest.get(at) {
            Some(text) => Ok(text.to_str().ok_or("that is no number")?.parse()?),
            None => Ok(default),
        }
    };
    let file = Path::new(&file);
    let start = Instant::now();
    match what.as_bytes() {
        b"make" => make(file, number(0, 10_000)?, number(1, 100)?)?,
        b"where" => {
            let given: Vec<_> = rest.into_iter().map(|p| p.into_vec()).collect();
            let patterns = Patterns::new(&given, Reading::default())?;
            let catalog = Catalog::open_to_read(file)?;
            let mut search = catalog.search(&patterns)?;
            let mut hits = 0;
            loop {
                let page = search.page(1000, &CancelToken::new())?;
                hits += page.len();
                if page.is_empty() {
                    break;
                }
            }
            println!("{hits} hits");
        }
        b"status" => {
            let status = Catalog::open_to_read(file)?.status(&CancelToken::new())?;
            println!("{} files", status.source.files);
        }
        _ => return Err(usage.into()),
    }
    println!("{:?}", start.elapsed());
    Ok(())
}

fn meta(kind: Kind, ino: u64) -> Meta {
    Meta {
        kind,
        size: if kind == Kind::File {
            1_000_000 + ino
        } else {
            4096
        },
        allocated: 1_003_520,
        mtime: Time {
            sec: 1_700_000_000 + ino as i64,
            nsec: 123_456_789,
        },
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        dev: 2049,
        ino,
        nlink: 1,
        rdev: 0,
        changed: 0,
        flags: 0,
    }
}

fn make(file: &Path, directories: u64, each: u64) -> Result<(), Box<dyn Error>> {
    let set = SetInfo {
        id: "5e".repeat(16),
        name: "bench".into(),
        created: 1,
    };
    let catalog = Catalog::create(file, &set)?;
    let source = catalog.add_source(b"/srv/bench", b"", false, "")?;
    for number in 1..=VOLUMES {
        catalog.put_volume(&volume(number))?;
    }
    let run = catalog.begin_run(1_700_000_000)?;
    let mut scan = catalog.scan(run, source, b"", &meta(Kind::Dir, 2))?;
    let mut top = Listing::new(0, Vec::new(), true);
    for d in 0..directories {
        let what = What::Known {
            meta: meta(Kind::Dir, 10 + d),
            child: Some(d + 1),
        };
        top.push(directory(d).as_bytes(), true, what);
    }
    scan.listing(&top)?;
    for d in 0..directories {
        let mut listing = Listing::new(d + 1, directory(d).into_bytes(), true);
        for n in 0..each {
            let ino = 1_000_000 + d * each + n;
            let what = What::Known {
                meta: meta(Kind::File, ino),
                child: None,
            };
            listing.push(name(n).as_bytes(), false, what);
        }
        scan.listing(&listing)?;
    }
    scan.finish(true)?;
    catalog.begin()?;
    for d in 0..directories {
        let volume = (d * u64::from(VOLUMES) / directories) as u32 + 1;
        let Some(key) = catalog.find(format!("{}/{}", directory(d), name(0)).as_bytes(), false)?
        else {
            return Err("a file is missing".into());
        };
        catalog.place_dirs(volume, key.dir)?;
        for n in 0..each {
            let m = meta(Kind::File, 1_000_000 + d * each + n);
            let key = Key {
                dir: key.dir,
                name: name(n).into_bytes(),
            };
            catalog.place(volume, &key, &item(&m), Some(&m))?;
        }
    }
    catalog.commit()?;
    catalog.end_run(run, 1_700_000_100, "exit 0")?;
    Ok(())
}

fn directory(n: u64) -> String {
    format!("album {n:05} of the year {}", 1950 + n % 75)
}

fn name(n: u64) -> String {
    format!("img_{:06}.jpg", n * 7919 % 1_000_003)
}

fn item(m: &Meta) -> Item {
    Item {
        path: b"unused".to_vec(),
        kind: m.kind,
        size: m.size,
        mtime: m.mtime,
        mode: m.mode,
        uid: m.uid,
        gid: m.gid,
        digest: Some(Digest {
            algorithm: Algorithm::Sha256,
            bytes: [m.ino as u8; 32],
        }),
        target: None,
        link: None,
        rdev: None,
        stored: true,
        extra: None,
        names: None,
        alias: None,
        part: None,
        same_file: None,
    }
}

fn volume(number: u32) -> Volume {
    Volume {
        number,
        id: format!("{number:032x}"),
        label: format!("bench-{number}"),
        state: "complete".into(),
        generation: 1,
        fs_type: "ext4".into(),
        fs_uuid: String::new(),
        capacity: 4_000_000_000_000,
        available: 100_000_000_000,
        block_size: 4096,
        inodes_free: 0,
        has_links: true,
        mount: b"/mnt/usb".to_vec(),
        created: 1_700_000_000,
        written: 1_700_000_000,
        files: 100_000,
        bytes: 100_000_000_000,
        fate: Fate::None,
        verified: 0,
        verified_kind: String::new(),
        verified_bad: 0,
        listed: 0,
        as_of: 0,
        copy: 1,
    }
}
