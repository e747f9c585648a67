//! What a drive could not keep, in words.

/// What a drive's file system, or whoever runs this, may not be able to keep: words for the report. All but the
/// last two stand in the manifest, from which a restore brings them back.
pub struct Loss;

impl Loss {
    /// Whether what these words stand for is in the manifest.
    pub fn is_recorded(words: &str) -> bool {
        ![Loss::UNREAD, Loss::TOO_MUCH, Loss::LINKS, Loss::NAMES].contains(&words)
    }

    pub(super) const OWNERS: &'static str = "owners";
    pub(super) const LINKS: &'static str =
        "hard links: each name of a file stands there as a file of its own";
    pub(super) const NAMES: &'static str =
        "hard links beyond what a file can have there: the file stands there once more";
    pub(super) const SPECIAL: &'static str = "links, fifos, sockets or devices";
    pub(super) const ACLS: &'static str = "ACLs";
    pub(super) const ATTRIBUTES: &'static str = "extended attributes";
    pub(super) const UNREAD: &'static str = "extended attributes that could not be read";
    pub(super) const TOO_MUCH: &'static str =
        "extended attributes of more than 128 KiB, for which the manifest has no room either";
}
