//! `larder setup`: a client's configuration for this box.
//!
//! Standard output is what goes into the client's file (or, for containerd, which wants a file for each
//! registry, a script that writes them); what a person should know goes to standard error. The formats are
//! those the clients document; the sequences they then send are in the tests of the registry.

mod buildkit;
mod containerd;
mod docker;
mod k3s;
mod podman;
mod site;

use clap::ValueEnum;

pub use site::SetupError;
use site::Site;

use super::{Failure, Surroundings};
use crate::config::Config;

/// A client that pulls images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Client {
    Docker,
    Containerd,
    /// Podman, Buildah, Skopeo, CRI-O
    Podman,
    K3s,
    Buildkit,
}

/// What is printed.
#[derive(Debug, PartialEq, Eq)]
struct Setup {
    paste: String,
    notes: Vec<String>,
}

pub(super) fn run(
    config: &Config,
    client: &Client,
    address: Option<&str>,
    around: &mut Surroundings<'_>,
) -> Result<(), Failure> {
    let site = Site::new(config, address).map_err(Failure::Setup)?;
    let setup = match client {
        Client::Docker => docker::setup(&site),
        Client::Containerd => containerd::setup(&site),
        Client::Podman => podman::setup(&site),
        Client::K3s => k3s::setup(&site),
        Client::Buildkit => buildkit::setup(&site),
    };
    for note in site.notes().into_iter().chain(setup.notes) {
        writeln!(around.notes, "note: {note}").map_err(Failure::Output)?;
    }
    around
        .output
        .write_all(setup.paste.as_bytes())
        .map_err(Failure::Output)
}
