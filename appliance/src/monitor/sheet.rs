//! What one look at a group of things has read.
//!
//! Promises: its room is taken once and does not grow; what finds none is not there. Must not know: what is believable.

use super::{Raw, Reading};
use crate::rule::{Metric, Series};

/// The readings of one look.
#[derive(Debug)]
pub struct Sheet {
    readings: Vec<Reading>,
    most: usize,
}

impl Sheet {
    /// With room for so many readings.
    pub fn new(most: usize) -> Self {
        Self {
            readings: Vec::with_capacity(most),
            most,
        }
    }

    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// For the next look.
    pub fn clear(&mut self) {
        self.readings.clear();
    }

    /// It is so now.
    pub fn gauge(&mut self, metric: Metric, of: &str, value: f64) {
        self.push(metric, of, Raw::Gauge(value), None);
    }

    /// So many since some time ago.
    pub fn counter(&mut self, metric: Metric, of: &str, count: u64) {
        self.push(metric, of, Raw::Counter(count), None);
    }

    /// The same of something that can do so many in a second, where that is known.
    pub fn counter_within(&mut self, metric: Metric, of: &str, count: u64, limit: Option<f64>) {
        self.push(metric, of, Raw::Counter(count), limit);
    }

    fn push(&mut self, metric: Metric, of: &str, raw: Raw, limit: Option<f64>) {
        if self.readings.len() < self.most {
            let series = Series::of(metric, of);
            self.readings.push(Reading { series, raw, limit });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_not_there_and_nothing_grows() {
        let mut sheet = Sheet::new(2);
        let capacity = sheet.readings.capacity();
        for _ in 0..3 {
            for disk in ["a", "b", "c"] {
                sheet.counter(Metric::DiskRead, disk, 1);
            }
            assert_eq!(sheet.readings().len(), 2);
            assert_eq!(sheet.readings.capacity(), capacity);
            sheet.clear();
        }
        assert!(sheet.readings().is_empty());
    }
}
