//! Rates of one counter by another.

/// The kernel adds times up in ticks: of all of the time there can be a little more than all.
const ROUGH: f64 = 1.1;

/// A counter as it was, and as it is.
pub(super) type Grown = (u64, u64);

/// How much one has grown for each one that the other has. `None` when that has not moved. What went backwards makes no
/// number, for the gate to count.
pub(super) fn each(much: Grown, many: Grown) -> Option<f64> {
    if many.0 == many.1 {
        return None;
    }
    let grown = |(before, now): Grown| now.checked_sub(before).map_or(f64::NAN, |grown| grown as f64);
    Some(grown(much) / grown(many))
}

/// The same of a part and its whole.
pub(super) fn share(part: Grown, whole: Grown) -> Option<f64> {
    let share = each(part, whole)?;
    Some(if share > 1.0 && share < ROUGH { 1.0 } else { share })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_what_has_grown() {
        assert_eq!(share((10, 30), (100, 140)), Some(0.5));
        assert_eq!(share((10, 51), (100, 140)), Some(1.0), "rough");
        assert_eq!(share((10, 90), (100, 140)), Some(2.0), "for the gate to drop");
        assert_eq!(each((10, 51), (100, 140)), Some(1.025));
        assert_eq!(share((10, 10), (100, 100)), None);
        assert!(share((30, 10), (100, 140)).is_some_and(f64::is_nan));
        assert!(share((10, 30), (140, 100)).is_some_and(f64::is_nan));
    }
}
