//! Least, average and most.

/// What a series was in a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub least: f32,
    pub average: f32,
    pub most: f32,
}

impl Summary {
    /// Of samples of one time. `None`: there are none.
    pub fn of(samples: impl Iterator<Item = f32>) -> Option<Self> {
        Self::over(samples.map(|sample| Self {
            least: sample,
            average: sample,
            most: sample,
        }))
    }

    /// Of several times that are as long as each other.
    pub fn over(times: impl Iterator<Item = Self>) -> Option<Self> {
        let mut count = 0_u32;
        let mut sum = 0.0;
        let mut all: Option<Self> = None;
        for time in times {
            count += 1;
            sum += f64::from(time.average);
            let before = all.unwrap_or(time);
            all = Some(Self {
                least: before.least.min(time.least),
                most: before.most.max(time.most),
                average: 0.0,
            });
        }
        let all = all?;
        // What is rounded stays between the two.
        let average = (sum / f64::from(count)) as f32;
        Some(Self {
            average: average.max(all.least).min(all.most),
            ..all
        })
    }

    /// Whether it was the same all the time.
    pub(super) fn is_flat(self) -> bool {
        self.least == self.most
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_summed_up() {
        let of = |samples: &[f32]| Summary::of(samples.iter().copied());
        assert_eq!(of(&[]), None);
        let first = of(&[1.0, 2.0, 6.0]).expect("some");
        assert_eq!((first.least, first.average, first.most), (1.0, 3.0, 6.0));
        let second = of(&[5.0]).expect("some");
        assert!(second.is_flat() && !first.is_flat());
        let both = Summary::over([first, second].into_iter()).expect("some");
        assert_eq!((both.least, both.average, both.most), (1.0, 4.0, 6.0));
    }

    proptest! {
        #[test]
        fn an_average_lies_between_the_least_and_the_most(samples in prop::collection::vec(-1e30_f32..1e30, 1..50)) {
            let summary = Summary::of(samples.into_iter()).expect("some");
            prop_assert!(summary.least <= summary.average && summary.average <= summary.most);
        }
    }
}
