//! The matcher for one pattern with wildcards, as rsync's `wildmatch` defines them, over bytes.
//!
//! `?` and `[…]` are one byte but not a slash, `*` any bytes but slashes, `**` (and more stars) any bytes,
//! `\x` is `x`. Ranges, `!` or `^` for the opposite, and the classes of POSIX (`[:alpha:]`, ASCII) go inside
//! brackets. Matching never goes back further than to the last star of each kind: the earliest place where
//! a part fits is always as good as a later one.

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// This byte.
    Byte(u8),
    /// `?`: any byte but a slash.
    Any,
    /// `[…]`: one of these bytes; a slash is never among them.
    Class(Box<Class>),
    /// `*`: any number of bytes that are not slashes.
    Star,
    /// `**`: any number of bytes.
    StarStar,
}

/// A set of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Class([u64; 4]);

impl Class {
    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }
}

/// A path with the slashes that rsync puts around it for some patterns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    /// A slash stands before the path.
    pub slash_before: bool,
    /// The path.
    pub body: &'a [u8],
    /// A slash stands behind the path.
    pub slash_after: bool,
}

impl Text<'_> {
    fn len(&self) -> usize {
        self.body.len() + usize::from(self.slash_before) + usize::from(self.slash_after)
    }

    fn at(&self, index: usize) -> Option<u8> {
        let index = if self.slash_before {
            match index {
                0 => return Some(b'/'),
                n => n - 1,
            }
        } else {
            index
        };
        match self.body.get(index) {
            None if self.slash_after && index == self.body.len() => Some(b'/'),
            other => other.copied(),
        }
    }
}

/// Turns a pattern into steps.
pub(super) fn compile(pattern: &[u8]) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        tokens.push(match byte {
            b'?' => Token::Any,
            b'*' => {
                let more = rest.iter().take_while(|&&b| b == b'*').count();
                rest = &rest[more..];
                if more == 0 {
                    Token::Star
                } else {
                    Token::StarStar
                }
            }
            b'\\' => {
                let (&literal, after) = rest.split_first().ok_or("a backslash ends the pattern")?;
                rest = after;
                Token::Byte(literal)
            }
            b'[' => {
                let (class, after) = compile_class(rest)?;
                rest = after;
                Token::Class(Box::new(class))
            }
            literal => Token::Byte(literal),
        });
    }
    Ok(tokens)
}

/// Reads what follows a `[`; gives the set and what follows the `]`.
fn compile_class(mut rest: &[u8]) -> Result<(Class, &[u8]), &'static str> {
    const UNCLOSED: &str = "a `[` without its `]`";
    let mut class = Class::default();
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    if negated {
        rest = &rest[1..];
    }
    // The byte that a range may begin with: none at the start, after a range and after a named class.
    let mut previous: Option<u8> = None;
    // A `]` that comes first is a plain byte.
    let mut first = true;
    loop {
        let (&byte, after) = rest.split_first().ok_or(UNCLOSED)?;
        if byte == b']' && !first {
            rest = after;
            break;
        }
        first = false;
        match (byte, previous) {
            (b'\\', _) => {
                let (&literal, after) = after.split_first().ok_or(UNCLOSED)?;
                class.add(literal);
                previous = Some(literal);
                rest = after;
            }
            (b'-', Some(from)) if !matches!(after.first(), None | Some(b']')) => {
                let (mut to, mut behind) = (after[0], &after[1..]);
                if to == b'\\' {
                    (to, behind) = behind.split_first().map(|(b, r)| (*b, r)).ok_or(UNCLOSED)?;
                }
                (from..=to).for_each(|b| class.add(b));
                previous = None;
                rest = behind;
            }
            (b'[', _) if after.first() == Some(&b':') => {
                let inside = &after[1..];
                let end = inside.iter().position(|&b| b == b']').ok_or(UNCLOSED)?;
                match inside[..end].strip_suffix(b":") {
                    Some(name) => {
                        let member = named_class(name).ok_or("an unknown [:class:]")?;
                        (0..=255).filter(member).for_each(|b| class.add(b));
                        previous = None;
                        rest = &inside[end + 1..];
                    }
                    None => {
                        class.add(b'[');
                        previous = Some(b'[');
                        rest = after;
                    }
                }
            }
            (literal, _) => {
                class.add(literal);
                previous = Some(literal);
                rest = after;
            }
        }
    }
    if negated {
        class.0.iter_mut().for_each(|word| *word = !*word);
    }
    class.0[usize::from(b'/' >> 6)] &= !(1 << (b'/' & 63));
    Ok((class, rest))
}

fn named_class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |b| matches!(b, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |b| matches!(b, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

/// Whether the pattern covers the text from the front, or from behind any slash, to its end.
pub(super) fn matches_anywhere(tokens: &[Token], text: Text<'_>) -> bool {
    matches_from(tokens, text, 0)
        || (0..text.len()).any(|i| text.at(i) == Some(b'/') && matches_from(tokens, text, i + 1))
}

/// Whether the pattern covers the text from `start` to its end.
pub(super) fn matches_from(tokens: &[Token], text: Text<'_>, start: usize) -> bool {
    let (mut t, mut p) = (start, 0);
    // Where to take up again: the token behind the star, and the first text position it has not tried.
    let mut star: Option<(usize, usize)> = None;
    let mut star_star: Option<(usize, usize)> = None;
    loop {
        let byte = text.at(t);
        let fits = match (tokens.get(p), byte) {
            (None, None) => return true,
            (Some(Token::Star), _) => {
                p += 1;
                star = Some((p, t));
                continue;
            }
            (Some(Token::StarStar), _) => {
                p += 1;
                star_star = Some((p, t));
                star = None;
                continue;
            }
            (Some(Token::Byte(want)), Some(b)) => *want == b,
            (Some(Token::Any), Some(b)) => b != b'/',
            (Some(Token::Class(class)), Some(b)) => class.has(b),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if fits {
            t += 1;
            p += 1;
            continue;
        }
        // One byte more for the last star; if it can't take that byte, one more for the last double star.
        match (star, star_star) {
            (Some((behind, at)), _) if !matches!(text.at(at), None | Some(b'/')) => {
                star = Some((behind, at + 1));
                (p, t) = (behind, at + 1);
            }
            (_, Some((behind, at))) if text.at(at).is_some() => {
                star = None;
                star_star = Some((behind, at + 1));
                (p, t) = (behind, at + 1);
            }
            _ => return false,
        }
    }
}
