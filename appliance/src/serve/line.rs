//! What calls have shown of upstreams and of the way to them.
//!
//! Calls are made when clients ask: what nobody asked for of late is not known, and neither well nor ill. Promises: an
//! upstream is out when none of its endpoints works; the WAN is out when nothing has come over it since something began
//! to fail. Must not know: who is told.

use std::time::Duration;

use crate::{
    monitor::figures::{Line, Shown, UpstreamFigures},
    oci::UpstreamName,
    source::Health,
    upstream::{EndpointStatus, Lately, Ways},
};

/// What was seen longer ago says nothing about now.
const STALE: Duration = Duration::from_secs(3600);

/// Failures that are answers to what was asked for, or this box's own.
const NOT_FAULTS: [&str; 4] = ["not-found", "denied", "resting", "internal"];

fn endpoint(status: &EndpointStatus) -> Shown {
    let is_recent = |age: Option<Duration>| age.is_some_and(|age| age < STALE);
    match status.health {
        // A hiccup opens no breaker.
        Health::Closed { .. } if is_recent(status.answered) => Shown::Works,
        Health::Open { .. } | Health::HalfOpen if is_recent(status.failing.map(|failing| failing.last)) => {
            Shown::Fails
        }
        _ => Shown::Nothing,
    }
}

/// One for each upstream, in the order in which they come first.
pub(super) fn upstreams(endpoints: &[EndpointStatus]) -> Vec<UpstreamFigures> {
    let mut names: Vec<&UpstreamName> = Vec::new();
    for endpoint in endpoints {
        if !names.contains(&&endpoint.upstream) {
            names.push(&endpoint.upstream);
        }
    }
    let of = |name: &UpstreamName| {
        let own: Vec<_> = endpoints
            .iter()
            .filter(|endpoint| endpoint.upstream == *name)
            .collect();
        let shown: Vec<_> = own.iter().map(|status| endpoint(status)).collect();
        let works = own.iter().zip(&shown).find(|(_, shown)| **shown == Shown::Works);
        let faults = own.iter().flat_map(|status| &status.faults);
        let ledger = own.iter().find_map(|status| status.ledger);
        UpstreamFigures {
            name: name.to_string(),
            shown: match works {
                Some(_) => Shown::Works,
                None if shown.contains(&Shown::Fails) => Shown::Fails,
                None => Shown::Nothing,
            },
            latency: works.and_then(|(status, _)| status.latency),
            faults: faults
                .filter(|(fault, _)| !NOT_FAULTS.contains(fault))
                .map(|(_, count)| count)
                .sum(),
            left: ledger.map(|ledger| (ledger.remaining, ledger.limit)),
        }
    };
    names.into_iter().map(of).collect()
}

/// The way to all of them. `connected` is how long ago at least a connection was made.
pub(super) fn line(endpoints: &[EndpointStatus], ways: Ways, connected: Option<Duration>) -> Line {
    let answered = endpoints.iter().filter_map(|status| status.answered).min();
    let reached = [answered, connected].into_iter().flatten().min();
    let is_out = |status: &&EndpointStatus| !matches!(status.health, Health::Closed { .. });
    let failing = endpoints
        .iter()
        .filter(is_out)
        .filter_map(|status| status.failing);
    let began = failing
        .filter(|failing| failing.last < STALE)
        .map(|failing| failing.first)
        .min();
    let wan = match (reached, began) {
        (Some(reached), Some(began)) if reached <= began => Shown::Works,
        (_, Some(_)) => Shown::Fails,
        (Some(reached), None) if reached < STALE => Shown::Works,
        _ => Shown::Nothing,
    };
    Line {
        wan,
        names: lately(ways.names),
        ipv4: family(ways.ipv4, ways.ipv6),
        ipv6: family(ways.ipv6, ways.ipv4),
    }
}

/// A broken family is tried again now and then as long as some host has addresses of it. When that has not happened for
/// so long, and the other family is in use, nobody needs it any more, and nothing is wrong.
fn family(own: Option<(Lately, Duration)>, other: Option<(Lately, Duration)>) -> Shown {
    match (own, lately(other)) {
        (Some((Lately::Failed, age)), Shown::Works) if age >= STALE => Shown::Works,
        _ => lately(own),
    }
}

fn lately(seen: Option<(Lately, Duration)>) -> Shown {
    match seen {
        Some((_, age)) if age >= STALE => Shown::Nothing,
        Some((Lately::Worked, _)) => Shown::Works,
        Some((Lately::Failed, _)) => Shown::Fails,
        None => Shown::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        source::SourceName,
        upstream::{Failing, FamilyHealth, Ledger},
    };

    const fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    fn idle(name: &str) -> EndpointStatus {
        EndpointStatus {
            upstream: name.parse().expect("a name"),
            name: SourceName::new("https://x.test"),
            health: Health::Closed { answered: None },
            last_error: None,
            answered: None,
            failing: None,
            latency: None,
            ipv4: FamilyHealth::Unknown,
            ipv6: FamilyHealth::Unknown,
            ledger: None,
            wan_bytes: 0,
            requests: 0,
            faults: Vec::new(),
        }
    }

    fn up(name: &str, ago: u64) -> EndpointStatus {
        EndpointStatus {
            answered: Some(minutes(ago)),
            latency: Some(Duration::from_millis(80)),
            ..idle(name)
        }
    }

    fn down(name: &str, first: u64, last: u64) -> EndpointStatus {
        EndpointStatus {
            health: Health::HalfOpen,
            failing: Some(Failing {
                first: minutes(first),
                last: minutes(last),
            }),
            ..idle(name)
        }
    }

    fn shown(endpoints: &[EndpointStatus]) -> Vec<Shown> {
        upstreams(endpoints)
            .into_iter()
            .map(|upstream| upstream.shown)
            .collect()
    }

    #[test]
    fn an_upstream_is_out_when_none_of_its_endpoints_works() {
        let all = [
            down("a.test", 10, 1),
            up("b.test", 3),
            up("a.test", 2),
            down("c.test", 10, 1),
            idle("d.test"),
            idle("c.test"),
        ];
        assert_eq!(
            shown(&all),
            [Shown::Works, Shown::Works, Shown::Fails, Shown::Nothing]
        );
        assert_eq!(
            shown(&[up("a.test", 61)]),
            [Shown::Nothing],
            "nobody asked of late"
        );
        assert_eq!(shown(&[down("a.test", 90, 61)]), [Shown::Nothing]);
        let hiccup = EndpointStatus {
            health: Health::Closed { answered: None },
            answered: Some(minutes(5)),
            ..down("a.test", 1, 1)
        };
        assert_eq!(shown(&[hiccup]), [Shown::Works]);
    }

    #[test]
    fn what_an_upstream_says_and_does_is_told() {
        let status = EndpointStatus {
            ledger: Some(Ledger {
                limit: 100,
                remaining: 7,
                window_seconds: 1,
            }),
            faults: vec![
                ("not-found", 90),
                ("silent", 2),
                ("unavailable", 3),
                ("denied", 9),
            ],
            ..up("a.test", 1)
        };
        let told = &upstreams(&[down("a.test", 5, 5), status])[0];
        assert_eq!((told.faults, told.left), (5, Some((7, 100))));
        assert_eq!(told.latency, Some(Duration::from_millis(80)));
    }

    #[test]
    fn the_wan_is_out_when_nothing_came_over_it_since_something_began_to_fail() {
        let wan = |endpoints: &[EndpointStatus], connected: Option<u64>| {
            line(endpoints, Ways::default(), connected.map(minutes)).wan
        };
        assert_eq!(wan(&[idle("a.test")], None), Shown::Nothing);
        assert_eq!(wan(&[up("a.test", 5)], None), Shown::Works);
        assert_eq!(
            wan(&[down("a.test", 10, 1), up("b.test", 5)], None),
            Shown::Works,
            "only one is out"
        );
        assert_eq!(
            wan(&[down("a.test", 10, 1), up("b.test", 30)], None),
            Shown::Fails,
            "an answer of before"
        );
        // A registry that takes connections and answers with nonsense.
        assert_eq!(wan(&[down("a.test", 10, 1)], Some(2)), Shown::Works);
        assert_eq!(wan(&[down("a.test", 10, 1)], Some(20)), Shown::Fails);
        let hiccup = EndpointStatus {
            health: Health::Closed { answered: None },
            answered: Some(minutes(2)),
            ..down("a.test", 1, 1)
        };
        assert_eq!(wan(&[hiccup], None), Shown::Works);
        assert_eq!(wan(&[down("a.test", 90, 70)], None), Shown::Nothing);
        assert_eq!(wan(&[up("a.test", 70)], Some(70)), Shown::Nothing);
    }

    #[test]
    fn the_latest_word_on_names_and_families_counts_for_an_hour() {
        let ways = Ways {
            names: Some((Lately::Failed, minutes(1))),
            ipv4: Some((Lately::Worked, minutes(59))),
            ipv6: Some((Lately::Failed, minutes(61))),
        };
        let told = line(&[], ways, None);
        assert_eq!(
            (told.names, told.ipv4, told.ipv6),
            (Shown::Fails, Shown::Works, Shown::Works),
            "nobody has needed it for an hour"
        );
        let idle = Ways {
            ipv4: Some((Lately::Worked, minutes(61))),
            ..ways
        };
        assert_eq!(line(&[], idle, None).ipv6, Shown::Nothing);
        let broken = Ways {
            ipv6: Some((Lately::Failed, minutes(59))),
            ..ways
        };
        assert_eq!(line(&[], broken, None).ipv6, Shown::Fails);
    }
}
