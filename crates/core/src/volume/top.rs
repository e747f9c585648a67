//! The names at the top of a directory, sorted into litter, ours and others.
//!
//! Litter is what systems and vendors leave on every drive; it makes no drive a used one. Only names are
//! looked at, a bounded number of them, and nothing below.

use rustix::fd::BorrowedFd;
use rustix::fs::Dir;
use rustix::io::Result;

use crate::page;

/// How many names are read before the counting stops.
const MAX_NAMES: usize = 100_000;
/// How many of the other names are kept for a message.
const KEPT_NAMES: usize = 10;

/// Our own directory at the top of a volume.
pub const OURS: &[u8] = b".mvcopy";

/// What lies at the top of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopNames {
    /// How many names are litter of systems and vendors.
    pub litter: u32,
    /// Whether there is a `.mvcopy`.
    pub ours: bool,
    /// How many other names there are.
    pub others: u32,
    /// Whether the counting stopped early: there may be more of everything.
    pub more: bool,
    /// The first ten of the other names, by bytes.
    pub names: Vec<Vec<u8>>,
}

/// Reads the names in the directory `fd`.
pub(super) fn read(fd: BorrowedFd<'_>) -> Result<TopNames> {
    let mut top = TopNames::default();
    let mut seen = 0;
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if seen == MAX_NAMES {
            top.more = true;
            break;
        }
        seen += 1;
        // It makes a drive no more a used one than what systems leave there.
        if name == page::NAME && page::stands(fd) {
            top.litter += 1;
            continue;
        }
        top.add(name);
    }
    Ok(top)
}

impl TopNames {
    fn add(&mut self, name: &[u8]) {
        if name == OURS {
            self.ours = true;
        } else if is_litter(name) {
            self.litter += 1;
        } else {
            self.others += 1;
            let at = self.names.partition_point(|n| &n[..] < name);
            if at < KEPT_NAMES {
                self.names.insert(at, name.to_vec());
                self.names.truncate(KEPT_NAMES);
            }
        }
    }
}

/// Whether systems or vendors leave this name on drives by themselves.
pub(crate) fn is_litter(name: &[u8]) -> bool {
    // Windows writes its two in any case, so they are compared that way.
    name.eq_ignore_ascii_case(b"System Volume Information")
        || name.eq_ignore_ascii_case(b"$RECYCLE.BIN")
        || name.starts_with(b".Trash-")
        || matches!(
            name,
            b"lost+found"
                | b".Trashes"
                | b".fseventsd"
                | b".DS_Store"
                | b".Spotlight-V100"
                | b".TemporaryItems"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_into_litter_ours_and_others() {
        let mut top = TopNames::default();
        for name in [
            &b"lost+found"[..],
            b"$Recycle.Bin",
            b".Trash-1000",
            b".mvcopy",
            b"lost+found2",
            b".trash-1000",
            b".mvcopy2",
            b"\xff",
        ] {
            top.add(name);
        }
        assert_eq!((top.litter, top.ours, top.others), (3, true, 4));
        let names: [&[u8]; 4] = [b".mvcopy2", b".trash-1000", b"lost+found2", b"\xff"];
        assert_eq!(top.names, names);
    }

    #[test]
    fn the_ten_first_names_are_kept() {
        let mut top = TopNames::default();
        for n in (0..50).rev() {
            top.add(format!("{n:02}").as_bytes());
        }
        assert_eq!((top.others, top.names.len()), (50, 10));
        assert_eq!(
            (&top.names[0][..], &top.names[9][..]),
            (&b"00"[..], &b"09"[..])
        );
    }
}
