//! The patterns of a search: substring, glob or regular expression, over the bytes of a path.
//!
//! Paths are those below the drives' root. A pattern with `*`, `?` or `[` is a glob: without a slash it is
//! held against the last component, with one against the whole path or its end, and against the whole path
//! alone when it begins with a slash; one that ends in a slash means directories. Any other pattern is a
//! substring of the path, so what lies below a directory of that name is found too. Names are bytes: what
//! is no UTF-8 is found as it is. Matching takes time in proportion to pattern and path.

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use super::MAX_PATTERN;
use super::wild::{Text, Token, compile, matches_anywhere, matches_from};
use crate::error::{Code, Error, Result};

/// How patterns are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// They are regular expressions (syntax of the crate `regex`), found anywhere in the path.
    pub regex: bool,
    /// Upper and lower case are the same.
    pub ignore_case: bool,
}

/// Some patterns; a path matches when one of them does.
#[derive(Debug)]
pub struct Patterns(Vec<Pattern>);

#[derive(Debug)]
enum Pattern {
    /// Bytes that are found in the path; `slash`: there is a slash among them.
    Substring {
        needle: Box<Finder<'static>>,
        slash: bool,
    },
    Glob {
        tokens: Vec<Token>,
        place: Place,
    },
    Regex {
        regex: Regex,
        scope: Scope,
    },
    /// One path, and all that lies below it.
    Tree(Vec<u8>),
}

/// What a regular expression is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The path.
    Path,
    /// The path of a directory.
    DirPath,
    /// The path, with the slash that a directory has at its end.
    Key,
}

/// What a glob is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The last component.
    Name,
    /// The path, or its end behind a slash.
    End,
    /// The path with a slash before it.
    Whole,
}

/// An entry's path, as a search meets it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'p> {
    /// The path below the drives' root, with a slash at its end for a directory.
    pub key: &'p [u8],
    /// Where its last component begins.
    pub name_at: usize,
    /// A directory above it is one for which [`Patterns::found_above`] said yes.
    pub below: bool,
}

impl<'p> Candidate<'p> {
    /// A path that comes alone, not from going through directories.
    pub fn alone(key: &'p [u8]) -> Self {
        let bare = key.strip_suffix(b"/").unwrap_or(key);
        let name_at = memchr::memrchr(b'/', bare).map_or(0, |at| at + 1);
        Candidate {
            key,
            name_at,
            below: false,
        }
    }

    fn is_dir(&self) -> bool {
        self.key.last() == Some(&b'/')
    }

    fn path(&self) -> &'p [u8] {
        self.key.strip_suffix(b"/").unwrap_or(self.key)
    }
}

impl Patterns {
    /// Makes patterns ready for matching.
    ///
    /// # Errors
    /// `Code::BadInput` for an empty or absurdly long pattern, a glob that can never match, or a regular
    /// expression that makes no sense; the message says which and why.
    pub fn new(patterns: &[Vec<u8>], reading: Reading) -> Result<Patterns> {
        patterns
            .iter()
            .map(|p| Pattern::new(p, reading))
            .collect::<Result<_>>()
            .map(Patterns)
    }

    /// Adds the entry of exactly this path (no slash at its end), and all that lies below it.
    pub fn add_tree(&mut self, path: &[u8]) {
        self.0.push(Pattern::Tree(path.to_vec()));
    }

    /// Whether everything below this directory matches; `key` is its path with the slash at its end.
    pub fn found_above(&self, key: &[u8]) -> bool {
        self.0.iter().any(|p| match p {
            Pattern::Substring { needle, .. } => needle.find(key).is_some(),
            Pattern::Glob { .. } | Pattern::Regex { .. } => false,
            Pattern::Tree(path) => is_in_tree(path, key),
        })
    }

    /// Whether one of the patterns matches.
    pub fn matches(&self, candidate: Candidate<'_>) -> bool {
        candidate.below || self.0.iter().any(|p| p.matches(&candidate))
    }

    /// Whether one of the patterns matches a path that comes alone.
    pub fn matches_alone(&self, key: &[u8]) -> bool {
        let candidate = Candidate::alone(key);
        self.found_above(&key[..candidate.name_at]) || self.matches(candidate)
    }
}

impl Pattern {
    fn new(pattern: &[u8], reading: Reading) -> Result<Pattern> {
        let bad = |why: &str| {
            let shown = crate::name::display(&pattern[..pattern.len().min(200)]);
            Error::new(
                Code::BadInput,
                "reading the pattern",
                format!("{shown}: {why}"),
            )
        };
        if pattern.is_empty() {
            let message = "it is empty; * finds everything";
            return Err(Error::new(Code::BadInput, "reading the pattern", message));
        }
        if pattern.len() > MAX_PATTERN {
            return Err(bad("it is too long"));
        }
        let compiled = |text: &str, scope: Scope| {
            RegexBuilder::new(text)
                .case_insensitive(reading.ignore_case)
                // A name may hold a newline, which means nothing in it.
                .dot_matches_new_line(true)
                .build()
                .map(|regex| Pattern::Regex { regex, scope })
                .map_err(|e| bad(&last_line(&e.to_string())))
        };
        if reading.regex {
            return compiled(&regex_text(pattern), Scope::Path);
        }
        if !pattern.iter().any(|b| matches!(b, b'*' | b'?' | b'[')) {
            return match reading.ignore_case {
                true => compiled(&literal(pattern), Scope::Key),
                false => Ok(Pattern::Substring {
                    needle: Box::new(Finder::new(pattern).into_owned()),
                    slash: pattern.contains(&b'/'),
                }),
            };
        }
        let tokens = compile(pattern).map_err(bad)?;
        let place = match (pattern.first(), pattern.contains(&b'/')) {
            (Some(b'/'), _) => Place::Whole,
            (_, true) => Place::End,
            (_, false) => Place::Name,
        };
        match reading.ignore_case {
            true => {
                let scope = match ends_in_slash(&tokens) {
                    true => Scope::DirPath,
                    false => Scope::Path,
                };
                compiled(&glob_as_regex(&tokens, place), scope)
            }
            false => Ok(Pattern::Glob { tokens, place }),
        }
    }

    fn matches(&self, c: &Candidate<'_>) -> bool {
        match self {
            // What is above was looked through already.
            Pattern::Substring {
                needle,
                slash: false,
            } => needle.find(&c.key[c.name_at..]).is_some(),
            Pattern::Substring { needle, .. } => needle.find(c.key).is_some(),
            Pattern::Tree(path) => is_in_tree(path, c.key),
            Pattern::Regex { regex, scope } => match scope {
                Scope::Path => regex.is_match(c.path()),
                Scope::DirPath => c.is_dir() && regex.is_match(c.path()),
                Scope::Key => regex.is_match(c.key),
            },
            Pattern::Glob { tokens, place } => {
                let text = |body| Text {
                    slash_before: *place == Place::Whole,
                    body,
                    slash_after: c.is_dir() && ends_in_slash(tokens),
                };
                match place {
                    Place::Name => matches_from(tokens, text(&c.path()[c.name_at..]), 0),
                    Place::End => matches_anywhere(tokens, text(c.path())),
                    Place::Whole => matches_from(tokens, text(c.path()), 0),
                }
            }
        }
    }
}

/// Whether a key (a directory's has a slash at its end) is this path or lies below it.
fn is_in_tree(path: &[u8], key: &[u8]) -> bool {
    key.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn ends_in_slash(tokens: &[Token]) -> bool {
    tokens.last() == Some(&Token::Byte(b'/'))
}

/// The crate's message ends with the line that says what is wrong; the lines before it draw a picture.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default().trim();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    crate::name::display(line.as_bytes())
}

/// A regular expression that may hold bytes which are no UTF-8.
fn regex_text(pattern: &[u8]) -> String {
    let mut text = String::new();
    for chunk in pattern.utf8_chunks() {
        text.push_str(chunk.valid());
        push_bytes(&mut text, chunk.invalid());
    }
    text
}

/// A regular expression for exactly these bytes.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&regex::escape(chunk.valid()));
        push_bytes(&mut text, chunk.invalid());
    }
    text
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    for b in bytes {
        text.push_str(&format!(r"(?-u:\x{b:02x})"));
    }
}

/// A glob as a regular expression: for the sake of upper and lower case only.
fn glob_as_regex(tokens: &[Token], place: Place) -> String {
    let mut text = String::from(match place {
        Place::Name | Place::End => "(?:^|/)",
        Place::Whole => "^",
    });
    // The slash at the front stands before the path, and one at the end is what a directory has: neither
    // is in the path that is searched.
    let tokens = match place {
        Place::Whole => &tokens[1..],
        Place::Name | Place::End => tokens,
    };
    let tokens = match ends_in_slash(tokens) {
        true => &tokens[..tokens.len() - 1],
        false => tokens,
    };
    let mut plain = Vec::new();
    for token in tokens {
        if let Token::Byte(b) = token {
            plain.push(*b);
            continue;
        }
        text.push_str(&literal(&std::mem::take(&mut plain)));
        match token {
            Token::Byte(_) => {}
            Token::Any => text.push_str("(?-u:[^/])"),
            Token::Star => text.push_str("(?-u:[^/])*"),
            Token::StarStar => text.push_str("(?s-u:.)*"),
            Token::Class(class) => {
                text.push_str("(?-u:[");
                for b in (0..=255u8).filter(|b| class.has(*b)) {
                    text.push_str(&format!(r"\x{b:02x}"));
                }
                text.push_str("])");
            }
        }
    }
    text.push_str(&literal(&plain));
    text.push('$');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &[u8], reading: Reading, key: &[u8]) -> bool {
        Patterns::new(&[pattern.to_vec()], reading)
            .unwrap()
            .matches_alone(key)
    }

    fn plain(pattern: &[u8], key: &[u8]) -> bool {
        let folded = Reading {
            ignore_case: true,
            ..Reading::default()
        };
        let found_plainly = found(pattern, Reading::default(), key);
        // Whatever is found is found without regard to case too, and by the other way of matching.
        assert!(
            !found_plainly || found(pattern, folded, key),
            "{pattern:?} {key:?}"
        );
        found_plainly
    }

    #[test]
    fn a_plain_word_is_found_anywhere_in_the_path() {
        for key in [&b"a/word.txt"[..], b"words/x", b"a/sword/", b"word"] {
            assert!(plain(b"word", key), "{key:?}");
        }
        assert!(!plain(b"word", b"wor/d"));
        assert!(plain(b"b/c", b"a/b/cd"));
        assert!(plain(b"b/", b"a/b/"), "a directory has a slash at its end");
        assert!(!plain(b"b/", b"a/b"), "a file has none");
        assert!(plain(b"\xe9", b"caf\xe9"), "names are bytes");
        assert!(!plain(b"\xe9", "café".as_bytes()));
    }

    #[test]
    fn a_glob_without_a_slash_is_for_the_last_component() {
        assert!(plain(b"*.jpg", b"a/b/c.jpg"));
        assert!(!plain(b"*.jpg", b"a.jpg/c"));
        assert!(plain(b"*.jpg", b"a.jpg/"), "a directory is an entry too");
        assert!(plain(b"?", b"a/\xff"), "one byte, whatever it is");
        assert!(plain(b"[a-c]*", b"x/bush"));
        assert!(!plain(b"[!a-c]*", b"x/bush"));
        assert!(plain(b"*", b"\n"));
    }

    #[test]
    fn a_glob_with_a_slash_is_for_the_whole_path_or_its_end() {
        assert!(plain(b"b/*.jpg", b"a/b/c.jpg"));
        assert!(plain(b"b/*.jpg", b"b/c.jpg"));
        assert!(!plain(b"b/*.jpg", b"ab/c.jpg"));
        assert!(!plain(b"b/*.jpg", b"b/c/d.jpg"));
        assert!(plain(b"b/**.jpg", b"b/c/d.jpg"));
        assert!(plain(b"/b/*.jpg", b"b/c.jpg"));
        assert!(!plain(b"/b/*.jpg", b"a/b/c.jpg"));
        assert!(found(b"b*/", Reading::default(), b"a/bc/"));
        assert!(!found(b"b*/", Reading::default(), b"a/bc"));
    }

    #[test]
    fn case_counts_unless_it_is_said_that_it_does_not() {
        let folded = Reading {
            ignore_case: true,
            regex: false,
        };
        assert!(!found(b"CAF", Reading::default(), "café".as_bytes()));
        for pattern in ["CAFÉ", "C?F*", "*FÉ", "[C]AF*", "/CAF*"] {
            assert!(
                found(pattern.as_bytes(), folded, "café".as_bytes()),
                "{pattern}"
            );
        }
        assert!(found(b"A.B", folded, b"x/a.b"));
        assert!(!found(b"A.B", folded, b"x/acb"), "a dot is a dot");
        assert!(found(b"A\xe9", folded, b"a\xe9"));
    }

    #[test]
    fn a_tree_is_one_path_and_what_lies_below_it() {
        let mut patterns = Patterns::new(&[], Reading::default()).unwrap();
        patterns.add_tree(b"a/b");
        for key in [&b"a/b"[..], b"a/b/", b"a/b/c", b"a/b/c/d/"] {
            assert!(patterns.matches_alone(key), "{key:?}");
        }
        for key in [&b"a/bc"[..], b"a/", b"a/bc/", b"x/a/b", b"b"] {
            assert!(!patterns.matches_alone(key), "{key:?}");
        }
        assert!(patterns.found_above(b"a/b/") && !patterns.found_above(b"a/"));
    }

    #[test]
    fn regular_expressions_are_found_anywhere() {
        let regex = Reading {
            regex: true,
            ignore_case: false,
        };
        assert!(found(br"^a/.*\.(jpg|png)$", regex, b"a/b/c.png"));
        assert!(!found(br"^b/", regex, b"a/b/c.png"));
        assert!(found(b"a.b", regex, b"a\nb"));
        assert!(found(b"f\xe9$", regex, b"caf\xe9"));
        assert!(found(br"(?-u:\xe9)", regex, b"caf\xe9"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        let regex = Reading {
            regex: true,
            ignore_case: false,
        };
        for (pattern, reading, why) in [
            (&b""[..], Reading::default(), "empty"),
            (b"[a", Reading::default(), "without its `]`"),
            (b"*\\", Reading::default(), "backslash"),
            (b"(", regex, "unclosed group"),
            (&[b'a'; MAX_PATTERN + 1][..], Reading::default(), "too long"),
        ] {
            let error = Patterns::new(&[pattern.to_vec()], reading).unwrap_err();
            assert_eq!(error.code, Code::BadInput);
            assert!(error.message.contains(why), "{}", error.message);
        }
    }
}
