//! Mirrors of what the catalog tells and takes: plain objects of numbers, texts and names.

use multivolumecopy_core::catalog::scan::{Sameness, Tally};
use multivolumecopy_core::catalog::volumes::{Fate, Volume};
use napi_derive::napi;

use crate::name::FsName;

/// What a set is.
#[napi(object)]
pub struct SetJs {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The name that the user gave it, or that was made from its first source.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub created: f64,
}

/// One source of a set.
#[napi(object)]
pub struct SourceJs {
    /// Its number in the catalog.
    pub id: f64,
    /// Where it lies on this host, absolute.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// Where it lies on the drives; empty is the root.
    #[napi(ts_type = "string")]
    pub prefix: FsName,
    /// Whether it is a single file.
    pub is_file: bool,
    /// Which file system it was on; empty when unknown.
    pub fsid: String,
}

/// One volume of a set, as the catalog knows it.
#[napi(object)]
pub struct VolumeJs {
    /// Its number in the set, from 1.
    pub number: u32,
    /// 32 hexadecimal digits.
    pub id: String,
    /// What is written on its case.
    pub label: String,
    /// `open` or `complete`.
    pub state: String,
    /// How often it was opened for writing.
    pub generation: f64,
    /// The type of its file system.
    pub fs_type: String,
    /// Its file system's UUID, empty when unknown.
    pub fs_uuid: String,
    /// Bytes that it holds in all.
    pub capacity: f64,
    /// Bytes that were free when it was last in.
    pub available: f64,
    /// The file system's unit of allocation in bytes.
    pub block_size: u32,
    /// Inodes that were free when it was last in; 0 when they are not counted.
    pub inodes_free: f64,
    /// Whether it keeps hard links.
    pub has_links: bool,
    /// Where it was last mounted.
    #[napi(ts_type = "string")]
    pub mount: FsName,
    /// Seconds since 1970.
    pub created: f64,
    /// Seconds since 1970.
    pub written: f64,
    /// Regular files on it.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// What became of it: empty while it is in use.
    #[napi(ts_type = "'' | 'retired' | 'lost'")]
    pub fate: String,
    /// When it was last verified, seconds since 1970; 0 = never.
    pub verified: f64,
    /// How it was verified then; empty = never.
    pub verified_kind: String,
    /// Entries that were not good then.
    pub verified_bad: f64,
    /// The run after which the list of the whole set on it was written; 0 = never.
    pub listed: f64,
    /// It is known only from a list on another drive, of this date (seconds since 1970); 0 = from itself.
    pub as_of: f64,
    /// Which copy of the set it belongs to, from 1.
    pub copy: u32,
}

impl From<Volume> for VolumeJs {
    fn from(v: Volume) -> Self {
        VolumeJs {
            number: v.number,
            id: v.id,
            label: v.label,
            state: v.state,
            generation: v.generation as f64,
            fs_type: v.fs_type,
            fs_uuid: v.fs_uuid,
            capacity: v.capacity as f64,
            available: v.available as f64,
            block_size: v.block_size,
            inodes_free: v.inodes_free as f64,
            has_links: v.has_links,
            mount: FsName(v.mount),
            created: v.created as f64,
            written: v.written as f64,
            files: v.files as f64,
            bytes: v.bytes as f64,
            fate: v.fate.word().to_owned(),
            verified: v.verified as f64,
            verified_kind: v.verified_kind,
            verified_bad: v.verified_bad as f64,
            listed: v.listed as f64,
            as_of: v.as_of as f64,
            copy: v.copy,
        }
    }
}

impl From<VolumeJs> for Volume {
    fn from(v: VolumeJs) -> Self {
        Volume {
            number: v.number,
            id: v.id,
            label: v.label,
            state: v.state,
            generation: v.generation as u64,
            fs_type: v.fs_type,
            fs_uuid: v.fs_uuid,
            capacity: v.capacity as u64,
            available: v.available as u64,
            block_size: v.block_size,
            inodes_free: v.inodes_free as u64,
            has_links: v.has_links,
            mount: v.mount.0,
            created: v.created as i64,
            written: v.written as i64,
            files: v.files as u64,
            bytes: v.bytes as u64,
            fate: Fate::from_word(&v.fate),
            verified: v.verified as i64,
            verified_kind: v.verified_kind,
            verified_bad: v.verified_bad as u64,
            listed: v.listed as i64,
            as_of: v.as_of as i64,
            copy: v.copy,
        }
    }
}

/// What a scan of one source found.
#[napi(object, object_from_js = false)]
pub struct TallyJs {
    /// The source's number in the catalog.
    pub source: f64,
    /// Regular files that were known before and not gone.
    pub known_files: f64,
    /// Entries seen, of any kind.
    pub entries: f64,
    /// Regular files seen.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// New regular files.
    pub new_files: f64,
    /// Bytes of the new ones.
    pub new_bytes: f64,
    /// Regular files whose size or time differs.
    pub changed_files: f64,
    /// Bytes of the changed ones.
    pub changed_bytes: f64,
    /// Regular files that are gone; 0 after a walk with errors.
    pub gone_files: f64,
    /// Bytes that they had.
    pub gone_bytes: f64,
    /// Regular files that have another name than before: neither new nor gone.
    pub renamed_files: f64,
    /// Places below which another file system was mounted before and is not now.
    pub unmounted: f64,
    /// Whether the source's root held nothing at all.
    pub root_empty: bool,
    /// What could not be looked at.
    pub unreadable: f64,
    /// What vanished while it was looked at.
    pub vanished: f64,
}

/// The numbers of one source's scan; what the walk counted stands beside them.
pub(crate) fn tally_js(source: i64, t: &Tally, unreadable: u64, vanished: u64) -> TallyJs {
    TallyJs {
        source: source as f64,
        known_files: t.known_files as f64,
        entries: t.entries as f64,
        files: t.files as f64,
        bytes: t.bytes as f64,
        new_files: t.new_files as f64,
        new_bytes: t.new_bytes as f64,
        changed_files: t.changed_files as f64,
        changed_bytes: t.changed_bytes as f64,
        gone_files: t.gone_files as f64,
        gone_bytes: t.gone_bytes as f64,
        renamed_files: 0.0,
        unmounted: t.unmounted as f64,
        root_empty: t.root_empty,
        unreadable: unreadable as f64,
        vanished: vanished as f64,
    }
}

/// One rule of `--include` and `--exclude`, in the order in which they count.
#[napi(object)]
pub struct RuleJs {
    /// Whether it includes; else it excludes.
    pub include: bool,
    /// The pattern.
    #[napi(ts_type = "string")]
    pub pattern: FsName,
}

/// How to look at the sources.
#[napi(object)]
pub struct ScanOptionsJs {
    /// The run that looks.
    pub run: f64,
    /// The numbers of the sources.
    pub sources: Vec<f64>,
    /// Whether each source's mount is stayed on.
    pub one_file_system: bool,
    /// The filter.
    pub rules: Vec<RuleJs>,
    /// The file with the list of names, absent: everything.
    #[napi(ts_type = "string")]
    pub files_from: Option<FsName>,
    /// Whether its names end with NUL.
    pub nul_separated: bool,
    /// Walking threads, 0 = by the machine.
    pub threads: u32,
    /// What counts as unchanged.
    pub same: SamenessJs,
}

/// When a file counts as unchanged: by default where size and time are equal.
#[napi(object)]
pub struct SamenessJs {
    /// The size is enough.
    pub size_only: bool,
    /// Times that differ by no more than so many seconds are equal.
    pub window: u32,
    /// Known files are noted for `Catalog.compareContent`.
    pub content: bool,
}

impl From<&SamenessJs> for Sameness {
    fn from(s: &SamenessJs) -> Self {
        Sameness {
            size_only: s.size_only,
            window: s.window,
            content: s.content,
        }
    }
}

/// A path and a number that goes with it: a size, or a volume.
#[napi(object, object_from_js = false)]
pub struct PathNumberJs {
    /// The path below the drives' root.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The number.
    pub value: f64,
}

/// Two counts that go together.
#[napi(object, object_from_js = false)]
pub struct AmountJs {
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
}
