//! The state of a set in numbers: what each volume holds, what waits for a copy, what could be reclaimed.
//!
//! One pass through the two large tables side by side, both in the order of their keys; a few numbers a
//! volume is all that is kept. It sees the set as it was after the last run, and only reads.

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{OptionalExtension, Row, params};

use super::Catalog;
use super::schema::ROOT_PARENT;
use super::volumes::{Fate, Volume};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::meta::Kind;

/// Rows between two looks at the cancel token.
const STRIDE: u32 = 16_384;

/// Regular files and the bytes of their content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    /// From a row of count and sum.
    pub(super) fn from_row(r: &Row<'_>) -> rusqlite::Result<Amount> {
        Ok(Amount {
            files: r.get::<_, i64>(0)? as u64,
            bytes: r.get::<_, i64>(1)? as u64,
        })
    }
}

/// The last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Its number.
    pub id: i64,
    /// When it began, seconds since 1970.
    pub started: i64,
    /// When it ended; `None` while it goes on, and when it was killed.
    pub ended: Option<i64>,
    /// How: `exit N`, or `broken off`.
    pub outcome: Option<String>,
}

/// What a volume holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The volume as the catalog knows it.
    pub volume: Volume,
    /// All regular files on it.
    pub all: Amount,
    /// Of these: removed from the source.
    pub gone: Amount,
    /// Of these: under another name in the source now.
    pub renamed: Amount,
    /// Of these: older versions, of which a newer one is on a volume in use.
    pub superseded: Amount,
    /// Of these: in no source, and on no other volume that is there.
    pub alone: Amount,
    /// Whether it carries no list of the whole set, or one that is not up to date.
    pub stale_list: bool,
}

/// The state of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Regular files in the sources, as of the last look at them.
    pub source: Amount,
    /// Of these: what waits for a copy.
    pub waiting: Amount,
    /// Of what waits: what was tried and failed in its run.
    pub failed: Amount,
    /// Of what waits: what a retired volume holds as it is.
    pub on_retired: Amount,
    /// Directories, links and special files that wait for a copy.
    pub waiting_others: u64,
    /// Copies of each file that are wanted.
    pub copies: u64,
    /// Several are wanted, or were: see [`super::copies`].
    pub several: bool,
    /// Files that are backed up, in fewer copies than that.
    pub fewer: Amount,
    /// Files that were on lost volumes, and are in no source and on no other one.
    pub lost: Amount,
    /// The last run, if there was one.
    pub last_run: Option<LastRun>,
    /// The volumes, by number.
    pub volumes: Vec<Held>,
}

/// The columns of an entry that count here.
struct Entry {
    kind: u8,
    size: u64,
    time: (i64, i64),
    need: i64,
    gone: bool,
    /// A source has been seen to hold it.
    seen: bool,
    /// It is a part of a file, which is counted itself.
    part: bool,
    /// It waits for parts of it, and has not failed.
    in_parts: bool,
}

/// The columns of a placement that count here.
struct Version {
    volume: u32,
    kind: u8,
    size: u64,
    time: (i64, i64),
    /// It belongs to an entry of another name now.
    renamed: bool,
}

impl Version {
    /// That the copy is what the entry is now; the rule of `place.rs`.
    fn holds(&self, e: &Entry) -> bool {
        const FILE: u8 = Kind::File as u8;
        const DIR: u8 = Kind::Dir as u8;
        self.kind == e.kind
            && (e.kind == DIR || (self.time == e.time && (e.kind != FILE || self.size == e.size)))
    }
}

impl Catalog {
    /// Sums the set up.
    ///
    /// # Errors
    /// What SQLite answers; `Code::Cancelled`.
    pub fn status(&self, cancel: &CancelToken) -> Result<Status> {
        // One state of the set, whoever writes meanwhile. Nothing is written, so the end is always good.
        self.begin()?;
        let status = self.sum_up(cancel);
        self.commit()?;
        status
    }

    fn sum_up(&self, cancel: &CancelToken) -> Result<Status> {
        let revision = self.revision()?;
        let volumes = self.volumes()?.into_iter();
        let mut status = Status {
            copies: u64::from(self.copies()),
            several: self.has_several_copies(),
            last_run: self.last_run()?,
            lost: self.conn.query_row(
                "SELECT count(*), coalesce(sum(size), 0) FROM lost WHERE kind = 0",
                [],
                Amount::from_row,
            )?,
            volumes: volumes.map(|v| Held::new(v, revision)).collect(),
            ..Status::default()
        };
        let mut entries = self.conn.prepare(
            "SELECT dir, name, kind, size, mtime, mtime_ns, need, gone, ino, source, \
             need < 0 AND kind = 0 AND EXISTS (SELECT 1 FROM split s WHERE s.dir = entry.dir AND s.name = entry.name \
             AND s.stale = 0) FROM entry WHERE dir > ?1 \
             ORDER BY dir, name",
        )?;
        let mut entries = entries.query([ROOT_PARENT])?;
        let mut copies = self.conn.prepare(
            "SELECT dir, name, volume, kind, size, mtime, mtime_ns FROM placement WHERE dir > ?1 AND part = 0 \
             ORDER BY dir, name, volume",
        )?;
        let mut copies = copies.query([ROOT_PARENT])?;
        copies.advance()?;
        let mut renamed = self
            .conn
            .prepare("SELECT volume FROM moved WHERE from_dir = ?1 AND from_name = ?2")?;
        let any_moves = self.any_moves()?;
        let mut of_entry: Vec<Version> = Vec::new();
        let mut seen = 0u32;
        while let Some(row) = entries.next()? {
            seen += 1;
            if seen.is_multiple_of(STRIDE) {
                cancel.check()?;
            }
            of_entry.clear();
            let (dir, name) = key_of(row)?;
            while let Some(copy) = copies.get() {
                let key = key_of(copy)?;
                if key > (dir, name) {
                    break;
                }
                if key == (dir, name) {
                    of_entry.push(Version {
                        volume: copy.get(2)?,
                        kind: copy.get(3)?,
                        size: copy.get::<_, i64>(4)? as u64,
                        time: (copy.get(5)?, copy.get(6)?),
                        renamed: false,
                    });
                }
                copies.advance()?;
            }
            if any_moves && !of_entry.is_empty() {
                let mut rows = renamed.query(params![dir, name])?;
                while let Some(row) = rows.next()? {
                    let volume: u32 = row.get(0)?;
                    for copy in of_entry.iter_mut().filter(|c| c.volume == volume) {
                        copy.renamed = true;
                    }
                }
            }
            let entry = Entry {
                kind: row.get(2)?,
                size: row.get::<_, i64>(3)? as u64,
                time: (row.get(4)?, row.get(5)?),
                need: row.get(6)?,
                gone: row.get::<_, i64>(7)? != 0,
                seen: row.get::<_, i64>(8)? != 0,
                part: row.get::<_, i64>(9)? < 0,
                in_parts: row.get(10)?,
            };
            let mut on = status.copies_holding(&entry, &of_entry);
            if status.several && on < status.copies && entry.kind == Kind::File as u8 {
                // By their digests, or under a name that it had, more may hold it.
                on = self.copies_of(dir, name)?.into();
            }
            // A directory of another name comes onto its drive with what is renamed into it.
            let waits_for_rename = any_moves && entry.kind == Kind::Dir as u8;
            status.add(&entry, &of_entry, on, waits_for_rename);
        }
        Ok(status)
    }

    fn last_run(&self) -> Result<Option<LastRun>> {
        Ok(self
            .conn
            .query_row(
                "SELECT id, started, ended, outcome FROM run ORDER BY id DESC LIMIT 1",
                [],
                |r| {
                    Ok(LastRun {
                        id: r.get(0)?,
                        started: r.get(1)?,
                        ended: r.get(2)?,
                        outcome: r.get(3)?,
                    })
                },
            )
            .optional()?)
    }
}

/// Directory and name, the first two columns.
fn key_of<'r>(row: &'r Row<'_>) -> rusqlite::Result<(i64, &'r [u8])> {
    Ok((row.get(0)?, row.get_ref(1)?.as_blob()?))
}

impl Held {
    fn new(volume: Volume, revision: i64) -> Held {
        Held {
            stale_list: volume.listed < revision,
            volume,
            all: Amount::default(),
            gone: Amount::default(),
            renamed: Amount::default(),
            superseded: Amount::default(),
            alone: Amount::default(),
        }
    }
}

impl Status {
    /// How many of the wanted copies hold the entry as it is now, by what can be seen from these rows; of a
    /// plain set, how many volumes.
    fn copies_holding(&self, e: &Entry, copies: &[Version]) -> u64 {
        let holding = copies.iter().filter(|c| c.holds(e));
        let of = holding.filter_map(|c| self.in_use(c.volume));
        if !self.several {
            return of.count() as u64;
        }
        let bits = of
            .filter(|copy| u64::from(*copy) <= self.copies)
            .fold(0u64, |bits, copy| bits | 1 << copy);
        u64::from(bits.count_ones())
    }

    /// `current`: in how many copies it is; `waits_for_rename`: nothing is to be copied for it.
    fn add(&mut self, e: &Entry, copies: &[Version], current: u64, waits_for_rename: bool) {
        const FILE: u8 = Kind::File as u8;
        let in_source = e.seen && !e.gone;
        let on_retired = copies
            .iter()
            .any(|c| self.fate(c.volume) == Fate::Retired && c.holds(e));
        if in_source && !e.part {
            if e.kind == FILE {
                self.source.add(e.size);
                let waits = match self.several {
                    true => current == 0,
                    false => e.need != 0,
                };
                if waits {
                    self.waiting.add(e.size);
                    if e.need < 0 && !e.in_parts {
                        self.failed.add(e.size);
                    }
                    if on_retired {
                        self.on_retired.add(e.size);
                    }
                } else if current > 0 && current < self.copies {
                    self.fewer.add(e.size);
                }
            } else if e.need != 0 && !waits_for_rename {
                self.waiting_others += 1;
            }
        }
        for copy in copies.iter().filter(|c| c.kind == FILE) {
            let elsewhere = copies.iter().any(|o| {
                o.volume != copy.volume
                    && (o.kind, o.size, o.time) == (copy.kind, copy.size, copy.time)
                    && self.fate(o.volume) != Fate::Lost
            });
            let holds = copy.holds(e);
            let newer = match self.several {
                true => copies.iter().any(|o| {
                    o.holds(e)
                        && self
                            .in_use(o.volume)
                            .is_some_and(|of| self.in_use(copy.volume) == Some(of))
                }),
                false => e.need == 0 && current > 0,
            };
            let Some(held) = self.held(copy.volume) else {
                continue;
            };
            held.all.add(copy.size);
            if copy.renamed {
                held.renamed.add(copy.size);
                continue;
            }
            if e.gone {
                held.gone.add(copy.size);
            } else if !holds && newer {
                held.superseded.add(copy.size);
            }
            if !elsewhere && !in_source {
                held.alone.add(copy.size);
            }
        }
    }

    fn fate(&self, number: u32) -> Fate {
        self.volumes
            .iter()
            .find(|h| h.volume.number == number)
            .map_or(Fate::None, |h| h.volume.fate)
    }

    /// The copy that a volume in use belongs to.
    fn in_use(&self, number: u32) -> Option<u32> {
        self.volumes
            .iter()
            .find(|h| h.volume.number == number && h.volume.fate == Fate::None)
            .map(|h| h.volume.copy)
    }

    fn held(&mut self, number: u32) -> Option<&mut Held> {
        self.volumes.iter_mut().find(|h| h.volume.number == number)
    }
}
