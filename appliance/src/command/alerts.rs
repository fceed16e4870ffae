//! `larder alerts`: what is wrong, and who is told.

use clap::Subcommand;

use super::{Failure, Surroundings, client::Server, pull::Form, words::age};
use crate::{
    api::{
        AcknowledgeRequest, Alerts, AlertsChanged, Incident, SilenceRequest, TestRequest, Tested,
        UnsilenceRequest, Watching, path,
    },
    config::Span,
};

/// What to do with alerts.
#[derive(Clone, Debug, Subcommand)]
pub enum Deed {
    /// List what is wrong, what is silenced, and who is told (the same as no word)
    List,
    /// Say that somebody takes care of an incident: no more reminders
    Ack {
        /// Its number
        id: u64,
        /// Who takes care
        #[arg(long, value_name = "NAME", default_value = "")]
        by: String,
    },
    /// Hear nothing of a rule for a while
    Silence {
        /// The rule, as `upstream-down`; `*` stands for any text
        rule: String,
        /// Of which disk, interface or upstream; `*` stands for any text
        #[arg(long, value_name = "THING", default_value = "*")]
        of: String,
        /// For how long, as 30m, 8h, 2d
        #[arg(long = "for", value_name = "TIME", default_value = "8h")]
        lasts: Span,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
    },
    /// End a silence
    Unsilence {
        /// Its number
        id: u64,
    },
    /// Send a test message to each receiver, and say what came of it
    Test {
        /// Only to this one
        receiver: Option<String>,
    },
}

/// Does it.
pub(super) async fn run(
    server: &Server,
    deed: &Deed,
    form: Form,
    around: &mut Surroundings<'_>,
) -> Result<(), Failure> {
    let mut failed = None;
    let text = match deed {
        Deed::List => {
            let alerts: Alerts = server.get(path::ALERTS).await?;
            told(form, &alerts, list)
        }
        Deed::Ack { id, by } => {
            let request = AcknowledgeRequest {
                id: *id,
                by: by.clone(),
            };
            told(form, &server.change(path::ACKNOWLEDGE, &request).await?, outcome)
        }
        Deed::Silence {
            rule,
            of,
            lasts,
            comment,
        } => {
            let request = SilenceRequest {
                rule: rule.clone(),
                of: of.clone(),
                seconds: lasts.duration().as_secs(),
                comment: comment.clone(),
            };
            told(form, &server.change(path::SILENCE, &request).await?, outcome)
        }
        Deed::Unsilence { id } => {
            let request = UnsilenceRequest { id: *id };
            told(form, &server.change(path::UNSILENCE, &request).await?, outcome)
        }
        Deed::Test { receiver } => {
            let request = TestRequest {
                receiver: receiver.clone(),
            };
            let tested: Tested = server.change(path::TEST_ALERTS, &request).await?;
            let missed = tested.deliveries.iter().filter(|one| one.error.is_some()).count();
            if missed > 0 {
                failed = Some(Failure::Deliveries {
                    failed: missed,
                    all: tested.deliveries.len(),
                });
            }
            told(form, &tested, deliveries)
        }
    };
    around
        .output
        .write_all(text.as_bytes())
        .map_err(Failure::Output)?;
    failed.map_or(Ok(()), Err)
}

fn told<T: serde::Serialize>(form: Form, value: &T, words: impl FnOnce(&T) -> String) -> String {
    match form {
        Form::People => words(value),
        Form::Json => serde_json::json!(value).to_string() + "\n",
    }
}

fn outcome(changed: &AlertsChanged) -> String {
    format!("{}\n", changed.outcome)
}

fn deliveries(tested: &Tested) -> String {
    let line = |receiver: &str, outcome: &str| format!("{receiver}: {outcome}\n");
    let lines = tested.deliveries.iter().map(|one| match &one.error {
        None => line(&one.receiver, "it has taken the message"),
        Some(error) => line(&one.receiver, error),
    });
    lines.collect()
}

const NOTHING_KNOWN: &str =
    "nothing is known: the box does not look after itself (`monitor.interval` is \"off\")\n";
const LONG_AGO: &str =
    "as it was when the box last looked: it does not any more (`monitor.interval` is \"off\")\n";

fn list(alerts: &Alerts) -> String {
    let mut text = String::new();
    for incident in &alerts.incidents {
        text.push_str(&of_one(incident));
    }
    let last = match (text.is_empty(), alerts.watching) {
        (true, Some(Watching::Off)) => NOTHING_KNOWN,
        (false, Some(Watching::Off)) => LONG_AGO,
        (true, _) => "all is well\n",
        (false, _) => "",
    };
    text.push_str(last);
    for silence in &alerts.silences {
        let comment = match silence.comment.as_str() {
            "" => String::new(),
            comment => format!(" ({comment})"),
        };
        text.push_str(&format!(
            "silence {}: nothing of {} of {} for {}{comment}\n",
            silence.id,
            silence.rule,
            silence.of,
            age(silence.seconds_left)
        ));
    }
    for receiver in &alerts.receivers {
        let state = match (&receiver.error, receiver.waiting) {
            (Some(error), waiting) => format!(
                "not reached for {}, {waiting} wait: {error}",
                age(receiver.failing_seconds.unwrap_or_default())
            ),
            (None, 0) => "has been told of all".to_owned(),
            (None, waiting) => format!("{waiting} wait for their time"),
        };
        text.push_str(&format!("receiver {}: {state}\n", receiver.name));
    }
    if alerts.receivers.is_empty() {
        text.push_str("nobody is told: add an `[[alert.receiver]]` to the configuration\n");
    }
    if alerts.lost > 0 {
        text.push_str(&format!(
            "{} messages were dropped: too many waited\n",
            alerts.lost
        ));
    }
    text
}

fn of_one(incident: &Incident) -> String {
    let of = match incident.of.as_str() {
        "" => String::new(),
        of => format!("{of}: "),
    };
    let mut notes = Vec::new();
    if let Some(by) = &incident.acknowledged_by {
        notes.push(format!("{by} takes care"));
    }
    if let Some(id) = incident.silenced_by {
        notes.push(format!("silence {id}"));
    }
    if let Some(by) = &incident.explained_by {
        notes.push(format!("explained by {by}"));
    }
    if incident.flapping {
        notes.push("it comes and goes".to_owned());
    }
    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!("; {}", notes.join("; ")),
    };
    format!(
        "{} {} {}: {of}{}, {} for {}{notes}\n",
        incident.id,
        incident.severity,
        incident.rule,
        incident.what,
        incident.phase,
        age(incident.seconds)
    )
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
