//! Patterns over repository paths: `*` stands for any run of characters, `/` included.

use std::{fmt, str::FromStr, sync::Arc};

use super::text::text_serde;

/// A pattern such as `library/*`, `*` or `myteam/app`.
///
/// Matching takes time in proportion to pattern times text at worst, with no recursion and no allocation: a
/// pattern cannot be made to hang the mirror.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Arc<str>);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a repository pattern: {reason}")]
pub struct InvalidPattern {
    text: String,
    reason: &'static str,
}

impl Pattern {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Where to go on after the last `*` when what follows it did not fit: one character further.
        let mut retry = None;
        while t < text.len() {
            if pattern.get(p) == Some(&b'*') {
                retry = Some((p + 1, t));
                p += 1;
            } else if pattern.get(p) == Some(&text[t]) {
                p += 1;
                t += 1;
            } else if let Some((after, from)) = retry {
                retry = Some((after, from + 1));
                (p, t) = (after, from + 1);
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|c| *c == b'*')
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| InvalidPattern {
            text: text.chars().take(300).collect(),
            reason,
        };
        if text.is_empty() {
            return Err(refuse("it is empty; `*` matches every repository"));
        }
        if text.len() > 255 {
            return Err(refuse(
                "it is longer than a repository's path can be (255 characters)",
            ));
        }
        if text.starts_with('/') || text.ends_with('/') {
            return Err(refuse("a repository's path neither starts nor ends with `/`"));
        }
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-/*".contains(&c);
        if !text.bytes().all(fits) {
            return Err(refuse(
                "write lower-case letters, digits, `.`, `_`, `-` and `/`, with `*` for any run of them; no tag, no upstream",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(Pattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run() {
        for (pattern, text, fits) in [
            ("*", "library/alpine", true),
            ("library/*", "library/alpine", true),
            ("library/*", "librarx/alpine", false),
            ("library/*", "a/library/alpine", false),
            ("*/app", "a/b/app", true),
            ("*/app", "app", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("app", "app", true),
            ("app", "apps", false),
            ("a**", "a", true),
        ] {
            let parsed: Pattern = pattern.parse().expect(pattern);
            assert_eq!(parsed.matches(text), fits, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_do_not_hang() {
        let pattern: Pattern = format!("{}b", "a*".repeat(100)).parse().expect("a pattern");
        assert!(!pattern.matches(&"a".repeat(255)));
    }

    #[test]
    fn what_no_repository_can_be_called_is_refused() {
        for bad in ["", "/a", "a/", "A", "alpine:3", "a b", "[a]"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
