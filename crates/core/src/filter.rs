//! Which entries a walk keeps: rsync's rules for `--exclude`, `--include` and `--exclude-from`, and the
//! list of `--files-from`.
//!
//! Promises: the first rule that matches decides, and what no rule matches is kept; a directory that is
//! dropped is not looked into; names are bytes; matching takes no more than (pattern × path) steps, so no
//! pattern can hang a walk. It differs from rsync in one thing: a pattern that can never match (an
//! unclosed `[`, a lone `\` at the end) is an error instead of being passed over in silence.
//! globset doesn't serve here: its `**` stands for whole components only, rsync's for any bytes.

mod list;
pub mod search;
mod wild;

pub use list::FileList;
pub(crate) use list::{Named, Scope};

use crate::error::{Code, Error, Result};
use wild::{Text, Token};

/// The longest pattern that is taken; longer ones are a mistake, such as a binary file given as a list.
const MAX_PATTERN: usize = 64 * 1024;

/// One rule as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whether what matches is kept (`--include`, `+ `) or dropped (`--exclude`, `- `).
    pub include: bool,
    /// The pattern, as in rsync's "PATTERN MATCHING RULES" (rsync(1)).
    pub pattern: Vec<u8>,
}

/// What the rules say of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is part of the source.
    Keep,
    /// It is left out, and if it is a directory, so is everything below it.
    Drop,
}

/// Rules made ready for matching.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    rules: Vec<Compiled>,
}

/// Adds what one `--exclude` (`include` false) or `--include` argument says to `rules`.
///
/// As in rsync an argument may start with `+ ` or `- `, which says what it is; `!` alone forgets all rules
/// before it; an empty one does nothing.
///
/// # Errors
/// `Code::BadInput` where a prefix has no pattern, or where the pattern is absurdly long.
pub fn add_argument(rules: &mut Vec<Rule>, include: bool, argument: &[u8]) -> Result<()> {
    let (include, pattern) = match argument {
        b"" => return Ok(()),
        b"!" => {
            rules.clear();
            return Ok(());
        }
        [b'+', b' ', rest @ ..] => (true, rest),
        [b'-', b' ', rest @ ..] => (false, rest),
        all => (include, all),
    };
    if pattern.is_empty() {
        return Err(bad(argument, "a rule without a pattern"));
    }
    if pattern.len() > MAX_PATTERN {
        return Err(bad(
            &pattern[..100],
            "a pattern of more than 64 KiB, beginning",
        ));
    }
    rules.push(Rule {
        include,
        pattern: pattern.to_vec(),
    });
    Ok(())
}

/// Adds the rules of an `--exclude-from` file to `rules`: one rule a line, in the form of
/// [`add_argument`]; empty lines and lines that start with `#` or `;` are passed over. Lines end with LF, CR
/// or both.
///
/// # Errors
/// As [`add_argument`], with the number of the line.
pub fn add_rules_file(rules: &mut Vec<Rule>, content: &[u8]) -> Result<()> {
    for (number, line) in content.split(|&b| b == b'\n').enumerate() {
        for line in line.split(|&b| b == b'\r') {
            if !matches!(line.first(), Some(b'#' | b';')) {
                add_argument(rules, false, line).map_err(|mut e| {
                    e.message = format!("line {}: {}", number + 1, e.message);
                    e
                })?;
            }
        }
    }
    Ok(())
}

/// The rules of an `--exclude-from` file that stands alone; see [`add_rules_file`].
///
/// # Errors
/// As [`add_rules_file`].
pub fn parse_rules_file(content: &[u8]) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    add_rules_file(&mut rules, content)?;
    Ok(rules)
}

impl Filter {
    /// Makes rules ready for matching; the first one that matches an entry decides.
    ///
    /// # Errors
    /// `Code::BadInput`, with the pattern, for one that can never match.
    pub fn new(rules: Vec<Rule>) -> Result<Filter> {
        let rules = rules
            .into_iter()
            .map(Compiled::new)
            .collect::<Result<_>>()?;
        Ok(Filter { rules })
    }

    /// Whether there are no rules, so that everything is kept.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the rules say of the entry at `path`, which is below the source's root and has no leading slash.
    /// The caller has asked about the directories above it already.
    pub fn decide(&self, path: &[u8], is_dir: bool) -> Decision {
        match self.rules.iter().find(|rule| rule.matches(path, is_dir)) {
            Some(rule) if !rule.include => Decision::Drop,
            _ => Decision::Keep,
        }
    }
}

/// Where in a path a pattern may begin to match.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// Only the last component is looked at.
    Name,
    /// At the front of the path.
    Front,
    /// So that it covers just this many components at the end.
    Last(usize),
    /// At the front and behind every slash.
    Anywhere,
}

/// How the text is compared.
#[derive(Debug, Clone)]
enum Shape {
    /// Byte for byte: a pattern without `*`, `[` and `?`, in which a backslash is a plain byte.
    Literal(Vec<u8>),
    /// With wildcards.
    Wild(Vec<Token>),
}

/// A rule that is ready.
#[derive(Debug, Clone)]
struct Compiled {
    include: bool,
    /// The pattern ended in a slash: it matches nothing but directories.
    dir_only: bool,
    start: Start,
    /// The pattern begins with `**`: `**/x` has to match `x` at the front too, so the text gets a slash.
    slash_before: bool,
    /// The pattern ends with `***`: `x/***` has to match the directory `x` too, so its text gets a slash.
    slash_after_dir: bool,
    shape: Shape,
}

impl Compiled {
    fn new(rule: Rule) -> Result<Compiled> {
        let mut pattern = rule.pattern.as_slice();
        let dir_only = pattern.len() > 1 && pattern.ends_with(b"/");
        if dir_only {
            pattern = &pattern[..pattern.len() - 1];
        }
        let is_wild = pattern.iter().any(|b| matches!(b, b'*' | b'[' | b'?'));
        let crosses = is_wild && pattern.windows(2).any(|w| w == b"**");
        let slash_before = crosses && pattern.starts_with(b"**");
        let slash_after_dir = crosses && pattern.ends_with(b"***");
        let slashes = pattern.iter().filter(|&&b| b == b'/').count();
        let (anchored, body) = match pattern {
            [b'/', body @ ..] => (true, body),
            body => (false, body),
        };
        let start = if slashes == 0 && !crosses {
            Start::Name
        } else if anchored || slash_before {
            Start::Front
        } else if crosses {
            Start::Anywhere
        } else {
            Start::Last(slashes + 1)
        };
        let shape = if is_wild {
            Shape::Wild(wild::compile(body).map_err(|why| bad(&rule.pattern, why))?)
        } else {
            Shape::Literal(body.to_vec())
        };
        Ok(Compiled {
            include: rule.include,
            dir_only,
            start,
            slash_before,
            slash_after_dir,
            shape,
        })
    }

    fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        if self.dir_only && !is_dir {
            return false;
        }
        let path = match self.start {
            Start::Front | Start::Anywhere => path,
            Start::Name => last_components(path, 1).unwrap_or(path),
            Start::Last(n) => match last_components(path, n) {
                Some(tail) => tail,
                None => return false,
            },
        };
        match &self.shape {
            Shape::Literal(literal) => path == literal.as_slice(),
            Shape::Wild(tokens) => {
                let text = Text {
                    slash_before: self.slash_before,
                    body: path,
                    slash_after: self.slash_after_dir && is_dir,
                };
                match self.start {
                    Start::Anywhere => wild::matches_anywhere(tokens, text),
                    _ => wild::matches_from(tokens, text, 0),
                }
            }
        }
    }
}

/// The last `n` components of a path; `None` where it has fewer.
fn last_components(path: &[u8], n: usize) -> Option<&[u8]> {
    let mut end = path.len();
    for left in (0..n).rev() {
        match path[..end].iter().rposition(|&b| b == b'/') {
            Some(slash) if left == 0 => return Some(&path[slash + 1..]),
            Some(slash) => end = slash,
            None => return (left == 0).then_some(path),
        }
    }
    None
}

fn bad(pattern: &[u8], why: &str) -> Error {
    let message = format!("{why}: {}", crate::name::display(pattern));
    Error::new(Code::BadInput, "reading a rule", message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
