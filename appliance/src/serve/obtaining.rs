//! How dear it is to fetch content again: what its upstream's calls have shown.
//!
//! Docker Hub counts what is fetched and refuses at some number. An upstream that has failed for long cannot be
//! fetched from at all: what it had is kept before what others have. Promises: a hiccup changes nothing, an outage is
//! one that lasted and that another upstream's answers tell from the WAN's; when all fail, nothing is dearer than the
//! rest. What is not configured any more is not dearer either: nobody can ask for it here. Must not know: what is
//! here.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{endpoints::Opened, facts::Site};
use crate::{
    cache::{Costs, eviction::Cost},
    oci::UpstreamName,
    source::Health,
    upstream::{EndpointStatus, Failing},
};

/// An upstream has failed from its first failure to its last for so long: a registry's bad minutes are shorter.
const LONG: Duration = Duration::from_secs(600);

/// What was seen so long ago says nothing about now.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// What an endpoint's calls have shown.
#[derive(Clone, Debug)]
struct Shown {
    upstream: UpstreamName,
    health: Health,
    answered: Option<Duration>,
    failing: Option<Failing>,
}

impl From<EndpointStatus> for Shown {
    fn from(status: EndpointStatus) -> Self {
        Self {
            upstream: status.upstream,
            health: status.health,
            answered: status.answered,
            failing: status.failing,
        }
    }
}

impl Shown {
    /// How long ago an outage began that lasts.
    fn out_since(&self) -> Option<Duration> {
        let failing = self.failing?;
        let lasts = failing.first.saturating_sub(failing.last) >= LONG && failing.last < STALE;
        (lasts && !matches!(self.health, Health::Closed { .. })).then_some(failing.first)
    }
}

/// Upstreams of which no endpoint can be fetched from, while others can.
fn out(all: &[Shown]) -> HashSet<UpstreamName> {
    let names: HashSet<&UpstreamName> = all.iter().map(|shown| &shown.upstream).collect();
    let is_out = |name: &&UpstreamName| {
        let (own, others): (Vec<&Shown>, Vec<&Shown>) =
            all.iter().partition(|shown| shown.upstream == **name);
        let began: Option<Vec<Duration>> = own.iter().map(|shown| shown.out_since()).collect();
        // When the last of its endpoints went.
        let began = began.and_then(|began| began.into_iter().min());
        began.is_some_and(|began| {
            let mut answers = others.iter().filter_map(|shown| shown.answered);
            // An answer of its first minutes is one of before the WAN went.
            answers.any(|answered| answered + LONG <= began)
        })
    };
    names.into_iter().filter(is_out).cloned().collect()
}

/// As things are now.
pub(super) fn costs(site: &Site, opened: &Opened) -> Costs {
    let configured = site.made.iter().flat_map(|made| &made.endpoints);
    let configured = configured.map(|endpoint| endpoint.status());
    let opened = opened.alive();
    let opened = opened.iter().map(|endpoint| endpoint.status());
    let all: Vec<Shown> = configured.chain(opened).map(Shown::from).collect();
    let out = out(&all);
    if !out.is_empty() {
        tracing::info!(upstreams = ?out, "what these had is kept before what others have: they do not answer");
    }
    Arc::new(move |upstream| {
        if out.contains(upstream) {
            Cost::UNOBTAINABLE
        } else if upstream.is_docker_hub() {
            Cost::COUNTED
        } else {
            Cost::ORDINARY
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    fn up(name: &str, answered: Option<Duration>) -> Shown {
        Shown {
            upstream: name.parse().expect("valid"),
            health: Health::Closed { answered },
            answered,
            failing: None,
        }
    }

    fn down(name: &str, first: Duration, last: Duration) -> Shown {
        Shown {
            health: Health::HalfOpen,
            failing: Some(Failing { first, last }),
            ..up(name, Some(first + minutes(1)))
        }
    }

    fn names(all: &[Shown]) -> Vec<String> {
        let mut names: Vec<String> = out(all).iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn an_outage_is_long_and_one_upstreams_own() {
        let well = up("well.test", Some(minutes(2)));
        let out = down("out.test", minutes(30), minutes(1));
        assert_eq!(names(&[well.clone(), out.clone()]), ["out.test"]);
        let hiccup = down("out.test", minutes(9), minutes(0));
        assert_eq!(names(&[well.clone(), hiccup]), [""; 0]);
        let once = down("out.test", minutes(30), minutes(30));
        assert_eq!(names(&[well.clone(), once]), [""; 0], "nobody asked since");
        let long_ago = down("out.test", minutes(3000), minutes(1500));
        assert_eq!(
            names(&[well.clone(), long_ago]),
            [""; 0],
            "it is not known any more"
        );
        // Nobody else has answered since it began: that can be the WAN.
        for other in [
            up("quiet.test", Some(minutes(31))),
            up("before.test", Some(minutes(29))),
            up("new.test", None),
            down("too.test", minutes(29), minutes(1)),
        ] {
            assert_eq!(names(&[other.clone(), out.clone()]), [""; 0], "{other:?}");
        }
        // Two are out, one is well.
        let too = down("too.test", minutes(20), minutes(1));
        assert_eq!(names(&[too, well, out.clone()]), ["out.test", "too.test"]);
        assert_eq!(names(&[out]), [""; 0]);
    }

    #[test]
    fn one_endpoint_that_answers_is_enough() {
        let well = up("well.test", Some(minutes(2)));
        let first = down("out.test", minutes(30), minutes(1));
        let second = down("out.test", minutes(25), minutes(1));
        assert_eq!(
            names(&[first.clone(), second, well.clone()]),
            ["out.test"],
            "both of them fail"
        );
        assert_eq!(names(&[first, up("out.test", Some(minutes(1))), well]), [""; 0]);
    }
}
