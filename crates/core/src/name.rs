//! Names as bytes, and their two other forms (stand-in until the real module is merged).

use crate::error::{Code, Error, Result};

/// A name as it may be printed: no byte in it can move the cursor.
pub fn display(path: &[u8]) -> String {
    String::from_utf8_lossy(path).escape_debug().to_string()
}

/// Bytes to UTF-16 as Python's `surrogateescape` writes them (PEP 383).
pub fn to_utf16(name: &[u8]) -> Vec<u16> {
    let mut out = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        out.extend(chunk.valid().encode_utf16());
        out.extend(chunk.invalid().iter().map(|b| 0xDC00 + u16::from(*b)));
    }
    out
}

/// UTF-16 with surrogate escapes back to bytes.
///
/// # Errors
/// [`Code::BadInput`] for a lone surrogate that is no escaped byte.
pub fn from_utf16(units: &[u16]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(units.len());
    for r in char::decode_utf16(units.iter().copied()) {
        match r {
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(e) => match e.unpaired_surrogate() {
                s @ 0xDC80..=0xDCFF => out.push((s - 0xDC00) as u8),
                _ => {
                    return Err(Error::new(
                        Code::BadInput,
                        "reading a name",
                        "a lone surrogate that stands for no byte",
                    ));
                }
            },
        }
    }
    Ok(out)
}
