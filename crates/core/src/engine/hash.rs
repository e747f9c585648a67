//! Digests beside the copying: a thread that hashes blocks while the next ones are read and written.
//!
//! Small files are hashed where they are; only files of more than a few blocks are worth a hand-over.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::digest::Hasher;
use crate::format::item::{Algorithm, Digest};
use crossbeam_channel::{Receiver, Sender, bounded};

/// Bytes of a block that is read, hashed and written.
///
/// A block goes through the processor three times: it is filled, hashed and written. At 256 KiB, what
/// `cp` takes too, a large file took 0.7 times as long onto tmpfs as at 1 MiB: little enough for the caches.
pub const BLOCK: usize = 256 << 10;

/// Blocks in flight between the copier and the hashing thread; twice as many gain nothing.
const RING: usize = 4;

enum Message {
    Data(Arc<Vec<u8>>, usize),
    Zeros(u64),
    Finish,
}

/// A hashing thread and the blocks that go round between it and its copier.
pub struct HashThread {
    to: Option<Sender<Message>>,
    taken: Receiver<()>,
    digests: Receiver<Option<Digest>>,
    ring: Vec<Arc<Vec<u8>>>,
    next: usize,
    in_flight: usize,
    thread: Option<JoinHandle<()>>,
}

impl HashThread {
    /// Starts the thread. Without an algorithm it makes no digests and only hands the blocks back.
    ///
    /// # Errors
    /// What starting a thread answers.
    pub fn start(algorithm: Option<Algorithm>) -> std::io::Result<Self> {
        let (to, messages) = bounded::<Message>(RING);
        let (taken_to, taken) = bounded(RING);
        let (digest_to, digests) = bounded(1);
        let thread = std::thread::Builder::new()
            .name("digest".into())
            .spawn(move || {
                let mut hash = algorithm.map(Hasher::new);
                let update = |hash: &mut Option<Hasher>, bytes: &[u8]| {
                    if let Some(hash) = hash {
                        hash.update(bytes);
                    }
                };
                let zeros = vec![0u8; 65_536];
                for message in messages {
                    let sent = match message {
                        Message::Data(block, len) => {
                            update(&mut hash, &block[..len]);
                            drop(block);
                            taken_to.send(()).is_ok()
                        }
                        Message::Zeros(mut n) => {
                            while n > 0 && hash.is_some() {
                                let step = n.min(zeros.len() as u64);
                                update(&mut hash, &zeros[..step as usize]);
                                n -= step;
                            }
                            true
                        }
                        Message::Finish => {
                            let done = std::mem::replace(&mut hash, algorithm.map(Hasher::new));
                            digest_to.send(done.map(Hasher::finish)).is_ok()
                        }
                    };
                    if !sent {
                        return;
                    }
                }
            })?;
        Ok(HashThread {
            to: Some(to),
            taken,
            digests,
            ring: (0..RING).map(|_| Arc::new(vec![0; BLOCK])).collect(),
            next: 0,
            in_flight: 0,
            thread: Some(thread),
        })
    }

    /// A block to fill; waits until one is free. `None` when the thread died.
    pub fn block(&mut self) -> Option<&mut Vec<u8>> {
        while self.in_flight >= RING {
            self.taken.recv().ok()?;
            self.in_flight -= 1;
        }
        Arc::get_mut(&mut self.ring[self.next])
    }

    /// The block that was handed over last; it is shared for reading until the next [`HashThread::block`].
    pub fn sent(&self) -> &[u8] {
        &self.ring[(self.next + RING - 1) % RING]
    }

    /// Hands the first `len` bytes of that block over. `None` when the thread died.
    pub fn send(&mut self, len: usize) -> Option<()> {
        let block = Arc::clone(&self.ring[self.next]);
        self.to.as_ref()?.send(Message::Data(block, len)).ok()?;
        self.next = (self.next + 1) % RING;
        self.in_flight += 1;
        Some(())
    }

    /// Hashes `n` zero bytes: a hole. `None` when the thread died.
    pub fn zeros(&mut self, n: u64) -> Option<()> {
        self.to.as_ref()?.send(Message::Zeros(n)).ok()
    }

    /// The digest of all since the one before, if digests are made. `None` when the thread died.
    pub fn finish(&mut self) -> Option<Option<Digest>> {
        self.to.as_ref()?.send(Message::Finish).ok()?;
        let digest = self.digests.recv().ok()?;
        while self.in_flight > 0 {
            self.taken.recv().ok()?;
            self.in_flight -= 1;
        }
        Some(digest)
    }
}

impl Drop for HashThread {
    fn drop(&mut self) {
        self.to = None;
        // Blocks that nobody waits for must not hold the thread up.
        while self.in_flight > 0 && self.taken.recv().is_ok() {
            self.in_flight -= 1;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
