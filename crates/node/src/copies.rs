//! `--copies N` over the boundary: how many copies a set has, and which one a run has in hand.

use multivolumecopy_core::catalog;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::job::{Started, spawn};

#[napi]
impl Catalog {
    /// Copies of each file that are wanted, from 1.
    #[napi(catch_unwind)]
    pub fn copies(&self, env: &Env) -> Result<u32> {
        self.with(env, |c| Ok(c.copies()))
    }

    /// Whether a run has to go from copy to copy: several are wanted, or were.
    #[napi(catch_unwind)]
    pub fn has_several_copies(&self, env: &Env) -> Result<bool> {
        self.with(env, |c| Ok(c.has_several_copies()))
    }

    /// Notes how many copies are wanted from now on.
    #[napi(catch_unwind)]
    pub fn set_copies(&self, env: &Env, wanted: u32) -> Result<()> {
        self.with(env, |c| c.set_copies(wanted))
    }

    /// Before the sources are looked at: what any copy lacks needs something.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<void> }")]
    pub fn need_for_copies<'env>(&self, env: &'env Env) -> Result<Started<'env>> {
        let path = self.file();
        spawn(env, "mvc-copies", move |_, _| {
            catalog::Catalog::attach(&path)?.need_for_copies()
        })
    }

    /// Takes a copy in hand: what of the run's entries it lacks needs a copy now, and nothing else does. Resolves
    /// with whether there is anything.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<boolean> }")]
    pub fn need_for_copy<'env>(
        &self,
        env: &'env Env,
        run: f64,
        copy: u32,
    ) -> Result<Started<'env>> {
        let path = self.file();
        spawn(env, "mvc-copies", move |_, _| {
            catalog::Catalog::attach(&path)?.need_for_copy(run as i64, copy)
        })
    }

    /// After the last copy, or wherever the run ended: what any copy lacks is still to be done.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<void> }")]
    pub fn end_copies<'env>(&self, env: &'env Env, run: f64) -> Result<Started<'env>> {
        let path = self.file();
        spawn(env, "mvc-copies", move |_, _| {
            catalog::Catalog::attach(&path)?.end_copies(run as i64)
        })
    }
}
