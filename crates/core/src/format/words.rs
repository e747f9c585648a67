//! The words of a check: what is wrong with an entry, what its source has, and how much the check proves.
//!
//! They are stored on drives and in catalogs, and are the same in `--json`.

/// What is wrong with one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// Size and time are as recorded, the content is not.
    Corrupt,
    /// Size, time, kind or target are not as recorded.
    Changed,
    /// It is recorded and not there.
    Missing,
    /// It is there and not recorded.
    Extra,
    /// It could not be read or looked at.
    Unreadable,
    /// One of our own files does not agree with its own seal, or with the others.
    Damaged,
}

impl Word {
    /// All of them.
    pub const ALL: [Word; 6] = [
        Word::Corrupt,
        Word::Changed,
        Word::Missing,
        Word::Extra,
        Word::Unreadable,
        Word::Damaged,
    ];

    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Corrupt => "corrupt",
            Word::Changed => "changed",
            Word::Missing => "missing",
            Word::Extra => "extra",
            Word::Unreadable => "unreadable",
            Word::Damaged => "damaged",
        }
    }

    /// The word that is written so.
    pub fn from_word(text: &str) -> Option<Word> {
        Word::ALL.into_iter().find(|w| w.as_str() == text)
    }

    /// Whether something that the volume should hold is not as it should be.
    pub fn is_bad(self) -> bool {
        self != Word::Extra
    }
}

/// What is to be said of an entry of a volume in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceWord {
    /// The source has another version now.
    Newer,
    /// It is not in the source any more.
    Gone,
    /// Size and time agree with the record, the content does not.
    Differs,
    /// It could not be read or looked at in the source.
    Unreadable,
    /// Its source is not there.
    Unseen,
}

impl SourceWord {
    /// All of them.
    pub const ALL: [SourceWord; 5] = [
        SourceWord::Newer,
        SourceWord::Gone,
        SourceWord::Differs,
        SourceWord::Unreadable,
        SourceWord::Unseen,
    ];

    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceWord::Newer => "newer",
            SourceWord::Gone => "gone",
            SourceWord::Differs => "differs",
            SourceWord::Unreadable => "source-unreadable",
            SourceWord::Unseen => "unseen",
        }
    }

    /// The word that is written so.
    pub fn from_word(text: &str) -> Option<SourceWord> {
        SourceWord::ALL.into_iter().find(|w| w.as_str() == text)
    }

    /// Whether something is wrong, or unknown; a source that moved on is neither.
    pub fn is_bad(self) -> bool {
        !matches!(self, SourceWord::Newer | SourceWord::Gone)
    }
}

/// How much a check proves, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckKind {
    /// The file system may still be mounted as it was when it was written.
    SameSession,
    /// It was unmounted in between.
    Remounted,
    /// The device was away from this computer in between.
    Reinserted,
}

impl CheckKind {
    /// The word for it in volume.json, in the catalog and here.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckKind::SameSession => "same-session",
            CheckKind::Remounted => "remounted",
            CheckKind::Reinserted => "re-inserted",
        }
    }

    /// The kind of this word.
    pub fn from_word(text: &str) -> Option<CheckKind> {
        [
            CheckKind::SameSession,
            CheckKind::Remounted,
            CheckKind::Reinserted,
        ]
        .into_iter()
        .find(|k| k.as_str() == text)
    }
}
