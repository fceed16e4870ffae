//! Which fault explains which.
//!
//! The tree is fixed, because it says how a box is built, and not what its owner prefers. Promises: nothing explains
//! itself, not by detours either. Must not know: rules, incidents.

use serde::{Deserialize, Serialize};

/// What is at fault, as a layer of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Undervoltage, a reset nobody asked for.
    Power,
    Temperature,
    /// It jumped, or nothing sets it.
    Clock,
    /// Too little of it.
    Memory,
    /// Errors, wear, a filesystem that turned read-only.
    Disk,
    /// Bytes or inodes run out.
    Room,
    /// No link, no address, no way out.
    Network,
    /// One of IPv4 and IPv6 does not work.
    Family,
    /// Names are not resolved.
    Names,
    /// A registry does not answer.
    Upstream,
    /// Content passes through without being kept.
    Storing,
    /// The collector cannot do its work.
    Collector,
    /// The box is slow.
    Load,
    /// What was measured cannot be believed, or is missing.
    Monitor,
}

impl Cause {
    pub const ALL: [Self; 14] = [
        Self::Power,
        Self::Temperature,
        Self::Clock,
        Self::Memory,
        Self::Disk,
        Self::Room,
        Self::Network,
        Self::Family,
        Self::Names,
        Self::Upstream,
        Self::Storing,
        Self::Collector,
        Self::Load,
        Self::Monitor,
    ];

    /// What follows from it at once.
    const fn leads_to(self) -> &'static [Self] {
        match self {
            Self::Power => &[Self::Clock, Self::Disk, Self::Network, Self::Load],
            Self::Temperature => &[Self::Load],
            // Certificates are not valid yet, or not any more.
            Self::Clock => &[Self::Upstream],
            Self::Memory => &[Self::Load, Self::Collector, Self::Monitor],
            Self::Disk => &[Self::Room, Self::Load],
            Self::Room => &[Self::Storing, Self::Collector],
            Self::Network => &[Self::Family, Self::Names],
            Self::Names => &[Self::Upstream],
            Self::Family | Self::Upstream | Self::Storing | Self::Collector | Self::Load | Self::Monitor => {
                &[]
            }
        }
    }

    /// Whether a fault of this kind is enough to explain the other.
    pub fn explains(self, other: Self) -> bool {
        self.leads_to()
            .iter()
            .any(|next| *next == other || next.explains(other))
    }

    /// Whether nothing gets out while it lasts.
    pub const fn cuts_off(self) -> bool {
        matches!(self, Self::Network | Self::Names)
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Temperature => "temperature",
            Self::Clock => "clock",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Room => "room",
            Self::Network => "network",
            Self::Family => "family",
            Self::Names => "names",
            Self::Upstream => "upstream",
            Self::Storing => "storing",
            Self::Collector => "collector",
            Self::Load => "load",
            Self::Monitor => "monitor",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_explains_itself_and_no_two_explain_each_other() {
        for one in Cause::ALL {
            assert!(!one.explains(one), "{one:?}");
            for other in Cause::ALL {
                assert!(
                    !(one.explains(other) && other.explains(one)),
                    "{one:?} and {other:?}"
                );
            }
        }
    }

    #[test]
    fn the_deepest_fault_explains_all_that_follow() {
        for follows in [
            Cause::Disk,
            Cause::Room,
            Cause::Network,
            Cause::Names,
            Cause::Upstream,
        ] {
            assert!(Cause::Power.explains(follows), "{follows:?}");
        }
        assert!(Cause::Network.explains(Cause::Upstream));
        assert!(!Cause::Disk.explains(Cause::Upstream));
        assert!(!Cause::Upstream.explains(Cause::Network));
    }
}
