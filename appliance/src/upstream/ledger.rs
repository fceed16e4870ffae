//! What is left of a registry's allowance, as it tells in each answer.
//!
//! Docker Hub sends `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`: so many manifest
//! GETs in a window of so many seconds. Promises: a half or senseless pair of headers is no ledger.

use http::HeaderMap;

/// An allowance and its rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Requests in a window.
    pub limit: u64,
    /// Requests left.
    pub remaining: u64,
    /// Length of the window.
    pub window_seconds: u64,
}

impl Ledger {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let (limit, window) = count(headers, "ratelimit-limit")?;
        let (remaining, _) = count(headers, "ratelimit-remaining")?;
        Some(Self {
            limit,
            remaining,
            // Docker Hub's window is 6 hours.
            window_seconds: window.unwrap_or(21_600),
        })
    }
}

/// `100;w=21600` → 100 and 21600.
fn count(headers: &HeaderMap, name: &str) -> Option<(u64, Option<u64>)> {
    let mut parts = headers.get(name)?.to_str().ok()?.split(';').map(str::trim);
    let count = parts.next()?.parse().ok()?;
    let window = parts
        .find_map(|part| part.strip_prefix("w="))
        .and_then(|seconds| seconds.parse().ok());
    Some((count, window))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(limit: &'static str, remaining: &'static str) -> Option<Ledger> {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit-limit", HeaderValue::from_static(limit));
        headers.insert("ratelimit-remaining", HeaderValue::from_static(remaining));
        Ledger::of(&headers)
    }

    #[test]
    fn docker_hubs_headers_are_read() {
        let ledger = Ledger {
            limit: 100,
            remaining: 76,
            window_seconds: 21_600,
        };
        assert_eq!(read("100;w=21600", "76;w=21600"), Some(ledger));
        assert_eq!(read("100", "76"), Some(ledger));
    }

    #[test]
    fn nonsense_is_no_ledger() {
        assert_eq!(read("many", "76"), None);
        assert_eq!(read("100;w=21600", ""), None);
        assert_eq!(Ledger::of(&HeaderMap::new()), None);
    }
}
