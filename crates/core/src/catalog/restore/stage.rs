//! Making the work list of a restore from what the user names.

use std::collections::BTreeSet;

use rusqlite::params;

use super::super::Catalog;
use super::super::query::{Hit, Standing};
use super::super::volumes::Fate;
use super::{BYTES, Staged, bytes, count};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::filter::search::{Patterns, Reading};
use crate::format::part::Part;
use crate::meta::{Kind, Time};

/// Hits of a page of the search.
const PAGE: usize = 4096;

impl Catalog {
    /// The patterns for what a user names: a path that the set knows means it and all below it; anything else
    /// is read as a search reads it. Nothing named: everything.
    ///
    /// # Errors
    /// `Code::BadInput` for a pattern that makes no sense; what SQLite answers.
    pub fn restore_patterns(&self, paths: &[Vec<u8>]) -> Result<Patterns> {
        if paths.is_empty() {
            return Patterns::new(&[b"*".to_vec()], Reading::default());
        }
        let (mut trees, mut others) = (Vec::new(), Vec::new());
        for given in paths {
            let path = bare(given);
            let known = !path.is_empty()
                && (self.find(path, false)?.is_some() || self.find(path, true)?.is_some());
            match known {
                true => trees.push(path),
                false => others.push(given.clone()),
            }
        }
        let mut patterns = Patterns::new(&others, Reading::default())?;
        for path in trees {
            patterns.add_tree(path);
        }
        Ok(patterns)
    }

    /// Makes the work list, or brings it up to date when a drive has told more. What is settled stays so, but
    /// for an entry of which there is a newer version now.
    ///
    /// # Errors
    /// `Code::BadInput`, `Code::Cancelled`, what SQLite answers.
    pub fn restore_stage(&self, paths: &[Vec<u8>], cancel: &CancelToken) -> Result<Staged> {
        let patterns = self.restore_patterns(paths)?;
        let lost: BTreeSet<u32> = self
            .volumes()?
            .into_iter()
            .filter(|v| v.fate == Fate::Lost)
            .map(|v| v.number)
            .collect();
        let mut staged = Staged::default();
        self.atomically(|| {
            self.conn
                .execute("DELETE FROM restore_have WHERE tried = 0", [])?;
            let mut search = self.search(&patterns)?;
            let mut group: Vec<Hit> = Vec::new();
            loop {
                let page = search.page(PAGE, cancel)?;
                if page.is_empty() {
                    break;
                }
                for hit in page {
                    if group.first().is_some_and(|one| dest(one) != dest(&hit)) {
                        self.stage_entry(&group, &lost, &mut staged)?;
                        group.clear();
                    }
                    group.push(hit);
                }
            }
            self.stage_entry(&group, &lost, &mut staged)?;
            // A directory comes with what is in it; only an empty one needs a drive of its own.
            self.conn.execute(
                "UPDATE restore_want SET leaf = NOT EXISTS (SELECT 1 FROM restore_want c WHERE c.kind <> 1 AND \
                 c.path > CAST(restore_want.path || x'2f' AS BLOB) AND \
                 c.path < CAST(restore_want.path || x'30' AS BLOB)) WHERE kind = 1",
                [],
            )?;
            Ok(())
        })?;
        (staged.files, staged.bytes, staged.others) = self.conn.query_row(
            &format!(
                "SELECT count(*) FILTER (WHERE kind = 0 AND whole IS NULL) + count(DISTINCT whole), {BYTES}, \
                 count(*) FILTER (WHERE kind <> 0) \
                 FROM restore_want WHERE leaf = 1"
            ),
            [],
            |r| Ok((count(r, 0)?, bytes(r, 1)?, count(r, 2)?)),
        )?;
        Ok(staged)
    }

    /// All that is known of one entry.
    fn stage_entry(&self, hits: &[Hit], lost: &BTreeSet<u32>, staged: &mut Staged) -> Result<()> {
        let usable = |h: &&Hit| {
            let elsewhere = matches!(
                h.standing,
                Standing::Lost | Standing::NotBackedUp | Standing::Planned
            );
            // Of a file that its drive could not hold there is nothing but its name.
            let recorded_only = h.kind == Kind::File && !h.stored;
            h.volume != 0 && !elsewhere && !lost.contains(&h.volume) && !recorded_only
        };
        let have: Vec<&Hit> = hits.iter().filter(usable).collect();
        let waits = hits
            .iter()
            .any(|h| matches!(h.standing, Standing::NotBackedUp | Standing::Planned));
        let Some(first) = have.first() else {
            let is_dir = hits.iter().any(|h| h.kind == Kind::Dir);
            if waits && !is_dir {
                staged.not_backed_up += 1;
            } else if hits.iter().any(|h| h.volume != 0) && !is_dir {
                staged.lost += 1;
            }
            return Ok(());
        };
        let path = dest(first);
        let chosen = match &first.part {
            None => self.chosen_parts(path)?,
            Some(_) => self.chosen_parts(Part::whole(path))?,
        };
        match (&first.part, chosen) {
            // All that is kept of it as one file is older than its parts.
            (None, Some(_)) if first.kind == Kind::File => return Ok(()),
            (Some(part), chosen) if chosen != Some(part.count) => {
                let any = hits.iter().any(|h| h.volume != 0);
                staged.lost += u64::from(chosen.is_none() && any && part.number == 1);
                return Ok(());
            }
            _ => {}
        }
        if have.iter().all(|h| h.standing == Standing::Gone) && self.is_shadowed(path)? {
            return Ok(());
        }
        let versions = have.iter().any(|h| version(h) != version(first));
        let trusted = !versions || self.was_walked(path, first.kind)?;
        let is_current =
            |h: &Hit| trusted && matches!(h.standing, Standing::Current | Standing::Renamed);
        let order = |h: &&&Hit| (is_current(h), h.mtime);
        let best = have.iter().max_by_key(order).copied().unwrap_or(first);
        if waits && best.kind != Kind::Dir {
            staged.outdated += 1;
        }
        let whole = first.part.as_ref().map(|_| Part::whole(path));
        let (kind, size) = (best.kind as u8, best.size as i64);
        let is_new = self
            .conn
            .prepare_cached(
                "INSERT OR IGNORE INTO restore_want(path, kind, size, leaf, state, whole) \
                 VALUES(?1, ?2, ?3, 1, 0, ?4)",
            )?
            .execute(params![path, kind, size, whole])?;
        let id = match is_new {
            0 => self.stage_again(path, best, whole)?,
            _ => self.conn.last_insert_rowid(),
        };
        let mut insert = self.conn.prepare_cached(
            "INSERT OR IGNORE INTO restore_have VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)",
        )?;
        for hit in have {
            let mut key = hit.path.clone();
            // Any drive that holds a directory will do for it.
            let mtime = match hit.kind {
                Kind::Dir => {
                    key.push(b'/');
                    Time::default()
                }
                _ => hit.mtime,
            };
            let current = hit.kind != Kind::Dir && is_current(hit);
            insert.execute(params![hit.volume, key, id, current, mtime.sec, mtime.nsec])?;
        }
        Ok(())
    }

    /// An entry that is in the work list already; its number. What has been delivered is wanted anew where `best` is
    /// newer.
    fn stage_again(&self, path: &[u8], best: &Hit, whole: Option<&[u8]>) -> Result<i64> {
        let (id, state, sec, nsec): (i64, i64, Option<i64>, Option<u32>) = self
            .conn
            .prepare_cached("SELECT id, state, mtime, mtime_ns FROM restore_want WHERE path = ?1")?
            .query_row([path], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
        let newer = matches!((state, sec, nsec), (1, Some(sec), Some(nsec))
            if best.kind != Kind::Dir && (sec, nsec) < (best.mtime.sec, best.mtime.nsec));
        self.conn
            .prepare_cached(
                "UPDATE restore_want SET kind = ?2, size = ?3, whole = ?5, \
                 state = CASE WHEN ?4 THEN 0 ELSE state END WHERE id = ?1",
            )?
            .execute(params![id, best.kind as u8, best.size as i64, newer, whole])?;
        Ok(id)
    }

    /// Whether something that is in the source stands where an entry that has gone from it was.
    fn is_shadowed(&self, path: &[u8]) -> Result<bool> {
        let is_there = |path: &[u8], is_dir: bool| -> Result<bool> {
            let Some(key) = self.find(path, is_dir)? else {
                return Ok(false);
            };
            Ok(self
                .entry(key.dir, &key.name)?
                .is_some_and(|row| row.gone == 0))
        };
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            if is_there(&path[..at], false)? {
                return Ok(true);
            }
        }
        Ok(is_there(path, false)? || is_there(path, true)?)
    }

    /// Whether a walk has seen the entry: else nobody knows which of several versions the source has.
    fn was_walked(&self, path: &[u8], kind: Kind) -> Result<bool> {
        let Some(key) = self.find(path, kind == Kind::Dir)? else {
            return Ok(false);
        };
        let row = self.entry(key.dir, &key.name)?;
        Ok(row.is_some_and(|row| row.meta.ino != 0))
    }
}

/// A path as the user names it, without slashes at its ends.
fn bare(given: &[u8]) -> &[u8] {
    let start = given.iter().position(|b| *b != b'/').unwrap_or(given.len());
    let end = given
        .iter()
        .rposition(|b| *b != b'/')
        .map_or(start, |n| n + 1);
    &given[start..end]
}

/// The path that a hit is to have.
fn dest(hit: &Hit) -> &[u8] {
    hit.now.as_deref().unwrap_or(&hit.path)
}

fn version(hit: &Hit) -> (Kind, u64, Time) {
    match hit.kind {
        Kind::Dir => (hit.kind, 0, Time::default()),
        Kind::Symlink => (hit.kind, 0, hit.mtime),
        kind => (kind, hit.size, hit.mtime),
    }
}
