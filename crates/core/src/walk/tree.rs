//! Directories that are still to be looked into.
//!
//! A directory's sub-directories wait as one group: their names in one block, a few numbers each, and the
//! path of the directory as a chain of names. So a million waiting directories cost some 30 MB, and a
//! chain of 5,000 levels costs its names, not its paths. No descriptor is held for what waits.

use std::ops::Range;
use std::sync::Arc;

use crate::filter::Scope;
use crate::sys::Looked;

use super::listing::name_in;

/// A directory that was looked into and has sub-directories that wait.
#[derive(Debug)]
pub(super) struct Dir {
    parent: Option<Arc<Dir>>,
    name: Box<[u8]>,
    /// Its token.
    pub token: u64,
    /// Device and inode number: its identity.
    pub identity: (u64, u64),
    /// The mount that it is on.
    pub mount: u64,
}

impl Dir {
    pub(super) fn new(parent: Option<Arc<Dir>>, name: &[u8], token: u64, looked: &Looked) -> Self {
        let identity = (looked.meta.dev, looked.meta.ino);
        Dir {
            parent,
            name: name.into(),
            token,
            identity,
            mount: looked.mount,
        }
    }

    /// This directory and all above it, up to the source's root.
    pub(super) fn up(&self) -> impl Iterator<Item = &Dir> {
        std::iter::successors(Some(self), |dir| dir.parent.as_deref())
    }

    /// The path of `name` in this directory, below the source's root.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let names = || self.up().map(|d| &*d.name).filter(|n| !n.is_empty());
        let len = name.len() + names().map(|n| n.len() + 1).sum::<usize>();
        let mut path = vec![b'/'; len];
        let mut end = len - name.len();
        path[end..].copy_from_slice(name);
        for part in names() {
            // The byte before `end` stays a slash.
            end -= part.len() + 1;
            path[end..end + part.len()].copy_from_slice(part);
        }
        path
    }

    /// This directory's own path below the source's root.
    pub(super) fn path(&self) -> Vec<u8> {
        match &self.parent {
            Some(parent) => parent.path_of(&self.name),
            None => Vec::new(),
        }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // One after the other: a chain of a million levels dropped by recursion would overflow the stack.
        let mut next = self.parent.take();
        while let Some(mut dir) = next.and_then(Arc::into_inner) {
            next = dir.parent.take();
        }
    }
}

/// The sub-directories of one directory. Their tokens follow each other.
#[derive(Debug)]
pub(super) struct Kids {
    parent: Option<Arc<Dir>>,
    first_token: u64,
    names: Vec<u8>,
    /// Where the name of each lies in `names`.
    kids: Vec<(u32, u32)>,
    /// What a list wants of each; empty where there is no list.
    scopes: Vec<Scope>,
}

impl Kids {
    pub(super) fn new(parent: Arc<Dir>, first_token: u64, count: usize) -> Self {
        Kids {
            parent: Some(parent),
            first_token,
            names: Vec::new(),
            kids: Vec::with_capacity(count),
            scopes: Vec::new(),
        }
    }

    /// Adds a sub-directory; with a list, what it wants of it.
    pub(super) fn push(&mut self, name: &[u8], scope: Option<Scope>) {
        // The names are some of those of a listing, which has checked that they stay below 4 GiB.
        let at = self.names.len() as u32;
        self.names.extend_from_slice(name);
        self.kids.push((at, name.len() as u32));
        self.scopes.extend(scope);
    }
}

/// Some sub-directories of one directory, to be looked into from the front.
#[derive(Debug)]
pub(super) struct Group {
    all: Arc<Kids>,
    rest: Range<usize>,
}

/// One directory to look into.
#[derive(Debug)]
pub(super) struct Job<'g> {
    /// The directory that it is in; none for the source's root.
    pub parent: Option<&'g Arc<Dir>>,
    /// Its name there; empty for the source's root.
    pub name: &'g [u8],
    /// Its token.
    pub token: u64,
    /// What a list wants of it.
    pub scope: Option<Scope>,
}

impl Group {
    /// The source's root, as a group of one.
    pub(super) fn root(scope: Option<Scope>) -> Self {
        Group::new(Kids {
            parent: None,
            first_token: 0,
            names: Vec::new(),
            kids: vec![(0, 0)],
            scopes: scope.into_iter().collect(),
        })
    }

    pub(super) fn new(mut kids: Kids) -> Self {
        kids.names.shrink_to_fit();
        let rest = 0..kids.kids.len();
        Group {
            all: Arc::new(kids),
            rest,
        }
    }

    /// How many directories wait in it.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// Takes one out.
    pub(super) fn next(&mut self) -> Option<Next> {
        let index = self.rest.next()?;
        Some(Next {
            all: Arc::clone(&self.all),
            index,
        })
    }

    /// Takes the back half out, the larger one of an odd number.
    pub(super) fn split(&mut self) -> Group {
        let middle = self.rest.start + self.rest.len() / 2;
        let back = middle..self.rest.end;
        self.rest.end = middle;
        Group {
            all: Arc::clone(&self.all),
            rest: back,
        }
    }
}

/// A directory that was taken out of its group.
#[derive(Debug)]
pub(super) struct Next {
    all: Arc<Kids>,
    index: usize,
}

impl Next {
    /// What is known of it.
    pub(super) fn job(&self) -> Job<'_> {
        Job {
            parent: self.all.parent.as_ref(),
            name: name_in(&self.all.names, self.all.kids[self.index]),
            token: self.all.first_token + self.index as u64,
            scope: self.all.scopes.get(self.index).copied(),
        }
    }
}
