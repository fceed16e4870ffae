//! `Retry-After`: how long a server wants to be left alone.
//!
//! Promises: nonsense is `None`; an answer is between one second and one hour, because one that asks
//! for a day is more often wrong than right, and the box has to find out that it is back. A date is compared
//! with the answer's own `Date`, so that a wrong clock here does not matter.

use std::time::Duration;

use http::{
    HeaderMap,
    header::{DATE, RETRY_AFTER},
};
use jiff::fmt::rfc2822::DateTimeParser;

use crate::clock::Timestamp;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);

/// Reads the header. `now` stands in for an answer without `Date`.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let until = seconds_since_1970(value)?;
            let now = headers
                .get(DATE)
                .and_then(|date| seconds_since_1970(date.to_str().ok()?))
                .unwrap_or(now.0);
            until.saturating_sub(now)
        }
    };
    Some(Duration::from_secs(wait).clamp(SHORTEST, LONGEST))
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`. The two obsolete forms of dates are not worth their code.
fn seconds_since_1970(text: &str) -> Option<u64> {
    let date = DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    u64::try_from(date.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(retry_after: &'static str, date: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(retry_after));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        super::retry_after(&headers, Timestamp(784_111_777)).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_clamped() {
        for (text, wait) in [
            ("17", 17),
            ("0", 1),
            (" 30 ", 30),
            ("86400", 3600),
            ("99999999999", 3600),
        ] {
            assert_eq!(read(text, None), Some(wait), "{text}");
        }
    }

    #[test]
    fn dates_are_measured_by_the_clock_that_wrote_them() {
        // 784111777 is the example of RFC 9110.
        assert_eq!(read("Sun, 06 Nov 1994 08:50:07 GMT", None), Some(30));
        assert_eq!(
            read(
                "Fri, 06 Nov 2026 08:51:37 GMT",
                Some("Fri, 06 Nov 2026 08:49:37 GMT")
            ),
            Some(120)
        );
        assert_eq!(
            read("Sun, 06 Nov 1994 08:00:00 GMT", None),
            Some(1),
            "in the past"
        );
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in ["", "soon", "-1", "1.5", "Someday, 99 Foo 1994 08:49:37 GMT"] {
            assert_eq!(read(text, None), None, "{text}");
        }
    }
}
