//! `Range` on a blob: one range of bytes.

use http::{HeaderMap, header};

use crate::delivery::Span;

/// What a request wants of a content of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: no range was asked for, or one that RFC 9110 (14.2) says to ignore.
    Whole,
    /// `start..end`, not empty.
    Part { start: u64, end: u64 },
    /// A range that the content does not have.
    Unsatisfiable,
}

impl Wanted {
    /// Reads the range of a request for content of `size` bytes and entity tag `etag`.
    ///
    /// Ignored, and so answered with all of it: several ranges, other units, malformed ones, and one whose
    /// `If-Range` names another entity.
    pub(super) fn of(headers: &HeaderMap, size: u64, etag: &str) -> Self {
        let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
            return Self::Whole;
        };
        if headers
            .get(header::IF_RANGE)
            .is_some_and(|condition| condition.as_bytes() != etag.as_bytes())
        {
            return Self::Whole;
        }
        parse(range, size).unwrap_or(Self::Whole)
    }

    pub(super) fn span(self, size: u64) -> Span {
        match self {
            Self::Part { start, end } => Span {
                start,
                end: Some(end),
            },
            Self::Whole | Self::Unsatisfiable => Span {
                start: 0,
                end: Some(size),
            },
        }
    }
}

fn parse(range: &str, size: u64) -> Option<Wanted> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let number = |text: &str| {
        text.bytes()
            .all(|c| c.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())?
    };
    Some(match (first, last) {
        ("", "") => return None,
        // The last so many bytes.
        ("", suffix) => match number(suffix)? {
            0 => Wanted::Unsatisfiable,
            _ if size == 0 => Wanted::Unsatisfiable,
            suffix => Wanted::Part {
                start: size.saturating_sub(suffix),
                end: size,
            },
        },
        (first, last) => {
            let start = number(first)?;
            let end = if last.is_empty() {
                size
            } else {
                number(last)?.saturating_add(1)
            };
            if end <= start && !last.is_empty() {
                return None;
            }
            if start >= size {
                Wanted::Unsatisfiable
            } else {
                Wanted::Part {
                    start,
                    end: end.min(size),
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(range: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().expect("valid"));
        Wanted::of(&headers, 100, "\"x\"")
    }

    #[test]
    fn one_range() {
        assert_eq!(wanted("bytes=0-9"), Wanted::Part { start: 0, end: 10 });
        assert_eq!(wanted("bytes=90-"), Wanted::Part { start: 90, end: 100 });
        assert_eq!(wanted("bytes=-10"), Wanted::Part { start: 90, end: 100 });
        assert_eq!(wanted("bytes=-1000"), Wanted::Part { start: 0, end: 100 });
        assert_eq!(wanted("bytes=50-1000"), Wanted::Part { start: 50, end: 100 });
        assert_eq!(wanted("bytes=0-"), Wanted::Part { start: 0, end: 100 });
    }

    #[test]
    fn outside_is_unsatisfiable() {
        assert_eq!(wanted("bytes=100-"), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=200-300"), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=-0"), Wanted::Unsatisfiable);
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        for range in [
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "items=0-1",
            "bytes=0-1,3-4",
            "bytes",
            "bytes=+1-2",
        ] {
            assert_eq!(wanted(range), Wanted::Whole, "{range}");
        }
    }

    #[test]
    fn if_range_of_another_entity_means_all() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=0-9".parse().expect("valid"));
        headers.insert(header::IF_RANGE, "\"y\"".parse().expect("valid"));
        assert_eq!(Wanted::of(&headers, 100, "\"x\""), Wanted::Whole);
        headers.insert(header::IF_RANGE, "\"x\"".parse().expect("valid"));
        assert_eq!(
            Wanted::of(&headers, 100, "\"x\""),
            Wanted::Part { start: 0, end: 10 }
        );
    }
}
