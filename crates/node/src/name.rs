//! File names across the boundary.
//!
//! Inside the core a name is bytes; in JavaScript it is a string in which every byte that is not UTF-8
//! stands as the lone surrogate U+DC80–U+DCFF (PEP 383). [`FsName`] is the only type by which a name
//! crosses, in arguments, fields and results; it is lossless in both directions. Such a string is for
//! passing back, not for printing: [`display_name`] makes the printable form.

use multivolumecopy_core::name;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::to_napi;

/// A file name or path as bytes; a JavaScript string with surrogate escapes on the other side.
///
/// In `#[napi(object)]` fields it needs `#[napi(ts_type = "string")]`, in functions `ts_args_type`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FsName(pub Vec<u8>);

impl TypeName for FsName {
    fn type_name() -> &'static str {
        "String"
    }

    fn value_type() -> ValueType {
        ValueType::String
    }
}

impl ValidateNapiValue for FsName {}

impl FromNapiValue for FsName {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: the caller vouches for `env` and `value`, as this trait demands.
        let units = unsafe { Utf16String::from_napi_value(env, value)? };
        name::from_utf16(&units)
            .map(FsName)
            .map_err(|e| to_napi(&Env::from_raw(env), &e))
    }
}

impl ToNapiValue for FsName {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        let units = Utf16String::from(name::to_utf16(&value.0));
        // SAFETY: the caller vouches for `env`, as this trait demands.
        unsafe { Utf16String::to_napi_value(env, units) }
    }
}

impl From<Vec<u8>> for FsName {
    fn from(bytes: Vec<u8>) -> Self {
        FsName(bytes)
    }
}

impl From<&[u8]> for FsName {
    fn from(bytes: &[u8]) -> Self {
        FsName(bytes.to_vec())
    }
}

/// The name as it may be printed: no character in it can move the cursor or forge a line.
#[napi(ts_args_type = "name: string")]
pub fn display_name(name: FsName) -> String {
    name::display(&name.0)
}

/// A name as the standard library takes it.
pub(crate) fn path_of(name: FsName) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::path::PathBuf::from(std::ffi::OsString::from_vec(name.0))
}
