//! What is different between the configuration in force and one that was read anew.
//!
//! Promises: what cannot change while the box runs stays as it is, and is named.

use crate::{
    api::Reloaded,
    config::{Config, UpstreamConfig},
};

/// The configuration to go on with, and what to tell of it.
pub(super) fn merge(running: &Config, read: Config) -> (Config, Reloaded) {
    let mut new = read;
    let mut told = Reloaded::default();
    let late = &mut told.needs_restart;
    hold("data_dir", &running.data_dir, &mut new.data_dir, late);
    hold("listen", &running.listen, &mut new.listen, late);
    let (old, cache) = (&running.cache, &mut new.cache);
    hold("cache.max_bytes", &old.max_bytes, &mut cache.max_bytes, late);
    hold("cache.max_inodes", &old.max_inodes, &mut cache.max_inodes, late);
    hold("cache.high", &old.high, &mut cache.high, late);
    hold("cache.low", &old.low, &mut cache.low, late);
    hold("cache.stop", &old.stop, &mut cache.stop, late);
    hold(
        "cache.inline_below",
        &old.inline_below,
        &mut cache.inline_below,
        late,
    );
    hold("cache.policy", &old.policy, &mut cache.policy, late);
    let (old, fetch) = (&running.fetch, &mut new.fetch);
    hold(
        "fetch.buffer_bytes",
        &old.buffer_bytes,
        &mut fetch.buffer_bytes,
        late,
    );
    hold(
        "fetch.connect_timeout",
        &old.connect_timeout,
        &mut fetch.connect_timeout,
        late,
    );
    hold(
        "fetch.progress_timeout",
        &old.progress_timeout,
        &mut fetch.progress_timeout,
        late,
    );
    let (old, monitor) = (&running.monitor, &mut new.monitor);
    hold("monitor.interval", &old.interval, &mut monitor.interval, late);
    hold("log.format", &running.log.format, &mut new.log.format, late);

    let done = &mut told.applied;
    note(
        "default_upstream",
        &running.default_upstream,
        &new.default_upstream,
        done,
    );
    note("open", &running.scope, &new.scope, done);
    note("cache.pins", &running.cache.pins, &new.cache.pins, done);
    let (old, fetch) = (&running.fetch, &new.fetch);
    note("fetch.max_wan_rate", &old.max_wan_rate, &fetch.max_wan_rate, done);
    note(
        "fetch.first_byte_timeout",
        &old.first_byte_timeout,
        &fetch.first_byte_timeout,
        done,
    );
    note("alert", &running.alert, &new.alert, done);
    note("log.level", &running.log.level, &new.log.level, done);
    upstreams(&running.upstreams, &new.upstreams, done);
    (new, told)
}

/// Keeps the old value, and says so if there is a new one.
fn hold<T: PartialEq + Clone>(name: &str, old: &T, new: &mut T, told: &mut Vec<String>) {
    if old != new {
        told.push(name.to_owned());
        new.clone_from(old);
    }
}

fn note<T: PartialEq>(name: &str, old: &T, new: &T, told: &mut Vec<String>) {
    if old != new {
        told.push(name.to_owned());
    }
}

fn upstreams(old: &[UpstreamConfig], new: &[UpstreamConfig], told: &mut Vec<String>) {
    for upstream in new {
        let what = match old.iter().find(|known| known.name == upstream.name) {
            None => "added",
            Some(known) if known != upstream => "changed",
            Some(_) => continue,
        };
        told.push(format!("upstream {} {what}", upstream.name));
    }
    let gone = old
        .iter()
        .filter(|known| new.iter().all(|upstream| upstream.name != known.name));
    told.extend(gone.map(|known| format!("upstream {} removed", known.name)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{FileChoice, Inputs, Sampling, load};

    fn sampling(text: &str) -> Config {
        let inputs = Inputs {
            file: FileChoice::FirstOf(Vec::new()),
            environment: BTreeMap::from([("LARDER_MONITOR__INTERVAL".to_owned(), text.to_owned())]),
        };
        load(&inputs).expect("read").config
    }

    #[test]
    fn sampling_is_turned_on_and_off_by_a_restart_and_the_answer_says_so() {
        for (running, read) in [("10s", "off"), ("off", "10s"), ("10s", "20s")] {
            let (went_on, told) = merge(&sampling(running), sampling(read));
            assert_eq!(told.needs_restart, ["monitor.interval"], "{running} to {read}");
            assert_eq!(went_on.monitor, sampling(running).monitor);
        }
        let (same, told) = merge(&sampling("off"), sampling("off"));
        assert_eq!(
            (same.monitor.interval, told.needs_restart.len()),
            (Sampling::Off, 0)
        );
    }
}
