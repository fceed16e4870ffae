//! Commands that ask a running box.

use serde::Serialize;

use super::{
    Command, Failure, Line, Surroundings, alerts,
    client::Server,
    configuration, images, inspect,
    keep::{self, Deed},
    pull::{self, Form},
    status,
};
use crate::api::{CollectRequest, Images, InspectRequest, Status, path};

/// Runs a command that asks.
pub(super) fn run(line: &Line, around: &mut Surroundings<'_>) -> Result<(), Failure> {
    let server = server(line, around)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(ask(&server, line, around))
}

/// `--server`, else `$LARDER_SERVER`, else the box on this machine.
fn server(line: &Line, around: &Surroundings<'_>) -> Result<Server, Failure> {
    let variable = around
        .environment
        .get("LARDER_SERVER")
        .filter(|text| !text.is_empty());
    match line.server.as_ref().or(variable) {
        Some(text) => Ok(Server::named(text)?),
        None => Ok(Server::Socket(configuration(line, around)?.config.socket())),
    }
}

async fn ask(server: &Server, line: &Line, around: &mut Surroundings<'_>) -> Result<(), Failure> {
    let text = match line.command() {
        Command::Status => {
            let status: Status = server.get(path::STATUS).await?;
            if line.json {
                pretty(&status)?
            } else {
                status::screen(&status)
            }
        }
        Command::Images => {
            let images: Images = server.get(path::IMAGES).await?;
            if line.json {
                pretty(&images)?
            } else {
                images::table(&images)
            }
        }
        Command::Pull { references, platform } => {
            return pull::run(server, references, platform.as_ref(), form(line), around).await;
        }
        Command::Pin { references } => {
            let deed = Deed {
                word: "pin",
                path: path::PIN,
            };
            return keep::images(server, deed, references, form(line), around).await;
        }
        Command::Unpin { references } => {
            let deed = Deed {
                word: "unpin",
                path: path::UNPIN,
            };
            return keep::images(server, deed, references, form(line), around).await;
        }
        Command::Evict { references } => {
            let deed = Deed {
                word: "evict",
                path: path::EVICT,
            };
            return keep::images(server, deed, references, form(line), around).await;
        }
        Command::Collect { dry_run } => {
            let request = CollectRequest { dry_run: *dry_run };
            return keep::collect(server, path::COLLECT, request, form(line), around).await;
        }
        Command::Inspect { scrub } => {
            let request = InspectRequest { scrub: *scrub };
            return inspect::run(server, request, form(line), around).await;
        }
        Command::Alerts { deed } => {
            let deed = deed.as_ref().unwrap_or(&alerts::Deed::List);
            return alerts::run(server, deed, form(line), around).await;
        }
        // The others do not ask.
        Command::Serve
        | Command::Check
        | Command::Janitor
        | Command::Selftest { .. }
        | Command::Setup { .. } => String::new(),
    };
    around.output.write_all(text.as_bytes()).map_err(Failure::Output)
}

fn form(line: &Line) -> Form {
    if line.json { Form::Json } else { Form::People }
}

fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Failure::Output(e.into()))?;
    text.push('\n');
    Ok(text)
}
