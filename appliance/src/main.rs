//! `larder`: reads the command line and does what it says.

use std::{process::ExitCode, time::Duration};

use clap::Parser as _;
use larder::{
    command::{self, Line, Next, Surroundings},
    config::Config,
    serve,
    telemetry::{Reader, Telemetry},
};

fn main() -> ExitCode {
    let line = Line::parse();
    let (mut output, mut notes) = (std::io::stdout(), std::io::stderr());
    let mut around = Surroundings {
        environment: std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect(),
        output: &mut output,
        notes: &mut notes,
    };
    match command::run(&line, &mut around) {
        Ok(Next::Nothing) => ExitCode::SUCCESS,
        Ok(Next::Serve(loaded)) => start(loaded.config),
        Err(failure) => {
            eprintln!("error: {}", larder::source::chain(&failure));
            ExitCode::FAILURE
        }
    }
}

/// Runs the mirror until it is told to stop.
fn start(config: Config) -> ExitCode {
    let reader = Reader::of_stderr(std::env::var("NO_COLOR").ok().as_deref());
    let telemetry = match Telemetry::start(&config.log, reader) {
        Ok(telemetry) => telemetry,
        Err(e) => {
            eprintln!("error: {}", larder::source::chain(&e));
            return ExitCode::FAILURE;
        }
    };
    let result = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let result = runtime
                .block_on(serve::run(config))
                .map_err(|e| larder::source::chain(&e));
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
