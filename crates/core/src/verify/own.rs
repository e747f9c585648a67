//! Reading what a drive says that it holds, and holding its own files against their seals and each other.
//!
//! A damaged file of ours is a finding and never the end: without a manifest the sums tell which content is
//! expected, without volume.json the manifest tells which volume it is.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::resume_unwind;
use std::thread;

use rusqlite::params;
use sha2::{Digest as _, Sha256};

use super::list::{Tables, fault};
use super::session::Session;
use crate::cancel::CancelToken;
use crate::engine::drive::join;
use crate::engine::own::regular;
use crate::error::{Code, Error, IoContext, Result, strerror};
use crate::format::item::{Algorithm, Item, OWN_DIR};
use crate::format::journal::{self, Record};
use crate::format::verify::Word;
use crate::format::volumejson::{self, VolumeJson};
use crate::format::{manifest, setlist, sums};
use crate::sys;

const LIST: &str = "catalog.jsonl";

/// What is wrong with one of our own files: its name in `.mvcopy`, the word, the errno, and in words.
pub(super) type Fault = (&'static str, Word, Option<i32>, String);

/// The drive's own directory.
pub(super) struct Own<'a> {
    pub own: &'a OwnedFd,
    /// The path of `.mvcopy`, for errors.
    pub path: Vec<u8>,
}

/// What the drive says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// volume.json, where it can be understood and agrees with its seal.
    pub identity: Option<VolumeJson>,
    /// The ids and the number, from volume.json or the manifest.
    pub volume: Option<manifest::Header>,
    /// What is wrong with our own files.
    pub faults: Vec<Fault>,
    /// There is a journal: a run was broken off, or goes on.
    pub journal: bool,
    /// The manifest could not be used.
    pub no_manifest: bool,
}

impl Own<'_> {
    pub fn open(&self, name: &str) -> Result<Option<(File, Vec<u8>)>> {
        let path = join(&self.path, name.as_bytes());
        let fd = match sys::open_for_reading(self.own.as_fd(), name.as_bytes()) {
            Ok(fd) => fd,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).at("opening", &path),
        };
        regular(&fd, &path)?;
        // What is in memory may be better than what is on the drive.
        sys::drop_cache(&fd);
        Ok(Some((File::from(fd), path)))
    }

    fn reader(&self, name: &str) -> Result<Option<(BufReader<File>, Vec<u8>)>> {
        let opened = self.open(name)?;
        Ok(opened.map(|(file, path)| (BufReader::with_capacity(1 << 16, file), path)))
    }

    /// Reads and checks everything; what the drive should hold goes into `tables`. `seeks`: the drive has to seek, so
    /// no two files of it are read at the same time.
    ///
    /// # Errors
    /// `Code::BadFormat` for a drive that a newer version wrote; `Code::Cancelled`; `Code::Io` of the tables.
    pub fn read(&self, tables: &Tables, seeks: bool, cancel: &CancelToken) -> Result<Said> {
        let mut said = Said::default();
        self.read_identity(&mut said)?;
        if seeks {
            self.read_lists_of_this(tables, &mut said, cancel)?;
            let read = self.read_list(cancel);
            judge_list(&mut said, read)?;
            return Ok(said);
        }
        thread::scope(|scope| {
            // Nothing else needs the list of the set.
            let list = thread::Builder::new()
                .name("mvc-list".to_owned())
                .spawn_scoped(scope, || self.read_list(cancel))
                .map_err(|e| Error::no_thread(&e))?;
            self.read_lists_of_this(tables, &mut said, cancel)?;
            let read = list.join().unwrap_or_else(|e| resume_unwind(e));
            judge_list(&mut said, read)
        })?;
        Ok(said)
    }

    /// Reads what tells of this volume alone.
    fn read_lists_of_this(
        &self,
        tables: &Tables,
        said: &mut Said,
        cancel: &CancelToken,
    ) -> Result<()> {
        match self.read_manifest(tables, said, cancel)? {
            Some(lines) => {
                for one in lines {
                    self.check_sums(tables, said, one.by, Some(one))?;
                }
            }
            None => {
                for by in [Algorithm::Sha256, Algorithm::Blake3] {
                    self.check_sums(tables, said, by, None)?;
                }
            }
        }
        self.read_journal(tables, said, cancel)
    }

    fn read_identity(&self, said: &mut Said) -> Result<()> {
        const NAME: &str = "volume.json";
        let bytes = match self.bytes(NAME) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let why = "it is not there".to_owned();
                said.faults.push((NAME, Word::Missing, None, why));
                return Ok(());
            }
            Err(e) => return said.own_fault(NAME, e),
        };
        let seal = volumejson::seal(&bytes);
        match volumejson::parse(&bytes) {
            // Who notes the session makes a seal, too: one that is not there was lost.
            Ok(identity)
                if seal == Some(true) || (seal.is_none() && !Session::is_noted(&identity)) =>
            {
                said.volume = Some(manifest::Header {
                    set: identity.set.id.clone(),
                    volume: identity.volume.id.clone(),
                    number: identity.volume.number,
                });
                said.identity = Some(identity);
                Ok(())
            }
            // It is as it was written: a newer version did.
            Err(e) if seal == Some(true) => Err(e.with_path(&join(&self.path, NAME.as_bytes()))),
            Ok(_) => {
                let why = "it does not agree with its own seal".to_owned();
                said.faults.push((NAME, Word::Damaged, None, why));
                Ok(())
            }
            Err(e) => said.own_fault(NAME, e),
        }
    }

    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((file, path)) = self.open(name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(volumejson::MAX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .at("reading", &path)?;
        Ok(Some(bytes))
    }

    /// Reads the manifest into the table; gives what each sums file should be, where the manifest can be
    /// believed.
    fn read_manifest(
        &self,
        tables: &Tables,
        said: &mut Said,
        cancel: &CancelToken,
    ) -> Result<Option<[Sums; 2]>> {
        const NAME: &str = "manifest.jsonl";
        let (reader, path) = match self.reader(NAME) {
            Ok(Some(opened)) => opened,
            Ok(None) => {
                // Before a drive is closed for the first time there is only a journal.
                if !matches!(self.open("journal.log"), Ok(Some(_))) {
                    let why = "it is not there".to_owned();
                    said.faults.push((NAME, Word::Missing, None, why));
                    said.no_manifest = true;
                }
                return Ok(None);
            }
            Err(e) => {
                said.no_manifest = true;
                return said.own_fault(NAME, e).map(|()| None);
            }
        };
        let mut lines = [Algorithm::Sha256, Algorithm::Blake3].map(Sums::new);
        let mut line = Vec::new();
        let read = tables.atomically(|| {
            manifest::read_beside(reader, &path, &mut |item| {
                cancel.check()?;
                if let (Some(digest), true) = (&item.digest, item.stored)
                    && sums::takes(digest.algorithm, item.on_drive())
                    && let Some(one) = lines.iter_mut().find(|one| one.by == digest.algorithm)
                {
                    line.clear();
                    sums::push_line(&mut line, digest, item.on_drive());
                    one.hash.update(&line);
                    one.lines += 1;
                }
                tables.put(&item)
            })
        });
        let header = match read {
            Ok(header) => header,
            Err(e) if e.code == Code::Cancelled || e.path.is_none() => return Err(e),
            Err(e) => {
                said.no_manifest = true;
                return said.own_fault(NAME, e).map(|()| None);
            }
        };
        if said.volume.as_ref().is_some_and(|v| *v != header) {
            tables.run("DELETE FROM item", [])?;
            said.no_manifest = true;
            let why = "it is the manifest of another volume".to_owned();
            said.faults.push((NAME, Word::Damaged, None, why));
            return Ok(None);
        }
        said.volume = Some(header);
        Ok(Some(lines))
    }

    fn check_sums(
        &self,
        tables: &Tables,
        said: &mut Said,
        by: Algorithm,
        lines: Option<Sums>,
    ) -> Result<()> {
        let name = sums::file_name(by);
        let opened = match self.reader(name) {
            Ok(opened) => opened,
            Err(e) => return said.own_fault(name, e),
        };
        match (opened, lines) {
            (None, Some(Sums { lines: 1.., .. })) => {
                let why = "it is not there".to_owned();
                said.faults.push((name, Word::Missing, None, why));
                Ok(())
            }
            (None, _) => Ok(()),
            (Some((reader, path)), Some(expected)) => match hash_of(reader, &path) {
                Ok(found) if found == <[u8; 32]>::from(expected.hash.finalize()) => Ok(()),
                Ok(_) => {
                    let why = "it does not agree with the manifest".to_owned();
                    said.faults.push((name, Word::Damaged, None, why));
                    Ok(())
                }
                Err(e) => said.own_fault(name, e),
            },
            (Some((reader, path)), None) => {
                // Without a manifest these are the only word about the content.
                let bad = tables.atomically(|| {
                    sums::read_readable(reader, &path, by, &mut |digest, name| {
                        tables.put_digest(name, digest)
                    })
                });
                match bad {
                    Ok(0) => Ok(()),
                    Ok(n) => {
                        let why = format!("{n} of its lines make no sense");
                        said.faults.push((name, Word::Damaged, None, why));
                        Ok(())
                    }
                    Err(e) => said.own_fault(name, e),
                }
            }
        }
    }

    fn read_journal(&self, tables: &Tables, said: &mut Said, cancel: &CancelToken) -> Result<()> {
        const NAME: &str = "journal.log";
        let (reader, path) = match self.reader(NAME) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(()),
            Err(e) => return said.own_fault(NAME, e),
        };
        said.journal = true;
        let read = tables.atomically(|| {
            let good = journal::read(reader, &path, &mut |record| {
                cancel.check()?;
                apply(tables, record)
            })?;
            // What was only intended may be there or not, as it was or as it is to be.
            tables.run(
                "INSERT INTO item(key, kind, state) SELECT key, 0, 2 FROM intent WHERE true \
                 UNION SELECT was, 0, 2 FROM intent WHERE was IS NOT NULL \
                 ON CONFLICT(key) DO UPDATE SET state = 2",
                [],
            )?;
            Ok(good)
        });
        match read {
            Ok(good) if good.torn || good.corrupt => {
                let why = match good.corrupt {
                    true => "it is damaged in the middle",
                    false => "its end is not whole: a power cut, or damage",
                };
                said.faults
                    .push((NAME, Word::Damaged, None, why.to_owned()));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(e) if e.code == Code::Cancelled || e.path.is_none() => Err(e),
            Err(e) => said.own_fault(NAME, e),
        }
    }

    /// Reads the list of the set, where there is one, to its last line.
    fn read_list(&self, cancel: &CancelToken) -> Result<Option<setlist::Header>> {
        self.reader(LIST)?
            .map(|(reader, path)| setlist::read(reader, &path, &mut |_| cancel.check()))
            .transpose()
    }
}

fn judge_list(said: &mut Said, read: Result<Option<setlist::Header>>) -> Result<()> {
    match read {
        Ok(Some(header)) if said.volume.as_ref().is_some_and(|v| v.set != header.set) => {
            let why = "it is the list of another set".to_owned();
            said.faults.push((LIST, Word::Damaged, None, why));
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(e) => said.own_fault(LIST, e),
    }
}

impl Said {
    /// Makes a finding of what reading one of our files answered.
    fn own_fault(&mut self, name: &'static str, e: Error) -> Result<()> {
        match (e.code, e.errno) {
            (Code::Cancelled, _) => return Err(e),
            (_, Some(errno)) => {
                let why = format!("{}: {}", e.doing, strerror(errno));
                self.faults.push((name, Word::Unreadable, Some(errno), why));
            }
            _ => self.faults.push((name, Word::Damaged, None, e.message)),
        }
        Ok(())
    }
}

/// The key of one of our own files.
pub(super) fn own_key(name: &str) -> Vec<u8> {
    join(OWN_DIR, name.as_bytes())
}

/// What a sums file should be, by the manifest.
struct Sums {
    by: Algorithm,
    /// SHA-256 of all its lines.
    hash: Sha256,
    lines: u64,
}

impl Sums {
    fn new(by: Algorithm) -> Self {
        Sums {
            by,
            hash: Sha256::new(),
            lines: 0,
        }
    }
}

fn hash_of(mut reader: impl Read, path: &[u8]) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match reader.read(&mut block) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => hash.update(&block[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e).at("reading", path),
        }
    }
}

/// Applies one record: what a barrier has covered is held.
fn apply(tables: &Tables, record: Record) -> Result<()> {
    match record {
        Record::Start { .. } => Ok(()),
        Record::Intent { id, item, .. } => intend(tables, id, None, &item),
        Record::Moving { id, from, item } => intend(tables, id, Some(&from), &item),
        Record::Done { ids } => ids.into_iter().try_for_each(|(first, last)| {
            tables
                .run(
                    "UPDATE intent SET done = 1 WHERE id BETWEEN ?1 AND ?2",
                    [number(first), number(last)],
                )
                .map(drop)
        }),
        Record::Durable { through } => {
            let mut statement = tables
                .db
                .prepare_cached(
                    "SELECT was, json FROM intent WHERE done = 1 AND id <= ?1 ORDER BY id",
                )
                .map_err(fault)?;
            let mut rows = statement.query([number(through)]).map_err(fault)?;
            while let Some(r) = rows.next().map_err(fault)? {
                let was: Option<Vec<u8>> = r.get(0).map_err(fault)?;
                let json: Vec<u8> = r.get(1).map_err(fault)?;
                let item = Item::decode(&json)?;
                if let Some(was) = was
                    && item.kind != crate::meta::Kind::Dir
                {
                    tables.remove(was.strip_suffix(b"/").unwrap_or(&was))?;
                }
                hold(tables, &item)?;
            }
            tables
                .run("DELETE FROM intent WHERE id <= ?1", [number(through)])
                .map(drop)
        }
        Record::Removed { path } => tables.remove(&path),
        Record::Mended { item } => hold(tables, &item),
    }
}

/// An entry stands now, and with it the directories above it.
fn hold(tables: &Tables, item: &Item) -> Result<()> {
    tables.remove(&item.path)?;
    tables.put(item)?;
    // An alias has as many components as the path.
    let mut ends = memchr::memchr_iter(b'/', item.on_drive());
    for at in memchr::memchr_iter(b'/', &item.path) {
        let (key, there) = (&item.path[..=at], ends.next());
        let alias = there.map(|end| &item.on_drive()[..end]);
        let alias = alias.filter(|alias| *alias != &item.path[..at]);
        tables.run(
            "INSERT OR IGNORE INTO item(key, kind, size, sec, nsec, timed, state, alias) \
             VALUES(?1, 1, 0, 0, 0, 1, 0, ?2)",
            params![key, alias],
        )?;
        tables.put_alias(key, alias)?;
    }
    Ok(())
}

fn intend(tables: &Tables, id: u64, from: Option<&[u8]>, item: &Item) -> Result<()> {
    let mut json = Vec::new();
    item.encode(&mut json);
    tables.put_alias(&item.sort_key(), item.alias.as_deref())?;
    let was = from.map(|from| match item.kind {
        crate::meta::Kind::Dir => [from, b"/"].concat(),
        _ => from.to_vec(),
    });
    tables.run(
        "INSERT OR REPLACE INTO intent VALUES(?1, 0, ?2, ?3, ?4)",
        params![number(id), was, item.sort_key(), json],
    )?;
    Ok(())
}

/// Ids are far below 2^63 in any journal that was written; a hostile one gets the last of them.
fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
