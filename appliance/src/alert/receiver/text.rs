//! Texts that have to be short, names that have to be plain, and colours.

use std::fmt::Write as _;

use crate::{
    alert::{Message, Told},
    clock::Timestamp,
    rule::Severity,
};

/// A text of at most so many characters; what was cut shows.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
            short.push('…');
            short
        }
    }
}

/// A text of at most so many bytes.
pub(super) fn cut_bytes(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A name of letters, digits, dots, hyphens and underscores, from any text; two names that differ stay different.
pub(super) fn plain(name: &str) -> String {
    let mut plain = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            plain.push(char::from(byte));
        } else {
            let _ = write!(plain, "_{byte:02x}");
        }
    }
    plain
}

/// Red, yellow, blue, and green when it is over.
pub(super) const fn colour(message: &Message) -> u32 {
    match (message.occasion, message.severity) {
        (Told::Resolved, _) => 0x38_8e3c,
        (_, Severity::Critical) => 0xd3_2f2f,
        (_, Severity::Warning) => 0xf9_a825,
        (_, Severity::Info) => 0x19_76d2,
    }
}

/// A time as ISO 8601 and RFC 3339 write it.
pub(super) fn moment(at: Timestamp) -> String {
    let seconds = i64::try_from(at.0).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    instant.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_shows_and_stays_text() {
        assert_eq!(cut("größer", 6), "größer");
        assert_eq!(cut("größer!", 6), "größe…");
        assert_eq!(cut_bytes("größer", 3), "gr");
        assert_eq!(cut_bytes("größer", 99), "größer");
    }

    #[test]
    fn names_are_plain_and_stay_different() {
        assert_eq!(plain("larder-attic-7"), "larder-attic-7");
        assert_eq!(plain("a b\r\n<ä>"), "a_20b_0d_0a_3c_c3_a4_3e");
        assert_ne!(plain("a_20"), plain("a "));
    }
}
