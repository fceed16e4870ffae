//! The alert storm: a box was out of memory for 90 minutes, and its owner got 120 mails that it was down and none that it
//! was up again; meanwhile its figures were absurd.
//!
//! Played: two and a half hours of samples at the usual interval, by a clock that is moved on, through the real gate, rules,
//! engine and book into the real database, and from there to a webhook of this process; with restarts in between, and
//! with a receiver that cannot be reached when it is to be told first.

mod play;

use std::{collections::BTreeMap, path::Path};

use super::report::{Findings, Unit, Unplayable};

pub(super) use play::replay;

/// Rounds of samples, ten seconds each: all, and those in which there is no memory.
const ROUNDS: u64 = 900;
const SHORT: std::ops::Range<u64> = 100..640;
/// Devices do a little more than they say.
const FASTEST: f64 = 1.1;
/// The rule that is to tell it.
const RULE: &str = "memory-short";

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    rounds: u64,
    /// Rounds in which what was measured broke the rule, or could not be believed while it was broken.
    bad: u64,
    absurd: u64,
    readings: u64,
    dropped: u64,
    restarts: u64,
    /// Times that a message could not be handed over.
    refused: u64,
    /// What arrived of the rule, by occasion.
    told: BTreeMap<String, u64>,
    /// What arrived of anything else.
    other: Vec<String>,
    /// The highest rate on the board, as a part of what its device can do.
    fastest: f64,
    /// Messages that wait still.
    waiting: u64,
}

pub(super) fn judge(seen: &Seen) -> Findings {
    let mut findings = Findings::default();
    let told = |occasion: &str| seen.told.get(occasion).copied().unwrap_or(0);
    let more: u64 = seen.told.values().sum::<u64>() - told("fired") - told("resolved");
    findings.equal("rounds of samples that were played", ROUNDS, seen.rounds);
    findings.at_least("of them with absurd samples", 9, seen.absurd);
    findings.at_least("restarts in between", 3, seen.restarts);
    findings.at_least("times that the receiver could not be reached", 1, seen.refused);
    findings.equal("messages that memory is short", 1, told("fired"));
    findings.equal("messages that it is over", 1, told("resolved"));
    findings.equal("other messages about it", 0, more);
    findings.nothing_of("messages from rates that cannot be", &seen.other);
    findings.at_least("absurd samples that were dropped", seen.absurd * 5, seen.dropped);
    findings.part_at_most(
        "fastest rate that was believed, of what its device can do",
        FASTEST,
        seen.fastest,
    );
    findings.equal("messages that wait still", 0, seen.waiting);
    findings.figure("samples", seen.readings as f64, Unit::Count);
    findings.figure("samples that were dropped", seen.dropped as f64, Unit::Count);
    findings.figure("rounds in which memory was short", seen.bad as f64, Unit::Count);
    findings.figure(
        "messages in all",
        seen.told.values().sum::<u64>() as f64,
        Unit::Count,
    );
    findings.not_replayed(
        "samples read from the kernel while memory is short",
        "this box would have to be out of memory",
    );
    findings.not_replayed(
        "quiet hours, what comes and goes, and a receiver that is out of reach for hours",
        "there is one incident here, and one receiver",
    );
    findings.not_replayed(
        "an address family that drops packets",
        "it needs a network of which a part can be broken",
    );
    findings
}

/// Where it is played.
fn folder_of(folder: &Path) -> Result<std::path::PathBuf, Unplayable> {
    std::fs::create_dir_all(folder).map_err(|error| Unplayable::new("make", folder.display(), error))?;
    Ok(folder.join("state.redb"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{Incident, Outcome, Verdict},
        *,
    };

    type Spoil<'a> = &'a dyn Fn(&mut Seen);

    fn good() -> Seen {
        Seen {
            rounds: ROUNDS,
            bad: 540,
            absurd: 9,
            readings: 4500,
            dropped: 60,
            restarts: 3,
            refused: 1,
            told: BTreeMap::from([("fired".to_owned(), 1), ("resolved".to_owned(), 1)]),
            other: Vec::new(),
            fastest: 0.1,
            waiting: 0,
        }
    }

    #[test]
    fn one_message_when_it_begins_and_one_when_it_is_over_is_survived() {
        let outcome = Outcome::of(Incident::Beszel, judge(&good()), Duration::ZERO);
        assert_eq!(outcome.verdict, Verdict::Survived, "{outcome:?}");
    }

    #[test]
    fn each_thing_that_is_wrong_is_not_survived() {
        fn tell(seen: &mut Seen, occasion: &str, count: u64) {
            seen.told.insert(occasion.to_owned(), count);
        }
        let spoils: [(&str, Spoil<'_>); 12] = [
            ("were played", &|seen| seen.rounds = 10),
            ("absurd samples", &|seen| seen.absurd = 0),
            ("restarts", &|seen| seen.restarts = 0),
            ("could not be reached", &|seen| seen.refused = 0),
            ("memory is short", &|seen| tell(seen, "fired", 120)),
            ("memory is short", &|seen| tell(seen, "fired", 0)),
            ("it is over", &|seen| tell(seen, "resolved", 0)),
            ("other messages", &|seen| tell(seen, "reminder", 1)),
            ("cannot be", &|seen| seen.other.push("too-fast(sda)".to_owned())),
            ("dropped", &|seen| seen.dropped = 0),
            ("fastest", &|seen| seen.fastest = 1e9),
            ("wait still", &|seen| seen.waiting = 1),
        ];
        for (what, spoil) in spoils {
            let mut seen = good();
            spoil(&mut seen);
            let outcome = Outcome::of(Incident::Beszel, judge(&seen), Duration::ZERO);
            assert_eq!(outcome.verdict, Verdict::NotSurvived, "{what}");
            let broken: Vec<_> = outcome.expectations.iter().filter(|one| !one.held).collect();
            assert!(
                broken.len() == 1 && broken[0].what.contains(what),
                "{what}: {broken:?}"
            );
        }
    }
}
