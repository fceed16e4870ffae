//! What is published where, and how Home Assistant finds it.
//!
//! | below the box's topic | retained | what |
//! |---|---|---|
//! | `status` | yes | `online`, and `offline` by the broker when the box is gone |
//! | `state` | yes | how many incidents there are, and the gravest severity |
//! | `incident/N` | while it lasts | an incident |
//! | `message` | yes | the last message |
//!
//! Promises: what is known of open incidents is what the broker keeps; no process has to remember it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::packet::Publish;
use crate::{
    alert::{Message, Told, receiver::text::plain},
    config::Mqtt,
    rule::Severity,
};

/// The names of one box.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    base: String,
    host: String,
    discovery: Option<String>,
}

impl Topics {
    pub(super) fn new(way: &Mqtt, host: &str) -> Self {
        let base = way
            .topic
            .clone()
            .unwrap_or_else(|| format!("larder/{}", plain(host)));
        Self {
            base,
            host: host.to_owned(),
            discovery: way.discovery.clone(),
        }
    }

    /// Names the client at the broker, where two of one name throw each other out.
    pub(super) fn client(&self) -> String {
        plain(&self.base)
    }

    fn publish(&self, below: &str, payload: impl Into<Vec<u8>>) -> Publish {
        Publish {
            topic: format!("{}/{below}", self.base),
            payload: payload.into(),
        }
    }

    pub(super) fn online(&self) -> Publish {
        self.publish("status", "online")
    }

    pub(super) fn will(&self) -> Publish {
        self.publish("status", "offline")
    }

    /// What a message comes to.
    pub(super) fn of(&self, message: &Message) -> Vec<Publish> {
        let mut all = Vec::new();
        if let Some(id) = message.incident {
            let below = format!("incident/{}", id.0);
            all.push(match message.occasion {
                // Nothing, retained, is how a topic is taken back.
                Told::Resolved => self.publish(&below, ""),
                _ => self.publish(&below, json!(message).to_string()),
            });
        }
        all.push(self.publish("message", json!(message).to_string()));
        all
    }

    /// All that the broker keeps of incidents.
    pub(super) fn incidents(&self) -> String {
        format!("{}/incident/+", self.base)
    }

    /// Takes what was published, if it was an incident.
    pub(super) fn note(&self, open: &mut Open, topic: &str, payload: &[u8]) {
        let below = topic.strip_prefix(&self.base);
        if let Some(id) = below.and_then(|below| below.strip_prefix("/incident/")) {
            open.take(id, payload);
        }
    }

    pub(super) fn state(&self, open: &Open) -> Publish {
        self.publish("state", open.json().to_string())
    }

    /// What there is, in Home Assistant's words.
    pub(super) fn announcements(&self) -> Vec<Publish> {
        let Some(discovery) = &self.discovery else {
            return Vec::new();
        };
        let node = plain(&self.base).replace('.', "_2e");
        let at = |below: &str| format!("{}/{below}", self.base);
        let announce = |component: &str, object: &str, mut what: Value| {
            what["unique_id"] = format!("{node}_{object}").into();
            what["device"] = json!({"identifiers": [node], "name": format!("Larder {}", self.host), "manufacturer": "Larder"});
            what["origin"] = json!({"name": "Larder", "sw_version": env!("CARGO_PKG_VERSION")});
            Publish {
                topic: format!("{discovery}/{component}/{node}/{object}/config"),
                payload: what.to_string().into_bytes(),
            }
        };
        vec![
            announce(
                "binary_sensor",
                "online",
                json!({
                    "name": "Online", "device_class": "connectivity", "entity_category": "diagnostic",
                    "state_topic": at("status"), "payload_on": "online", "payload_off": "offline",
                }),
            ),
            announce(
                "binary_sensor",
                "problem",
                json!({
                    "name": "Problem", "device_class": "problem",
                    "state_topic": at("state"),
                    "value_template": "{{ 'ON' if value_json.open > 0 else 'OFF' }}",
                    "json_attributes_topic": at("state"),
                    "availability_topic": at("status"),
                }),
            ),
            announce(
                "sensor",
                "message",
                json!({
                    "name": "Last message",
                    "state_topic": at("message"),
                    "value_template": "{{ value_json.title | truncate(250) }}",
                    "json_attributes_topic": at("message"),
                }),
            ),
        ]
    }
}

/// The incidents that the broker keeps, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Open(BTreeMap<String, Option<Severity>>);

impl Open {
    fn take(&mut self, id: &str, payload: &[u8]) {
        if payload.is_empty() {
            self.0.remove(id);
            return;
        }
        let severity = serde_json::from_slice::<Value>(payload)
            .ok()
            .and_then(|message| serde_json::from_value(message["severity"].clone()).ok());
        self.0.insert(id.to_owned(), severity);
    }

    fn json(&self) -> Value {
        let gravest = self.0.values().flatten().max();
        json!({"open": self.0.len(), "severity": gravest.map(|severity| severity.word())})
    }
}
