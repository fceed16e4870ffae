//! The leaking pool: a buffer pool whose error paths did not give back what they had taken, until every request was
//! refused. Its test of a balance of zero existed, and did not walk those paths.
//!
//! Played: each way in which a transfer can end before its time, at its first, a middle and its last chunk, through a
//! mirror of its own; the pool is looked at when nothing is in flight any more.

mod full_disk;
mod play;

use std::{fmt, path::Path, time::Duration};

use futures_util::future::try_join_all;

use super::report::{Findings, Unit, Unplayable};

/// How a transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abort {
    ClientGone,
    UpstreamCut,
    TimeOut,
    Mismatch,
    DiskFull,
    Shutdown,
}

impl Abort {
    const ALL: [Self; 6] = [
        Self::ClientGone,
        Self::UpstreamCut,
        Self::TimeOut,
        Self::Mismatch,
        Self::DiskFull,
        Self::Shutdown,
    ];
}

/// Where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Middle,
    Last,
}

impl Place {
    const ALL: [Self; 3] = [Self::First, Self::Middle, Self::Last];
}

/// What became of the client's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It had every byte, and they were right.
    Right,
    /// It was told that it is complete, and it was not right.
    Wrong,
    /// It was refused, or broke off.
    Refused,
    /// The client went by itself.
    Left,
}

/// One play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Played {
    abort: Abort,
    place: Place,
    /// Whether what was to end it has happened.
    happened: bool,
    ending: Ending,
    in_use: u64,
    acquired: u64,
    released: u64,
    under_way: u64,
    /// From the end to a pool that is whole.
    settled: Duration,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let abort = match self.abort {
            Abort::ClientGone => "client gone",
            Abort::UpstreamCut => "upstream cut",
            Abort::TimeOut => "time-out",
            Abort::Mismatch => "digest mismatch",
            Abort::DiskFull => "disk full",
            Abort::Shutdown => "shutdown",
        };
        let place = match self.place {
            Place::First => "first",
            Place::Middle => "middle",
            Place::Last => "last",
        };
        write!(f, "{abort} at the {place} chunk")
    }
}

/// All plays.
#[derive(Clone, Debug)]
pub(super) struct Seen(Vec<Played>);

pub(super) async fn replay(folder: &Path) -> Result<Seen, Unplayable> {
    let mut seen = Vec::new();
    for (number, abort) in (0..).zip(Abort::ALL) {
        // Side by side: a time-out takes seconds, until the upstream that was silent is asked again.
        let plays = Place::ALL.map(|place| async move {
            let own = folder.join(format!("{number}-{place:?}"));
            let played = play::play(&own, abort, place).await?;
            // Each has a house of its own; what it leaves takes room.
            let removed = std::fs::remove_dir_all(&own);
            removed.map_err(|error| Unplayable::new("remove", own.display(), error))?;
            Ok(played)
        });
        seen.extend(try_join_all(plays).await?);
    }
    Ok(Seen(seen))
}

pub(super) fn judge(Seen(plays): &Seen) -> Findings {
    let mut findings = Findings::default();
    let those = |is_meant: &dyn Fn(&Played) -> bool| -> Vec<String> {
        let meant = plays.iter().filter(|played| is_meant(played));
        meant.map(ToString::to_string).collect()
    };
    findings.equal(
        "ways to end before time, at three places each",
        (Abort::ALL.len() * Place::ALL.len()) as u64,
        plays.len() as u64,
    );
    findings.nothing_of("ends that did not happen", &those(&|played| !played.happened));
    findings.nothing_of(
        "ends after which bytes were in use with nothing in flight",
        &those(&|played| played.in_use > 0),
    );
    findings.nothing_of(
        "ends after which less was given back than taken",
        &those(&|played| played.acquired != played.released),
    );
    findings.nothing_of(
        "ends after which something was still under way",
        &those(&|played| played.under_way > 0),
    );
    findings.nothing_of(
        "clients that took a wrong or partial blob for a whole one",
        &those(&|played| played.ending == Ending::Wrong),
    );
    findings.nothing_of(
        "pulls that a full disk failed",
        &those(&|played| played.abort == Abort::DiskFull && played.ending != Ending::Right),
    );
    let acquired = plays.iter().map(|played| played.acquired).sum::<u64>();
    findings.figure(
        "bytes taken from the pool and given back",
        acquired as f64,
        Unit::Bytes,
    );
    let longest = plays.iter().map(|played| played.settled).max();
    findings.time("longest from an end to a whole pool", longest.unwrap_or_default());
    findings.not_replayed(
        "a pool that is full: who finds no room is told 503 after 5 s",
        "each play here has a pool of its own, with room",
    );
    findings.not_replayed(
        "buffers that are used again while they are still read",
        "only builds for tests make such bytes recognisable",
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Incident, Outcome, Verdict},
        *,
    };

    type Spoil<'a> = &'a dyn Fn(&mut Played);

    fn good() -> Vec<Played> {
        let all = Abort::ALL
            .into_iter()
            .flat_map(|abort| Place::ALL.map(|place| (abort, place)));
        let played = all.map(|(abort, place)| Played {
            abort,
            place,
            happened: true,
            ending: match abort {
                Abort::ClientGone | Abort::Shutdown => Ending::Left,
                Abort::DiskFull => Ending::Right,
                _ => Ending::Refused,
            },
            in_use: 0,
            acquired: 4096,
            released: 4096,
            under_way: 0,
            settled: Duration::from_millis(3),
        });
        played.collect()
    }

    fn judged(plays: Vec<Played>) -> Outcome {
        Outcome::of(Incident::Thanos, judge(&Seen(plays)), Duration::ZERO)
    }

    #[test]
    fn a_pool_that_is_whole_after_each_end_is_survived() {
        let outcome = judged(good());
        assert_eq!(outcome.verdict, Verdict::Survived, "{outcome:?}");
        assert_eq!(outcome.figures[0].value, 18.0 * 4096.0);
    }

    #[test]
    fn each_thing_that_is_wrong_at_one_end_is_not_survived() {
        let spoils: [(&str, Spoil<'_>); 6] = [
            ("in use", &|played| played.in_use = 1),
            ("given back", &|played| played.released = 0),
            ("under way", &|played| played.under_way = 1),
            ("took a wrong", &|played| played.ending = Ending::Wrong),
            ("did not happen", &|played| played.happened = false),
            ("full disk failed", &|played| {
                played.abort = Abort::DiskFull;
                played.ending = Ending::Refused;
            }),
        ];
        for (what, spoil) in spoils {
            let mut plays = good();
            spoil(&mut plays[7]);
            let outcome = judged(plays);
            assert_eq!(outcome.verdict, Verdict::NotSurvived, "{what}");
            let broken: Vec<_> = outcome.expectations.iter().filter(|one| !one.held).collect();
            assert_eq!(broken.len(), 1, "{broken:?}");
            assert!(
                broken[0].what.contains(what) && broken[0].seen.contains("chunk"),
                "{broken:?}"
            );
        }
        let mut fewer = good();
        fewer.pop();
        assert_eq!(judged(fewer).verdict, Verdict::NotSurvived);
    }
}
