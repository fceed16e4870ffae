//! What people type.
//!
//! Promises: what is asked for goes to standard output, and only that; everything else goes to standard
//! error; an error is printed once, with its causes; the exit code is 0 for done, 1 for failed, 2 for not
//! understood. Must not know: how the mirror works; it reads the configuration and speaks the API.

mod alerts;
mod ask;
mod check;
mod client;
mod images;
mod inspect;
mod keep;
mod line;
mod pull;
mod selftest;
mod setup;
mod status;
mod words;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
};

pub use client::ClientError;
pub use line::{Command, Line};
pub use setup::{Client, SetupError};

use crate::{
    config::{self, ConfigError, FileChoice, Inputs, Loaded},
    janitor,
    selftest::ScratchError,
};

/// What a command gets from outside, besides its line.
pub struct Surroundings<'a> {
    /// All environment variables.
    pub environment: BTreeMap<String, String>,
    /// Standard output: what was asked for.
    pub output: &'a mut dyn Write,
    /// Standard error: what a person should know.
    pub notes: &'a mut dyn Write,
    /// What standard error is.
    pub screen: Screen,
}

/// Whether progress can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    Terminal,
    Plain,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("write the output")]
    Output(#[source] io::Error),
    #[error("set up the clients")]
    Setup(#[source] SetupError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{failed} of {all} images were not pulled")]
    Pulls { failed: usize, all: usize },
    #[error(transparent)]
    Janitor(janitor::NoWorker),
    #[error("{failed} of {all} images: {word} failed")]
    Images {
        word: &'static str,
        failed: usize,
        all: usize,
    },
    #[error("collect: {0}")]
    Collection(String),
    #[error("{failed} of {all} receivers did not take the message")]
    Deliveries { failed: usize, all: usize },
    #[error("inspect: {0}")]
    Inspection(String),
    #[error("start the runtime")]
    Runtime(#[source] io::Error),
    #[error("prepare the self-test")]
    Scratch(#[source] ScratchError),
    #[error("interrupted: nothing is shown, and nothing is left behind")]
    Interrupted,
    #[error("not survived: {0}")]
    NotSurvived(String),
    #[error("remove what the self-test has left in {path}")]
    Remains { path: PathBuf, source: io::Error },
}

impl Failure {
    /// Nobody reads the output any more.
    pub fn is_unread(&self) -> bool {
        matches!(self, Self::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What is left to do after a command.
#[derive(Debug)]
pub enum Next {
    Nothing,
    /// Run the mirror.
    Serve {
        loaded: Box<Loaded>,
        /// What it was made from, to be read again.
        inputs: Inputs,
    },
}

/// Runs a command, except for `serve`, which is handed back with its configuration.
pub fn run(line: &Line, around: &mut Surroundings<'_>) -> Result<Next, Failure> {
    match line.command() {
        Command::Serve => {
            let inputs = inputs(line, around);
            let loaded = Box::new(config::load(&inputs)?);
            return Ok(Next::Serve { loaded, inputs });
        }
        Command::Status
        | Command::Images
        | Command::Pull { .. }
        | Command::Pin { .. }
        | Command::Unpin { .. }
        | Command::Evict { .. }
        | Command::Inspect { .. }
        | Command::Alerts { .. }
        | Command::Collect { .. } => ask::run(line, around),
        Command::Janitor => janitor::work().map_err(Failure::Janitor),
        Command::Selftest { list: true, .. } => selftest::list(around),
        Command::Selftest { incident, folder, .. } => {
            let form = if line.json {
                selftest::Form::Json
            } else {
                selftest::Form::People
            };
            selftest::run(*incident, folder.as_deref(), form, around)
        }
        Command::Check => check::run(&configuration(line, around)?, around),
        Command::Setup { client, address } => setup::run(
            &configuration(line, around)?.config,
            client,
            address.as_deref(),
            around,
        ),
    }?;
    Ok(Next::Nothing)
}

fn configuration(line: &Line, around: &Surroundings<'_>) -> Result<Loaded, ConfigError> {
    config::load(&inputs(line, around))
}

fn inputs(line: &Line, around: &Surroundings<'_>) -> Inputs {
    let named = line.config.clone().or_else(|| {
        let variable = around.environment.get("LARDER_CONFIG");
        variable.filter(|path| !path.is_empty()).map(Into::into)
    });
    Inputs {
        file: named.map_or_else(FileChoice::usual, FileChoice::Named),
        environment: around.environment.clone(),
    }
}

#[cfg(test)]
mod asking_tests;
#[cfg(test)]
mod tests;
