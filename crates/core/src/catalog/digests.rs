//! How the digests of a set are made: one choice for the set, kept with it, and told by the lists on its drives.
//!
//! The choice is for what is copied from now on. What lies on the drives keeps the digest that it has, and no
//! file is copied again because of it.

use super::Catalog;
use crate::error::Result;
use crate::format::item::{Algorithm, Digest};

/// The number of an algorithm in the columns `algorithm`.
pub(super) fn number_of(algorithm: Option<Algorithm>) -> u8 {
    match algorithm {
        None => 0,
        Some(Algorithm::Sha256) => 1,
        Some(Algorithm::Blake3) => 2,
    }
}

/// The algorithm that a number in these columns stands for; `None` for 0, and for what nobody wrote.
pub(super) fn algorithm_of(number: i64) -> Option<Algorithm> {
    match number {
        1 => Some(Algorithm::Sha256),
        2 => Some(Algorithm::Blake3),
        _ => None,
    }
}

/// The digest that the columns `algorithm` and `digest` hold.
pub(super) fn digest_from(number: u8, bytes: Option<[u8; 32]>) -> Option<Digest> {
    let algorithm = algorithm_of(number.into())?;
    bytes.map(|bytes| Digest { algorithm, bytes })
}

/// What the column of an algorithm gets of the digests of one content.
pub(super) fn bytes_of(digests: &[Digest], algorithm: Algorithm) -> Option<&[u8]> {
    let found = digests.iter().find(|d| d.algorithm == algorithm)?;
    Some(&found.bytes)
}

impl Catalog {
    /// How the digests of what is copied are made; `None` makes none. SHA-256 where nobody has chosen.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn digest(&self) -> Result<Option<Algorithm>> {
        Ok(match self.number("digest")? {
            None => Some(Algorithm::Sha256),
            Some(number) => algorithm_of(number),
        })
    }

    /// Notes how they are made from now on.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn set_digest(&self, algorithm: Option<Algorithm>) -> Result<()> {
        if self.digest()? != algorithm {
            self.note("digest", number_of(algorithm).into())?;
            self.raise_revision()?;
        }
        self.forget("digest_as_of")
    }

    /// Takes over what a list of the set says, unless this host was told itself, or by a newer list. `date`: that
    /// of the list.
    pub(super) fn hear_digest(&self, algorithm: Option<Algorithm>, date: i64) -> Result<()> {
        let told = self.number("digest_as_of")?;
        let known = self.number("digest")?.is_some();
        if told.map_or(!known, |before| before < date) && self.digest()? != algorithm {
            self.note("digest", number_of(algorithm).into())?;
            self.note("digest_as_of", date)?;
        }
        Ok(())
    }
}
