//! System calls as this crate needs them, with the platform chosen here and nowhere else.
//!
//! Each wrapper does one thing, names its man page and gives the error of the call as it is; path and
//! purpose are added by the caller (`IoContext::at`). No policy lives here.

mod dir;

pub(crate) use dir::{Looked, look_at, look_fd, open_child, read_names};
pub use dir::{mount_id, open_dir_beneath, open_root, stat_at, stat_fd};
