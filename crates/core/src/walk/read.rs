//! Reading one directory: its names, a look at each, what rules and list say, and what is to be looked into.

use std::cmp::Reverse;
use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::io::Errno;

use super::listing::{Found, Listing, What, name_in, push_name};
use super::packed::Entries;
use super::tree::{Dir, Group, Job, Kids};
use super::worker::{End, Worker, is_out_of_descriptors};
use crate::error::FileFault;
use crate::filter::{Decision, Named, Scope};
use crate::meta::Kind;
use crate::page;
use crate::progress::Progress;
use crate::sys::{self, Looked};

/// Entries between two looks at the cancel token.
const CHECK_EVERY: usize = 1024;

/// A worker keeps no more room than this for the names of the next directory.
const KEPT_NAMES: usize = 64 * 1024;

/// So many names that were looked at are given back at once.
const GIVEN_BACK: usize = 128 * 1024;

/// The directory that holds a drive's own bookkeeping.
const OWN_NAME: &[u8] = b".mvcopy";

/// A name as the directory gave it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawName {
    name: (u32, u32),
    /// The inode number that the directory claims; only good for ordering.
    ino: u64,
    /// The kind that the directory claims, if it does.
    kind: Option<Kind>,
}

/// The directory in hand.
struct Here<'j, 'l> {
    job: &'j Job<'j>,
    fd: BorrowedFd<'j>,
    mount: u64,
    /// Everything in it is wanted.
    whole: bool,
    /// What a list says of it, sorted by name, and whether that was found.
    named: Vec<(Named<'l>, bool)>,
}

/// What came of one name.
enum Seen {
    /// It was looked at.
    Known(Looked),
    /// It is there, and that is all.
    Unknown { dir: bool },
    /// It does not belong into the listing.
    Nothing,
}

impl Worker<'_> {
    /// Looks into one directory and puts its listing and its sub-directories on their way.
    pub(super) fn look_into(&mut self, job: &Job<'_>) -> Result<(), End> {
        let path = job
            .parent
            .map_or(Vec::new(), |parent| parent.path_of(job.name));
        let mut listing = Listing::new(job.token, path, false);
        let opened = self
            .open(job)
            .and_then(|fd| sys::look_fd(fd.as_fd()).map(|l| (fd, l)));
        let (fd, looked) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                self.not_opened(&listing.path, &e);
                self.hand_over(listing);
                return Ok(());
            }
        };
        // Its inode number may be another one than when its parent was read: some file systems in user space
        // make them up anew. What has the name now is what is walked, unless it leads where it must not.
        if !self.may_enter(job, &looked, &listing.path) {
            self.hand_over(listing);
            return Ok(());
        }
        self.summary.directories += 1;

        let list = self.options.list;
        let depth = listing.path.len() + usize::from(!listing.path.is_empty());
        let named = match (list, job.scope) {
            (Some(list), Some(scope)) => list.names(scope, depth).map(|n| (n, false)).collect(),
            _ => Vec::new(),
        };
        let whole = job.scope.is_none_or(|scope| scope.whole);
        let mut here = Here {
            job,
            fd: fd.as_fd(),
            mount: looked.mount,
            whole,
            named,
        };
        self.raw.clear();
        if whole {
            self.read_all(&here, &mut listing)?;
            // In the order of the inodes, from the end: on a rotating disk that is many times faster than in that of
            // the names.
            self.raw.sort_unstable_by_key(|raw| Reverse(raw.ino));
        } else {
            for (named, _) in &here.named {
                if let Some(name) = push_name(&mut listing.names, named.name) {
                    self.raw.push(RawName {
                        name,
                        ino: 0,
                        kind: None,
                    });
                }
            }
        }
        self.look_at_all(&mut here, &mut listing)?;
        self.report_missing(&here, &listing);
        listing.sort();
        let has_kids = self.queue_kids(&here, &looked, &mut listing);
        if has_kids {
            self.keep(job.token, fd);
        }
        self.hand_over(listing);
        Ok(())
    }

    /// Whether an opened directory is to be read: not when a mount shows a directory above it again, and with
    /// `one_file_system` not when its mount came only with the opening, as an automounter's do.
    fn may_enter(&mut self, job: &Job<'_>, looked: &Looked, path: &[u8]) -> bool {
        let Some(parent) = job.parent.filter(|parent| parent.mount != looked.mount) else {
            return true;
        };
        if self.options.one_file_system {
            return false;
        }
        let identity = (looked.meta.dev, looked.meta.ino);
        let is_loop = parent.up().any(|dir| dir.identity == identity);
        if is_loop {
            self.summary.unreadable += 1;
            let message = "a mount that shows a directory above it again; not looked into";
            let path = self.full_path(path, b"");
            self.fault(FileFault::Failed, path, "looking into", None, message);
        }
        !is_loop
    }

    /// Collects the names of the whole directory.
    fn read_all(&mut self, here: &Here<'_, '_>, listing: &mut Listing) -> Result<(), End> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut raw = std::mem::take(&mut self.raw);
        let (mut impossible, mut too_many, mut end) = (0u64, false, None);
        let read = loop {
            let read = sys::read_names(here.fd, &mut buffer, &mut |name, ino, kind| {
                let name = name.to_bytes();
                if name.is_empty() || name.contains(&b'/') {
                    impossible += 1;
                    return true;
                }
                let Some(name) = push_name(&mut listing.names, name) else {
                    too_many = true;
                    return false;
                };
                raw.push(RawName { name, ino, kind });
                if raw.len().is_multiple_of(CHECK_EVERY) {
                    end = self.check().err();
                }
                end.is_none()
            });
            match read {
                // Where reading takes one more descriptor.
                Err(e)
                    if is_out_of_descriptors(&e) && raw.is_empty() && self.drop_descriptors() => {}
                read => break read,
            }
        };
        self.buffer = buffer;
        self.raw = raw;
        if let Some(end) = end {
            return Err(end);
        }
        listing.complete = read.is_ok() && impossible == 0 && !too_many;
        if listing.complete {
            return Ok(());
        }
        let path = self.full_path(&listing.path, b"");
        match read {
            Err(e) if Errno::from_io_error(&e) == Some(Errno::NOENT) => {
                self.vanished(path, "reading the directory", "");
            }
            Err(e) => self.unreadable(path, "reading the directory", &e),
            Ok(()) => {
                self.summary.unreadable += 1;
                let message = match too_many {
                    true => "more names than 4 GiB".to_owned(),
                    false => format!("the file system gave {impossible} names that can't be"),
                };
                self.fault(
                    FileFault::Failed,
                    path,
                    "reading the directory",
                    None,
                    &message,
                );
            }
        }
        Ok(())
    }

    /// Looks at every name and turns it into an entry.
    fn look_at_all(&mut self, here: &mut Here<'_, '_>, listing: &mut Listing) -> Result<(), End> {
        let mut raw = std::mem::take(&mut self.raw);
        let mut entries = Entries::with_capacity(raw.len());
        while !raw.is_empty() {
            self.check()?;
            let before = self.summary.entries;
            let left = raw.len().saturating_sub(CHECK_EVERY);
            for raw in raw[left..].iter().rev() {
                let (dir, what) = match self.look(here, listing, raw) {
                    Seen::Known(looked) => {
                        self.summary.entries += 1;
                        let dir = looked.meta.kind == Kind::Dir;
                        let other_mount = looked.mount != here.mount;
                        let inside = dir && !(self.options.one_file_system && other_mount);
                        // The token comes when the entries are in order.
                        (
                            dir,
                            What::Known {
                                meta: looked.meta,
                                child: inside.then_some(0),
                            },
                        )
                    }
                    Seen::Unknown { dir } => (dir, What::Unknown),
                    Seen::Nothing => continue,
                };
                entries.push(&Found {
                    name: raw.name,
                    dir,
                    what,
                });
            }
            Progress::add(&self.progress.entries, self.summary.entries - before);
            raw.truncate(left);
            // What is done with makes room for what comes of it.
            if raw.capacity() > KEPT_NAMES && raw.capacity() - left >= GIVEN_BACK {
                raw.shrink_to_fit();
            }
        }
        listing.entries = entries;
        if raw.capacity() <= KEPT_NAMES {
            self.raw = raw;
        }
        Ok(())
    }

    /// Looks at one name.
    fn look(&mut self, here: &mut Here<'_, '_>, listing: &Listing, raw: &RawName) -> Seen {
        let name = name_in(&listing.names, raw.name);
        let (at, len) = (raw.name.0 as usize, raw.name.1 as usize);
        let Ok(c_name) = CStr::from_bytes_with_nul(&listing.names[at..=at + len]) else {
            return Seen::Nothing; // No name has a NUL in it: they come from the system, or from a checked list.
        };
        let named = here.named.binary_search_by(|(n, _)| n.name.cmp(name)).ok();
        if let Some(named) = named {
            here.named[named].1 = true;
        }
        // With the directory's word for the kind, what a rule drops need not be looked at.
        if let Some(kind) = raw.kind
            && self.leaves_out(here, &listing.path, name, kind == Kind::Dir)
        {
            return Seen::Unknown {
                dir: kind == Kind::Dir,
            };
        }
        let looked = match sys::look_at(here.fd, c_name) {
            Ok(looked) => looked,
            Err(e) if Errno::from_io_error(&e) == Some(Errno::NOENT) => {
                match named {
                    Some(named) if !here.whole => {
                        self.report_listed(&here.named[named].0.items);
                    }
                    _ => self.vanished(self.full_path(&listing.path, name), "looking at", ""),
                }
                return Seen::Nothing;
            }
            Err(e) => {
                self.unreadable(self.full_path(&listing.path, name), "looking at", &e);
                return Seen::Unknown {
                    dir: raw.kind == Some(Kind::Dir),
                };
            }
        };
        let dir = looked.meta.kind == Kind::Dir;
        if raw.kind.is_none_or(|kind| (kind == Kind::Dir) != dir)
            && self.leaves_out(here, &listing.path, name, dir)
        {
            return Seen::Unknown { dir };
        }
        if let Some(named) = named
            && !dir
        {
            let (named, _) = &here.named[named];
            self.report_listed(&named.below);
            if !named.exact && !here.whole {
                return Seen::Nothing;
            }
        }
        Seen::Known(looked)
    }

    /// Whether a rule, or `skip_own`, leaves an entry out; counts it.
    fn leaves_out(&mut self, here: &Here<'_, '_>, dir_path: &[u8], name: &[u8], dir: bool) -> bool {
        let at_top = self.options.skip_own && here.job.parent.is_none();
        let own = at_top
            && if dir {
                name == OWN_NAME
            } else {
                // Only on a drive: a page that somebody keeps is a file like any other.
                name == page::NAME
                    && page::stands(here.fd)
                    && sys::stat_at(here.fd, OWN_NAME).is_ok()
            };
        let out = own
            || !self.options.filter.is_empty() && {
                self.path.clear();
                if !dir_path.is_empty() {
                    self.path.extend_from_slice(dir_path);
                    self.path.push(b'/');
                }
                self.path.extend_from_slice(name);
                self.options.filter.decide(&self.path, dir) == Decision::Drop
            };
        self.summary.left_out += u64::from(out);
        out
    }

    /// Reports what a list names in a directory that was read whole and that is not there.
    fn report_missing(&mut self, here: &Here<'_, '_>, listing: &Listing) {
        if here.whole && listing.complete {
            for (named, found) in &here.named {
                if !found {
                    self.report_listed(&named.items);
                }
            }
        }
    }

    fn report_listed(&mut self, items: &Range<usize>) {
        for item in items.clone() {
            if let Some(list) = self.options.list {
                let path = self.full_path(list.path(item), b"");
                self.vanished(path, "looking at", "named in the list");
            }
        }
    }

    /// Gives tokens to the sub-directories that are looked into, and queues them; says whether there are any.
    fn queue_kids(&mut self, here: &Here<'_, '_>, looked: &Looked, listing: &mut Listing) -> bool {
        let entries = listing.entries.packed();
        let count = entries.iter().filter(|e| e.inside()).count();
        if count == 0 {
            return false;
        }
        let job = here.job;
        let parent = Dir::new(job.parent.map(Arc::clone), job.name, job.token, looked);
        let first = self.pool.tokens(count);
        let mut kids = Kids::new(Arc::new(parent), first, count);
        for (token, found) in (first..).zip(entries.iter_mut().filter(|e| e.inside())) {
            found.set_token(token);
            let name = name_in(&listing.names, found.name());
            kids.push(name, job.scope.map(|_| here.scope_of(name)));
        }
        self.stack.push_back(Group::new(kids));
        true
    }
}

impl Here<'_, '_> {
    /// What the list wants of a directory in this one.
    fn scope_of(&self, name: &[u8]) -> Scope {
        match self.named.binary_search_by(|(n, _)| n.name.cmp(name)) {
            Ok(at) => {
                let (named, _) = &self.named[at];
                Scope {
                    whole: self.whole || named.exact,
                    from: named.below.start,
                    to: named.below.end,
                }
            }
            Err(_) => Scope {
                whole: self.whole,
                from: 0,
                to: 0,
            },
        }
    }
}
