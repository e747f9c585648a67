//! Digests of content, of every algorithm that the formats know: fed piece by piece, or in one go.
//!
//! It promises what `sha256sum` and `b3sum` print, whatever the pieces are. It reads no files: that is for
//! those who know how a file is to be read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sha2::Digest as _;

use crate::format::item::{Algorithm, Digest};

/// A digest in the making.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// SHA-256 (FIPS 180-4).
    Sha256(sha2::Sha256),
    /// BLAKE3, 32 bytes of output. On the heap: it keeps a path of its tree, some 2 KiB.
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Begins a digest.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Algorithm::Blake3 => Hasher::Blake3(Box::new(blake3::Hasher::new())),
        }
    }

    /// How it is made.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Hasher::Sha256(_) => Algorithm::Sha256,
            Hasher::Blake3(_) => Algorithm::Blake3,
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hash) => hash.update(bytes),
            Hasher::Blake3(hash) => {
                hash.update(bytes);
            }
        }
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Digest {
        Digest {
            algorithm: self.algorithm(),
            bytes: match self {
                Hasher::Sha256(hash) => hash.finalize().into(),
                Hasher::Blake3(hash) => hash.finalize().into(),
            },
        }
    }
}

/// The digest of a file that is read in pieces, so far.
#[derive(Debug)]
pub struct Chain {
    /// How it is made.
    pub algorithm: Algorithm,
    /// What was taken in.
    pub hash: Hasher,
    /// How many bytes that is.
    pub through: u64,
}

impl Chain {
    /// Begins with nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        Chain {
            algorithm,
            hash: Hasher::new(algorithm),
            through: 0,
        }
    }
}

/// Such digests, by the numbers of the files.
pub type Chains = HashMap<i64, Arc<Mutex<Chain>>>;

impl Digest {
    /// The digest of a byte string.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        Digest {
            algorithm,
            bytes: match algorithm {
                Algorithm::Sha256 => sha2::Sha256::digest(bytes).into(),
                Algorithm::Blake3 => blake3::hash(bytes).into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digest: &Digest) -> String {
        let mut out = Vec::new();
        digest.push_hex(&mut out);
        String::from_utf8(out).expect("hex digits")
    }

    /// The input of BLAKE3's published test vectors (test_vectors.json): 0, 1, … 250, 0, 1, …
    fn input(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn blake3_gives_the_published_values() {
        // From test_vectors/test_vectors.json of BLAKE3, the first 32 bytes of `hash`.
        let published = [
            (
                0,
                "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            ),
            (
                1,
                "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
            ),
            (
                1024,
                "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
            ),
            (
                1025,
                "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
            ),
            (
                102_400,
                "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
            ),
        ];
        for (len, expected) in published {
            assert_eq!(
                hex(&Digest::of(Algorithm::Blake3, &input(len))),
                expected,
                "{len}"
            );
        }
    }

    #[test]
    fn sha256_gives_the_published_value() {
        // FIPS 180-4's example.
        assert_eq!(
            hex(&Digest::of(Algorithm::Sha256, b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let whole = input(300_000);
        for algorithm in [Algorithm::Sha256, Algorithm::Blake3] {
            for step in [1, 63, 1024, 65_537, 300_000] {
                let mut hash = Hasher::new(algorithm);
                whole.chunks(step).for_each(|piece| hash.update(piece));
                assert_eq!(hash.finish(), Digest::of(algorithm, &whole), "{step}");
            }
        }
    }
}
