//! Planning over the boundary: a thread hands out pages as typed arrays and takes the answers.
//!
//! The planner lives on its own thread with its own connection for as long as the plan is made. Each
//! step gives the answer for the page before and asks for the next one, which is made while that answer
//! is thought of: one page ahead, the first as soon as the plan is begun.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use multivolumecopy_core::catalog::{self, plan::Page};
use multivolumecopy_core::error::{Code, Error as CoreError, Result as CoreResult};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::error::to_napi;

/// Rows of a page.
const ROWS: usize = 65_536;

/// One page of entries in path order, a column each.
#[napi(object, object_from_js = false)]
pub struct PlanPageJs {
    /// How many rows there are.
    pub count: u32,
    /// The kind as a number.
    pub kind: Uint8Array,
    /// 1: needs a place; 2: a directory that holds nothing; 4: another name of it is on `home`; 8, 16, 32: the
    /// path is odd.
    pub flags: Uint8Array,
    /// Directories above it.
    pub depth: Uint16Array,
    /// Bytes of content.
    pub size: Float64Array,
    /// Bytes allocated where it lies.
    pub allocated: Float64Array,
    /// Bytes of the name.
    pub name_length: Uint16Array,
    /// Bytes of the path below the drive's root.
    pub path_length: Uint32Array,
    /// Hard-link group, 0 = none.
    pub group: Uint32Array,
    /// Names in the group.
    pub members: Uint32Array,
    /// The volume that holds an older version (or some of a directory that is kept together), 0 = none.
    pub home: Uint32Array,
    /// Bytes of that version.
    pub home_size: Float64Array,
}

impl From<Page> for PlanPageJs {
    fn from(p: Page) -> Self {
        PlanPageJs {
            count: u32::try_from(p.count).unwrap_or(u32::MAX),
            kind: p.kind.into(),
            flags: p.flags.into(),
            depth: p.depth.into(),
            size: p.size.into(),
            allocated: p.allocated.into(),
            name_length: p.name_length.into(),
            path_length: p.path_length.into(),
            group: p.group.into(),
            members: p.members.into(),
            home: p.home.into(),
            home_size: p.home_size.into(),
        }
    }
}

type Settle = Box<dyn FnOnce(CoreResult<Option<Page>>) + Send>;

/// A plan being made.
#[napi]
pub struct PlanSession {
    steps: Sender<(Option<Vec<u32>>, Settle)>,
}

/// Starts a new plan for what `run` saw that it must be copied. `together`: the depth of directories that are
/// kept together, 0 for none.
#[napi(catch_unwind)]
pub fn start_plan(env: &Env, catalog: &Catalog, run: f64, together: u16) -> Result<PlanSession> {
    let (steps, wanted) = channel::<(Option<Vec<u32>>, Settle)>();
    let path = catalog.file();
    thread::Builder::new()
        .name("mvc-plan".to_owned())
        .spawn(move || {
            let outcome = (|| -> CoreResult<()> {
                let catalog = catalog::Catalog::attach_in_order(&path)?;
                catalog.begin()?;
                let mut planner = catalog.planner(run as i64)?.keeping_together(together);
                let mut next = planner.page(ROWS)?;
                let mut begun = false;
                while let Ok((answer, settle)) = wanted.recv() {
                    // The page is on its way before its successor is made.
                    let taken = match answer {
                        None if !begun => Ok(()),
                        answer => planner.answer(&answer.unwrap_or_default()),
                    };
                    begun = true;
                    match taken.map(|()| next.take()) {
                        Ok(Some(page)) => settle(Ok(Some(page))),
                        Ok(None) => {
                            // Nothing is held on the catalog once the owner hears that the plan is
                            // stored: whoever closes it last folds its write-ahead log.
                            let stored = planner.finish().and_then(|()| catalog.commit());
                            drop(catalog);
                            settle(stored.map(|()| None));
                            return Ok(());
                        }
                        Err(e) => {
                            settle(Err(e));
                            return Ok(());
                        }
                    }
                    next = planner.page(ROWS)?;
                }
                Ok(())
            })();
            if let Err(e) = outcome {
                // It failed while nobody waited: whoever asks hears why.
                while let Ok((_, settle)) = wanted.recv() {
                    settle(Err(e.clone()));
                }
            }
        })
        .map_err(|e| {
            to_napi(
                env,
                &CoreError::io("starting a thread for", b"the plan", &e),
            )
        })?;
    Ok(PlanSession { steps })
}

#[napi]
impl PlanSession {
    /// Gives the volumes for the page before (absent at first) and promises the next page; `null` at the
    /// end, when the plan is stored.
    #[napi(catch_unwind, ts_return_type = "Promise<PlanPageJs | null>")]
    pub fn step<'env>(&self, env: &'env Env, answer: Option<Uint32Array>) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let settle: Settle = Box::new(move |outcome| {
            deferred.resolve(move |env: Env| match outcome {
                Ok(page) => Ok(page.map(PlanPageJs::from)),
                Err(e) => Err(to_napi(&env, &e)),
            });
        });
        if self
            .steps
            .send((answer.map(|a| a.to_vec()), settle))
            .is_err()
        {
            let over = CoreError::new(Code::Internal, "planning", "this plan is over");
            return Err(to_napi(env, &over));
        }
        Ok(promise)
    }
}
