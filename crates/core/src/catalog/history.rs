//! What was done with a set, as its report tells it: the last runs, and the checks of its volumes.

use super::Catalog;
use crate::error::Result;
use crate::page::{PastCheck, PastRun};

/// Runs and checks that are told.
const TOLD: i64 = 200;

impl Catalog {
    /// The last runs, the newest first.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn past_runs(&self) -> Result<Vec<PastRun>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT id, started, coalesce(ended, 0), coalesce(outcome, '') FROM run ORDER BY id DESC LIMIT ?1",
        )?;
        let runs = stmt.query_map([TOLD], |r| {
            Ok(PastRun {
                number: r.get(0)?,
                began: r.get(1)?,
                ended: r.get(2)?,
                outcome: r.get(3)?,
            })
        })?;
        Ok(runs.collect::<rusqlite::Result<_>>()?)
    }

    /// The last checks of whole volumes that this host knows of, the newest first.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn past_checks(&self) -> Result<Vec<PastCheck>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT volume, checked, kind, bad FROM verification UNION \
             SELECT number, verified, verified_kind, verified_bad FROM volume WHERE verified > 0 \
             ORDER BY 2 DESC, 1 LIMIT ?1",
        )?;
        let checks = stmt.query_map([TOLD], |r| {
            Ok(PastCheck {
                volume: r.get(0)?,
                checked: r.get(1)?,
                kind: r.get(2)?,
                bad: r.get::<_, i64>(3)? as u64,
            })
        })?;
        Ok(checks.collect::<rusqlite::Result<_>>()?)
    }
}
