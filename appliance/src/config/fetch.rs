//! `[fetch]`: how content comes over the WAN.

use std::time::Duration;

use super::{Rate, Size, Span, reader::Section};

/// Limits of time, rate and memory for fetching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    /// For all fetches together; `None` is as fast as it goes.
    pub max_wan_rate: Option<Rate>,
    /// A transfer that moves no byte for so long is given up.
    pub progress_timeout: Duration,
    /// A client hears something from us within this time, whatever the upstream does.
    pub first_byte_timeout: Duration,
    /// For one connection attempt to one address.
    pub connect_timeout: Duration,
    /// The whole budget for bytes in flight.
    pub buffer_bytes: Size,
}

/// A manifest of the largest allowed size, and a blob beside it.
const BUFFER_LEAST: Size = Size::new(8 << 20);

pub(super) fn read(s: &Section<'_>) -> Option<FetchConfig> {
    let max_wan_rate = s.read("max_wan_rate");
    let progress_timeout = positive(s, "progress_timeout");
    let first_byte_timeout = positive(s, "first_byte_timeout");
    let connect_timeout = positive(s, "connect_timeout");
    let buffer_bytes = s.read::<Size>("buffer_bytes");
    if buffer_bytes.is_some_and(|size| size < BUFFER_LEAST) {
        s.refuse(
            "buffer_bytes",
            "it is too small for one manifest and one blob at a time",
            Some(format!("at least {BUFFER_LEAST}")),
            "raise it",
        );
        return None;
    }
    Some(FetchConfig {
        max_wan_rate: max_wan_rate?,
        progress_timeout: progress_timeout?,
        first_byte_timeout: first_byte_timeout?,
        connect_timeout: connect_timeout?,
        buffer_bytes: buffer_bytes?,
    })
}

/// A duration that must not be zero.
pub(super) fn positive(s: &Section<'_>, key: &'static str) -> Option<Duration> {
    let span = s.read::<Span>(key)?.duration();
    if span.is_zero() {
        s.refuse(
            key,
            "it is zero, so everything would time out at once",
            Some("a duration above \"0s\"".into()),
            "raise it, or leave the key out",
        );
        return None;
    }
    Some(span)
}
