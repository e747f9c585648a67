//! (in work)

/// In work.
pub fn display(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
