//! Whether making room is of use to a disk that refuses writes below its marks.
//!
//! A quota, or a filesystem that keeps its own data apart, refuses what `statvfs` has room for; then content goes, a part
//! of the whole at a time. Where nothing can be written after that either, the reason is another, and content that
//! could be served is not to be lost to it. Must not know: how room is made.

use crate::cache::Refusal;

/// What goes besides what is needed, as a part of the capacity: as much as one refusal in some hundred fills costs.
const PART: u64 = 64;

/// So many times in a row that were of no use are enough.
const VAIN: u32 = 2;

/// What was done about refusals, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    last: Option<Last>,
    vain: u32,
}

#[derive(Debug)]
struct Last {
    /// All that had been written when room had been made, in bytes.
    written: u64,
    /// What was freed, in bytes.
    freed: u64,
}

/// Room was made more than once, and nothing could be written all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InVain;

impl Refusals {
    /// How many bytes are to be freed for one.
    pub(super) fn goal(&mut self, refusal: Refusal, capacity: u64) -> Result<u64, InVain> {
        if let Some(last) = &self.last {
            let of_use = refusal.written.saturating_sub(last.written) >= last.freed / 2;
            self.vain = if of_use { 0 } else { self.vain + 1 };
        }
        if self.vain >= VAIN {
            self.vain = VAIN;
            return Err(InVain);
        }
        Ok(refusal.needed.saturating_add(capacity / PART))
    }

    /// Room was made for one. `written` is all that was written since the start.
    pub(super) fn made_room(&mut self, written: u64, freed: u64) {
        self.last = Some(Last { written, freed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(written: u64) -> Refusal {
        Refusal { needed: 100, written }
    }

    #[test]
    fn room_that_is_used_is_made_again_and_room_that_is_not_twice() {
        let mut refusals = Refusals::default();
        let goal = Ok(100 + 10);
        assert_eq!(refusals.goal(refusal(5_000), 640), goal);
        refusals.made_room(5_000, 110);
        assert_eq!(refusals.goal(refusal(5_055), 640), goal, "half of it was used");
        refusals.made_room(5_055, 110);
        assert_eq!(refusals.goal(refusal(5_100), 640), goal, "once in vain");
        refusals.made_room(5_100, 110);
        assert_eq!(refusals.goal(refusal(5_100), 640), Err(InVain));
        assert_eq!(refusals.goal(refusal(5_154), 640), Err(InVain), "still");
        assert_eq!(
            refusals.goal(refusal(5_155), 640),
            goal,
            "it can be written again"
        );
    }

    #[test]
    fn where_there_was_nothing_to_free_nothing_was_in_vain() {
        let mut refusals = Refusals::default();
        for _ in 0..5 {
            assert!(refusals.goal(refusal(0), 0).is_ok());
            refusals.made_room(0, 0);
        }
    }
}
