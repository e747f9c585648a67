//! Which entries a check looks at: all, those of some patterns, those not checked for long, or a rolling part.

use rusqlite::params;

use super::Options;
use super::list::{Tables, fault};
use crate::cancel::CancelToken;
use crate::engine::drive::split;
use crate::error::{IoContext, Result};
use crate::format::verify::Part;
use crate::sys;

/// What a file costs beside its bytes, when a part of all is to be taken.
const EACH: u64 = 4096;

/// Writes into the table when each entry was checked last, and whether this check looks at it.
/// `begun`: when the check began, seconds since 1970.
///
/// # Errors
/// `Code::Cancelled`, `Code::Io`.
pub(super) fn pick(
    tables: &Tables,
    options: &Options,
    drive: (&std::os::fd::OwnedFd, u64),
    parts: &[Part],
    begun: i64,
    cancel: &CancelToken,
) -> Result<()> {
    tables.atomically(|| {
        note_parts(tables, parts)?;
        if options.since.is_some() || options.sample.is_some() {
            forget_changed(tables, drive, cancel)?;
        }
        if let Some(days) = options.since {
            let latest = begun.saturating_sub(days.saturating_mul(86_400));
            tables.run("UPDATE item SET picked = 0 WHERE at > ?1", [latest])?;
        }
        if let Some(patterns) = &options.patterns {
            each_key(tables, "state = 0 AND picked = 1", &mut |key| {
                cancel.check()?;
                if !patterns.matches_alone(key) {
                    tables.run("UPDATE item SET picked = 0 WHERE key = ?1", [key])?;
                }
                Ok(())
            })?;
        }
        if let Some(percent) = options.sample {
            sample(tables, percent)?;
        }
        Ok(())
    })
}

/// Writes into the table when the entries of these parts were checked; of what is known already the later counts.
///
/// # Errors
/// `Code::Io`.
pub(super) fn note_parts(tables: &Tables, parts: &[Part]) -> Result<()> {
    parts.iter().try_for_each(|part| {
        tables.run(
            "UPDATE item SET at = ?3, generation = ?4 WHERE key BETWEEN ?1 AND ?2 AND state = 0 AND at <= ?3",
            params![part.from, part.through, part.at, part.generation as i64],
        )?;
        Ok(())
    })
}

/// What was put on the drive after it was checked has not been checked. Where nothing was written since, all
/// that was there is as it was; else the time of the last change of each entry tells, where that is kept.
fn forget_changed(
    tables: &Tables,
    (root, generation): (&std::os::fd::OwnedFd, u64),
    cancel: &CancelToken,
) -> Result<()> {
    use std::os::fd::AsFd;
    let generation = generation as i64;
    if !sys::file_system_kind(root.as_fd()).trusts_holes() {
        tables.run(
            "UPDATE item SET at = 0 WHERE generation <> ?1",
            [generation],
        )?;
        return Ok(());
    }
    let filter = format!("state = 0 AND at <> 0 AND generation <> {generation}");
    each_key(tables, &filter, &mut |key| {
        cancel.check()?;
        let path = key.strip_suffix(b"/").unwrap_or(key);
        let (dir, name) = split(path);
        let changed = sys::open_dir_beneath(root.as_fd(), dir, true)
            .and_then(|dir| sys::changed_at(dir.as_fd(), name))
            .at("looking at", path);
        // What cannot be looked at is looked at again by the check itself.
        let changed = changed.map_or(i64::MAX, |time| time.sec);
        tables.run(
            "UPDATE item SET at = 0 WHERE key = ?1 AND at <= ?2",
            params![key, changed],
        )?;
        Ok(())
    })
}

/// Takes the least recently checked first, in path order, until `percent` of the bytes are reached.
fn sample(tables: &Tables, percent: f64) -> Result<()> {
    let total = tables.number(
        "SELECT coalesce(sum(size + ?1), 0) FROM item WHERE state = 0 AND picked = 1",
        [EACH as i64],
    )?;
    let wanted = (total as f64 * percent / 100.0).ceil() as i64;
    tables.run(
        "UPDATE item SET picked = 0 WHERE state = 0 AND picked = 1 AND key NOT IN ( \
           SELECT key FROM (SELECT key, sum(size + ?1) OVER (ORDER BY at, key) - (size + ?1) AS before \
             FROM item WHERE state = 0 AND picked = 1) WHERE before < ?2)",
        params![EACH as i64, wanted],
    )?;
    Ok(())
}

/// Calls `work` for each key for which `filter` holds, in order; it may change the rows.
fn each_key(
    tables: &Tables,
    filter: &str,
    work: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let sql = format!("SELECT key FROM item WHERE key > ?1 AND {filter} ORDER BY key LIMIT 1000");
    let mut after: Vec<u8> = Vec::new();
    loop {
        let keys: Vec<Vec<u8>> = tables
            .db
            .prepare_cached(&sql)
            .and_then(|mut s| s.query_map([&after], |r| r.get(0))?.collect())
            .map_err(fault)?;
        let Some(last) = keys.last() else {
            return Ok(());
        };
        after.clone_from(last);
        for key in &keys {
            work(key)?;
        }
    }
}
