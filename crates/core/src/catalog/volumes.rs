//! The volumes of a set, as the catalog knows them.

use rusqlite::{OptionalExtension, Row, params};

use super::Catalog;
use crate::error::Result;

/// One volume of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its number in the set, from 1.
    pub number: u32,
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// What the user calls it: what is written on its case.
    pub label: String,
    /// `open` while it is being filled, `complete` when all that was planned for it is there.
    pub state: String,
    /// Raised at each opening for writing; a drive with a lower one is a copy of an older state.
    pub generation: u64,
    /// The type of its file system, as in mountinfo.
    pub fs_type: String,
    /// Its file system's UUID, empty when unknown.
    pub fs_uuid: String,
    /// Bytes that it holds in all.
    pub capacity: u64,
    /// Bytes that were free for us when it was last in.
    pub available: u64,
    /// The file system's block size in bytes.
    pub block_size: u32,
    /// Inodes that were free when it was last in; 0 when the file system does not count them.
    pub inodes_free: u64,
    /// Whether the file system keeps hard links.
    pub has_links: bool,
    /// Where it was last mounted.
    pub mount: Vec<u8>,
    /// When it joined the set, seconds since 1970.
    pub created: i64,
    /// When it was last written, seconds since 1970.
    pub written: i64,
    /// Regular files on it.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// What became of it.
    pub fate: Fate,
    /// When it was last verified, seconds since 1970; 0 = never.
    pub verified: i64,
    /// How it was verified then, in the words of volume.json; empty = never.
    pub verified_kind: String,
    /// Entries that were not good then.
    pub verified_bad: u64,
    /// The revision of the set (see [`super::listed`]) that the list on it has; 0 = it has none. Noted by
    /// [`Catalog::set_listed`] only.
    pub listed: i64,
    /// It is known only from a list on another drive, of this date (seconds since 1970); 0 = from itself.
    pub as_of: i64,
    /// Which copy of the set it belongs to, from 1; see [`super::copies`].
    pub copy: u32,
}

/// What became of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// It is in use.
    #[default]
    None,
    /// It is healthy and shall leave the set: its files move to other volumes.
    Retired,
    /// It is gone: nothing on it counts.
    Lost,
}

impl Fate {
    /// The word for it in the catalog; empty for a volume in use.
    pub fn word(self) -> &'static str {
        match self {
            Fate::None => "",
            Fate::Retired => "retired",
            Fate::Lost => "lost",
        }
    }

    /// The fate that a word stands for; a word that nobody wrote counts as none.
    pub fn from_word(word: &str) -> Fate {
        match word {
            "retired" => Fate::Retired,
            "lost" => Fate::Lost,
            _ => Fate::None,
        }
    }
}

impl Volume {
    /// Whether the lists of the set on the drives say the same of it, but for what changes whenever it is
    /// opened; what it holds is not compared.
    fn is_listed_as(&self, new: &Volume) -> bool {
        let told = |v: &Volume| (v.fate, v.verified, v.verified_bad);
        told(self) == told(new)
            && self.label == new.label
            && self.verified_kind == new.verified_kind
            && self.copy == new.copy
    }
}

const COLUMNS: &str = "number, id, label, state, generation, fs_type, fs_uuid, capacity, available, \
    block_size, inodes_free, has_links, mount, created, written, files, bytes, fate, verified, verified_kind, \
    verified_bad, listed, as_of, copy";

fn from_row(r: &Row<'_>) -> rusqlite::Result<Volume> {
    Ok(Volume {
        number: r.get(0)?,
        id: r.get(1)?,
        label: r.get(2)?,
        state: r.get(3)?,
        generation: r.get::<_, i64>(4)? as u64,
        fs_type: r.get(5)?,
        fs_uuid: r.get(6)?,
        capacity: r.get::<_, i64>(7)? as u64,
        available: r.get::<_, i64>(8)? as u64,
        block_size: r.get(9)?,
        inodes_free: r.get::<_, i64>(10)? as u64,
        has_links: r.get(11)?,
        mount: r.get(12)?,
        created: r.get(13)?,
        written: r.get(14)?,
        files: r.get::<_, i64>(15)? as u64,
        bytes: r.get::<_, i64>(16)? as u64,
        fate: Fate::from_word(&r.get::<_, String>(17)?),
        verified: r.get(18)?,
        verified_kind: r.get(19)?,
        verified_bad: r.get::<_, i64>(20)? as u64,
        listed: r.get(21)?,
        as_of: r.get(22)?,
        copy: r.get(23)?,
    })
}

impl Catalog {
    /// All volumes, by number.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let mut stmt = self
            .conn
            .prepare(&format!("SELECT {COLUMNS} FROM volume ORDER BY number"))?;
        let rows = stmt.query_map([], from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The volume of this number, if there is one.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn volume(&self, number: u32) -> Result<Option<Volume>> {
        let sql = format!("SELECT {COLUMNS} FROM volume WHERE number = ?1");
        Ok(self.conn.query_row(&sql, [number], from_row).optional()?)
    }

    /// Adds a volume, or replaces what is known of it, all but `listed`.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn put_volume(&self, v: &Volume) -> Result<()> {
        let before = self.volume(v.number)?.filter(|old| old.id == v.id);
        let listed = before.as_ref().map_or(v.listed, |old| old.listed);
        if before.is_none_or(|old| !old.is_listed_as(v)) {
            self.raise_revision()?;
        }
        self.conn.execute(
            &format!(
                "INSERT OR REPLACE INTO volume({COLUMNS}) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, \
                 ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)"
            ),
            params![
                v.number,
                v.id,
                v.label,
                v.state,
                v.generation as i64,
                v.fs_type,
                v.fs_uuid,
                v.capacity as i64,
                v.available as i64,
                v.block_size,
                v.inodes_free as i64,
                v.has_links,
                v.mount,
                v.created,
                v.written,
                v.files as i64,
                v.bytes as i64,
                v.fate.word(),
                v.verified,
                v.verified_kind,
                v.verified_bad as i64,
                listed,
                v.as_of,
                v.copy
            ],
        )?;
        if !v.mount.is_empty() {
            self.conn
                .execute("INSERT OR IGNORE INTO place VALUES(?1)", [&v.mount])?;
        }
        self.load_copies()
    }

    /// Every place where a volume of the set has been mounted on this host.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn places(&self) -> Result<Vec<Vec<u8>>> {
        let mut stmt = self.conn.prepare("SELECT path FROM place")?;
        let rows = stmt.query_map([], |r| r.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether the catalog knows of nothing on a volume.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn holds_nothing(&self, number: u32) -> Result<bool> {
        let any: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM placement WHERE volume = ?1)",
            [number],
            |r| r.get(0),
        )?;
        Ok(!any)
    }

    /// Regular files on a volume and the bytes of their content, counted.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn count_volume(&self, number: u32) -> Result<(u64, u64)> {
        let (files, bytes): (i64, i64) = self.conn.query_row(
            "SELECT count(*), coalesce(sum(size), 0) FROM placement WHERE volume = ?1 AND kind = 0",
            [number],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        Ok((files as u64, bytes as u64))
    }
}
