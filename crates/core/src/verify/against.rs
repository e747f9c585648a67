//! The drive held against the source: what the drive should hold is looked up in the source and read there, too.
//!
//! Where the sources lie is known from the host's catalog. A source that moved on is data and no fault of the
//! drive; where size and time agree and the content does not, the recorded digest tells on which side the damage
//! is. What is in the source and not on this drive is nobody's concern here. Sources are only read, and what cannot
//! be looked at is unknown, never gone.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Options;
use super::list::Expected;
use super::read::{Content, Look, Reader, Wanted};
use super::session::mount_of;
use super::sides::{Compared, Shown, judge, said, size_there};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::engine::copy::open_sources;
use crate::engine::drive::names_in;
use crate::engine::work::SourceRoot;
use crate::error::{Code, Error, Result};
use crate::format::item::Algorithm;
use crate::format::part::Part;
use crate::format::verify::SourceWord;
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::volume;

/// Files of a source that are read at once where it does not seek.
const THREADS: usize = 4;

const DOING: &str = "comparing with the source";

/// The sources of the set, as far as they are there.
pub(super) struct Against {
    catalog: Catalog,
    volume: u32,
    sources: HashMap<i64, Arc<SourceRoot>>,
    /// Where each source lies on the drives, the longest first.
    prefixes: Vec<(Vec<u8>, i64)>,
    /// Paths of the sources that are not there, or empty: not mounted, as far as anybody can tell.
    pub absent: Vec<Vec<u8>>,
}

/// Where an entry should be in the sources.
enum Place {
    /// Below this source.
    At(i64, Vec<u8>),
    /// Its source is not there.
    Unseen,
    /// No source is known to have had it.
    Nowhere,
    /// It is the root of a source.
    Root,
}

/// Entries of a chunk with what the sources show of them; `None`: it was not looked for.
pub(super) type ShownAll = Vec<Option<Shown>>;

/// What a chunk asks of the sources; can be sent to another thread.
pub(super) struct Asked {
    places: Vec<Place>,
    sources: HashMap<i64, Arc<SourceRoot>>,
}

impl Against {
    /// Opens the sources of the drive's set, as the catalog of `options` knows them.
    ///
    /// # Errors
    /// `Code::BadInput` without a catalog of the set, and where no source of it is there; as [`Catalog::open`].
    pub fn open(options: &Options, set: &str, volume: u32) -> Result<Against> {
        let bad = |message: String| Error::new(Code::BadInput, DOING, message);
        let file: &Path = options
            .catalog
            .as_deref()
            .ok_or_else(|| bad("this host has no catalog of the set".to_owned()))?;
        let catalog = Catalog::open_to_read(file)?;
        if catalog.set_info()?.id != set {
            return Err(bad("the catalog is one of another set".to_owned()));
        }
        let mut sources = open_sources(&catalog)?;
        sources.retain(|_, root| !names_in(root.fd.as_fd()).is_ok_and(|names| names.is_empty()));
        let all = catalog.sources()?;
        let absent: Vec<Vec<u8>> = all
            .iter()
            .filter(|s| !sources.contains_key(&s.id))
            .map(|s| s.path.clone())
            .collect();
        if sources.is_empty() {
            let names: Vec<String> = absent.iter().map(|p| crate::name::display(p)).collect();
            let message = match names.is_empty() {
                true => "the set has no sources on this host".to_owned(),
                false => format!("not there, or empty: {}", names.join(", ")),
            };
            return Err(bad(message));
        }
        let mut prefixes: Vec<(Vec<u8>, i64)> = all.into_iter().map(|s| (s.prefix, s.id)).collect();
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Against {
            catalog,
            volume,
            sources,
            prefixes,
            absent,
        })
    }

    /// Finds out where in the sources the entries of a chunk should be.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn ask(&self, chunk: &[Expected]) -> Result<Asked> {
        let places = chunk.iter().map(|one| self.place(one));
        Ok(Asked {
            places: places.collect::<Result<_>>()?,
            sources: self.sources.clone(),
        })
    }

    fn place(&self, expected: &Expected) -> Result<Place> {
        let is_dir = expected.kind == Kind::Dir;
        let mut path = expected.path().to_vec();
        let mut source = None;
        if let Some(key) = self.catalog.find(&path, is_dir)?
            && let Some(row) = self.catalog.in_source(self.volume, &key)?
        {
            // Of what was renamed in the source since, the new name.
            let at = crate::catalog::place::Key {
                dir: row.dir,
                name: row.name,
            };
            path = self.catalog.path_of(&at)?;
            // Of the parts of a file it is the file's, and negative.
            source = Some(row.source.abs());
        }
        if expected.part.is_some() {
            path.truncate(Part::whole(&path).len());
        }
        let path = path.strip_suffix(b"/").unwrap_or(&path);
        let Some(source) = source.or_else(|| self.by_prefix(path)) else {
            return Ok(Place::Nowhere);
        };
        let Some(root) = self.sources.get(&source) else {
            return Ok(Place::Unseen);
        };
        Ok(match root.below(path) {
            b"" => Place::Root,
            below => Place::At(source, below.to_vec()),
        })
    }

    /// The source of a path that the catalog does not know.
    fn by_prefix(&self, path: &[u8]) -> Option<i64> {
        let covers = |prefix: &[u8]| {
            prefix.is_empty()
                || path == prefix
                || (path.starts_with(prefix) && path.get(prefix.len()) == Some(&b'/'))
        };
        let found = self.prefixes.iter().find(|(prefix, _)| covers(prefix))?;
        Some(found.1)
    }
}

impl Asked {
    /// Looks in the sources, and reads there what has to be compared by content.
    ///
    /// # Errors
    /// `Code::Cancelled`, `Code::Io` when a root cannot be opened once more.
    pub fn look(&self, chunk: &[Expected], cancel: &CancelToken) -> Result<ShownAll> {
        // What is shown as progress is what is read of the drive.
        let progress = &Progress::new();
        let mut shown: ShownAll = (0..chunk.len()).map(|_| None).collect();
        for (source, members) in self.groups() {
            let Some(root) = self.sources.get(&source) else {
                continue;
            };
            let mount = mount_of(root.fd.as_fd());
            let reader = Reader {
                root: &root.fd,
                output: &root.path,
                threads: THREADS,
                seeks: mount.and_then(|m| volume::rotational(&m)).unwrap_or(false),
                one_mount: false,
                cancel,
                progress,
                cached: &AtomicU64::new(0),
            };
            let paths: Vec<&[u8]> = members.iter().map(|(_, path)| *path).collect();
            let looks = reader.look(&paths)?;
            let mut order: Vec<(u64, usize)> = Vec::new();
            let mut first: HashMap<(u64, u64, Algorithm), usize> = HashMap::new();
            let mut same_as: Vec<(usize, usize)> = Vec::new();
            for (m, look) in looks.iter().enumerate() {
                let (n, _) = members[m];
                let Look::There(meta, _, place) = look else {
                    continue;
                };
                if !is_to_read(&chunk[n], meta) {
                    continue;
                }
                let id = (meta.dev, meta.ino, chunk[n].by());
                match first.get(&id) {
                    Some(leader) if meta.nlink > 1 && chunk[n].part.is_none() => {
                        same_as.push((m, *leader))
                    }
                    _ => {
                        first.insert(id, m);
                        order.push((*place, m));
                    }
                }
            }
            if reader.seeks {
                order.sort_unstable();
            }
            let wanted = order.iter().map(|(_, m)| {
                let one = &chunk[members[*m].0];
                Wanted {
                    path: paths[*m],
                    by: one.by(),
                    range: one.part.map(|(begins, _)| (begins, begins + one.size)),
                }
            });
            let wanted: Vec<Wanted<'_>> = wanted.collect();
            let mut contents: Vec<Option<Content>> = vec![None; members.len()];
            for ((_, m), content) in order.iter().zip(reader.read(&wanted)?) {
                // A stop came before it, and nothing of the chunk counts.
                contents[*m] = Some(content.ok_or_else(Error::cancelled)?);
            }
            for (m, leader) in same_as {
                contents[m] = contents[leader].clone();
            }
            for ((m, look), content) in looks.into_iter().enumerate().zip(contents) {
                shown[members[m].0] = Some(Shown { look, content });
            }
        }
        Ok(shown)
    }

    fn groups(&self) -> BTreeMap<i64, Vec<(usize, &[u8])>> {
        let mut groups: BTreeMap<i64, Vec<(usize, &[u8])>> = BTreeMap::new();
        for (n, place) in self.places.iter().enumerate() {
            if let Place::At(source, path) = place {
                groups.entry(*source).or_default().push((n, path));
            }
        }
        groups
    }

    /// What is to be said of the entry `n` of the chunk; `drive`: the content that its copy has.
    pub fn judge(
        &self,
        n: usize,
        expected: &Expected,
        shown: Option<&Shown>,
        drive: Option<&Content>,
    ) -> Compared {
        match (&self.places[n], shown) {
            (Place::Root, _) => Compared::Same,
            (Place::Unseen, _) => said(SourceWord::Unseen, "its source is not there"),
            (Place::Nowhere, _) => said(SourceWord::Gone, "no source is known to have it"),
            (Place::At(..), None) => Compared::Unknown,
            (Place::At(..), Some(shown)) => judge(expected, shown, drive),
        }
    }
}

/// Whether the content in the source has to be read: it could be what is recorded.
fn is_to_read(expected: &Expected, found: &Meta) -> bool {
    expected.kind == Kind::File
        && found.kind == Kind::File
        && (!expected.timed || found.size == size_there(expected))
        // Without a digest another time is all that there is to be told.
        && (expected.digest.is_some() || found.mtime == expected.mtime)
}
