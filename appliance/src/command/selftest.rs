//! `larder selftest`: replays the incidents on this box, in a folder of its own.

use std::{io, path::Path, time::Duration};

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{Failure, Surroundings};
use crate::{
    selftest::{self, Incident, Report, Scratch},
    serve,
};
/// How long what hangs may hold up the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// How its outcome is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    People,
    Json,
}

/// Prints the names of the incidents.
pub(super) fn list(around: &mut Surroundings<'_>) -> Result<(), Failure> {
    around
        .output
        .write_all(Incident::list().as_bytes())
        .map_err(Failure::Output)
}

/// Replays one incident, or all.
pub(super) fn run(
    only: Option<Incident>,
    folder: Option<&Path>,
    form: Form,
    around: &mut Surroundings<'_>,
) -> Result<(), Failure> {
    let runtime = serve::runtime().map_err(Failure::Runtime)?;
    // Heard before there is anything to be left behind.
    let mut interrupts = Interrupts::within(&runtime).map_err(Failure::Runtime)?;
    let temporary = std::env::temp_dir();
    let scratch = Scratch::below(folder.unwrap_or(&temporary)).map_err(Failure::Scratch)?;
    let asked = only.map_or_else(|| Incident::ALL.to_vec(), |one| vec![one]);
    let replayed = replay(&runtime, &mut interrupts, &asked, &scratch, form, around);
    // What the replays have started ends before the folder goes.
    runtime.shutdown_timeout(FAREWELL);
    let path = scratch.path().to_owned();
    let removed = scratch.remove();
    let report = replayed?;
    removed.map_err(|source| Failure::Remains { path, source })?;
    let text = match form {
        Form::People => selftest::summary(&report),
        Form::Json => {
            let text = serde_json::to_string_pretty(&report);
            text.map_err(|error| Failure::Output(error.into()))? + "\n"
        }
    };
    around
        .output
        .write_all(text.as_bytes())
        .map_err(Failure::Output)?;
    match report.not_survived() {
        not if not.is_empty() => Ok(()),
        not => Err(Failure::NotSurvived(not.join(", "))),
    }
}

fn replay(
    runtime: &Runtime,
    interrupts: &mut Interrupts,
    incidents: &[Incident],
    scratch: &Scratch,
    form: Form,
    around: &mut Surroundings<'_>,
) -> Result<Report, Failure> {
    // Standard error may be closed.
    let _ = writeln!(around.notes, "in {}", scratch.path().display());
    let mut outcomes = Vec::new();
    for incident in incidents {
        let _ = writeln!(around.notes, "replaying {incident} …");
        let folder = scratch.path().join(incident.name());
        let outcome = runtime.block_on(async {
            tokio::select! {
                outcome = selftest::replay(*incident, &folder) => Ok(outcome),
                () = interrupts.next() => Err(Failure::Interrupted),
            }
        })?;
        // The next one needs the room.
        let _ = std::fs::remove_dir_all(&folder);
        if form == Form::People {
            let text = selftest::screen(&outcome) + "\n";
            around
                .output
                .write_all(text.as_bytes())
                .map_err(Failure::Output)?;
        }
        outcomes.push(outcome);
    }
    Ok(Report::of(outcomes))
}

/// The signals by which people and service managers end it.
struct Interrupts([Signal; 3]);

impl Interrupts {
    fn within(runtime: &Runtime) -> io::Result<Self> {
        let _context = runtime.enter();
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
