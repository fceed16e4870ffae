//! A body in an owner's own words: JSON in which fields of the message stand.
//!
//! Promises: whatever a message holds, what comes out is JSON. Must not know: messages.

use std::{fmt, str::FromStr};

/// What may stand in a template, as `{{name}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Title,
    Text,
    Severity,
    Occasion,
    /// A number, or `null`.
    Incident,
    Key,
}

impl Field {
    const ALL: [(&'static str, Self); 6] = [
        ("title", Self::Title),
        ("text", Self::Text),
        ("severity", Self::Severity),
        ("occasion", Self::Occasion),
        ("incident", Self::Incident),
        ("key", Self::Key),
    ];
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Words(String),
    Field(Field),
}

/// A template that gives JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    #[error("`{{{{{0}}}}}` stands for nothing")]
    Unknown(String),
    #[error("a `{{{{` has no `}}}}`")]
    Open,
    #[error("what comes of it is not JSON: {0}")]
    NotJson(String),
}

impl Template {
    /// The text with each field's value, which is escaped here.
    pub fn render(&self, value: impl Fn(Field) -> String) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Words(words) => text.push_str(words),
                Piece::Field(field) => text.push_str(&escaped(&value(*field))),
            }
        }
        text
    }
}

/// As it stands between the quotes of a JSON string.
fn escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((words, after)) = rest.split_once("{{") {
            pieces.push(Piece::Words(words.to_owned()));
            let (name, after) = after.split_once("}}").ok_or(InvalidTemplate::Open)?;
            let name = name.trim();
            let field = Field::ALL
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or_else(|| InvalidTemplate::Unknown(name.chars().take(40).collect()))?;
            pieces.push(Piece::Field(field.1));
            rest = after;
        }
        pieces.push(Piece::Words(rest.to_owned()));
        let template = Self {
            text: text.to_owned(),
            pieces,
        };
        for incident in ["7", "null"] {
            let sample = template.render(|field| match field {
                Field::Incident => incident.to_owned(),
                _ => "a\"b\\c\nd".to_owned(),
            });
            serde_json::from_str::<serde::de::IgnoredAny>(&sample)
                .map_err(|error| InvalidTemplate::NotJson(error.to_string()))?;
        }
        Ok(template)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_message_holds_is_json() {
        let template: Template = r#"{"m": "{{title}}: {{ text }}", "n": {{incident}}, "k": "{{key}}"}"#
            .parse()
            .expect("a template");
        let body = template.render(|field| match field {
            Field::Title => "he said \"no\"".to_owned(),
            Field::Text => "a\nb\t\u{1}{{key}}\\".to_owned(),
            Field::Incident => "null".to_owned(),
            _ => "k".to_owned(),
        });
        let read: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(read["m"], "he said \"no\": a\nb\t\u{1}{{key}}\\");
        assert!(read["n"].is_null());
    }

    #[test]
    fn what_gives_no_json_is_refused() {
        for text in [
            "{{title}}",
            "{\"a\": \"{{title}\"}",
            "{\"a\": \"{{titel}}\"}",
            "{\"a\": {{title}}}",
            "",
            "{",
        ] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }
}
