//! `--digest` over the boundary: how the digests of a set are made. The words are those of the command line.

use multivolumecopy_core::format::item::Algorithm;
use multivolumecopy_core::{Code, Error as CoreError};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;

/// The choice that a word stands for.
///
/// # Errors
/// `Code::BadInput` for a word that is none of `sha256`, `blake3`, `none`.
pub(crate) fn choice(word: &str) -> std::result::Result<Option<Algorithm>, CoreError> {
    Algorithm::choice_from_word(word)
        .map_err(|message| CoreError::new(Code::BadInput, "choosing the digest", message))
}

#[napi]
impl Catalog {
    /// How the digests of what is copied are made.
    #[napi(catch_unwind, ts_return_type = "'sha256' | 'blake3' | 'none'")]
    pub fn digest(&self, env: &Env) -> Result<String> {
        self.with(env, |c| Ok(Algorithm::choice_word(c.digest()?).to_owned()))
    }

    /// Notes how they are made from now on.
    #[napi(catch_unwind)]
    pub fn set_digest(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "'sha256' | 'blake3' | 'none'")] word: String,
    ) -> Result<()> {
        self.with(env, |c| c.set_digest(choice(&word)?))
    }

    /// Notes whether the drives get a START-HERE.html from now on.
    #[napi(catch_unwind)]
    pub fn set_start_here(&self, env: &Env, wanted: bool) -> Result<()> {
        self.with(env, |c| c.set_start_here(wanted))
    }
}
