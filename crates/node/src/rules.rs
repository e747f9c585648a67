//! Which entries are chosen, over the boundary: the rules of the command line as the core takes them.

use multivolumecopy_core::error::{Error as CoreError, Result as CoreResult};
use multivolumecopy_core::filter::{self, Filter, Rule};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::to_napi;
use crate::mirror::RuleJs;
use crate::name::{FsName, path_of};

/// The rules and the file with names, as the core takes them.
pub(crate) fn filter_of(rules: Vec<RuleJs>) -> CoreResult<Filter> {
    Filter::new(
        rules
            .into_iter()
            .map(|r| Rule {
                include: r.include,
                pattern: r.pattern.0,
            })
            .collect(),
    )
}

/// One `--exclude`, `--include` or `--exclude-from`.
#[napi(object)]
pub struct GivenRuleJs {
    /// Which of them.
    #[napi(ts_type = "'exclude' | 'include' | 'exclude-from'")]
    pub kind: String,
    /// The pattern, or the file with patterns.
    #[napi(ts_type = "string")]
    pub value: FsName,
}

/// The rules that the command line gives, in order, files read in.
///
/// # Errors
/// `BAD_INPUT` for a rule that makes no sense, `IO`.
#[napi(catch_unwind)]
pub fn rules_of(env: &Env, given: Vec<GivenRuleJs>) -> Result<Vec<RuleJs>> {
    let mut rules = Vec::new();
    for one in given {
        let added = if one.kind == "exclude-from" {
            let path = path_of(one.value);
            let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
            std::fs::read(&path)
                .map_err(|e| CoreError::io("reading", &bytes, &e))
                .and_then(|text| filter::add_rules_file(&mut rules, &text))
                .map_err(|e| {
                    if e.path.is_none() {
                        e.with_path(&bytes)
                    } else {
                        e
                    }
                })
        } else {
            filter::add_argument(&mut rules, one.kind == "include", &one.value.0)
        };
        added.map_err(|e| to_napi(env, &e))?;
    }
    filter::Filter::new(rules.clone()).map_err(|e| to_napi(env, &e))?;
    Ok(rules
        .into_iter()
        .map(|r| RuleJs {
            include: r.include,
            pattern: FsName(r.pattern),
        })
        .collect())
}
