//! Choosing the name under which an entry stands on the drive in hand: by the rule ([`super::names`]), and so that
//! no two are one.
//!
//! What the drive holds already keeps its name, which the catalog knows. For the rest the names in the directory that
//! are taken are loaded once: ours from the catalog, those that were chosen and are not recorded yet, and whatever
//! else stands on the drive. They are kept as hashes, and given up when there are very many.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::os::fd::AsFd;

use super::drive::{Drive, join, split};
use super::names::{Rules, distinct, encode, fold, is_safe, plainest};
use crate::catalog::place::Key;
use crate::catalog::{Catalog, ROOT_DIR, ROOT_PARENT};
use crate::error::Result;
use crate::sys;

/// Chosen names that may not be in the catalog yet: those of more than two groups of files.
const RECENT: usize = 1 << 16;

/// Names of directories that are kept at once, unless one alone has more.
const MOST_NAMES: usize = 1 << 19;

/// Bytes of paths of directories that are kept at once.
const MOST_PATHS: usize = 8 << 20;

/// Our own page at the root of a drive.
const PAGE: &[u8] = b"START-HERE.html";

/// Whose a name is that is none of ours.
const NOBODY: u64 = 0;

/// What an entry is renamed from: its true path, and its path on the drive.
pub(super) struct Old<'p> {
    pub path: &'p [u8],
    pub place: &'p [u8],
}

/// The names that are taken in one directory, by what they have in common with other spellings: whose each is,
/// and its exact spelling, as hashes.
type Taken = HashMap<u64, (u64, u64)>;

/// Chooses names on one drive.
pub(super) struct Namer {
    rules: Rules,
    volume: u32,
    /// Paths on the drive of directories, by their numbers in the catalog.
    places: HashMap<i64, Vec<u8>>,
    place_bytes: usize,
    taken: HashMap<i64, Taken>,
    taken_names: usize,
    recent: VecDeque<(i64, Vec<u8>)>,
    chosen: HashMap<(i64, Vec<u8>), Vec<u8>>,
    state: RandomState,
}

impl Namer {
    /// For an open drive.
    pub fn new(drive: &Drive) -> Self {
        Namer {
            rules: drive.rules,
            volume: drive.identity.volume.number,
            places: HashMap::new(),
            place_bytes: 0,
            taken: HashMap::new(),
            taken_names: 0,
            recent: VecDeque::new(),
            chosen: HashMap::new(),
            state: RandomState::new(),
        }
    }

    /// The path on the drive of an entry, where it is not its own. `old`: what it is renamed from.
    ///
    /// # Errors
    /// What SQLite answers; `Code::Io` where a directory of the drive cannot be listed.
    pub fn alias(
        &mut self,
        drive: &Drive,
        catalog: &Catalog,
        path: &[u8],
        key: &Key,
        old: Option<&Old<'_>>,
    ) -> Result<Option<Vec<u8>>> {
        if self.rules.is_plain() {
            return Ok(None);
        }
        let above = self.place(drive, catalog, key.dir, old)?;
        let name = self.name(drive, catalog, (key.dir, &above), &key.name, old)?;
        let place = join(&above, &name);
        Ok((place != path).then_some(place))
    }

    /// The path on the drive of a directory.
    fn place(
        &mut self,
        drive: &Drive,
        catalog: &Catalog,
        dir: i64,
        old: Option<&Old<'_>>,
    ) -> Result<Vec<u8>> {
        let mut chain = Vec::new();
        let mut at = dir;
        while at != ROOT_DIR && at != ROOT_PARENT && !self.places.contains_key(&at) {
            let Some((parent, name)) = catalog.dir_key(at)? else {
                break;
            };
            chain.push((at, parent, name));
            at = parent;
        }
        let mut place = self.places.get(&at).cloned().unwrap_or_default();
        for (dir, parent, name) in chain.into_iter().rev() {
            let name = self.name(drive, catalog, (parent, &place), &name, old)?;
            place = join(&place, &name);
            if self.place_bytes > MOST_PATHS {
                self.places.clear();
                self.place_bytes = 0;
            }
            self.place_bytes += place.len();
            self.places.insert(dir, place.clone());
        }
        Ok(place)
    }

    /// The name on the drive of an entry in a directory, of which number and path there are given.
    fn name(
        &mut self,
        drive: &Drive,
        catalog: &Catalog,
        (dir, above): (i64, &[u8]),
        name: &[u8],
        old: Option<&Old<'_>>,
    ) -> Result<Vec<u8>> {
        let key = Key {
            dir,
            name: name.to_vec(),
        };
        if let Some(known) = catalog.name_on(self.volume, &key)? {
            return Ok(known);
        }
        let slot = (dir, key.name);
        if let Some(chosen) = self.chosen.get(&slot) {
            return Ok(chosen.clone());
        }
        let true_name = name.strip_suffix(b"/").unwrap_or(name);
        let free = match old {
            Some(old) => self.given_up(catalog, above, name, old)?,
            None => None,
        };
        self.load(drive, catalog, dir, above)?;
        let mut chosen = encode(true_name, &self.rules).into_owned();
        if self.rules.tried && !is_safe(&chosen) && !takes(drive, &chosen) {
            chosen = plainest(true_name);
        }
        let mut attempt = 0;
        while self.rules.folds && self.clashes(dir, true_name, &chosen, free) && attempt < 5 {
            chosen = distinct(true_name, &self.rules, attempt);
            attempt += 1;
        }
        let (spelling, exact) = self.hashes(&chosen);
        let owner = self.owner(true_name);
        if let Some(taken) = self.taken.get_mut(&dir) {
            self.taken_names += usize::from(taken.insert(spelling, (owner, exact)).is_none());
        }
        self.remember(slot, &chosen);
        Ok(chosen)
    }

    fn remember(&mut self, slot: (i64, Vec<u8>), chosen: &[u8]) {
        if self.recent.len() >= RECENT
            && let Some(oldest) = self.recent.pop_front()
        {
            self.chosen.remove(&oldest);
        }
        self.chosen.insert(slot.clone(), chosen.to_vec());
        self.recent.push_back(slot);
    }

    /// The name in the same directory of the drive that an entry gives up by being renamed, where nothing else
    /// stays under it.
    fn given_up<'p>(
        &self,
        catalog: &Catalog,
        above: &[u8],
        name: &[u8],
        old: &Old<'p>,
    ) -> Result<Option<&'p [u8]>> {
        let depth = match above {
            b"" => 0,
            above => above.split(|b| *b == b'/').count(),
        };
        let (path, place) = (first(old.path, depth + 1), first(old.place, depth + 1));
        let (Some(path), Some(place)) = (path, place) else {
            return Ok(None);
        };
        let (dir, last) = split(place);
        let is_dir = name.ends_with(b"/");
        // The directory of what is renamed goes with it only where it is gone from the source.
        if dir != above || is_dir != (path.len() < old.path.len()) {
            return Ok(None);
        }
        if is_dir {
            let stays = match catalog.find(path, true)? {
                Some(key) => catalog
                    .entry(key.dir, &key.name)?
                    .is_none_or(|row| row.gone == 0),
                None => true,
            };
            if stays {
                return Ok(None);
            }
        }
        Ok(Some(last))
    }

    fn hashes(&self, name: &[u8]) -> (u64, u64) {
        let spelling = if self.rules.folds {
            self.state.hash_one(fold(name))
        } else {
            self.state.hash_one(name)
        };
        (spelling, self.state.hash_one(name))
    }

    fn owner(&self, true_name: &[u8]) -> u64 {
        self.state.hash_one(true_name).max(NOBODY + 1)
    }

    /// Whether something else has this name in any spelling. What is none of ours and is spelt just so is not told
    /// apart from ours here: it is in the way, or taken over.
    fn clashes(&self, dir: i64, true_name: &[u8], name: &[u8], free: Option<&[u8]>) -> bool {
        let (spelling, exact) = self.hashes(name);
        let Some((owner, has)) = self.taken.get(&dir).and_then(|t| t.get(&spelling)) else {
            return false;
        };
        let is_free = free.is_some_and(|free| self.hashes(free).1 == *has);
        !is_free && *owner != self.owner(true_name) && !(*owner == NOBODY && exact == *has)
    }

    /// Loads the names that are taken in a directory.
    fn load(&mut self, drive: &Drive, catalog: &Catalog, dir: i64, above: &[u8]) -> Result<()> {
        if !self.rules.folds || self.taken.contains_key(&dir) {
            return Ok(());
        }
        if self.taken_names > MOST_NAMES {
            self.taken.clear();
            self.taken_names = 0;
        }
        let mut taken = Taken::new();
        catalog.names_in(self.volume, dir, &mut |name, there| {
            let (spelling, exact) = self.hashes(there);
            taken.insert(spelling, (self.owner(name), exact));
        })?;
        for slot in self.recent.iter().filter(|(d, _)| *d == dir) {
            if let Some(there) = self.chosen.get(slot) {
                let name = slot.1.strip_suffix(b"/").unwrap_or(&slot.1);
                let (spelling, exact) = self.hashes(there);
                taken.insert(spelling, (self.owner(name), exact));
            }
        }
        let listed = sys::open_dir_beneath(drive.root.as_fd(), above, true).and_then(|fd| {
            sys::read_names(fd.as_fd(), &mut Vec::new(), &mut |name, _, _| {
                let (spelling, exact) = self.hashes(name.to_bytes());
                if let Entry::Vacant(slot) = taken.entry(spelling) {
                    slot.insert((NOBODY, exact));
                }
                true
            })
        });
        if above.is_empty() {
            // It is written when the drive is closed.
            let (spelling, exact) = self.hashes(PAGE);
            taken.entry(spelling).or_insert((NOBODY, exact));
        }
        // What is no directory, or cannot be listed, is told of when something is to be written there.
        drop(listed);
        self.taken_names += taken.len();
        self.taken.insert(dir, taken);
        Ok(())
    }
}

/// The first components of a path, `count` of them; `None` where it has fewer.
fn first(path: &[u8], count: usize) -> Option<&[u8]> {
    let mut ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
    ends.nth(count - 1).map(|end| &path[..end])
}

/// Whether the drive takes a name, by trying.
fn takes(drive: &Drive, name: &[u8]) -> bool {
    let made = sys::create_new(drive.tmp.as_fd(), name);
    if made.is_ok() {
        let _ = sys::unlink(drive.tmp.as_fd(), name, false);
    }
    use rustix::io::Errno;
    // Any other failure is about the drive, and met again when the file is written.
    !made.is_err_and(|e| {
        let errno = Errno::from_io_error(&e);
        matches!(
            errno,
            Some(
                Errno::INVAL
                    | Errno::ILSEQ
                    | Errno::NAMETOOLONG
                    | Errno::NOENT
                    | Errno::OPNOTSUPP
                    | Errno::PERM
                    | Errno::ACCESS
            )
        )
    })
}
