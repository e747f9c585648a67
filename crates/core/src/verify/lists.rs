//! The lists that a check writes for other programs: its own report, and those of `rclone check`.
//!
//! They are written when the check is over, in path order. The report's paths are as on a terminal, the others
//! byte for byte. No directory is in rclone's lists unless something is wrong with it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::list::{Tables, fault};
use crate::error::{IoContext, Result};
use crate::format::verify::{SourceWord, Word};
use crate::name::display;

/// The files that are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `word TAB path`, of what is not good.
    pub report: Option<PathBuf>,
    /// What is good.
    pub matched: Option<PathBuf>,
    /// What is corrupt or changed.
    pub differ: Option<PathBuf>,
    /// What is missing on the drive.
    pub missing_on_dst: Option<PathBuf>,
    /// What is on the drive alone.
    pub missing_on_src: Option<PathBuf>,
    /// What could not be read.
    pub error: Option<PathBuf>,
    /// All of it, with `=`, `*`, `+`, `-` or `!` and a blank before each path.
    pub combined: Option<PathBuf>,
}

struct Open {
    to: BufWriter<File>,
    path: Vec<u8>,
}

impl Open {
    fn new(path: Option<&PathBuf>) -> Result<Option<Open>> {
        let Some(path) = path else { return Ok(None) };
        let name = path.as_os_str().as_bytes();
        let file = File::create(path).at("creating", name)?;
        Ok(Some(Open {
            to: BufWriter::new(file),
            path: name.to_vec(),
        }))
    }

    fn line(&mut self, parts: &[&[u8]]) -> Result<()> {
        for part in parts {
            self.to.write_all(part).at("writing", &self.path)?;
        }
        self.to.write_all(b"\n").at("writing", &self.path)
    }
}

/// The lists, open: that one cannot be made is known before the first file is read.
pub(super) struct Lists {
    report: Option<Open>,
    matched: Option<Open>,
    differ: Option<Open>,
    missing_on_dst: Option<Open>,
    missing_on_src: Option<Open>,
    error: Option<Open>,
    combined: Option<Open>,
}

impl Lists {
    /// Creates the files, or empties them.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn open(wanted: &Wanted) -> Result<Lists> {
        Ok(Lists {
            report: Open::new(wanted.report.as_ref())?,
            matched: Open::new(wanted.matched.as_ref())?,
            differ: Open::new(wanted.differ.as_ref())?,
            missing_on_dst: Open::new(wanted.missing_on_dst.as_ref())?,
            missing_on_src: Open::new(wanted.missing_on_src.as_ref())?,
            error: Open::new(wanted.error.as_ref())?,
            combined: Open::new(wanted.combined.as_ref())?,
        })
    }

    /// Writes them: what this check found, and of what it looked at up to `through` (all of it without) the
    /// rest as good.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn write(mut self, tables: &Tables, through: Option<&[u8]>) -> Result<()> {
        let mut statement = tables
            .db
            .prepare(
                "SELECT key, word, 0 AS side FROM finding WHERE fresh = 1 UNION ALL \
                 SELECT key, word, 1 FROM compared UNION ALL \
                 SELECT key, '', 0 FROM item WHERE state = 0 AND picked = 1 AND kind <> 1 \
                 AND (?1 IS NULL OR key <= ?1) \
                 AND NOT EXISTS (SELECT 1 FROM finding f WHERE f.key = item.key AND f.fresh = 1) \
                 AND NOT EXISTS (SELECT 1 FROM compared c WHERE c.key = item.key) \
                 ORDER BY key, side",
            )
            .map_err(fault)?;
        let mut rows = statement.query([through]).map_err(fault)?;
        let mut told: Option<Vec<u8>> = None;
        while let Some(r) = rows.next().map_err(fault)? {
            let (key, word, in_source): (Vec<u8>, String, bool) =
                (|| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))().map_err(fault)?;
            if in_source {
                // A path is in one of the lists: what is wrong on the drive comes first.
                let only = told.as_ref() != Some(&key);
                self.in_source(&key, &word, only)?;
            } else {
                self.entry(&key, Word::from_word(&word))?;
                told = Some(key);
            }
        }
        for mut one in [
            self.report,
            self.matched,
            self.differ,
            self.missing_on_dst,
            self.missing_on_src,
            self.error,
            self.combined,
        ]
        .into_iter()
        .flatten()
        {
            one.to.flush().at("writing", &one.path)?;
        }
        Ok(())
    }

    fn in_source(&mut self, key: &[u8], word: &str, only: bool) -> Result<()> {
        if let Some(report) = &mut self.report {
            report.line(&[word.as_bytes(), b"\t", display(key).as_bytes()])?;
        }
        let (list, sign): (&mut Option<Open>, &[u8]) = match SourceWord::from_word(word) {
            _ if !only => return Ok(()),
            Some(SourceWord::Newer | SourceWord::Differs) | None => (&mut self.differ, b"* "),
            Some(SourceWord::Gone) => (&mut self.missing_on_src, b"- "),
            Some(SourceWord::Unreadable | SourceWord::Unseen) => (&mut self.error, b"! "),
        };
        if let Some(list) = list {
            list.line(&[key])?;
        }
        if let Some(combined) = &mut self.combined {
            combined.line(&[sign, key])?;
        }
        Ok(())
    }

    fn entry(&mut self, key: &[u8], word: Option<Word>) -> Result<()> {
        if let (Some(report), Some(word)) = (&mut self.report, word) {
            report.line(&[word.as_str().as_bytes(), b"\t", display(key).as_bytes()])?;
        }
        let (list, sign): (&mut Option<Open>, &[u8]) = match word {
            None => (&mut self.matched, b"= "),
            Some(Word::Corrupt | Word::Changed | Word::Damaged) => (&mut self.differ, b"* "),
            Some(Word::Missing) => (&mut self.missing_on_dst, b"+ "),
            Some(Word::Extra) => (&mut self.missing_on_src, b"- "),
            Some(Word::Unreadable) => (&mut self.error, b"! "),
        };
        if let Some(list) = list {
            list.line(&[key])?;
        }
        if let Some(combined) = &mut self.combined {
            combined.line(&[sign, key])?;
        }
        Ok(())
    }
}
