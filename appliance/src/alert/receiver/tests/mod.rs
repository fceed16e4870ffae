//! Receivers against servers that take messages, refuse them, hang, fail in between and come back.

mod door;
mod heartbeat;
mod mqtt;
mod server;
mod services;
mod smtp;
mod syslog;
mod webhook;

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};

use super::{Delivered, Fault, Line, Receiver, Retry, Undelivered, open};
use crate::{
    alert::{IncidentId, Message, Told},
    clock::{Clock, Timestamp},
    config::{Config, FileChoice, Inputs, ReceiverConfig, load},
    dial::{Family, Found, Resolve, ResolveError},
    rule::Severity,
};

/// Long enough for all that answers on this machine.
const PATIENT: Duration = Duration::from_secs(20);
/// For what never answers.
const SHORT: Duration = Duration::from_millis(400);

/// Names that stand for this machine, except those that end with `.invalid`.
struct Names;

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str, _first: Family) -> BoxFuture<'a, Result<Found, ResolveError>> {
        async move {
            if host.ends_with(".invalid") {
                return Err(ResolveError::NoAddress(None));
            }
            Ok(vec![IpAddr::from([127, 0, 0, 1])].into())
        }
        .boxed()
    }
}

fn line(deadline: Duration) -> Line {
    Line::for_tests(Arc::new(Names), Clock::system(), deadline)
}

/// A configuration, as an owner writes it.
fn loaded(text: &str) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("larder.toml");
    std::fs::write(&path, text).expect("a file");
    let inputs = Inputs {
        file: FileChoice::Named(path),
        environment: std::collections::BTreeMap::new(),
    };
    load(&inputs).unwrap_or_else(|error| panic!("{error}")).config
}

fn configured(kind: &str, lines: &str) -> ReceiverConfig {
    let text = format!("[[alert.receiver]]\nname = \"x\"\nkind = \"{kind}\"\n{lines}\n");
    loaded(&text).alert.receivers.into_iter().next().expect("one")
}

fn receiver(kind: &str, lines: &str, deadline: Duration) -> Box<dyn Receiver> {
    open(&configured(kind, lines), "attic", &line(deadline)).expect("usable")
}

fn message(occasion: Told, severity: Severity) -> Message {
    Message {
        title: "[critical] attic: the disk <sda> is \"full\" – very".to_owned(),
        text: "what: the disk is full\nyou can: & so on\n".to_owned(),
        severity,
        occasion,
        incident: Some(IncidentId(7)),
        about: Vec::new(),
        key: "larder-attic-12".to_owned(),
        at: Timestamp(1_800_000_000),
    }
}

fn fired() -> Message {
    message(Told::Fired, Severity::Critical)
}

async fn send(receiver: &dyn Receiver, message: &Message) -> Result<Delivered, Undelivered> {
    let bounded = tokio::time::timeout(PATIENT + PATIENT / 2, receiver.send(message)).await;
    bounded.expect("it ends by a deadline of its own")
}
