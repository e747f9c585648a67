//! What a check found in the source, as a temporary table beside its findings.

use super::list::{Tables, fault};
use super::sides::Said;
use crate::error::Result;
use crate::format::verify::{InSource, SourceWord};

/// What was found in the source, with what it is about in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldInSource {
    /// What was found.
    pub found: InSource,
    /// In words; no name is in them.
    pub why: String,
}

impl Tables {
    /// Notes what is to be said of an entry in the source; `None` takes back what was noted of it.
    pub(super) fn put_compared(&self, key: &[u8], said: Option<&Said>) -> Result<()> {
        match said {
            None => self.run("DELETE FROM compared WHERE key = ?1", [key])?,
            Some((word, errno, why)) => self.run(
                "INSERT OR REPLACE INTO compared VALUES(?1, ?2, ?3, ?4)",
                rusqlite::params![key, word.as_str(), errno, why],
            )?,
        };
        Ok(())
    }

    /// Hands over all of that, in path order.
    pub(super) fn compared(&self, sink: &mut dyn FnMut(ToldInSource) -> Result<()>) -> Result<()> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.in_source(after.as_deref(), 1000)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.found.path.clone());
            page.into_iter().try_for_each(&mut *sink)?;
        }
    }

    /// A page of what was found in the source, after the key `after` (from the first one without it).
    ///
    /// # Errors
    /// `Code::Io` when the temporary file cannot be read.
    pub fn in_source(&self, after: Option<&[u8]>, limit: u32) -> Result<Vec<ToldInSource>> {
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT key, word, errno, why FROM compared WHERE key > ?1 ORDER BY key LIMIT ?2",
            )
            .map_err(fault)?;
        let rows = statement
            .query_map(rusqlite::params![after.unwrap_or_default(), limit], |r| {
                let word: String = r.get(1)?;
                Ok(ToldInSource {
                    found: InSource {
                        path: r.get(0)?,
                        word: SourceWord::from_word(&word).unwrap_or(SourceWord::Differs),
                        errno: r.get(2)?,
                    },
                    why: r.get(3)?,
                })
            })
            .map_err(fault)?;
        rows.collect::<rusqlite::Result<_>>().map_err(fault)
    }

    /// How many there are of each word, and how many entries are the same on the drive and in the source, of
    /// those looked at up to `through` (all of them without).
    pub(super) fn count_compared(&self, through: Option<&[u8]>) -> Result<InSourceCounts> {
        let mut counts = InSourceCounts::default();
        for word in SourceWord::ALL {
            let sql = "SELECT count(*) FROM compared WHERE word = ?1";
            counts.words[word as usize] = self.number(sql, [word.as_str()])? as u64;
        }
        counts.same = self.number(
            "SELECT count(*) FROM item WHERE state = 0 AND picked = 1 AND kind <> 1 \
             AND (?1 IS NULL OR key <= ?1) AND NOT EXISTS (SELECT 1 FROM compared c WHERE c.key = item.key) \
             AND NOT EXISTS (SELECT 1 FROM finding f WHERE f.key = item.key AND f.fresh = 1)",
            [through],
        )? as u64;
        Ok(counts)
    }
}

/// How the drive and the source compare, in entries without directories for what is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InSourceCounts {
    /// The same on both sides.
    pub same: u64,
    words: [u64; SourceWord::ALL.len()],
}

impl InSourceCounts {
    /// Those of one word.
    pub fn of(&self, word: SourceWord) -> u64 {
        self.words[word as usize]
    }
}
