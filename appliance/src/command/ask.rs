//! Commands that ask a running box.

use serde::Serialize;

use super::{
    Command, Failure, Line, Surroundings,
    client::Server,
    configuration, images,
    pull::{self, Form},
    status,
};
use crate::api::{Images, Status, path};

/// Runs `status`, `images` or `pull`.
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
            let form = if line.json { Form::Json } else { Form::People };
            return pull::run(server, references, platform.as_ref(), form, around).await;
        }
        // The others do not ask.
        Command::Serve | Command::Check | Command::Janitor | Command::Setup { .. } => String::new(),
    };
    around.output.write_all(text.as_bytes()).map_err(Failure::Output)
}

fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Failure::Output(e.into()))?;
    text.push('\n');
    Ok(text)
}
