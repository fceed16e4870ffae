//! What people type.
//!
//! Promises: what is asked for goes to standard output, and only that; everything else goes to standard
//! error; an error is printed once, with its causes; the exit code is 0 for done, 1 for failed, 2 for not
//! understood. Must not know: how the mirror works; it reads the configuration and speaks the API.

mod check;
mod line;
mod setup;

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

pub use line::{Command, Line};
pub use setup::{Client, SetupError};

use crate::config::{self, ConfigError, FileChoice, Inputs, Loaded};

/// What a command gets from outside, besides its line.
pub struct Surroundings<'a> {
    /// All environment variables.
    pub environment: BTreeMap<String, String>,
    /// Standard output: what was asked for.
    pub output: &'a mut dyn Write,
    /// Standard error: what a person should know.
    pub notes: &'a mut dyn Write,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("write the output")]
    Output(#[source] io::Error),
    #[error("set up the clients")]
    Setup(#[source] setup::SetupError),
}

/// What is left to do after a command.
#[derive(Debug)]
pub enum Next {
    Nothing,
    /// Run the mirror.
    Serve(Box<Loaded>),
}

/// Runs a command, except for `serve`, which is handed back with its configuration.
pub fn run(line: &Line, around: &mut Surroundings<'_>) -> Result<Next, Failure> {
    match line.command() {
        Command::Serve => return Ok(Next::Serve(Box::new(configuration(line, around)?))),
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
    let named = line.config.clone().or_else(|| {
        let variable = around.environment.get("LARDER_CONFIG");
        variable.filter(|path| !path.is_empty()).map(Into::into)
    });
    config::load(&Inputs {
        file: named.map_or_else(FileChoice::usual, FileChoice::Named),
        environment: around.environment.clone(),
    })
}

#[cfg(test)]
mod tests;
