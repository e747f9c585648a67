//! Searching a set with nothing but one of its drives: by the lists in its `.mvcopy`.
//!
//! The drive's manifest tells what it holds, with digests; its list of the whole set tells where everything
//! else is, as of the list's date. Both are read as streams, without trust, through no symlink, and never
//! followed by a write: a drive that is mounted read-only will do. Nothing of the host's state is needed.

use std::io::BufReader;
use std::os::fd::{AsFd, OwnedFd};

use crate::cancel::CancelToken;
use crate::catalog::query::{Hit, Standing};
use crate::error::{Code, Error, IoContext, Result};
use crate::filter::search::Patterns;
use crate::format::setlist::{self, Line, ListedVolume};
use crate::format::volumejson::{self, VolumeJson};
use crate::format::{item::Item, manifest};
use crate::meta::Kind;
use crate::sys;

/// Entries between two looks at the cancel token.
const STRIDE: u64 = 4096;

/// A drive whose lists can be searched.
#[derive(Debug)]
pub struct DriveLists {
    path: Vec<u8>,
    own: OwnedFd,
    /// Which volume of which set it says it is.
    pub identity: VolumeJson,
    /// When its list of the whole set was written, seconds since 1970; `None` when it has none.
    pub date: Option<i64>,
    /// The volumes of the set as that list has them.
    pub volumes: Vec<ListedVolume>,
    /// Whether it has a manifest.
    pub has_manifest: bool,
    /// Whether it has a journal: a run on it was broken off, and it may hold more than its lists say.
    pub has_journal: bool,
}

impl DriveLists {
    /// Looks at the lists of the drive that is mounted at `path`.
    ///
    /// # Errors
    /// `Code::BadFormat` when it is no volume of a set, has no list at all, or one that cannot be understood;
    /// `Code::Io`.
    pub fn open(path: &[u8]) -> Result<DriveLists> {
        let root = sys::open_root(path)?;
        let mut name = path.to_vec();
        name.extend_from_slice(b"/.mvcopy");
        let own = sys::open_dir_beneath(root.as_fd(), b".mvcopy", false).at("opening", &name)?;
        let mut lists = DriveLists {
            path: name,
            identity: read_identity(&own, path)?,
            own,
            date: None,
            volumes: Vec::new(),
            has_manifest: false,
            has_journal: false,
        };
        lists.has_manifest = lists.file(b"manifest.jsonl")?.is_some();
        lists.has_journal = lists.file(b"journal.log")?.is_some();
        lists.read_volumes()?;
        if lists.date.is_none() && !lists.has_manifest {
            let message =
                "it has neither a manifest nor a list of the set: no run on it was ever ended";
            return Err(Error::new(Code::BadFormat, "reading", message).with_path(path));
        }
        Ok(lists)
    }

    /// Hands over what matches: first what this drive holds, then what the others do, each in path order; then what
    /// was planned for others when the list was written.
    ///
    /// # Errors
    /// `Code::BadFormat` for a list that is damaged (what was handed over before proves nothing then);
    /// `Code::Io`; `Code::Cancelled`; whatever `emit` answers.
    pub fn search(
        &self,
        patterns: &Patterns,
        cancel: &CancelToken,
        emit: &mut dyn FnMut(Hit) -> Result<()>,
    ) -> Result<()> {
        let number = self.identity.volume.number;
        let mut seen = 0u64;
        let mut check = || {
            seen += 1;
            match seen.is_multiple_of(STRIDE) {
                true => cancel.check(),
                false => Ok(()),
            }
        };
        let mut from_manifest = false;
        if let Some((reader, path)) = self.file(b"manifest.jsonl")? {
            from_manifest = true;
            let header = manifest::read(reader, &path, &mut |item| {
                check()?;
                match patterns.matches_alone(&item.sort_key()) {
                    true => emit(hit(item, number)),
                    false => Ok(()),
                }
            })?;
            if header.volume != self.identity.volume.id {
                let message = "it is the manifest of another volume";
                return Err(Error::new(Code::BadFormat, "reading", message).with_path(&path));
            }
        }
        let Some((reader, path)) = self.file(b"catalog.jsonl")? else {
            return Ok(());
        };
        setlist::read(reader, &path, &mut |line| {
            let (entry, standing) = match line {
                Line::Entry(entry) => (entry, Standing::Current),
                Line::Planned(entry) => (entry, Standing::Planned),
                _ => return Ok(()),
            };
            check()?;
            // What this drive holds its manifest has told, with digests.
            if from_manifest && entry.volume == number && standing == Standing::Current {
                return Ok(());
            }
            let mut key = entry.path;
            if entry.kind == Kind::Dir {
                key.push(b'/');
            }
            if !patterns.matches_alone(&key) {
                return Ok(());
            }
            if entry.kind == Kind::Dir {
                key.pop();
            }
            emit(Hit {
                path: key,
                kind: entry.kind,
                size: entry.size,
                mtime: entry.mtime,
                digest: None,
                volume: entry.volume,
                standing,
                now: None,
                stored: true,
                there: entry.alias,
                part: None,
            })
        })?;
        Ok(())
    }

    /// One of the files, opened from its start; `None` when there is none.
    fn file(&self, name: &[u8]) -> Result<Option<(BufReader<std::fs::File>, Vec<u8>)>> {
        let path = [&self.path, &b"/"[..], name].concat();
        match sys::open_for_reading(self.own.as_fd(), name) {
            Ok(fd) => {
                regular(&fd, &path)?;
                let reader = BufReader::with_capacity(1 << 16, std::fs::File::from(fd));
                Ok(Some((reader, path)))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).at("opening", &path),
        }
    }

    /// The date and the volumes, which stand before the entries.
    fn read_volumes(&mut self) -> Result<()> {
        let Some((reader, path)) = self.file(b"catalog.jsonl")? else {
            return Ok(());
        };
        let header = setlist::read_header(reader, &path)?;
        if header.set != self.identity.set.id {
            let message = "it is the list of another set";
            return Err(Error::new(Code::BadFormat, "reading", message).with_path(&path));
        }
        self.date = Some(header.date);
        let Some((reader, path)) = self.file(b"catalog.jsonl")? else {
            return Ok(());
        };
        let volumes = &mut self.volumes;
        let mut reached = false;
        let read = setlist::read(reader, &path, &mut |line| match line {
            Line::Source(_) => Ok(()),
            Line::Volume(volume) => {
                volumes.push(volume);
                Ok(())
            }
            Line::Entry(_) | Line::Planned(_) => {
                // Enough; the whole of it is read by the search.
                reached = true;
                Err(Error::cancelled())
            }
        });
        match read {
            Err(e) if !reached => Err(e),
            _ => Ok(()),
        }
    }
}

fn hit(item: Item, volume: u32) -> Hit {
    Hit {
        path: item.path,
        kind: item.kind,
        size: item.size,
        mtime: item.mtime,
        digest: item.digest,
        volume,
        standing: Standing::Current,
        now: None,
        stored: item.stored,
        there: item.alias,
        part: None,
    }
}

fn read_identity(own: &OwnedFd, drive: &[u8]) -> Result<VolumeJson> {
    let path = [drive, b"/.mvcopy/volume.json"].concat();
    let fd = sys::open_for_reading(own.as_fd(), b"volume.json").at("opening", &path)?;
    regular(&fd, &path)?;
    let mut bytes = Vec::new();
    let mut file = std::io::Read::take(std::fs::File::from(fd), volumejson::MAX_BYTES as u64 + 1);
    std::io::Read::read_to_end(&mut file, &mut bytes).at("reading", &path)?;
    volumejson::parse(&bytes).map_err(|e| e.with_path(&path))
}

/// Refuses what is no regular file: a hostile drive may have put a fifo there.
fn regular(fd: &OwnedFd, path: &[u8]) -> Result<()> {
    let meta = sys::stat_fd(fd.as_fd()).at("looking at", path)?;
    match meta.kind {
        Kind::File => Ok(()),
        _ => {
            let message = "it is not a regular file";
            Err(Error::new(Code::BadFormat, "opening", message).with_path(path))
        }
    }
}
