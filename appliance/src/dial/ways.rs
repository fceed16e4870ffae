//! What connecting has shown of what all who connect need: names, and each address family.
//!
//! Promises: the latest word counts; of a family it is one only where the other family worked, as the line's failing
//! says nothing of either. Must not know: whom it was that was connected to.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::families::Family;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lately {
    Worked,
    Failed,
}

/// How each went last, and how long ago. `None`: it was not needed yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    pub names: Option<(Lately, Duration)>,
    pub ipv4: Option<(Lately, Duration)>,
    pub ipv6: Option<(Lately, Duration)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Names,
    Ipv4,
    Ipv6,
}

impl Way {
    pub(super) const fn of(family: Family) -> Self {
        match family {
            Family::V4 => Self::Ipv4,
            Family::V6 => Self::Ipv6,
        }
    }
}

/// Remembers it.
#[derive(Debug, Default)]
pub struct Seen(Mutex<[Option<(Lately, Instant)>; 3]>);

impl Seen {
    pub(super) fn note(&self, way: Way, how: Lately, now: Instant) {
        self.0.lock()[way as usize] = Some((how, now));
    }

    pub fn read(&self, now: Instant) -> Ways {
        let seen = *self.0.lock();
        let [names, ipv4, ipv6] =
            seen.map(|seen| seen.map(|(how, at)| (how, now.saturating_duration_since(at))));
        Ways { names, ipv4, ipv6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_counts() {
        let seen = Seen::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(seen.read(at(5)), Ways::default());
        seen.note(Way::Names, Lately::Worked, at(1));
        seen.note(Way::Names, Lately::Failed, at(2));
        seen.note(Way::of(Family::V6), Lately::Worked, at(4));
        let ways = seen.read(at(5));
        assert_eq!(ways.names, Some((Lately::Failed, Duration::from_secs(3))));
        assert_eq!(ways.ipv6, Some((Lately::Worked, Duration::from_secs(1))));
        assert_eq!(ways.ipv4, None);
    }
}
