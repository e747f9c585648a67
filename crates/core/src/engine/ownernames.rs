//! What owners and groups are called, for the manifest: numbers alone say little on another host.
//!
//! Asked of the host once for each number. What a drive or an earlier run has told stands before what this host
//! says: the drive may be closed elsewhere than where its files came from.

use std::collections::{HashMap, HashSet};

use crate::catalog::Catalog;
use crate::error::Result;
use crate::format::extra::OwnerNames;
use crate::format::item::Item;
use crate::sys;

/// Numbers of which the names are remembered.
const MOST: usize = 65_536;

/// The names of owners and groups, as they are asked for.
pub(super) struct OwnerNamesOf<'c> {
    catalog: &'c Catalog,
    known: HashMap<(bool, u32), Option<Vec<u8>>>,
}

impl OwnerNamesOf<'_> {
    /// Nothing is known yet.
    pub fn new(catalog: &Catalog) -> OwnerNamesOf<'_> {
        OwnerNamesOf {
            catalog,
            known: HashMap::new(),
        }
    }

    /// The names of an item's owner and group, where anybody knows one.
    pub fn of(&mut self, item: &Item) -> Result<Option<Box<OwnerNames>>> {
        let user = self.name(false, item.uid)?;
        let group = self.name(true, item.gid)?;
        let any = user.is_some() || group.is_some();
        Ok(any.then(|| Box::new(OwnerNames { user, group })))
    }

    fn name(&mut self, is_group: bool, id: u32) -> Result<Option<Vec<u8>>> {
        if let Some(name) = self.known.get(&(is_group, id)) {
            return Ok(name.clone());
        }
        let mut name = self.catalog.owner_name(is_group, id)?;
        if name.is_none() {
            let told = match is_group {
                true => sys::group_name(id),
                false => sys::user_name(id),
            };
            name = told.filter(|name| !name.is_empty() && name.len() <= 255);
            if let Some(name) = &name {
                self.catalog.note_owner(is_group, id, name)?;
            }
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert((is_group, id), name.clone());
        Ok(name)
    }
}

/// Takes over what a manifest calls an item's owner and group. `told`: the numbers of which that was done.
pub(super) fn note_names(
    catalog: &Catalog,
    item: &Item,
    names: OwnerNames,
    told: &mut HashSet<(bool, u32)>,
) -> Result<()> {
    if told.len() >= MOST {
        told.clear();
    }
    for (is_group, id, name) in [(false, item.uid, names.user), (true, item.gid, names.group)] {
        if let Some(name) = name
            && told.insert((is_group, id))
        {
            catalog.note_owner(is_group, id, &name)?;
        }
    }
    Ok(())
}
