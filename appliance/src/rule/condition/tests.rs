use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Samples of a test: ten seconds apart, the last one now.
#[derive(Default)]
struct Fixed(BTreeMap<Series, Vec<f64>>);

const NOW: Timestamp = Timestamp(10_000);
const LAPSE: Duration = Duration::from_secs(30);

impl Fixed {
    fn with(mut self, metric: Metric, of: &str, values: &[f64]) -> Self {
        self.0.insert(Series::of(metric, of), values.to_vec());
        self
    }
}

impl Samples for Fixed {
    fn labels(&self, metric: Metric) -> Vec<Label> {
        let of = self.0.keys().filter(|series| series.metric == metric);
        of.map(|series| series.of.clone()).collect()
    }

    fn last(&self, series: &Series, _: Duration) -> Option<f64> {
        self.0.get(series)?.last().copied()
    }

    fn within(&self, series: &Series, time: RangeInclusive<Timestamp>) -> Vec<f64> {
        let count = (time.end().0 - time.start().0) as usize / 10 + 1;
        let all = self.0.get(series).cloned().unwrap_or_default();
        all[all.len().saturating_sub(count)..].to_vec()
    }
}

fn condition(text: &str) -> Condition {
    text.parse().expect(text)
}

fn judge(text: &str, samples: &Fixed, of: &str) -> Verdict {
    condition(text).judge(samples, &Label::new(of), LAPSE, NOW)
}

#[test]
fn the_last_sample_is_compared() {
    let samples = Fixed::default().with(Metric::DiskBytesUsed, "", &[0.1, 0.95]);
    for (text, holds) in [
        ("disk.bytes-used > 0.94", true),
        ("disk.bytes-used>95%", false),
        ("disk.bytes-used >= 95 %", true),
        ("disk.bytes-used < 0.95", false),
        ("disk.bytes-used <= 0.95", true),
    ] {
        let expected = if holds {
            Verdict::Holds(0.95)
        } else {
            Verdict::DoesNot(0.95)
        };
        assert_eq!(judge(text, &samples, ""), expected, "{text}");
    }
    assert_eq!(judge("cpu.busy > 0.5", &samples, ""), Verdict::Unknown);
}

#[test]
fn a_time_can_be_looked_back_on() {
    let samples = Fixed::default().with(Metric::CpuBusy, "", &[1.0, 0.2, 0.4, 0.6]);
    assert_eq!(
        judge("avg(cpu.busy, 20s) > 0.3", &samples, ""),
        Verdict::Holds(0.4000000000000001)
    );
    assert_eq!(
        judge("min(cpu.busy, 20s) > 0.3", &samples, ""),
        Verdict::DoesNot(0.2)
    );
    assert_eq!(
        judge("max(cpu.busy, 1h) > 0.9", &samples, ""),
        Verdict::Holds(1.0)
    );
}

#[test]
fn each_thing_is_looked_at_and_the_others_are_of_the_same_thing_or_of_the_box() {
    let samples = Fixed::default()
        .with(Metric::DiskBusy, "sda", &[0.99])
        .with(Metric::DiskBusy, "sdb", &[0.99])
        .with(Metric::DiskLatency, "sda", &[2.0])
        .with(Metric::DiskLatency, "sdb", &[0.01])
        .with(Metric::PressureIo, "", &[0.7]);
    let slow = condition("disk.busy{sd*} > 90 % and disk.latency > 1 and pressure.io > 0.5");
    let labels: Vec<_> = slow
        .labels(&samples)
        .iter()
        .map(|label| label.as_str().to_owned())
        .collect();
    assert_eq!(labels, ["sda", "sdb"]);
    let judged = |of| slow.judge(&samples, &Label::new(of), LAPSE, NOW);
    assert_eq!(judged("sda"), Verdict::Holds(0.99));
    assert_eq!(judged("sdb"), Verdict::DoesNot(0.99));
    assert!(condition("disk.busy{nvme*} > 1%").labels(&samples).is_empty());
    assert_eq!(slow.worse(), Direction::Up);
    assert_eq!(condition("upstream.up{docker.io} < 1").worse(), Direction::Down);
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (text, told) in [
        ("", "at `the end`: a metric is expected here: one of the groups"),
        (
            "disk > 1",
            "at `disk > 1`: a metric is expected here: one of disk.bytes-used, disk.inodes-used",
        ),
        (
            "cpu.busy",
            "at `the end`: one of `>`, `>=`, `<`, `<=` is expected here",
        ),
        ("cpu.busy > much", "at `much`: a number is expected here"),
        ("cpu.busy > 5 MiB", "at `MiB`: cpu.busy is not counted in `MiB`"),
        ("cpu.busy > 5 cores", "at `cores`: `%`, `KiB`"),
        (
            "cpu.busy > 5 % or x",
            "at `or x`: `and` or the end is expected here",
        ),
        ("avg(cpu.busy) > 1", "at `) > 1`: `,` and a duration"),
        ("avg(cpu.busy, soon) > 1", "at `soon) > 1`: a duration like"),
        ("avg(cpu.busy, -5m) > 1", "at `-5m) > 1`: a duration like"),
        ("disk.busy{sda > 1", "at `the end`: `}` is expected here"),
        ("cpu.busy > 0.5 and", "at `and`: `and` or the end"),
    ] {
        let error = text.parse::<Condition>().expect_err(text).to_string();
        assert!(error.starts_with(told), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_written_makes_it_panic(text in ".{0,60}") {
        let _ = text.parse::<Condition>();
    }

    #[test]
    fn nor_does_what_looks_nearly_right(
        parts in prop::collection::vec(prop::sample::select(vec![
            "avg(", "cpu.busy", "disk.read{", "}", ")", ",", ">", "<=", "5", "-", ".", "%", "MiB", "and", " ", "ß", "5m",
        ]), 0..20),
    ) {
        let _ = parts.concat().parse::<Condition>();
    }
}
