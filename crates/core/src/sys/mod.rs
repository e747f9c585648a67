//! System calls as this crate needs them, with the platform chosen here and nowhere else.
//!
//! Each wrapper does one thing, names its man page and gives the error of the call as it is; path and
//! purpose are added by the caller (`IoContext::at`). No policy lives here.

mod dir;
mod file;
mod kind;
mod medium;
mod names;
mod node;
mod xattr;

pub(crate) use dir::{Looked, look_at, look_fd, open_child, read_names};
pub use dir::{born_at, mount_id, mount_id_of_open, open_dir_beneath, open_root, stat_at, stat_fd};
pub use file::{
    begin_write_back, close, create_new, drop_cache, is_broken_device, make_dir, next_data,
    open_for_reading, read_ahead, rename, set_metadata, set_owner, stat_path, sync_file,
    sync_file_system, timestamps, try_claim, try_clone, try_copy_range, unlink,
};
pub use kind::{FileSystemKind, file_system_kind};
pub use medium::{changed_at, first_extent, resident_bytes, unique_mount_id};
pub use names::{group_name, user_name};
pub use node::{major, make_device, make_node, minor, set_mode_at, set_new_mode};
pub use xattr::{Lost, On, drop_default_acl, read_xattrs, set_flags, write_xattrs};
