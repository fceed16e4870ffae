//! Which boot of the machine this is.
//!
//! A killed process loses nothing that it had written: the page cache outlives it. A power cut loses what
//! was not synced. The two are told apart by the kernel's boot id. Must not know: what depends on it.

use std::fs;

/// The kernel's id of this boot: a random UUID. All zeros when it cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// No boot: equal to no other for the purpose of [`BootId::is`].
    pub const UNKNOWN: Self = Self([0; 16]);

    /// This boot's id, from `/proc`.
    pub(super) fn current() -> Self {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(hex.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(Self::UNKNOWN, Self)
    }

    /// Whether both are known to be the same boot.
    pub(super) fn is(self, other: Self) -> bool {
        self == other && self != Self::UNKNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_boot_is_no_boot() {
        assert!(!BootId::UNKNOWN.is(BootId::UNKNOWN));
        assert!(BootId([1; 16]).is(BootId([1; 16])));
        assert!(!BootId([1; 16]).is(BootId([2; 16])));
        assert_eq!(BootId::current(), BootId::current());
    }
}
