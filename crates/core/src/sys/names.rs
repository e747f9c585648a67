//! What owners and groups are called on this host (getpwuid_r(3), getgrgid_r(3)).

use std::ffi::{CStr, c_char};

/// The most that a record may take.
const MOST: usize = 1 << 20;

/// The name of a user; `None` where the host does not know one.
pub fn user_name(uid: u32) -> Option<Vec<u8>> {
    with_room(|buffer| {
        // SAFETY: all bytes 0 is a valid `passwd`: numbers and null pointers.
        let mut record: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: record, buffer and found outlive the call, and the buffer has the length that is told.
        let code = unsafe {
            libc::getpwuid_r(
                uid,
                &raw mut record,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        (code, (!found.is_null()).then_some(record.pw_name))
    })
}

/// The name of a group; `None` where the host does not know one.
pub fn group_name(gid: u32) -> Option<Vec<u8>> {
    with_room(|buffer| {
        // SAFETY: all bytes 0 is a valid `group`: numbers and null pointers.
        let mut record: libc::group = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: record, buffer and found outlive the call, and the buffer has the length that is told.
        let code = unsafe {
            libc::getgrgid_r(
                gid,
                &raw mut record,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        (code, (!found.is_null()).then_some(record.gr_name))
    })
}

/// Asks with more and more room; the answer points into it.
fn with_room(ask: impl Fn(&mut [c_char]) -> (i32, Option<*mut c_char>)) -> Option<Vec<u8>> {
    let mut size = 4096;
    while size <= MOST {
        let mut buffer = vec![0; size];
        match ask(&mut buffer) {
            (libc::ERANGE, _) => size *= 4,
            (libc::EINTR, _) => {}
            (0, Some(name)) if !name.is_null() => {
                // SAFETY: the call succeeded, so the name is a string that ends in the buffer, which is still here.
                return Some(unsafe { CStr::from_ptr(name) }.to_bytes().to_vec());
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn root_has_a_name_and_a_number_that_nobody_has_does_not() {
        assert_eq!(super::user_name(0).as_deref(), Some(&b"root"[..]));
        assert!(super::group_name(0).is_some());
        assert_eq!(super::user_name(3_999_999_999), None);
        assert_eq!(super::group_name(3_999_999_999), None);
    }
}
