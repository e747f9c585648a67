//! A job file of a million entries is written and read in flat memory.
//!
//! A test program of its own: what is measured is the peak of the whole process.

use std::io::pipe;
use std::thread;

use multivolumecopy_core::format::jobfile::{JobWriter, read};

const ENTRIES: u64 = 1_000_000;

/// The most memory that this process has had in use, in kB (proc_pid_status(5)).
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_million_entries_take_flat_memory() {
    let (from, to) = pipe().expect("a pipe");
    // Writer and reader run at once: the file, some 130 MB, is never anywhere as a whole.
    let writer = thread::spawn(move || {
        let mut writer = JobWriter::new(to, b"pipe");
        for n in 0..ENTRIES {
            let relpath = format!("directory {:04}/sub/file number {n:07}.dat", n / 1000);
            let src = format!("/mnt/src/{relpath}");
            let dst = format!("/mnt/usb/{relpath}");
            writer
                .push(src.as_bytes(), dst.as_bytes(), relpath.as_bytes(), n)
                .expect("a good entry");
        }
        writer.finish().expect("the reader is there").0
    });
    let mut bytes = 0;
    let read = read(from, b"pipe", &mut |entry, line| {
        assert_eq!(line, entry.index + 2);
        bytes += entry.bytes;
        Ok(())
    })
    .expect("our own job file");
    assert_eq!(writer.join().expect("the writer ends"), ENTRIES);
    assert_eq!((read, bytes), (ENTRIES, ENTRIES * (ENTRIES - 1) / 2));
    if let Some(peak) = peak_kb() {
        assert!(peak < 30_000, "{peak} kB at the peak");
    }
}
