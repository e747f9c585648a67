//! What a stored plan gives to a volume, read back from its runs in the order of the paths.
//!
//! Only what still needs its copy comes: an entry that was written meanwhile is passed over.

use rusqlite::{Connection, OptionalExtension, params};

use super::Catalog;
use super::order::{Entries, Ordered, Row};
use crate::error::Result;
use crate::meta::Kind;

impl Catalog {
    /// The first `limit` entries that the plan gives to a volume (0: what fits nowhere): path and size.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn planned(&self, run: i64, volume: u32, limit: usize) -> Result<Vec<(Vec<u8>, u64)>> {
        let mut list = Worklist::new(&self.conn, run, volume)?;
        let mut out = Vec::new();
        while out.len() < limit {
            let Some((path, row)) = list.next_row()? else {
                break;
            };
            out.push((path, row.meta.size));
        }
        Ok(out)
    }
}

/// What the stored plan gives to one volume, entry by entry in path order.
pub struct Worklist<'c> {
    conn: &'c Connection,
    run: i64,
    volume: u32,
    seq: i64,
    current: Option<(Ordered<Entries<'c>>, Vec<u8>)>,
}

impl<'c> Worklist<'c> {
    /// Starts at the first entry.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn new(conn: &'c Connection, run: i64, volume: u32) -> Result<Self> {
        Ok(Worklist {
            conn,
            run,
            volume,
            seq: 0,
            current: None,
        })
    }

    /// The next entry with its path below the drive's root.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn next_row(&mut self) -> Result<Option<(Vec<u8>, Row)>> {
        loop {
            if let Some((entries, last)) = &mut self.current {
                while let Some(row) = entries.next_entry()? {
                    if entries.key() > last.as_slice() {
                        break;
                    }
                    let wanted = row.need == self.run
                        && (row.meta.kind != Kind::Dir || entries.is_empty_dir());
                    if wanted {
                        return Ok(Some((entries.path().to_vec(), row)));
                    }
                }
                self.current = None;
            }
            let mut stmt = self.conn.prepare_cached(
                "SELECT seq, first, last FROM plan WHERE volume = ?1 AND seq > ?2 ORDER BY seq LIMIT 1",
            )?;
            let next = stmt
                .query_row(params![self.volume, self.seq], |r| {
                    Ok((
                        r.get::<_, i64>(0)?,
                        r.get::<_, Vec<u8>>(1)?,
                        r.get::<_, Vec<u8>>(2)?,
                    ))
                })
                .optional()?;
            let Some((seq, first, last)) = next else {
                return Ok(None);
            };
            self.seq = seq;
            self.current = Some((Ordered::seek(Entries(self.conn), &first)?, last));
        }
    }
}
