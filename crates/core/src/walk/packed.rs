//! The entries of a listing, packed: a million of them in one directory are in memory at once.

use super::listing::{Found, What};
use crate::meta::{Kind, Meta, Time};

/// The bits of [`Packed::bits`] above the three of the flags.
const DIR: u8 = 8;
const KNOWN: u8 = 16;
const INSIDE: u8 = 32;

/// The entries of one directory; each is unpacked when it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    packed: Vec<Packed>,
    /// The devices that entries lie on: one, where nothing is mounted in the directory.
    devices: Vec<u64>,
}

/// One entry in 80 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    name: (u32, u32),
    size: u64,
    allocated: u64,
    sec: i64,
    nsec: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    ino: u64,
    changed: i64,
    /// Of a directory the token of its listing, of anything else the number of the device that it is.
    number: u64,
    /// Where its device is in [`Entries::devices`].
    device: u32,
    mode: u16,
    kind: u8,
    bits: u8,
}

impl Packed {
    /// Where the name lies.
    pub(super) fn name(&self) -> (u32, u32) {
        self.name
    }

    /// As [`Found::dir`].
    pub(super) fn dir(&self) -> bool {
        self.bits & DIR != 0
    }

    /// Whether it is a directory that is looked into.
    pub(super) fn inside(&self) -> bool {
        self.bits & INSIDE != 0
    }

    /// Gives a directory that is looked into its token.
    pub(super) fn set_token(&mut self, token: u64) {
        self.number = token;
    }
}

impl Entries {
    /// None yet, with room for so many.
    pub(super) fn with_capacity(count: usize) -> Self {
        Entries {
            packed: Vec::with_capacity(count),
            devices: Vec::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.packed.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The entry at this place of the order.
    pub fn get(&self, at: usize) -> Option<Found> {
        self.packed.get(at).map(|packed| self.unpack(packed))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Found> + '_ {
        self.packed.iter().map(|packed| self.unpack(packed))
    }

    /// Adds one behind the others.
    pub(super) fn push(&mut self, found: &Found) {
        let mut packed = Packed {
            name: found.name,
            size: 0,
            allocated: 0,
            sec: 0,
            nsec: 0,
            uid: 0,
            gid: 0,
            nlink: 0,
            ino: 0,
            changed: 0,
            number: 0,
            device: 0,
            mode: 0,
            kind: 0,
            bits: if found.dir { DIR } else { 0 },
        };
        if let What::Known { meta, child } = found.what {
            packed.bits |= KNOWN | (meta.flags & 7);
            packed.number = meta.rdev;
            if let Some(token) = child {
                packed.bits |= INSIDE;
                packed.number = token;
            }
            packed.device = self.device(meta.dev);
            packed.mode = (meta.mode & 0o7777) as u16;
            packed.kind = meta.kind as u8;
            (packed.size, packed.allocated) = (meta.size, meta.allocated);
            (packed.sec, packed.nsec) = (meta.mtime.sec, meta.mtime.nsec);
            (packed.uid, packed.gid, packed.nlink) = (meta.uid, meta.gid, meta.nlink);
            (packed.ino, packed.changed) = (meta.ino, meta.changed);
        }
        self.packed.push(packed);
    }

    fn device(&mut self, dev: u64) -> u32 {
        // Those that come last are those that are asked for: a directory has few, and mostly one.
        let at = self.devices.iter().rposition(|known| *known == dev);
        let at = at.unwrap_or_else(|| {
            self.devices.push(dev);
            self.devices.len() - 1
        });
        // A directory has fewer entries than that: their names have 4 GiB.
        at as u32
    }

    fn unpack(&self, packed: &Packed) -> Found {
        let known = packed.bits & KNOWN != 0;
        let meta = || Meta {
            kind: Kind::from_u8(packed.kind).unwrap_or(Kind::File),
            size: packed.size,
            allocated: packed.allocated,
            mtime: Time {
                sec: packed.sec,
                nsec: packed.nsec,
            },
            mode: packed.mode.into(),
            uid: packed.uid,
            gid: packed.gid,
            dev: self
                .devices
                .get(packed.device as usize)
                .copied()
                .unwrap_or(0),
            ino: packed.ino,
            nlink: packed.nlink,
            rdev: if packed.inside() { 0 } else { packed.number },
            changed: packed.changed,
            flags: packed.bits & 7,
        };
        Found {
            name: packed.name,
            dir: packed.dir(),
            what: match known {
                true => What::Known {
                    meta: meta(),
                    child: packed.inside().then_some(packed.number),
                },
                false => What::Unknown,
            },
        }
    }

    /// About how many bytes they take.
    pub(super) fn weight(&self) -> usize {
        self.packed.capacity() * size_of::<Packed>()
    }

    /// As they are packed, to be put in order.
    pub(super) fn packed(&mut self) -> &mut Vec<Packed> {
        &mut self.packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Packed>(), 80);
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let meta = Meta {
            kind: Kind::CharDevice,
            size: u64::MAX,
            allocated: u64::MAX - 1,
            mtime: Time {
                sec: i64::MIN,
                nsec: 999_999_999,
            },
            mode: 0o7777,
            uid: u32::MAX,
            gid: u32::MAX - 1,
            dev: u64::MAX - 2,
            ino: u64::MAX - 3,
            nlink: u32::MAX,
            rdev: u64::MAX - 4,
            changed: i64::MIN,
            flags: 7,
        };
        let directory = Meta {
            kind: Kind::Dir,
            dev: 1,
            rdev: 0,
            flags: 0,
            ..meta
        };
        let known = |dir, meta, child| Found {
            name: (u32::MAX, 7),
            dir,
            what: What::Known { meta, child },
        };
        let all = [
            known(false, meta, None),
            known(true, directory, Some(u64::MAX)),
            known(true, directory, None),
            Found {
                name: (1, 2),
                dir: true,
                what: What::Unknown,
            },
            known(false, meta, None),
        ];
        let mut entries = Entries::default();
        all.iter().for_each(|found| entries.push(found));
        assert_eq!(entries.iter().collect::<Vec<_>>(), all);
        assert_eq!(entries.get(1).as_ref(), Some(&all[1]));
        assert_eq!((entries.len(), entries.get(5)), (5, None));
    }
}
