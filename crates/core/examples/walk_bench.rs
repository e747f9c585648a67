//! Walks a directory and prints what that took: `walk_bench PATH [THREADS]`.
//!
//! To be compared with `find PATH -printf '%s %T@ %p\n' >/dev/null`; nothing is done with what is found.

use std::error::Error;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use multivolumecopy_core::CancelToken;
use multivolumecopy_core::filter::Filter;
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::sys::open_root;
use multivolumecopy_core::walk::{Options, walk};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or("usage: walk_bench PATH [THREADS]")?;
    let threads = match arguments.next() {
        Some(text) => text.to_str().ok_or("THREADS is a number")?.parse()?,
        None => 0,
    };
    let filter = Filter::default();
    let options = Options {
        threads,
        ..Options::new(&filter)
    };
    let progress = Progress::new();
    let root = open_root(path.as_bytes())?;
    let start = Instant::now();
    let mut bytes = 0;
    let summary = walk(
        root.as_fd(),
        path.as_bytes(),
        &options,
        &CancelToken::new(),
        &progress,
        &mut |listing| {
            bytes += listing.names.len();
            Ok(())
        },
    )?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} entries, {} name bytes, {seconds:.3} s",
        summary.entries, bytes
    );
    Ok(())
}
