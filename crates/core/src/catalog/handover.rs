//! A plan as a file of its own, from which each of its volumes can be written apart, on any host.
//!
//! The file is a whole catalog as it was when the plan was made, without a write-ahead log: whoever reads it
//! needs nothing beside it, so it may lie on a network file system or be read-only. It is written once, under
//! another name first, and never over a file that is there. A run on the file makes the plan void: what the
//! plan says is then no longer what the catalog says.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::Backup;
use rusqlite::{Connection, OptionalExtension, params};

use super::plan::Share;
use super::volumes::Volume;
use super::worklist::Worklist;
use super::{Catalog, SetInfo, preview, schema};
use crate::error::{Code, Error, IoContext, Result};
use crate::meta::Kind;
use crate::sys;

/// What a file says that holds a saved plan.
#[derive(Debug)]
pub struct SavedPlan {
    /// The run that found out what is to be copied.
    pub run: i64,
    /// The set.
    pub set: SetInfo,
    /// What the plan gives each volume, by number; 0 is what fits nowhere.
    pub shares: Vec<Share>,
    /// The volumes that the set had already.
    pub volumes: Vec<Volume>,
}

/// Reads what plan a file holds. Nothing is locked, and nothing is written, not even beside it.
///
/// # Errors
/// `Code::Io` when it is not there; `Code::CatalogDamaged`, `Code::CatalogNewer`; `Code::BadInput` for a catalog
/// that holds no saved plan, or that has been used since.
pub fn read(path: &Path) -> Result<SavedPlan> {
    let bytes = path.as_os_str().as_bytes();
    File::open(path).at("opening the saved plan", bytes)?;
    refuse_in_use(path)?;
    let catalog = preview::open_immutable(path).map_err(|e| e.with_path(bytes))?;
    let plan = saved_in(&catalog).map_err(|e| e.with_path(bytes))?;
    plan.ok_or_else(|| bad(path, "it is a catalog without a saved plan"))
}

/// Makes a catalog to work with out of a file that holds a saved plan; one that an earlier attempt left there
/// is replaced. Not flushed: what comes of it is on the drive.
///
/// # Errors
/// As [`read`]; `Code::CatalogLocked` when somebody works with `to`; `Code::Io`.
pub fn take(from: &Path, to: &Path) -> Result<()> {
    read(from)?;
    let _lock = super::lock(to)?;
    let temp = with(to, ".new");
    let bytes = temp.as_os_str().as_bytes();
    for old in [
        to.to_owned(),
        with(to, "-wal"),
        with(to, "-shm"),
        with(to, "-journal"),
    ] {
        match std::fs::remove_file(&old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).at("removing", old.as_os_str().as_bytes());
            }
            _ => {}
        }
    }
    // Byte by byte: SQLite would lock the file, which network file systems do not all do well.
    let mut source = File::open(from).at("opening the saved plan", from.as_os_str().as_bytes())?;
    let mut target = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temp)
        .at("creating", bytes)?;
    std::io::copy(&mut source, &mut target).at("copying the saved plan to", bytes)?;
    std::fs::rename(&temp, to).at("renaming into place", bytes)?;
    let catalog = Catalog::attach(to)?;
    catalog.check_whole()?;
    match saved_in(&catalog)? {
        Some(_) => Ok(()),
        None => Err(bad(from, "it changed while it was read")),
    }
}

impl Catalog {
    /// Saves this catalog with its stored plan for `run` as a file of its own.
    ///
    /// # Errors
    /// `Code::Io`, also when there is a file of that name; what SQLite answers.
    pub fn save_plan(&self, run: i64, to: &Path) -> Result<()> {
        let bytes = to.as_os_str().as_bytes();
        let exists = || {
            Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists))
                .at("saving the plan", bytes)
        };
        if to.symlink_metadata().is_ok() {
            return exists();
        }
        let temp = with(to, &format!(".{}.tmp", std::process::id()));
        let result = self.write_plan(run, &temp).and_then(|()| put(&temp, to));
        if result.is_err() {
            for end in ["", "-wal", "-shm", "-journal"] {
                // The first error is the one to tell.
                let _ = std::fs::remove_file(with(&temp, end));
            }
        }
        match result {
            Err(e) if e.errno == Some(rustix::io::Errno::EXIST.raw_os_error()) => exists(),
            other => other,
        }
    }

    fn write_plan(&self, run: i64, temp: &Path) -> Result<()> {
        let bytes = temp.as_os_str().as_bytes();
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(temp)
            .at("creating", bytes)?;
        let mut target = Connection::open(temp)?;
        // Nobody else has it, so it needs no shared memory; and it is flushed as a whole below.
        target.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        target.pragma_update(None, "synchronous", "OFF")?;
        Backup::new(&self.conn, &mut target)?.step(-1)?;
        target.execute(
            "INSERT OR REPLACE INTO meta VALUES('saved_plan', ?1)",
            params![run],
        )?;
        target.pragma_update(None, "journal_mode", "DELETE")?;
        target.close().map_err(|(_, e)| Error::from(e))?;
        File::open(temp)
            .and_then(|file| file.sync_all())
            .at("flushing", bytes)
    }
}

/// Gives the file its name for good; one that is there stays.
fn put(temp: &Path, to: &Path) -> Result<()> {
    let bytes = to.as_os_str().as_bytes();
    let (above, name) = crate::engine::drive::split(bytes);
    let above: &[u8] = match above {
        b"" if bytes.starts_with(b"/") => b"/",
        b"" => b".",
        above => above,
    };
    let dir = sys::open_root(above)?;
    let temp = crate::engine::drive::split(temp.as_os_str().as_bytes()).1;
    sys::rename(dir.as_fd(), temp, dir.as_fd(), name, false).at("saving the plan", bytes)?;
    File::from(dir).sync_all().at("flushing", above)
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// The plan that was saved in this catalog, if nothing has been done with it since.
fn saved_in(catalog: &Catalog) -> Result<Option<SavedPlan>> {
    let saved: Option<i64> = catalog
        .conn
        .query_row(
            "SELECT value FROM meta WHERE key = 'saved_plan' AND value = (SELECT max(id) FROM run)",
            [],
            |r| r.get(0),
        )
        .optional()?;
    let Some(run) = saved else {
        return Ok(None);
    };
    if schema::check(&catalog.conn)? != schema::VERSION {
        let message = "an older version of the program made this plan: make it anew";
        return Err(Error::new(
            Code::BadInput,
            "reading the saved plan",
            message,
        ));
    }
    Ok(Some(SavedPlan {
        run,
        set: catalog.set_info()?,
        shares: catalog.plan_shares()?,
        volumes: catalog.volumes()?,
    }))
}

fn refuse_in_use(path: &Path) -> Result<()> {
    let log = with(path, "-wal");
    match log.metadata() {
        Ok(found) if found.len() > 0 => Err(bad(path, "it is in use as a catalog")),
        _ => Ok(()),
    }
}

fn bad(path: &Path, message: &str) -> Error {
    Error::new(Code::BadInput, "reading the saved plan", message)
        .with_path(path.as_os_str().as_bytes())
}

/// What is left of a volume's share of the plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Entries of any kind; a directory counts only where it is empty.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

impl Catalog {
    /// What of the share of a volume in the stored plan is still to be copied.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn left_of_plan(&self, run: i64, volume: u32) -> Result<Left> {
        let mut list = Worklist::new(&self.conn, run, volume)?;
        let mut left = Left::default();
        while let Some((_, row)) = list.next_row()? {
            left.entries += 1;
            if row.meta.kind == Kind::File {
                left.files += 1;
                left.bytes += row.meta.size;
            }
        }
        Ok(left)
    }

    /// Whether `run` has to copy something of a source that is no directory.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn needs_of_source(&self, run: i64, source: i64) -> Result<bool> {
        Ok(self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM entry WHERE source IN (?2, -?2) AND need = ?1 AND gone = 0 AND kind <> 1)",
            params![run, source],
            |r| r.get(0),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(dir: &Path) -> Result<(Catalog, i64)> {
        let set = SetInfo {
            id: "5e".repeat(16),
            name: "t".into(),
            created: 1,
        };
        let catalog = Catalog::create(&dir.join("c.sqlite"), &set)?;
        let run = catalog.begin_run(1)?;
        catalog
            .conn
            .execute("INSERT INTO plan VALUES(1, 2, x'61', x'62', 3, 4)", [])?;
        Ok((catalog, run))
    }

    #[test]
    fn a_saved_plan_is_read_without_a_trace_and_taken_as_often_as_one_likes() -> Result<()> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (catalog, run) = catalog(dir.path())?;
        let shelf = dir.path().join("shelf");
        std::fs::create_dir(&shelf).expect("made");
        let file = shelf.join("a b?%.plan");
        catalog.save_plan(run, &file)?;
        let before = std::fs::read(&file).expect("read");
        // Bytes 18 and 19 of the header: 1 is a rollback journal, 2 a write-ahead log.
        assert_eq!(before[18..20], [1, 1]);
        for n in 0..2 {
            let plan = read(&file)?;
            assert_eq!((plan.run, plan.shares[0].volume), (run, 2));
            let private = dir.path().join("p.sqlite");
            take(&file, &private)?;
            let taken = Catalog::open(&private)?;
            assert_eq!(taken.plan_shares()?.len(), 1);
            taken.add_source(b"/s", b"", false, "")?;
            if n == 0 {
                let e = take(&file, &private).expect_err("locked");
                assert_eq!(e.code, Code::CatalogLocked);
            }
        }
        assert_eq!(std::fs::read(&file).expect("read"), before);
        assert_eq!(std::fs::read_dir(&shelf).expect("listed").count(), 1);
        Ok(())
    }

    #[test]
    fn a_file_that_is_there_stays_and_leaves_no_other() -> Result<()> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (catalog, run) = catalog(dir.path())?;
        let shelf = dir.path().join("shelf");
        std::fs::create_dir(&shelf).expect("made");
        let file = shelf.join("plan");
        std::fs::write(&file, "mine").expect("written");
        assert!(catalog.save_plan(run, &file).is_err());
        // One that comes while the plan is written.
        let temp = shelf.join("temp");
        catalog.write_plan(run, &temp)?;
        assert!(put(&temp, &file).is_err());
        assert_eq!(std::fs::read(&file).expect("read"), b"mine");
        Ok(())
    }

    #[test]
    fn what_holds_no_plan_is_refused() -> Result<()> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (catalog, run) = catalog(dir.path())?;
        let file = dir.path().join("plan");
        let refused = |file: &Path| read(file).expect_err("refused").code;
        assert_eq!(refused(&file), Code::Io);
        catalog.save_plan(run, &file)?;
        drop(catalog);
        assert_eq!(refused(&dir.path().join("c.sqlite")), Code::BadInput);
        // Somebody has used it as a catalog.
        let used = Catalog::open(&file)?;
        used.begin_run(2)?;
        assert_eq!(refused(&file), Code::BadInput);
        drop(used);
        assert_eq!(refused(&file), Code::BadInput);
        std::fs::write(&file, [b'x'; 5000]).expect("written");
        assert_eq!(refused(&file), Code::CatalogDamaged);
        Ok(())
    }
}
