//! `larder`: reads the command line and does what it says.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::Parser as _;
use larder::{
    command::{self, Line, Next, Screen, Surroundings},
    config::{Config, Inputs},
    serve,
    source::chain,
    telemetry::{Reader, Telemetry},
};

fn main() -> ExitCode {
    let line = Line::parse();
    let environment = environment();
    let (mut output, mut notes) = (std::io::stdout(), std::io::stderr());
    let screen = if notes.is_terminal() {
        Screen::Terminal
    } else {
        Screen::Plain
    };
    let done = command::run(
        &line,
        &mut Surroundings {
            environment: environment.clone(),
            output: &mut output,
            notes: &mut notes,
            screen,
        },
    );
    match done {
        Ok(Next::Nothing) => ExitCode::SUCCESS,
        Ok(Next::Serve { loaded, inputs }) => {
            let reader = Reader::of_stderr(environment.get("NO_COLOR").map(String::as_str));
            start(loaded.config, inputs, reader)
        }
        // `larder images | head`: whoever reads has seen enough.
        Err(failure) if failure.is_unread() => ExitCode::FAILURE,
        Err(failure) => fail(&chain(&failure)),
    }
}

/// The variables of this process. Names and values that are no text are no settings of ours.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn fail(error: &str) -> ExitCode {
    // With standard error closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

/// Runs the mirror until it is told to stop.
fn start(config: Config, inputs: Inputs, reader: Reader) -> ExitCode {
    let telemetry = match Telemetry::start(&config.log, reader) {
        Ok(telemetry) => telemetry,
        Err(e) => return fail(&chain(&e)),
    };
    let result = match serve::runtime() {
        Ok(runtime) => {
            let result = runtime
                .block_on(serve::run(config, inputs, telemetry.log()))
                .map_err(|e| chain(&e));
            // A blocking task that hangs on a dying disk must not hold up the end.
            runtime.shutdown_timeout(Duration::from_secs(5));
            result
        }
        Err(e) => Err(format!("start the runtime: {e}")),
    };
    // Through the log, which is in the form that its reader expects.
    if let Err(error) = &result {
        tracing::error!(error, "the mirror cannot run");
    }
    drop(telemetry);
    if result.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
