//! The catalog: one SQLite file that knows every entry of a set and where it lies.
//!
//! It promises: one writer at a time (a lock file held for as long as the catalog is open); memory that
//! does not grow with the number of entries; a crash at any point loses at most what the drives know
//! anyway. It is the truth about the set; a drive's own manifest is the truth about the drive.
//! It does not decide what goes where: it hands out pages of numbers and stores what comes back.

pub mod aliases;
pub mod aside;
pub mod attributes;
pub mod checked;
pub mod content;
pub mod copies;
pub mod digests;
pub mod fate;
pub mod findings;
pub mod handover;
mod history;
mod jobmark;
pub mod jobs;
pub mod learn;
pub mod listed;
pub mod mending;
pub mod moved;
pub mod names;
pub mod order;
pub mod parts;
mod paths;
pub mod place;
pub mod plan;
pub mod preview;
pub mod query;
pub mod renamed;
pub mod restore;
mod rows;
pub mod samefile;
pub mod scan;
mod schema;
pub mod status;
mod tally;
mod upkeep;
pub mod volumes;
pub mod worklist;

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::digest::Chains;
use crate::error::{Code, Error, IoContext, Result};

pub use schema::{ROOT_DIR, ROOT_PARENT};

/// An open catalog. Dropping it releases the lock.
#[derive(Debug)]
pub struct Catalog {
    /// The connection that this handle reads and writes with.
    pub(crate) conn: Connection,
    path: PathBuf,
    copies: Cell<copies::Copies>,
    /// Digests of files in parts, as far as this handle has seen them copied.
    chains: RefCell<Chains>,
    _lock: Option<File>,
}

/// What a set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetInfo {
    /// The set's id: 32 hexadecimal digits.
    pub id: String,
    /// The set's name, chosen by the user or made from its first source.
    pub name: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
}

/// One source of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its number in the catalog, from 1.
    pub id: i64,
    /// Where it lies on this host: absolute.
    pub path: Vec<u8>,
    /// Where it lies on the drives; empty is the root.
    pub prefix: Vec<u8>,
    /// Whether it is a single file.
    pub is_file: bool,
    /// Which file system it was on when last looked at; empty when unknown.
    pub fsid: String,
}

impl Catalog {
    /// Makes a new catalog file; its directory must exist.
    ///
    /// # Errors
    /// `Code::Io` when it exists already or can't be made, `Code::CatalogLocked` when somebody holds it.
    pub fn create(path: &Path, set: &SetInfo) -> Result<Catalog> {
        let lock = lock(path)?;
        let bytes = path.as_os_str().as_bytes();
        if path.symlink_metadata().is_ok() {
            return Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists))
                .at("creating the catalog", bytes);
        }
        // Made under another name: whoever is killed on the way leaves no catalog, not half of one.
        let mut temp = path.as_os_str().to_owned();
        temp.push(".new");
        let temp = Path::new(&temp);
        remove_leftovers(temp).at("creating the catalog", bytes)?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temp)
            .at("creating the catalog", bytes)?;
        let conn = Connection::open(temp)?;
        schema::create(&conn, set)?;
        conn.close().map_err(|(_, e)| Error::from(e))?;
        File::open(temp)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(temp, path))
            .at("creating the catalog", bytes)?;
        let mut catalog = Self::attach(path)?;
        catalog._lock = Some(lock);
        Ok(catalog)
    }

    /// Opens a catalog for writing and locks it.
    ///
    /// # Errors
    /// `Code::CatalogLocked` names the process that holds it; `Code::CatalogNewer`,
    /// `Code::CatalogDamaged`; `Code::Io` when it is not there.
    pub fn open(path: &Path) -> Result<Catalog> {
        std::fs::metadata(path).at("opening the catalog", path.as_os_str().as_bytes())?;
        let lock = lock(path)?;
        let mut catalog = Self::attach(path)?;
        let version = schema::check(&catalog.conn)?;
        if version < schema::VERSION {
            schema::migrate(&catalog.conn, version)
                .map_err(|e| e.with_path(path.as_os_str().as_bytes()))?;
        }
        catalog._lock = Some(lock);
        if catalog.copies.get() != copies::Copies::default() {
            // Nobody else writes: a run that had a copy in hand was cut off.
            catalog.put_down()?;
        }
        Ok(catalog)
    }

    /// Opens a catalog to read from it only, beside whoever writes it: without its lock. One that an older
    /// version of the program made is brought up to date first, for which the lock is needed.
    ///
    /// # Errors
    /// As [`Catalog::open`]; `Code::CatalogLocked` only where it has to be brought up to date.
    pub fn open_to_read(path: &Path) -> Result<Catalog> {
        let catalog = Self::attach(path)?;
        if schema::check(&catalog.conn)? == schema::VERSION {
            return Ok(catalog);
        }
        drop(catalog);
        let mut catalog = Self::open(path)?;
        catalog._lock = None;
        Ok(catalog)
    }

    /// Another connection to a catalog that this process holds open (for a thread of its own).
    ///
    /// # Errors
    /// As [`Catalog::open`], but for the lock.
    pub fn attach(path: &Path) -> Result<Catalog> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)
            .map_err(|e| Error::from(e).with_path(path.as_os_str().as_bytes()))?;
        // Looked at before anything is set: another program's database stays as it is.
        let named = |e: Error| e.with_path(path.as_os_str().as_bytes());
        let version = schema::check(&conn).map_err(named)?;
        schema::configure(&conn).map_err(named)?;
        let catalog = Catalog {
            conn,
            path: path.to_owned(),
            copies: Cell::default(),
            chains: RefCell::default(),
            _lock: None,
        };
        if version == schema::VERSION {
            catalog.load_copies().map_err(named)?;
        }
        Ok(catalog)
    }

    /// As [`Catalog::attach`], to go through the catalog once and in its order: little of what has been read is kept in
    /// memory, where several such connections may be beside each other.
    ///
    /// # Errors
    /// As [`Catalog::attach`].
    pub fn attach_in_order(path: &Path) -> Result<Catalog> {
        let catalog = Catalog::attach(path)?;
        catalog.conn.pragma_update(None, "cache_size", -4_096)?;
        Ok(catalog)
    }

    /// Reads what set a catalog file is about, without locking it.
    ///
    /// # Errors
    /// As [`Catalog::open`], but for the lock.
    pub fn peek(path: &Path) -> Result<(SetInfo, Vec<Source>)> {
        let catalog = preview::open_frozen(path)?;
        Ok((catalog.set_info()?, catalog.sources()?))
    }

    fn path_bytes(&self) -> &[u8] {
        self.path.as_os_str().as_bytes()
    }

    /// The file that this catalog is in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What set this is.
    ///
    /// # Errors
    /// `Code::CatalogDamaged` when the catalog does not say.
    pub fn set_info(&self) -> Result<SetInfo> {
        let text = |key: &str| -> Result<String> {
            self.conn
                .query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0))
                .optional()?
                .ok_or_else(|| {
                    Error::new(
                        Code::CatalogDamaged,
                        "reading the catalog",
                        format!("no {key} in it"),
                    )
                })
        };
        let created = self
            .conn
            .query_row("SELECT value FROM meta WHERE key = 'created'", [], |r| {
                r.get(0)
            })
            .optional()?
            .unwrap_or(0);
        Ok(SetInfo {
            id: text("set_id")?,
            name: text("set_name")?,
            created,
        })
    }

    /// The sources of the set, in the order in which they joined.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn sources(&self) -> Result<Vec<Source>> {
        let mut stmt = self
            .conn
            .prepare_cached("SELECT id, path, prefix, is_file, fsid FROM source ORDER BY id")?;
        let rows = stmt.query_map([], |r| {
            Ok(Source {
                id: r.get(0)?,
                path: r.get(1)?,
                prefix: r.get(2)?,
                is_file: r.get(3)?,
                fsid: r.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Adds a source and gives its number.
    ///
    /// # Errors
    /// What SQLite answers, a path that is there already included.
    pub fn add_source(&self, path: &[u8], prefix: &[u8], is_file: bool, fsid: &str) -> Result<i64> {
        self.conn.execute(
            "INSERT INTO source(path, prefix, is_file, fsid) VALUES(?1, ?2, ?3, ?4)",
            params![path, prefix, is_file, fsid],
        )?;
        let id = self.conn.last_insert_rowid();
        self.raise_revision()?;
        Ok(id)
    }

    /// Notes which file system a source is on now.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn set_source_fsid(&self, id: i64, fsid: &str) -> Result<()> {
        self.conn.execute(
            "UPDATE source SET fsid = ?2 WHERE id = ?1",
            params![id, fsid],
        )?;
        Ok(())
    }

    /// Starts a run and gives its number, from 1.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn begin_run(&self, now: i64) -> Result<i64> {
        if self.copies.get() != copies::Copies::default() {
            self.put_down()?;
        }
        self.conn
            .execute("INSERT INTO run(started) VALUES(?1)", [now])?;
        Ok(self.conn.last_insert_rowid())
    }

    /// Notes how a run ended.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn end_run(&self, run: i64, now: i64, outcome: &str) -> Result<()> {
        self.conn.execute(
            "UPDATE run SET ended = ?2, outcome = ?3 WHERE id = ?1",
            params![run, now, outcome],
        )?;
        Ok(())
    }
}

/// Removes what a process that was killed left of a catalog in the making: SQLite would take such a log for
/// a part of the file that is made next.
fn remove_leftovers(temp: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = temp.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(name) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Takes the lock beside a catalog file. The lock is the kernel's (flock(2)) and goes with the process;
/// what is written in the file is for the message only.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let bytes = name.as_bytes().to_vec();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .at("opening the lock", &bytes)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Best effort: the text only makes the message better.
            let _ = Read::take(&mut file, 200).read_to_string(&mut holder);
            let holder = holder.trim().to_owned();
            let by = if holder.is_empty() {
                "another process".to_owned()
            } else {
                holder
            };
            return Err(Error::new(
                Code::CatalogLocked,
                "locking the catalog",
                format!("it is in use by {by}"),
            )
            .with_path(path.as_os_str().as_bytes()));
        }
        Err(TryLockError::Error(e)) => return Err(e).at("locking", &bytes),
    }
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    file.set_len(0).at("writing the lock", &bytes)?;
    file.seek(SeekFrom::Start(0))
        .at("writing the lock", &bytes)?;
    writeln!(file, "process {} on {host}", std::process::id()).at("writing the lock", &bytes)?;
    Ok(file)
}
