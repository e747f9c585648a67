//! Chunk after chunk of what is to be checked: look, read in a good order, judge, note.
//!
//! Entries come in path order and are noted in it, so how far a check is is one key. Within a chunk files are read
//! as they lie on a drive that seeks. Of the names of one file the first is read, and the others go by it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::Kept;
use super::judge::{Judged, by_content, by_look};
use super::list::{Expected, Tables};
use super::read::{Content, Look, Reader, Wanted};
use super::run::Checking;
use super::sides::{Compared, SOURCE_HAS_IT};
use super::start::Start;
use crate::error::{Code, Error, Result};
use crate::format::item::Algorithm;
use crate::meta::Kind;
use crate::progress::Progress;
use crate::seedverify::time_step;
use crate::seedverify::words::is_device_fault;

/// Entries that are looked at together.
pub(super) const CHUNK: usize = 8192;

/// Bytes of files that are read between two looks at what has to be kept.
const CHUNK_BYTES: u64 = 2 << 30;

/// How often what was found is kept while the check goes on.
const KEEP_EVERY: Duration = Duration::from_secs(15);

/// Threads on a drive that does not seek.
const THREADS: usize = 4;

impl Checking<'_> {
    /// Looks at chunk after chunk; whether it was stopped.
    pub(super) fn chunks(
        &self,
        tables: &Tables,
        start: &mut Start,
        on_drive: &mut Kept,
    ) -> Result<bool> {
        let threads = match self.options.threads {
            0 => THREADS,
            n => n,
        };
        let reader = Reader {
            root: self.root,
            output: &self.facts.path,
            threads,
            seeks: self.seeks,
            one_mount: true,
            cancel: self.cancel,
            progress: self.progress,
            cached: &self.cached,
        };
        let window = time_step(self.facts.mount.as_ref(), self.facts.fs_uuid.as_deref());
        let mut kept_at = Instant::now();
        loop {
            if self.cancel.is_stopped() {
                return Ok(true);
            }
            let chunk = tables.chunk(start.head.through.as_deref(), CHUNK, CHUNK_BYTES)?;
            if chunk.is_empty() {
                return Ok(false);
            }
            let whole = match self.chunk(&reader, tables, &chunk, window, start) {
                // Nothing of this chunk is known.
                Err(e) if e.code == Code::Cancelled => return Ok(true),
                other => other?,
            };
            if !whole {
                return Ok(true);
            }
            if kept_at.elapsed() >= KEEP_EVERY {
                self.keep(start, tables, None, on_drive)?;
                kept_at = Instant::now();
            }
        }
    }

    /// Looks at one chunk; false when a stop came before its end.
    fn chunk(
        &self,
        reader: &Reader<'_>,
        tables: &Tables,
        chunk: &[Expected],
        window: u64,
        start: &mut Start,
    ) -> Result<bool> {
        let paths: Vec<&[u8]> = chunk.iter().map(Expected::on_drive).collect();
        let looks = reader.look(&paths)?;
        let mut judged: Vec<Option<Judged>> = chunk
            .iter()
            .zip(&looks)
            .map(|(expected, look)| Some(by_look(expected, look, window)))
            .collect();
        // What has to be read: of the names of one file only the first.
        let mut first: HashMap<(u64, Algorithm), usize> = HashMap::new();
        let mut contents: Vec<Option<Content>> = vec![None; chunk.len()];
        let mut order: Vec<(u64, usize)> = Vec::new();
        let mut same_as: Vec<(usize, usize)> = Vec::new();
        for (n, look) in looks.iter().enumerate() {
            let (Some(Judged::Read(_) | Judged::SizeOnly), Look::There(meta, _, place)) =
                (&judged[n], look)
            else {
                continue;
            };
            if meta.nlink > 1 {
                let by = chunk[n].by();
                if let Some(known) = tables.inode(meta.ino, by)? {
                    contents[n] = Some(match known {
                        Ok(digest) => Content::Whole(digest, true),
                        Err(errno) => Content::Failed(errno),
                    });
                    continue;
                }
                if let Some(leader) = first.get(&(meta.ino, by)) {
                    same_as.push((n, *leader));
                    continue;
                }
                first.insert((meta.ino, by), n);
            }
            order.push((*place, n));
        }
        if reader.seeks {
            order.sort_unstable();
        }
        self.pass_over(chunk, &order);
        let wanted = order.iter().map(|(_, n)| Wanted {
            path: paths[*n],
            by: chunk[*n].by(),
            range: None,
        });
        let wanted: Vec<Wanted<'_>> = wanted.collect();
        // The two are read at the same time: they are two devices.
        let asked = match &self.against {
            Some(against) => Some(against.ask(chunk)?),
            None => None,
        };
        let (read, shown) = std::thread::scope(|scope| {
            let other = asked
                .as_ref()
                .map(|asked| scope.spawn(|| asked.look(chunk, self.cancel)));
            let read = reader.read(&wanted);
            let shown = other.map(|other| {
                other.join().unwrap_or_else(|_| {
                    Err(Error::new(Code::Internal, "reading", "a reader panicked"))
                })
            });
            (read, shown.transpose())
        });
        let read = read?;
        let shown = match shown {
            Err(e) if e.code == Code::Cancelled => return Ok(false),
            shown => shown?,
        };
        for ((_, n), content) in order.iter().zip(read) {
            contents[*n] = content;
        }
        for (n, leader) in same_as {
            contents[n] = contents[leader].clone();
        }
        self.probe(&looks, &contents)?;
        tables.atomically(|| {
            for (n, expected) in chunk.iter().enumerate() {
                let mut wrong = match judged[n].take() {
                    Some(Judged::Good) | None => None,
                    Some(Judged::Bad(wrong)) => Some(wrong),
                    Some(judged @ (Judged::Read(_) | Judged::SizeOnly)) => {
                        let Some(content) = &contents[n] else {
                            // The stop came before this one; what follows is looked at again.
                            return Ok(false);
                        };
                        let changed = match judged {
                            Judged::Read(changed) => changed,
                            _ => None,
                        };
                        if let Look::There(meta, _, _) = &looks[n]
                            && first.get(&(meta.ino, expected.by())) == Some(&n)
                        {
                            match content {
                                Content::Whole(digest, true) => {
                                    tables.put_inode(meta.ino, expected.by(), &Ok(*digest))?;
                                }
                                Content::Failed(errno) => {
                                    tables.put_inode(meta.ino, expected.by(), &Err(*errno))?;
                                }
                                _ => {}
                            }
                        }
                        if let (Content::Whole(..), Look::There(meta, ..)) = (content, &looks[n])
                            && (meta.nlink == 1
                                || first.get(&(meta.ino, expected.by())) == Some(&n))
                        {
                            start.head.bytes += meta.size;
                        }
                        by_content(expected, changed, content)
                    }
                };
                if let (Some(asked), Some(shown)) = (&asked, &shown) {
                    let compared =
                        asked.judge(n, expected, shown[n].as_ref(), contents[n].as_ref());
                    match &compared {
                        Compared::Said(said) => tables.put_compared(&expected.key, Some(said))?,
                        _ => tables.put_compared(&expected.key, None)?,
                    }
                    if let (Compared::Same, Some((_, _, why)), Kind::File) =
                        (compared, &mut wrong, expected.kind)
                    {
                        why.push_str(SOURCE_HAS_IT);
                    }
                }
                if expected.kind == Kind::File {
                    start.head.files += 1;
                }
                Progress::add(&self.progress.entries, 1);
                match wrong {
                    None => tables.forget(&expected.key)?,
                    Some(wrong) => {
                        self.found(tables, expected.key.clone(), wrong, start.head.begun)?;
                    }
                }
                start.head.through = Some(expected.key.clone());
            }
            Ok(true)
        })
    }

    /// Files that are not read are done with: missing, of another size, or known by another name.
    fn pass_over(&self, chunk: &[Expected], read: &[(u64, usize)]) {
        let mut is_read = vec![false; chunk.len()];
        for (_, n) in read {
            is_read[*n] = true;
        }
        for (one, _) in chunk.iter().zip(is_read).filter(|(_, is_read)| !is_read) {
            if one.kind == Kind::File {
                Progress::add(&self.progress.files, 1);
                Progress::add(&self.progress.bytes, one.size);
            }
        }
    }

    /// A file that cannot be read is a finding; a drive that does not answer any more is the end.
    fn probe(&self, looks: &[Look], contents: &[Option<Content>]) -> Result<()> {
        let mut failed = looks
            .iter()
            .filter_map(|l| match l {
                Look::Failed(errno) => Some(*errno),
                _ => None,
            })
            .chain(contents.iter().filter_map(|c| match c {
                Some(Content::Failed(errno)) => Some(*errno),
                _ => None,
            }));
        let device = |errno: &i32| is_device_fault(Some(Errno::from_raw_os_error(*errno)));
        let Some(errno) = failed.find(device) else {
            return Ok(());
        };
        if errno == Errno::IO.raw_os_error() && self.answers() {
            return Ok(());
        }
        let mut e = Error::new(Code::DriveFailed, "reading the drive at", "");
        e.errno = Some(errno);
        Err(e.with_path(&self.facts.path))
    }

    /// Whether one of our own files can still be read from the device.
    fn answers(&self) -> bool {
        ["manifest.jsonl", "volume.json"].iter().any(|name| {
            let Ok(Some((file, _))) = self.own.open(name) else {
                return false;
            };
            rustix::io::pread(&file, &mut [0; 1][..], 0).is_ok()
        })
    }
}
