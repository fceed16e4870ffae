//! Bounds: fixed by a person or found out by the program, and parts of a whole.

/// A bound that is fixed, or chosen by what the box has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit<T> {
    Auto,
    At(T),
}

/// A part of a whole: above 0, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Fraction(f64);

impl Fraction {
    /// `None` outside of (0, 1].
    pub fn new(value: f64) -> Option<Self> {
        (value > 0.0 && value <= 1.0).then_some(Self(value))
    }

    pub const fn get(self) -> f64 {
        self.0
    }

    /// This part of `whole`, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        // Nothing that is measured here has more than 2^53 parts.
        (whole as f64 * self.0) as u64
    }
}
