//! What is wrong with an entry, in words; no name is in them.

use std::io;

use rustix::io::Errno;

use crate::error::{Error, strerror};
use crate::meta::{Kind, Time};

/// How far apart two times are, in words, when it is more than `window_ns`.
pub(crate) fn time_difference(source: Time, copy: Time, window_ns: u64) -> Option<String> {
    let ns = |t: Time| i128::from(t.sec) * 1_000_000_000 + i128::from(t.nsec);
    let apart = ns(source) - ns(copy);
    let by = apart.unsigned_abs();
    if by <= u128::from(window_ns) {
        return None;
    }
    let (seconds, rest) = (by / 1_000_000_000, by % 1_000_000_000);
    let fraction = match rest {
        0 => String::new(),
        _ => format!(".{rest:09}").trim_end_matches('0').to_owned(),
    };
    let age = if apart > 0 { "older" } else { "newer" };
    Some(format!(
        "time: {seconds}{fraction} s {age} on the drive than in the source"
    ))
}

/// Errors that speak of the device and not of the file.
pub(crate) fn is_device_fault(errno: Option<Errno>) -> bool {
    matches!(
        errno,
        Some(Errno::IO | Errno::NODEV | Errno::NXIO | Errno::NOTCONN | Errno::SHUTDOWN)
    )
}

/// What stands there, with its article.
pub(crate) fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Dir => "a directory",
        Kind::Symlink => "a symbolic link",
        Kind::Fifo => "a fifo",
        Kind::Socket => "a socket",
        Kind::CharDevice | Kind::BlockDevice => "a device",
    }
}

/// What the system answered.
pub(crate) fn words(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(errno) => strerror(errno),
        None => e.to_string(),
    }
}

/// What was being done and what the system answered, without the path.
pub(crate) fn error_words(e: &Error) -> String {
    let cause = match e.errno {
        Some(errno) => strerror(errno),
        None => e.message.clone(),
    };
    format!("{}: {cause}", e.doing)
}
