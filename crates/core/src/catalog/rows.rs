//! What a scan writes: rows added, brought up to date, and marked as gone.
//!
//! Only differences are written. Nothing is deleted here: a row goes when no drive holds the entry.

use rusqlite::params;

use super::Catalog;
use super::order::{ENTRY_COLUMNS, Row, entry_from_row};
use super::scan::Scan;
use super::schema::{ROOT_DIR, ROOT_PARENT};
use crate::error::{Code, Error, Result};
use crate::meta::{Kind, Meta};

/// Rows of a directory that is gone that are read at once.
pub(super) const PAGE: usize = 512;

impl Scan<'_> {
    /// Brings a known row up to date; writes nothing when nothing differs.
    pub(super) fn refresh(&mut self, row: &Row, meta: &Meta) -> Result<()> {
        let old = &row.meta;
        let mut meta = *meta;
        if row.need == 0 && old.size == meta.size && self.same.time(old, &meta) {
            // Whatever counts as equal keeps the time that is known.
            meta.mtime = old.mtime;
        }
        let meta = &meta;
        if self.same.content && old.kind == Kind::File && meta.kind == Kind::File {
            self.catalog.note_to_compare(row.dir, &row.name)?;
            self.since_commit += 1;
        }
        // A directory's size and time change with what is in it; that alone copies nothing.
        let content_differs = meta.kind != Kind::Dir
            && (old.kind != meta.kind
                || old.size != meta.size
                || old.mtime != meta.mtime
                || old.rdev != meta.rdev);
        // What it was last seen as says nothing of a version that a drive has brought along, or of an entry
        // that only drives have told of so far: there what they hold counts.
        let need = if content_differs || old.ino == 0 {
            if self.is_held(row, meta)? {
                0
            } else {
                self.run
            }
        } else if row.need != 0 {
            self.run
        } else {
            0
        };
        if content_differs && need != 0 && row.need == 0 && row.gone == 0 {
            if meta.kind == Kind::File {
                self.tally.changed_files += 1;
                self.tally.changed_bytes += meta.size;
            }
        } else if need != 0 {
            self.count_new(meta);
        }
        let source = match row.source {
            0 => self.source,
            known => known,
        };
        if *old == *meta && row.need == need && row.gone == 0 && row.source == source {
            return Ok(());
        }
        // The root of the drives is written by every run, and a mode by many: neither is in a job file.
        let file = old.kind == Kind::File || meta.kind == Kind::File;
        self.relisted |= row.gone != 0
            || (file && (old.kind != meta.kind || old.size != meta.size || row.source != source));
        let mut stmt = self.catalog.conn.prepare_cached(
            "UPDATE entry SET kind = ?3, size = ?4, allocated = ?5, mtime = ?6, mtime_ns = ?7, mode = ?8, \
             uid = ?9, gid = ?10, dev = ?11, ino = ?12, nlink = ?13, rdev = ?14, need = ?15, source = ?16, gone = 0, \
             sha256 = CASE WHEN ?17 THEN NULL ELSE sha256 END, \
             blake3 = CASE WHEN ?17 THEN NULL ELSE blake3 END, changed = ?18, flags = ?19 \
             WHERE dir = ?1 AND name = ?2",
        )?;
        stmt.execute(params![
            row.dir,
            row.name,
            meta.kind as u8,
            meta.size as i64,
            meta.allocated as i64,
            meta.mtime.sec,
            meta.mtime.nsec,
            meta.mode,
            meta.uid,
            meta.gid,
            meta.dev as i64,
            meta.ino as i64,
            meta.nlink,
            meta.rdev as i64,
            need,
            source,
            content_differs,
            meta.changed,
            meta.flags
        ])?;
        if need == 0 && old.changed != meta.changed {
            self.catalog.look_at_attributes(row.dir, &row.name)?;
        }
        // What only drives have told of was never looked at.
        let other_file = meta.nlink < 2 || (old.ino != 0 && old.ino != meta.ino);
        if old.kind == Kind::File && (old.nlink > 1 || old.ino == 0) && other_file {
            self.catalog.no_same_file(row)?;
        }
        self.since_commit += 1;
        Ok(())
    }

    /// Whether a volume holds an entry as it is now.
    fn is_held(&self, row: &Row, meta: &Meta) -> Result<bool> {
        if self.catalog.is_in_parts(row.dir, &row.name, meta)? {
            return Ok(true);
        }
        if self.catalog.has_several_copies() {
            return self.catalog.all_copies_hold(row.dir, &row.name, meta);
        }
        Ok(self
            .catalog
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM placement WHERE dir = ?1 AND name = ?2 AND kind = ?3 \
                 AND (?3 = 1 OR (mtime = ?5 AND mtime_ns = ?6 AND (?3 <> 0 OR size = ?4)) ))",
            )?
            .query_row(
                params![
                    row.dir,
                    row.name,
                    meta.kind as u8,
                    meta.size as i64,
                    meta.mtime.sec,
                    meta.mtime.nsec
                ],
                |r| r.get(0),
            )?)
    }

    pub(super) fn upsert_dir(
        &mut self,
        parent: i64,
        name: &[u8],
        meta: &Meta,
    ) -> Result<(i64, bool)> {
        if let Some(row) = self.catalog.entry(parent, name)? {
            self.refresh(&row, meta)?;
            return Ok((row.child, false));
        }
        let conn = &self.catalog.conn;
        let id = if parent == ROOT_PARENT {
            ROOT_DIR
        } else {
            conn.prepare_cached("INSERT INTO dir(parent, name) VALUES(?1, ?2)")?
                .execute(params![parent, name])?;
            conn.last_insert_rowid()
        };
        self.insert(parent, name, meta, id)?;
        // The root exists before its first entry does, and a source that joins later may find it filled.
        Ok((id, parent != ROOT_PARENT))
    }

    pub(super) fn insert(&mut self, dir: i64, name: &[u8], meta: &Meta, child: i64) -> Result<()> {
        if self.shared {
            self.refuse_other_kind(dir, name)?;
        }
        let inserted = self
            .catalog
            .insert_entry(dir, name, self.source, meta, child, self.run);
        match inserted {
            Err(e) if e.code == Code::Collision => return Err(self.collision(dir, name)?),
            other => other?,
        }
        self.relisted = true;
        self.since_commit += 1;
        Ok(())
    }

    /// A directory and something else have different keys in the catalog and one path on a drive.
    fn refuse_other_kind(&self, dir: i64, name: &[u8]) -> Result<()> {
        let other = match name.strip_suffix(b"/") {
            Some(bare) => bare.to_vec(),
            None => [name, b"/"].concat(),
        };
        let taken: bool = self
            .catalog
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM entry WHERE dir = ?1 AND name = ?2 AND source <> ?3 AND gone = 0)",
            )?
            .query_row(params![dir, other, self.source], |r| r.get(0))?;
        if taken {
            return Err(self.collision(dir, name)?);
        }
        Ok(())
    }

    fn collision(&self, dir: i64, name: &[u8]) -> Result<Error> {
        let mut path = self.catalog.dir_path(dir)?;
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.strip_suffix(b"/").unwrap_or(name));
        let is_part: bool = self
            .catalog
            .conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM part WHERE dir = ?1 AND name = ?2)")?
            .query_row(params![dir, name], |r| r.get(0))?;
        let message = if is_part {
            "the drives have a part of a larger file under this name; rename it in the source, or remove it there"
        } else {
            "two of the sources have an entry that would lie there on the drives"
        };
        Ok(Error::new(Code::Collision, "placing", message).with_path(&path))
    }

    /// Marks an entry, and all below it, as gone; a directory only when nothing of another source is
    /// left in it. What an earlier run found gone is marked anew: it was looked for again. What a directory holds
    /// comes in pages, so memory grows with the depth only.
    pub(super) fn gone(&mut self, row: &Row) -> Result<()> {
        if row.child == 0 {
            return self.mark_gone(row);
        }
        let mut stack = vec![self.inside(row.clone())?];
        while let Some(frame) = stack.last_mut() {
            let Some(row) = frame.rows.next() else {
                if frame.more {
                    let (dir, last) = (frame.dir.child, std::mem::take(&mut frame.last));
                    frame.rows = self.known_page(dir, &last)?.into_iter();
                    frame.more = frame.rows.len() == PAGE;
                } else if let Some(frame) = stack.pop() {
                    self.mark_gone(&frame.dir)?;
                }
                continue;
            };
            frame.last.clone_from(&row.name);
            if row.child == 0 {
                self.mark_gone(&row)?;
            } else {
                let inside = self.inside(row)?;
                stack.push(inside);
            }
        }
        Ok(())
    }

    fn inside(&self, dir: Row) -> Result<Frame> {
        let rows = self.known_page(dir.child, b"")?.into_iter();
        Ok(Frame {
            more: rows.len() == PAGE,
            dir,
            rows,
            last: Vec::new(),
        })
    }

    /// What is known in a directory after a name, of this source and of none (learned from a drive): up to [`PAGE`]
    /// rows.
    pub(super) fn known_page(&self, dir: i64, after: &[u8]) -> Result<Vec<Row>> {
        let mut stmt = self.catalog.conn.prepare_cached(&format!(
            "SELECT {ENTRY_COLUMNS} FROM entry WHERE dir = ?1 AND name > ?3 AND source IN (?2, 0) \
             ORDER BY name LIMIT {PAGE}"
        ))?;
        let rows = stmt.query_map(params![dir, self.source, after], entry_from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn mark_gone(&mut self, row: &Row) -> Result<()> {
        if row.gone == self.run || row.source != self.source {
            return Ok(());
        }
        let conn = &self.catalog.conn;
        if row.child != 0 {
            let held: bool = conn
                .prepare_cached("SELECT EXISTS(SELECT 1 FROM entry WHERE dir = ?1 AND gone = 0 AND source >= 0)")?
                .query_row([row.child], |r| r.get(0))?;
            if held {
                return Ok(());
            }
        }
        let news = (row.gone == 0 || self.unsettled.contains(&row.gone))
            && !(self.any_moves && self.catalog.has_other_name(row)?);
        if row.meta.kind == Kind::File && news {
            self.tally.gone_files += 1;
            self.tally.gone_bytes += row.meta.size;
        }
        self.any_gone = true;
        conn.prepare_cached("UPDATE entry SET gone = ?3 WHERE dir = ?1 AND name = ?2")?
            .execute(params![row.dir, row.name, self.run])?;
        self.relisted |= row.gone == 0;
        self.since_commit += 1;
        Ok(())
    }
}

/// A directory that is gone, and where in it we are.
struct Frame {
    dir: Row,
    rows: std::vec::IntoIter<Row>,
    last: Vec<u8>,
    more: bool,
}

impl Catalog {
    /// Inserts an entry that the catalog does not know.
    ///
    /// # Errors
    /// What SQLite answers.
    pub(crate) fn insert_entry(
        &self,
        dir: i64,
        name: &[u8],
        source: i64,
        meta: &Meta,
        child: i64,
        need: i64,
    ) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO entry VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, \
                 ?15, ?16, ?17, 0, NULL, NULL, ?18, ?19)",
            )?
            .execute(params![
                dir,
                name,
                source,
                meta.kind as u8,
                meta.size as i64,
                meta.allocated as i64,
                meta.mtime.sec,
                meta.mtime.nsec,
                meta.mode,
                meta.uid,
                meta.gid,
                meta.dev as i64,
                meta.ino as i64,
                meta.nlink,
                meta.rdev as i64,
                child,
                need,
                meta.changed,
                meta.flags
            ])?;
        Ok(())
    }
}
