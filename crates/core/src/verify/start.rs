//! What a check begins with: where an earlier one was broken off, or at the first entry; and what is known already.

use std::os::fd::AsFd;

use super::list::Tables;
use super::run::Checking;
use super::session::{self, Session};
use super::{keep, pick};
use crate::error::Result;
use crate::format::date;
use crate::format::verify::{CheckKind, Head, Part};

/// What one start of a check goes on from.
pub(super) struct Start {
    pub(super) head: Head,
    pub(super) parts: Vec<Part>,
    pub(super) resumed: Option<u64>,
    pub(super) stale: bool,
}

impl Checking<'_> {
    /// What this check begins with: where an earlier one was broken off, or at the first entry.
    pub(super) fn start(&self, tables: &Tables) -> Result<Start> {
        let kind = self.kind();
        let identity = self.said.identity.as_ref();
        let volume = self
            .said
            .volume
            .clone()
            .ok_or_else(|| self.nothing_told())?;
        let generation = identity.map_or(0, |i| i.generation);
        let mut start = Start {
            head: Head {
                set: volume.set,
                volume: volume.volume,
                number: volume.number,
                generation,
                kind,
                begun: date::now(),
                ended: None,
                scope: self.options.scope.clone(),
                files: 0,
                bytes: 0,
                through: None,
            },
            parts: Vec::new(),
            resumed: None,
            stale: false,
        };
        let earlier = match self.place.earlier(self.own) {
            Ok(Some(earlier)) if earlier.head.volume == start.head.volume => earlier,
            // The check's own file is damaged or another volume's: what it knew is lost, no more.
            _ => {
                self.add_from_catalog(tables, &mut start)?;
                return Ok(start);
            }
        };
        tables.atomically(|| earlier.findings.iter().try_for_each(|f| tables.known(f)))?;
        start.parts = earlier.parts;
        self.add_from_catalog(tables, &mut start)?;
        let broken_off = earlier.head.ended.is_none() && earlier.head.scope == start.head.scope;
        if !broken_off || self.options.restart {
            return Ok(start);
        }
        if earlier.head.generation != generation {
            start.stale = true;
            return Ok(start);
        }
        tables.atomically(|| {
            earlier.in_source.iter().try_for_each(|found| {
                let said = (found.word, found.errno, String::new());
                tables.put_compared(&found.path, Some(&said))
            })
        })?;
        start.resumed = Some(earlier.head.files);
        start.head = Head {
            kind: kind.min(earlier.head.kind),
            ..earlier.head
        };
        if let Some(through) = &start.head.through {
            tables.run(
                "UPDATE finding SET fresh = 1 WHERE at >= ?1 AND key <= ?2 \
                 AND word NOT IN ('extra', 'damaged')",
                rusqlite::params![start.head.begun, through],
            )?;
        }
        Ok(start)
    }

    /// What the catalog knows beside the drive, from checks whose result the drive could not take.
    fn add_from_catalog(&self, tables: &Tables, start: &mut Start) -> Result<()> {
        let (Some(file), Some(identity)) = (&self.options.catalog, &self.said.identity) else {
            return Ok(());
        };
        // Whatever is wrong with the catalog is told when the result is kept there.
        let Ok(known) = keep::known(file, identity, &start.parts) else {
            return Ok(());
        };
        tables.atomically(|| {
            known
                .findings
                .iter()
                .try_for_each(|one| match tables.has_finding(&one.path)? {
                    true => Ok(()),
                    false => tables.known(one),
                })
        })?;
        if !known.parts.is_empty() {
            tables.atomically(|| {
                pick::note_parts(tables, &start.parts)?;
                pick::note_parts(tables, &known.parts)
            })?;
            start.parts = tables.parts()?;
        }
        Ok(())
    }

    fn kind(&self) -> CheckKind {
        let written = self.said.identity.as_ref().and_then(Session::of);
        let now = Session::now(self.root.as_fd());
        let alone = session::is_alone(self.root.as_fd());
        session::kind(written.as_ref(), now.as_ref(), alone)
    }
}
