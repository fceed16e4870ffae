//! Whether this box survives what the mirror was built to survive: incidents that happened elsewhere, replayed here.
//!
//! | file | what |
//! |---|---|
//! | [`incident`] | which there are, and where they can be read |
//! | [`nixery`], [`beszel`], [`spegel`], [`thanos`] | one each: what is played, and what is judged of it |
//! | [`stage`] | the real mirror, as `larder serve` builds it, in this process, with a folder of its own |
//! | [`upstream`], [`script`], [`wire`] | a registry in this process, that fails as it is told |
//! | [`content`], [`client`] | images, and somebody who pulls them |
//! | [`webhook`] | somebody who is told |
//! | [`small_disk`] | a small disk, played before the system calls |
//! | [`scratch`] | the folder where all of it happens, and that is gone afterwards |
//! | [`report`], [`screen`] | what was expected and seen, as data and for people |
//!
//! # Promises
//! 1. Nothing outside of the scratch folder is read or written, no address but this machine's own is spoken to, no port is
//!    chosen, and the machine's watchdog is left alone.
//! 2. A figure was measured in this run; what is not replayed is said to be not replayed.
//! 3. Each replay ends within [`MOST`], and needs no more room than [`Room::NEEDED`].
//!
//! A replay plays and counts, and an incident's `judge` says from the counts alone what held; so that what is bad can be
//! shown to be judged so. Must not know: how the mirror does what it does.

mod beszel;
mod client;
mod content;
mod incident;
mod nixery;
mod report;
mod scratch;
mod screen;
mod script;
mod small_disk;
mod spegel;
mod stage;
mod thanos;
mod upstream;
mod webhook;
mod wire;

use std::{path::Path, time::Duration};

use tokio::time::{Instant, timeout};

pub use incident::{Incident, UnknownIncident};
pub use report::{Expectation, Figure, NotReplayed, Outcome, Report, Unit, Verdict};
pub use scratch::{Room, Scratch, ScratchError};
pub use screen::{screen, summary};

use report::{Findings, Unplayable};

/// The longest that a replay may take. They take some seconds each; what takes so long hangs.
pub const MOST: Duration = Duration::from_secs(90);

/// Replays one incident, in a folder that it may fill.
pub async fn replay(incident: Incident, folder: &Path) -> Outcome {
    let started = Instant::now();
    let played = timeout(MOST, play(incident, folder)).await;
    let findings = match played {
        Ok(Ok(findings)) => findings,
        Ok(Err(unplayable)) => Findings::broken_off(&unplayable),
        Err(_) => Findings::hung(MOST),
    };
    Outcome::of(incident, findings, started.elapsed())
}

async fn play(incident: Incident, folder: &Path) -> Result<Findings, Unplayable> {
    match incident {
        Incident::Nixery => nixery::replay(folder).await.map(|seen| nixery::judge(&seen)),
        Incident::Beszel => beszel::replay(folder).await.map(|seen| beszel::judge(&seen)),
        Incident::Spegel => spegel::replay(folder).await.map(|seen| spegel::judge(&seen)),
        Incident::Thanos => thanos::replay(folder).await.map(|seen| thanos::judge(&seen)),
    }
}
