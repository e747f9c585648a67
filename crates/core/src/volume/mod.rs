//! Facts about a mounted path: what is there, on which mount, with how much room, and whose it says it is.
//!
//! [`inspect()`] looks at one path, [`mounts()`] lists what is mounted. Both only read. They decide nothing:
//! whether a directory is a blank drive or an unmounted one is policy and is judged in TypeScript.
//! No call here waits on a fifo or follows a symlink inside `.mvcopy`; one on a dead network mount can
//! hang, as any system call there can, so run it on a thread that nobody needs.

mod fsuuid;
mod identity;
pub mod inspect;
pub mod lists;
pub mod mounts;
mod node;
mod paths;
pub(crate) mod top;

pub use identity::{Identity, VolumeFacts};
pub(crate) use inspect::rotational;
pub use inspect::{Found, FstabFacts, MountFacts, PathFacts, Space, inspect};
pub use mounts::{Mount, mounts};
pub use node::FileId;
pub use top::TopNames;
pub(crate) use top::is_litter;
