//! The seed's job file, written from the catalog and read into it.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::order::{Ordered, Pages, kind_from};
use super::schema::ROOT_DIR;
use super::{Catalog, Source, jobmark};
use crate::cancel::CancelToken;
use crate::catalog::scan::{Sameness, Tally};
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::filter::{Decision, Filter};
use crate::format::jobfile::{self, JobWriter};
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys;

/// What a job file needs to know of an entry: few columns, because every run reads all of them.
#[derive(Debug)]
pub struct JobRow {
    /// The directory that it is in.
    pub dir: i64,
    /// Its name, with a slash at the end for a directory.
    pub name: Vec<u8>,
    /// The source that it belongs to.
    pub source: i64,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content.
    pub size: u64,
    /// For a directory, its own number; else 0.
    pub child: i64,
    /// The run that last saw that it must be copied; 0 when it is backed up.
    pub need: i64,
}

struct JobRows<'c>(&'c rusqlite::Connection);

impl Pages for JobRows<'_> {
    type Row = JobRow;

    fn page(&self, dir: i64, after: &[u8], inclusive: bool, limit: i64) -> Result<Vec<JobRow>> {
        let sql = if inclusive {
            "SELECT name, source, kind, size, child, need FROM entry \
             WHERE dir = ?1 AND name >= ?2 AND gone = 0 ORDER BY name LIMIT ?3"
        } else {
            "SELECT name, source, kind, size, child, need FROM entry \
             WHERE dir = ?1 AND name > ?2 AND gone = 0 ORDER BY name LIMIT ?3"
        };
        let mut stmt = self.0.prepare_cached(sql)?;
        let rows = stmt.query_map(rusqlite::params![dir, after, limit], |r| {
            Ok(JobRow {
                dir,
                name: r.get(0)?,
                source: r.get(1)?,
                kind: kind_from(r.get(2)?),
                size: r.get::<_, i64>(3)? as u64,
                child: r.get(4)?,
                need: r.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn key<'r>(&self, row: &'r JobRow) -> (&'r [u8], i64) {
        (&row.name, row.child)
    }
}

/// How many different source roots a job file may have.
const MAX_ROOTS: usize = 10_000;

/// The distinct roots that the sources of a job file have, in the order in which they come.
///
/// # Errors
/// `Code::BadJobFile` naming the line, `Code::Io`, `Code::Cancelled`.
pub fn roots(path: &Path, cancel: &CancelToken) -> Result<Vec<Vec<u8>>> {
    let bytes = path.as_os_str().as_bytes();
    let file = File::open(path).at("opening", bytes)?;
    let mut roots: Vec<Vec<u8>> = Vec::new();
    jobfile::read(
        BufReader::with_capacity(1 << 16, file),
        bytes,
        &mut |entry, line| {
            cancel.check()?;
            let root = entry.src_root();
            if roots.last().is_some_and(|last| last == root) || roots.iter().any(|r| r == root) {
                return Ok(());
            }
            if roots.len() == MAX_ROOTS {
                let text =
                    format!("line {line}: its sources have more than {MAX_ROOTS} different roots");
                return Err(Error::new(Code::BadJobFile, "reading", text).with_path(bytes));
            }
            roots.push(root.to_vec());
            Ok(())
        },
    )?;
    Ok(roots)
}

/// Takes an entry of a job file: its index, its path in the source, its path below the drive's root, its row.
pub type JobSink<'s> = dyn FnMut(u64, &[u8], &[u8], &JobRow) -> Result<()> + 's;

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Entries in the job file.
    pub entries: u64,
    /// Entries that the format cannot hold: named through the progress.
    pub left_out: u64,
    /// For [`Catalog::note_job_file`]; `None` where there is nothing to note.
    pub mark: Option<String>,
}

impl Catalog {
    /// The sources in the order of their paths, as the job file has them.
    fn sources_by_path(&self, ids: &[i64]) -> Result<Vec<Source>> {
        let mut sources = self.sources()?;
        sources.retain(|s| ids.contains(&s.id));
        let key = |s: &Source| {
            let mut path = s.path.clone();
            if !s.is_file {
                path.push(b'/');
            }
            path
        };
        sources.sort_by_key(key);
        Ok(sources)
    }

    /// Calls `sink` for every regular file of the sources `ids` that the filter keeps, in the order of the
    /// job file: with its index, its path in the source and its path below the drive's root.
    ///
    /// # Errors
    /// What SQLite and `sink` answer; `Code::Cancelled`.
    pub fn each_job(
        &self,
        ids: &[i64],
        filter: &Filter,
        cancel: &CancelToken,
        sink: &mut JobSink<'_>,
    ) -> Result<u64> {
        let mut index = 0;
        for source in self.sources_by_path(ids)? {
            if source.is_file {
                if let Some(row) = self.entry(ROOT_DIR, &source.prefix)?
                    && row.gone == 0
                    && row.meta.kind == Kind::File
                {
                    let row = JobRow {
                        dir: row.dir,
                        source: row.source,
                        kind: row.meta.kind,
                        size: row.meta.size,
                        child: 0,
                        need: row.need,
                        name: row.name,
                    };
                    sink(index, &source.path, &source.prefix, &row)?;
                    index += 1;
                }
                continue;
            }
            let root = if source.prefix.is_empty() {
                ROOT_DIR
            } else {
                let mut name = source.prefix.clone();
                name.push(b'/');
                match self.entry(ROOT_DIR, &name)? {
                    Some(row) => row.child,
                    None => continue,
                }
            };
            let skip = if source.prefix.is_empty() {
                0
            } else {
                source.prefix.len() + 1
            };
            let mut src = source.path.clone();
            if src.last() != Some(&b'/') {
                src.push(b'/');
            }
            let base = src.len();
            let mut entries = Ordered::below(JobRows(&self.conn), root, &source.prefix)?;
            while let Some(row) = entries.next_entry()? {
                let below = entries.path().get(skip..).unwrap_or(b"");
                let is_dir = row.kind == Kind::Dir;
                if filter.decide(below, is_dir) == Decision::Drop {
                    entries.prune();
                    continue;
                }
                if row.source != source.id || row.kind != Kind::File {
                    continue;
                }
                src.truncate(base);
                src.extend_from_slice(below);
                sink(index, &src, entries.path(), &row)?;
                index += 1;
                if index % 4096 == 0 {
                    cancel.check()?;
                }
            }
        }
        Ok(index)
    }

    /// Writes the job file: a temp file beside it, flushed and renamed. `dst_root` is the first output. Where the
    /// file that would be written stands there already it is left as it is.
    ///
    /// # Errors
    /// `Code::Io`, what SQLite answers, `Code::Cancelled`.
    pub fn write_job_file(
        &self,
        path: &Path,
        ids: &[i64],
        filter: &Filter,
        dst_root: &[u8],
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Written> {
        let asked = jobmark::asked(path, &self.sources_by_path(ids)?, filter, dst_root);
        if let Some(entries) = self.current_job_file(path, &asked)? {
            return Ok(Written {
                entries,
                ..Written::default()
            });
        }
        let bytes = path.as_os_str().as_bytes().to_vec();
        let mut temp = path.as_os_str().to_owned();
        temp.push(format!(".{}.tmp", std::process::id()));
        let temp = Path::new(&temp);
        let mut written = Written::default();
        let result = (|| {
            let file = File::create(temp).at("creating", &bytes)?;
            let mut writer = JobWriter::new(file, &bytes);
            let mut dst = dst_root.to_vec();
            if dst.last() != Some(&b'/') {
                dst.push(b'/');
            }
            let base = dst.len();
            self.each_job(ids, filter, cancel, &mut |_, src, rel, row| {
                dst.truncate(base);
                dst.extend_from_slice(rel);
                match writer.push(src, &dst, rel, row.size) {
                    Ok(()) => Ok(()),
                    Err(e) if e.code == Code::BadInput => {
                        written.left_out += 1;
                        progress.fail(FileError::from_error(FileFault::Failed, src, &e));
                        Ok(())
                    }
                    Err(e) => Err(e),
                }
            })?;
            let (entries, file) = writer.finish()?;
            written.entries = entries;
            file.sync_all().at("flushing", &bytes)?;
            std::fs::rename(temp, path).at("renaming into place", &bytes)
        })();
        if result.is_err() {
            let _ = std::fs::remove_file(temp);
        }
        result?;
        // What could not be listed is named by every run.
        if written.left_out == 0 {
            written.mark = jobmark::mark(path, &asked, written.entries);
        }
        Ok(written)
    }

    /// Leaves to other drives what has an index below `from`: it needs no copy in this run.
    ///
    /// # Errors
    /// What SQLite answers; `Code::Cancelled`.
    pub fn leave_before(
        &self,
        run: i64,
        ids: &[i64],
        filter: &Filter,
        from: u64,
        cancel: &CancelToken,
    ) -> Result<()> {
        self.atomically(|| {
            let found = self.each_job(ids, filter, cancel, &mut |index, _, _, row| {
                if index >= from {
                    return Err(Error::cancelled());
                }
                if row.need != run {
                    return Ok(());
                }
                let key = super::place::Key {
                    dir: row.dir,
                    name: row.name.clone(),
                };
                // A row that the traversal has passed: see `order`.
                self.give_up(&key, run)
            });
            match found {
                Ok(_) => Ok(()),
                Err(e) if e.code == Code::Cancelled && !cancel.is_stopped() => Ok(()),
                Err(e) => Err(e),
            }
        })
    }

    /// Reads a job file as the list of what to copy; entries with an index below `from` are passed over.
    /// The roots of its sources join the set, all at the drives' root.
    ///
    /// # Errors
    /// `Code::BadJobFile` naming the line, with nothing changed; `Code::Collision` when two entries have one
    /// path on the drive; `Code::Io`; what SQLite answers.
    pub fn read_job_file(
        &self,
        path: &Path,
        run: i64,
        from: u64,
        same: Sameness,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<(Tally, Vec<i64>)> {
        let bytes = path.as_os_str().as_bytes();
        let open = || {
            File::open(path)
                .at("opening", bytes)
                .map(|f| BufReader::with_capacity(1 << 16, f))
        };
        // Once to the end before anything is changed: a job file is refused whole.
        jobfile::read(open()?, bytes, &mut |_, _| cancel.check())?;
        let mut total = Tally::default();
        let mut ids = Vec::new();
        let mut current: Option<(Vec<u8>, super::scan::Scan<'_>, std::os::fd::OwnedFd)> = None;
        jobfile::read(open()?, bytes, &mut |entry, line| {
            cancel.check()?;
            if entry.index < from {
                return Ok(());
            }
            let root = entry.src_root().to_vec();
            if current.as_ref().is_none_or(|(path, _, _)| *path != root) {
                if let Some((_, scan, _)) = current.take() {
                    total.add(&scan.finish(false)?);
                }
                let fd = match sys::open_root(&root) {
                    Ok(fd) => fd,
                    Err(e) => {
                        progress.fail(FileError::from_error(FileFault::Vanished, &entry.src, &e));
                        return Ok(());
                    }
                };
                let known = self.sources()?.into_iter().find(|s| s.path == root);
                let id = match known {
                    Some(source) if source.prefix.is_empty() && !source.is_file => source.id,
                    Some(_) => {
                        let text = format!(
                            "line {line}: its source is in the set already, at another place on the drives"
                        );
                        return Err(Error::new(Code::BadJobFile, "reading", text).with_path(bytes));
                    }
                    None => self.add_source(&root, b"", false, "")?,
                };
                if !ids.contains(&id) {
                    ids.push(id);
                }
                let meta = sys::stat_fd(std::os::fd::AsFd::as_fd(&fd)).at("looking at", &root)?;
                current = Some((root.clone(), self.scan_by(run, id, b"", &meta, same)?, fd));
            }
            let Some((_, scan, fd)) = &mut current else {
                return Ok(());
            };
            let fd = std::os::fd::AsFd::as_fd(fd);
            let mut stat = |rel: &[u8]| {
                let (dir, name) = crate::engine::drive::split(rel);
                sys::open_dir_beneath(fd, dir, false)
                    .and_then(|dir| sys::stat_at(std::os::fd::AsFd::as_fd(&dir), name))
                    .at("looking at", &crate::engine::drive::join(&root, rel))
            };
            match stat(&entry.relpath) {
                Ok(meta) => scan.listed(&entry.relpath, &meta, &mut stat),
                Err(e) => {
                    progress.fail(FileError::from_error(FileFault::Vanished, &entry.src, &e));
                    Ok(())
                }
            }
        })?;
        if let Some((_, scan, _)) = current.take() {
            total.add(&scan.finish(false)?);
        }
        Ok((total, ids))
    }
}
