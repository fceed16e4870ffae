//! The dead cache node: it stayed advertised, each request to it cost a time-out, a transfer that it had begun failed the
//! pull, and at a cold start every node fetched the same from the registry.
//!
//! Played with two endpoints of one upstream: the one that is asked first is dead in several ways, or dies in the middle
//! of a blob; and with many clients of one cold blob.

mod cold_start;
mod dead;
mod handover;

use std::{path::Path, time::Duration};

use cold_start::Shared;
use dead::Dead;
use handover::HandedOver;

use super::report::{Findings, Unit, Unplayable};

/// What a client waits for an answer that needs no endpoint which is dead.
const PROMPT: Duration = Duration::from_secs(1);
/// What finding out that an endpoint is dead may cost the one who is first: the mirror's own patience, which is set to
/// [`PATIENCE`], and what a busy box needs besides.
const ONCE: Duration = Duration::from_secs(5);
/// `fetch.first_byte_timeout` in these plays.
const PATIENCE: &str = "fetch.first_byte_timeout = \"3s\"";

/// What was counted.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    dead: Vec<Dead>,
    cut: HandedOver,
    silent: HandedOver,
    shared: Shared,
}

pub(super) async fn replay(folder: &Path) -> Result<Seen, Unplayable> {
    Ok(Seen {
        dead: dead::play(folder).await?,
        cut: handover::play(&folder.join("cut"), handover::End::Cut).await?,
        silent: handover::play(&folder.join("silent"), handover::End::Silent).await?,
        shared: cold_start::play(&folder.join("cold")).await?,
    })
}

pub(super) fn judge(seen: &Seen) -> Findings {
    let mut findings = Findings::default();
    let of_all = |of: fn(&Dead) -> Duration| seen.dead.iter().map(of).max().unwrap_or_default();
    let failed: Vec<String> = seen.dead.iter().flat_map(|dead| dead.failed.clone()).collect();
    let unasked = seen.dead.iter().filter(|dead| dead.asked == 0);
    let unasked: Vec<String> = unasked.map(|dead| dead.way.to_string()).collect();
    findings.equal(
        "ways to be dead",
        dead::Way::ALL.len() as u64,
        seen.dead.len() as u64,
    );
    findings.nothing_of("dead endpoints that nobody asked", &unasked);
    findings.nothing_of("pulls that a dead endpoint failed", &failed);
    findings.within(
        "the first request that meets a dead endpoint",
        ONCE,
        of_all(|dead| dead.first),
    );
    findings.within(
        "the slowest request afterwards",
        PROMPT,
        of_all(|dead| dead.slowest),
    );
    let again = seen.dead.iter().map(|dead| dead.asked_again).sum();
    findings.equal("calls to a dead endpoint once it was known to be dead", 0, again);
    for (over, right, twice, parts) in [
        (
            &seen.cut,
            "a blob cut in the middle came whole and right in the same response",
            "bytes of it that crossed the WAN twice or not at all",
            "endpoints that sent a part of it",
        ),
        (
            &seen.silent,
            "a blob whose endpoint fell silent came whole and right in the same response",
            "bytes of that one that crossed the WAN twice or not at all",
            "endpoints that sent a part of that one",
        ),
    ] {
        findings.holds(right, over.right);
        findings.equal(twice, 0, over.sent().abs_diff(over.size));
        findings.equal(parts, 2, over.parts());
    }
    findings.equal(
        "clients of one cold blob that had it whole and right",
        shared_clients(),
        seen.shared.right,
    );
    findings.equal("fetches for all of them", 1, seen.shared.fetches);
    findings.at_most(
        "bytes over the WAN for all of them",
        seen.shared.size,
        seen.shared.sent,
        Unit::Bytes,
    );
    for dead in &seen.dead {
        findings.time(dead.way.first(), dead.first);
        findings.time(dead.way.after(), dead.slowest);
    }
    findings.figure(
        "requests after the first, for each way",
        dead::AFTER as f64,
        Unit::Count,
    );
    findings.time("from a cut to all of the blob", seen.cut.took);
    findings.time(
        "from silence to all of the blob (progress deadline 1 s)",
        seen.silent.took,
    );
    let none = "boxes do not know of each other in this version";
    findings.not_replayed("a neighbour that is still advertised though it is dead", none);
    findings.not_replayed("asking the registry while neighbours are slow", none);
    findings.not_replayed(
        "copies that are lost with a box or moved away from a failing one",
        none,
    );
    findings
}

const fn shared_clients() -> u64 {
    cold_start::CLIENTS as u64
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Incident, Outcome, Verdict},
        *,
    };

    type Spoil<'a> = &'a dyn Fn(&mut Seen);

    fn good() -> Seen {
        let over = HandedOver {
            right: true,
            size: 100,
            first: 60,
            second: 40,
            took: Duration::from_millis(9),
        };
        Seen {
            dead: dead::Way::ALL
                .into_iter()
                .map(|way| Dead {
                    way,
                    first: Duration::from_secs(3),
                    slowest: Duration::from_millis(20),
                    asked: 1,
                    asked_again: 0,
                    failed: Vec::new(),
                })
                .collect(),
            cut: over.clone(),
            silent: over,
            shared: Shared {
                right: shared_clients(),
                fetches: 1,
                sent: 100,
                size: 100,
            },
        }
    }

    #[test]
    fn a_dead_endpoint_that_costs_once_is_survived() {
        let outcome = Outcome::of(Incident::Spegel, judge(&good()), Duration::ZERO);
        assert_eq!(outcome.verdict, Verdict::Survived, "{outcome:?}");
        assert_eq!(outcome.not_replayed.len(), 3);
    }

    #[test]
    fn each_thing_that_is_wrong_is_not_survived() {
        let spoils: [(&str, Spoil<'_>); 11] = [
            ("ways to be dead", &|seen| drop(seen.dead.pop())),
            ("nobody asked", &|seen| seen.dead[1].asked = 0),
            ("a dead endpoint failed", &|seen| {
                seen.dead[0].failed.push("v1: 404".to_owned());
            }),
            ("first request", &|seen| seen.dead[2].first = ONCE * 2),
            ("slowest request", &|seen| seen.dead[0].slowest = PROMPT * 2),
            ("known to be dead", &|seen| seen.dead[0].asked_again = 1),
            ("cut in the middle", &|seen| seen.cut.right = false),
            ("that one that crossed", &|seen| seen.silent.second = 90),
            ("sent a part of it", &|seen| {
                seen.cut.first = 0;
                seen.cut.second = 100;
            }),
            ("had it whole", &|seen| seen.shared.right -= 1),
            ("fetches for all", &|seen| seen.shared.fetches = 2),
        ];
        for (what, spoil) in spoils {
            let mut seen = good();
            spoil(&mut seen);
            let outcome = Outcome::of(Incident::Spegel, judge(&seen), Duration::ZERO);
            assert_eq!(outcome.verdict, Verdict::NotSurvived, "{what}");
            let broken: Vec<_> = outcome.expectations.iter().filter(|one| !one.held).collect();
            assert!(
                broken.len() == 1 && broken[0].what.contains(what),
                "{what}: {broken:?}"
            );
        }
    }
}
