//! The grammar of the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{alerts::Deed, setup::Client};
use crate::{oci::Platform, selftest::Incident};

/// A registry mirror for the LAN: each image crosses the WAN once.
#[derive(Debug, Parser)]
#[command(name = "larder", version, max_term_width = 100)]
pub struct Line {
    /// The configuration file [default: ./larder.toml, else /etc/larder/larder.toml; or $LARDER_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The box that is asked, as http://box.lan:5000 [default: the one on this machine; or
    /// $LARDER_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,

    /// Print JSON instead of text (all but serve, check and setup)
    #[arg(long, global = true)]
    pub json: bool,

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
    /// Show how the box is: what it holds, what it saved, who does not answer
    Status,
    /// List the images that the box keeps
    Images,
    /// Fetch images before they are needed
    Pull {
        /// Images, as alpine:3.20 or ghcr.io/owner/app@sha256:…
        #[arg(required = true, value_name = "REF")]
        references: Vec<String>,
        /// One platform of several, as linux/arm64 [default: all of them]
        #[arg(long, value_name = "PLATFORM")]
        platform: Option<Platform>,
    },
    /// Works for the mirror, which starts it; not for people
    #[command(hide = true)]
    Janitor,
    /// Keep images, whatever else has to go; also those that are not here yet
    Pin {
        /// Images, as alpine:3.20
        #[arg(required = true, value_name = "REF")]
        references: Vec<String>,
    },
    /// Let images go again when there has to be room
    Unpin {
        /// Images, as alpine:3.20
        #[arg(required = true, value_name = "REF")]
        references: Vec<String>,
    },
    /// Remove images now, with all that no other image needs
    Evict {
        /// Images, as alpine:3.20
        #[arg(required = true, value_name = "REF")]
        references: Vec<String>,
    },
    /// Make room now, down to `cache.low`
    Collect {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare the disk with the list of what is kept, and mend what differs
    Inspect {
        /// Also read everything, to find bytes that have changed
        #[arg(long)]
        scrub: bool,
    },
    /// Show what is wrong and who is told, or change it
    Alerts {
        #[command(subcommand)]
        deed: Option<Deed>,
    },
    /// Replay on this box, in a folder of its own, the incidents that Larder exists to survive
    Selftest {
        /// Only this one [default: all of them]
        #[arg(long, value_name = "NAME")]
        incident: Option<Incident>,
        /// Make the folder in this one, as on the disk that Larder is to use; it is removed at the end
        /// [default: the system's temporary folder]
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Only say which incidents there are
        #[arg(long)]
        list: bool,
    },
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
