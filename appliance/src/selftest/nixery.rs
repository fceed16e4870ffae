//! The service that stopped answering: its disk was full, of inodes perhaps, and its garbage collector hung, was killed, or
//! ran twice at once.
//!
//! Played: many times what a small disk holds is pulled, by a skewed choice, while the collector's worker is stopped and
//! killed again and again; then others take all bytes of the disk, and all inodes; then it is started anew, with the
//! registry gone.

mod full;
mod harass;
mod play;
mod site;

use std::time::Duration;

use super::report::{Findings, Unit};

pub(super) use play::replay;

/// Above this part of the disk nothing may be stored: `cache.stop`.
const STOP: f64 = 0.98;
/// What a client waits for the first byte of what is here, while the worker is stopped and killed. The service of the
/// incident did not answer for days.
const PROMPT: Duration = Duration::from_secs(1);
/// So many times what the disk holds is pulled.
const TIMES: u64 = 8;

/// Waits for first bytes.
#[derive(Clone, Debug, Default)]
struct Waits(Vec<Duration>);

impl Waits {
    /// The wait that so many of a hundred do not exceed.
    fn percentile(&self, of_hundred: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = (sorted.len() * of_hundred).div_ceil(100);
        sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// What is counted against what lies on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    files: u64,
    bytes: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pulls: u64,
    pulled: u64,
    disk: u64,
    failed: Vec<String>,
    /// The highest part of the disk that was in use.
    fullest: f64,
    signals: u64,
    collections: u64,
    workers_lost: u64,
    /// From the last signal to a collection in which something went. When too many have failed, no worker is started for
    /// half a minute.
    recovered: Duration,
    calm: Waits,
    harassed: Waits,
    /// The blob whose upstream fell silent: whether it came in the end, and after how long.
    stalled: bool,
    stalled_took: Duration,
    /// Two who asked for a collection at once were told of the same one, in which something went.
    joined: bool,
    /// On a disk without a free byte, and without a free inode.
    full: full::Full,
    counted: Account,
    there: Account,
    /// After a restart without a registry.
    history_kept: bool,
    served_without_registry: bool,
}

pub(super) fn judge(seen: &Seen) -> Findings {
    let mut findings = Findings::default();
    findings.at_least(
        "bytes pulled, in sizes of the disk",
        TIMES,
        seen.pulled / seen.disk.max(1),
    );
    findings.at_least("times that the worker was stopped or killed", 3, seen.signals);
    findings.at_least("workers that were lost by it", 1, seen.workers_lost);
    findings.at_least("collections", 1, seen.collections);
    findings.nothing_of("pulls that failed", &seen.failed);
    findings.part_at_most("fullest that the disk was", STOP, seen.fullest);
    let (calm, harassed) = (&seen.calm, &seen.harassed);
    findings.at_least("reads of what is here meanwhile", 100, harassed.0.len() as u64);
    findings.within(
        "99 of 100 of their first bytes came after",
        PROMPT,
        harassed.percentile(99),
    );
    findings.holds(
        "a blob whose upstream fell silent came all the same",
        seen.stalled,
    );
    findings.holds(
        "two who asked for a collection at once were told of one",
        seen.joined,
    );
    seen.full.judge(&mut findings);
    findings.equal(
        "files counted, against files there",
        seen.there.files,
        seen.counted.files,
    );
    findings.equal(
        "bytes counted, against bytes there",
        seen.there.bytes,
        seen.counted.bytes,
    );
    findings.holds(
        "the history of collections is there after a restart",
        seen.history_kept,
    );
    findings.holds(
        "a pinned image is served after a restart without a registry",
        seen.served_without_registry,
    );
    findings.figure("pulls", seen.pulls as f64, Unit::Count);
    findings.figure("bytes pulled", seen.pulled as f64, Unit::Bytes);
    findings.figure("size of the disk", seen.disk as f64, Unit::Bytes);
    findings.figure("fullest that the disk was", seen.fullest * 100.0, Unit::Percent);
    findings.figure("collections", seen.collections as f64, Unit::Count);
    findings.figure("signals to the worker", seen.signals as f64, Unit::Count);
    findings.figure("workers lost", seen.workers_lost as f64, Unit::Count);
    findings.time(
        "first byte of what is here, median, with a worker that is left alone",
        calm.percentile(50),
    );
    findings.time(
        "first byte, 99 of 100, with a worker that is left alone",
        calm.percentile(99),
    );
    findings.time(
        "first byte, median, while it is stopped and killed",
        harassed.percentile(50),
    );
    findings.time(
        "first byte, 99 of 100, while it is stopped and killed",
        harassed.percentile(99),
    );
    findings.time(
        "the blob whose upstream fell silent (progress deadline 1 s)",
        seen.stalled_took,
    );
    findings.not_replayed(
        "a worker that takes too much memory",
        "your box would have to be short of it",
    );
    findings.not_replayed(
        "a blob that comes byte by byte for hours",
        "one that falls silent stands for it: both end by the same deadline for progress",
    );
    findings.not_replayed(
        "a blob of many GiB that takes hours, and comes",
        "it would need more room and time than this may take",
    );
    findings.not_replayed(
        "a worker that the kernel does not let die",
        "that takes a disk that hangs in the kernel",
    );
    findings.not_replayed(
        "the disk itself",
        "its size and its refusals are played before the mirror's calls; what it stores, your disk stores",
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Incident, Outcome, Verdict},
        *,
    };

    type Spoil<'a> = &'a dyn Fn(&mut Seen);

    fn good() -> Seen {
        let account = Account { files: 9, bytes: 900 };
        Seen {
            pulls: 80,
            pulled: 800,
            disk: 100,
            failed: Vec::new(),
            fullest: 0.97,
            signals: 30,
            collections: 12,
            workers_lost: 20,
            recovered: Duration::ZERO,
            calm: Waits(vec![Duration::from_millis(1); 200]),
            harassed: Waits(vec![Duration::from_millis(2); 200]),
            stalled: true,
            stalled_took: Duration::from_secs(1),
            joined: true,
            full: full::Full::good(),
            counted: account,
            there: account,
            history_kept: true,
            served_without_registry: true,
        }
    }

    #[test]
    fn a_mirror_that_goes_on_is_survived() {
        let outcome = Outcome::of(Incident::Nixery, judge(&good()), Duration::ZERO);
        assert_eq!(outcome.verdict, Verdict::Survived, "{outcome:?}");
    }

    #[test]
    fn each_thing_that_is_wrong_is_not_survived() {
        let spoils: [(&str, Spoil<'_>); 18] = [
            ("bytes pulled", &|seen| seen.pulled = 799),
            ("stopped or killed", &|seen| seen.signals = 2),
            ("workers that were lost", &|seen| seen.workers_lost = 0),
            ("collections", &|seen| seen.collections = 0),
            ("pulls that failed", &|seen| {
                seen.failed.push("v1: 404".to_owned());
            }),
            ("fullest", &|seen| seen.fullest = 0.99),
            ("reads of what is here", &|seen| seen.harassed.0.truncate(9)),
            ("99 of 100", &|seen| {
                for wait in &mut seen.harassed.0[..3] {
                    *wait = PROMPT * 2;
                }
            }),
            ("fell silent", &|seen| seen.stalled = false),
            ("at once", &|seen| seen.joined = false),
            ("without a free byte", &|seen| seen.full.pulls -= 1),
            ("those that failed", &|seen| {
                seen.full.failed.push("v61: 503".to_owned());
            }),
            ("passed through", &|seen| seen.full.passed = 0),
            ("came to their end", &|seen| seen.full.collections = 1),
            ("files counted", &|seen| seen.counted.files = 8),
            ("bytes counted", &|seen| seen.counted.bytes = 901),
            ("history", &|seen| seen.history_kept = false),
            ("pinned", &|seen| seen.served_without_registry = false),
        ];
        for (what, spoil) in spoils {
            let mut seen = good();
            spoil(&mut seen);
            let outcome = Outcome::of(Incident::Nixery, judge(&seen), Duration::ZERO);
            assert_eq!(outcome.verdict, Verdict::NotSurvived, "{what}");
            let broken: Vec<_> = outcome.expectations.iter().filter(|one| !one.held).collect();
            assert!(
                broken.len() == 1 && broken[0].what.contains(what),
                "{what}: {broken:?}"
            );
        }
    }

    #[test]
    fn a_percentile_is_a_wait_that_there_was() {
        let waits =
            |milliseconds: &[u64]| Waits(milliseconds.iter().copied().map(Duration::from_millis).collect());
        assert_eq!(waits(&[]).percentile(99), Duration::ZERO);
        assert_eq!(waits(&[7]).percentile(50), Duration::from_millis(7));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(waits(&hundred).percentile(50), Duration::from_millis(50));
        assert_eq!(waits(&hundred).percentile(99), Duration::from_millis(99));
    }
}
