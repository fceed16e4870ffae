//! The grammar of the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::setup::Client;

/// A registry mirror for the LAN: each image crosses the WAN once.
#[derive(Debug, Parser)]
#[command(name = "larder", version, max_term_width = 100)]
pub struct Line {
    /// The configuration file [default: ./larder.toml, else /etc/larder/larder.toml; or $LARDER_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

impl Line {
    /// What to do; without a word, serve.
    pub fn command(&self) -> &Command {
        self.command.as_ref().unwrap_or(&Command::Serve)
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the mirror (the same as no command)
    Serve,
    /// Print the configuration in effect, each value with where it came from
    Check,
    /// Print a client's configuration for this box, ready to paste
    Setup {
        /// Which client
        #[arg(value_enum)]
        client: Client,
        /// How clients reach this box, as `box.lan:5000` [default: from the configuration]
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
    },
}
