//! What the box does on its own: `[prefetch]`, `[janitor]`, `[monitor]`, `[watchdog]`.

use std::{path::PathBuf, time::Duration};

use super::{
    Limit, Sampling, Schedule, Size, Span, Window, fetch::positive, images::Naming, reader::Section,
};
use crate::oci::Image;

/// `[prefetch]`: what is pulled before anybody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefetchConfig {
    pub images: Vec<Image>,
    /// `None`: never.
    pub schedule: Option<Schedule>,
}

/// `[janitor]`: the collector's bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JanitorConfig {
    /// When it may do what can wait; `None`: at any time.
    pub window: Option<Window>,
    /// Its worker is killed above this.
    pub max_memory: Size,
    /// A step that takes longer is cancelled.
    pub step_deadline: Duration,
    /// What was pulled in this time stays; in need, what was pulled in a twelfth of it.
    pub grace: Duration,
}

/// `[monitor]`: watching the box itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorConfig {
    pub interval: Sampling,
}

/// `[watchdog]`: the hardware that restarts a box that hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchdogConfig {
    /// `None`: none, also when there is one.
    pub device: Option<Limit<PathBuf>>,
}

pub(super) fn prefetch(s: &Section<'_>, naming: &Naming<'_>) -> Option<PrefetchConfig> {
    let images = naming.read(s, "images");
    let schedule = s.read("schedule");
    Some(PrefetchConfig {
        images: images?,
        schedule: schedule?,
    })
}

pub(super) fn janitor(s: &Section<'_>) -> Option<JanitorConfig> {
    let window = s.read("window");
    let max_memory = s.read("max_memory");
    let step_deadline = positive(s, "step_deadline");
    let grace = s.read::<Span>("grace");
    Some(JanitorConfig {
        window: window?,
        max_memory: max_memory?,
        step_deadline: step_deadline?,
        grace: grace?.duration(),
    })
}

pub(super) fn monitor(s: &Section<'_>) -> Option<MonitorConfig> {
    let sampling = s.read::<Sampling>("interval")?;
    let Some(interval) = sampling.interval() else {
        return Some(MonitorConfig { interval: sampling });
    };
    if interval < Duration::from_secs(1) {
        s.refuse(
            "interval",
            "sampling so often would itself be load",
            Some("at least \"1s\", or \"off\"".into()),
            "raise it, or turn it off",
        );
        return None;
    }
    // What is told within minutes has to be looked for within them.
    if interval > Duration::from_secs(60) {
        s.refuse(
            "interval",
            "what happens in between would not be seen",
            Some("at most \"1m\"".into()),
            "lower it",
        );
        return None;
    }
    Some(MonitorConfig { interval: sampling })
}

pub(super) fn watchdog(s: &Section<'_>) -> Option<WatchdogConfig> {
    Some(WatchdogConfig {
        device: s.read("device")?,
    })
}
