//! Whether a time that a file system shows is what it made of the one that was set.
//!
//! What was recorded is the truth; file systems keep it in steps, clamp it to their range, and FAT keeps the clock
//! on the wall, which moves with the time zone and twice a year.

use crate::meta::Time;

/// How coarse file systems keep times, in nanoseconds: NTFS, and FAT with exFAT (whose steps are parts of 10 ms).
/// First the step that what is kept is a multiple of, then how far that may be from what it was to be.
const STEPS: [(u32, i128); 2] = [(100, 1_000), (10_000_000, 2_000_000_000)];

/// The last second of file systems that count in 32 bits, and of ext4; the first of these.
const LAST: [i64; 2] = [i32::MAX as i64, 15_032_385_535];
const FIRST: i64 = i32::MIN as i64;

/// FAT and exFAT go from 1980 to the end of 2107.
const FAT_FIRST: i64 = 315_532_800;
const FAT_LAST: i64 = 4_354_819_199;

/// FAT's steps.
const FAT_STEP: i64 = 2;

/// How far two clocks on the wall can be apart, and the step of it.
const ZONES: i64 = 26 * 3600;
const ZONE_STEP: i64 = 900;

/// Whether `found` is `set` as a file system keeps it. A time of somebody's own is hardly ever a multiple of a step:
/// so what was changed within two seconds is seen, too, on file systems that keep times as they are. `windows`: it
/// is FAT, exFAT or NTFS.
pub(crate) fn is_kept(found: Time, set: Time, windows: bool) -> bool {
    let nanos = |t: Time| i128::from(t.sec) * 1_000_000_000 + i128::from(t.nsec);
    let apart = (nanos(found) - nanos(set)).abs();
    apart == 0
        || STEPS
            .iter()
            .any(|(step, most)| found.nsec.is_multiple_of(*step) && apart <= *most)
        || LAST
            .iter()
            .any(|last| found.sec == *last && set.sec > *last)
        || (found.sec == FIRST && set.sec < FIRST)
        || (windows && is_kept_on_windows(found.sec, set.sec))
}

fn is_kept_on_windows(found: i64, set: i64) -> bool {
    let near = |a: i64, b: i64, most: u64| a.abs_diff(b) <= most;
    if set < FAT_FIRST && near(found, FAT_FIRST, ZONES as u64) {
        return true;
    }
    if set > FAT_LAST {
        // exfat-fuse counts on from 0 after 32 bits.
        let wrapped = set.wrapping_sub(found).rem_euclid(1 << 32);
        if near(found, FAT_LAST, ZONES as u64) || wrapped <= FAT_STEP {
            return true;
        }
    }
    let apart = found.abs_diff(set);
    let over = apart % ZONE_STEP as u64;
    apart <= (ZONES + FAT_STEP) as u64
        && (over <= FAT_STEP as u64 || over >= (ZONE_STEP - FAT_STEP) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(sec: i64, nsec: u32) -> Time {
        Time { sec, nsec }
    }

    #[test]
    fn a_time_counts_as_kept_only_where_a_file_system_could_have_made_it() {
        let set = time(1_700_000_001, 123_456_789);
        for kept in [
            set,
            time(1_700_000_001, 123_456_700),
            time(1_700_000_001, 120_000_000),
            time(1_700_000_001, 0),
            time(1_700_000_000, 0),
            time(1_700_000_002, 0),
        ] {
            assert!(is_kept(kept, set, false), "{kept:?}");
        }
        for other in [
            time(1_700_000_001, 123_456_788),
            time(1_700_000_001, 123_500_000),
            time(1_700_000_002, 1),
            time(1_700_000_004, 0),
            time(1_699_999_999, 0),
            time(1_700_003_600, 0),
        ] {
            assert!(!is_kept(other, set, false), "{other:?}");
        }
    }

    #[test]
    fn clocks_on_the_wall_and_ranges_count_as_kept_where_there_are_such() {
        let set = time(1_700_000_001, 123_456_789);
        for hours in [-14, -5, -1, 1, 2, 9, 14] {
            let found = time(1_700_000_000 + hours * 3600, 0);
            assert!(is_kept(found, set, true) && !is_kept(found, set, false));
        }
        assert!(is_kept(time(1_700_000_000 + 20_700, 0), set, true), "Nepal");
        for other in [600, 3500, 100 * 3600] {
            assert!(!is_kept(time(1_700_000_001 + other, 0), set, true));
        }
        // As exfat-fuse and ntfs-3g were seen to show them after another mount.
        for (set, found) in [
            (-1, 315_532_800),
            (-12_000_000_000, 315_532_800),
            (0, 315_532_800),
            (8_589_934_592, 0),
            (8_589_934_592, 4_354_819_198),
            (-8_589_934_592, -8_589_934_591),
        ] {
            assert!(
                is_kept(time(found, 0), time(set, 123_456_789), true),
                "{set}"
            );
        }
        assert!(is_kept(
            time(2_147_483_647, 0),
            time(4_000_000_000, 5),
            false
        ));
        assert!(!is_kept(
            time(2_147_483_646, 0),
            time(4_000_000_000, 5),
            false
        ));
        assert!(!is_kept(
            time(2_147_483_647, 0),
            time(1_000_000_000, 5),
            false
        ));
    }
}
