//! `.mvcopy/verify.jsonl` and a repair: findings of a check that another computer made are taken into the catalog,
//! and what was repaired is taken off the drive's list.
//!
//! A list that cannot be understood is left alone: the next check writes a new one.

use std::io::BufReader;
use std::os::fd::{AsFd, BorrowedFd};

use super::drive::{Drive, OWN, join};
use super::own::regular;
use crate::catalog::Catalog;
use crate::catalog::findings::Found;
use crate::catalog::place::Key;
use crate::error::{Code, IoContext, Result};
use crate::format::verify::{self, Finding, Line, VerifyWriter, Word};
use crate::sys;

/// The list, below `.mvcopy`.
const NAME: &[u8] = b"verify.jsonl";

/// Our own files that closing a drive writes anew.
const WRITTEN_ANEW: [&[u8]; 5] = [
    b"manifest.jsonl",
    b"SHA256SUMS",
    b"B3SUMS",
    b"README.txt",
    b"volume.json",
];

/// Findings that are taken over together.
const BATCH: usize = 4_096;

/// Takes the findings that a drive carries into the catalog, where it knows nothing newer. Gives the number of our
/// own files on the drive that are damaged and that closing it puts right.
///
/// # Errors
/// `Code::Io`; what SQLite answers.
pub fn learn_findings(catalog: &Catalog, path: &[u8], volume: u32) -> Result<u64> {
    let root = sys::open_root(path)?;
    let own = sys::open_dir_beneath(root.as_fd(), OWN, true).at("opening", &join(path, OWN))?;
    let mut damaged = 0;
    // Once to its end before anything of it counts.
    let head = read(own.as_fd(), path, &mut |line| {
        if let Line::Finding(finding) = line {
            damaged += u64::from(is_written_anew(&finding));
        }
        Ok(())
    })?;
    let known = catalog.volume(volume)?;
    let same = head
        .zip(known)
        .is_some_and(|(head, known)| head.volume == known.id);
    if !same {
        return Ok(0);
    }
    let mut told = Vec::new();
    read(own.as_fd(), path, &mut |line| {
        match line {
            Line::Finding(finding) if is_of_entry(&finding) => told.push(finding),
            _ => {}
        }
        if told.len() >= BATCH {
            record(catalog, volume, &mut told)?;
        }
        Ok(())
    })?;
    record(catalog, volume, &mut told)?;
    Ok(damaged)
}

/// Takes what is a finding no more off the drive's list.
///
/// # Errors
/// `Code::Io`; what SQLite answers.
pub(super) fn forget_repaired(drive: &Drive, catalog: &Catalog, volume: u32) -> Result<()> {
    let path = join(&drive.path, b".mvcopy/verify.jsonl");
    let keeps = |line: &Line| match line {
        Line::Finding(finding) if is_of_entry(finding) => match key_of(catalog, &finding.path)? {
            Some(key) => catalog.has_finding(volume, &key),
            None => Ok(true),
        },
        Line::Finding(finding) => Ok(!is_written_anew(finding)),
        Line::Part(_) | Line::InSource(_) => Ok(true),
    };
    let mut any = false;
    let head = read(drive.own.as_fd(), &drive.path, &mut |line| {
        any |= !keeps(&line)?;
        Ok(())
    })?;
    let Some(head) = head.filter(|_| any) else {
        return Ok(());
    };
    let own = drive.own_files();
    let mut list = VerifyWriter::new(own.begin(NAME)?, &path, &head)?;
    read(drive.own.as_fd(), &drive.path, &mut |line| {
        if keeps(&line)? {
            list.push(&line)?;
        }
        Ok(())
    })?;
    own.finish(list.finish()?, NAME)
}

/// Reads the list; `None` where there is none that can be understood.
fn read(
    own: BorrowedFd<'_>,
    drive: &[u8],
    sink: &mut dyn FnMut(Line) -> Result<()>,
) -> Result<Option<verify::Head>> {
    let path = join(&join(drive, OWN), NAME);
    let fd = match sys::open_for_reading(own, NAME) {
        Ok(fd) => fd,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).at("opening", &path),
    };
    let read = regular(&fd, &path)
        .and_then(|_| verify::read(BufReader::new(std::fs::File::from(fd)), &path, sink));
    match read {
        Ok(head) => Ok(Some(head)),
        Err(e) if e.code == Code::BadFormat => Ok(None),
        Err(e) => Err(e),
    }
}

fn record(catalog: &Catalog, volume: u32, told: &mut Vec<Finding>) -> Result<()> {
    catalog.atomically(|| {
        for Finding {
            path,
            word,
            errno,
            at,
        } in told.drain(..)
        {
            if let Some(key) = key_of(catalog, &path)?
                && catalog.placement(volume, &key)?.is_some()
                && !catalog.has_finding(volume, &key)?
            {
                let checked = at;
                catalog.record_finding(
                    volume,
                    &Found {
                        key,
                        word,
                        errno,
                        checked,
                    },
                )?;
            }
        }
        Ok(())
    })
}

fn key_of(catalog: &Catalog, sort_key: &[u8]) -> Result<Option<Key>> {
    match sort_key.strip_suffix(b"/") {
        Some(path) => catalog.find(path, true),
        None => catalog.find(sort_key, false),
    }
}

/// Whether it is about an entry, as the catalog keeps findings.
fn is_of_entry(finding: &Finding) -> bool {
    own_name(finding).is_none()
        && matches!(
            finding.word,
            Word::Corrupt | Word::Changed | Word::Missing | Word::Unreadable
        )
}

fn own_name(finding: &Finding) -> Option<&[u8]> {
    finding.path.strip_prefix(OWN)?.strip_prefix(b"/")
}

fn is_written_anew(finding: &Finding) -> bool {
    own_name(finding).is_some_and(|name| WRITTEN_ANEW.contains(&name))
}
