//! The last samples of a series, in fixed memory.

use heapless::HistoryBuf;

use crate::clock::Timestamp;

/// So many are kept: an hour at the default interval.
pub(super) const LENGTH: usize = 360;

/// A sample and when it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub at: Timestamp,
    /// Half of the precision is enough for a line on a page, and half of the memory.
    pub value: f32,
}

/// The last samples, the oldest of which make room for new ones.
#[derive(Clone, Debug, Default)]
pub struct Ring(HistoryBuf<(u32, f32), LENGTH>);

/// Times are kept in 32 bits, which are enough until 2106.
fn short(at: Timestamp) -> u32 {
    u32::try_from(at.0).unwrap_or(u32::MAX)
}

impl Ring {
    pub fn push(&mut self, at: Timestamp, value: f64) {
        self.0.write((short(at), value as f32));
    }

    /// What was sampled since a time, the oldest first.
    pub fn since(&self, from: Timestamp) -> impl Iterator<Item = Point> {
        let from = short(from);
        let recent = self.0.oldest_ordered().filter(move |(at, _)| *at >= from);
        recent.map(|(at, value)| Point {
            at: Timestamp(u64::from(*at)),
            value: *value,
        })
    }

    pub fn last(&self) -> Option<Point> {
        let (at, value) = self.0.recent()?;
        Some(Point {
            at: Timestamp(u64::from(*at)),
            value: *value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let mut ring = Ring::default();
        assert_eq!(ring.last(), None);
        for second in 0..LENGTH as u64 + 10 {
            ring.push(Timestamp(second), second as f64);
        }
        assert_eq!(ring.since(Timestamp(0)).count(), LENGTH);
        assert_eq!(
            ring.since(Timestamp(0)).next().map(|point| point.at),
            Some(Timestamp(10))
        );
        let last: Vec<_> = ring.since(Timestamp(367)).map(|point| point.value).collect();
        assert_eq!(last, [367.0, 368.0, 369.0]);
    }
}
