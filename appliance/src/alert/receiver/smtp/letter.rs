//! What is written: one thread per incident.
//!
//! The mail that tells an incident's beginning has a name that follows from the incident, and all later ones refer to it;
//! a mail that is sent again has the same name. Promises: the same message gives the same mail.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Message as Mail,
    message::header::{ContentType, HeaderName, HeaderValue},
};

use crate::{
    alert::{Message, Told, receiver::text::plain},
    config::Smtp,
};

pub(super) fn write(way: &Smtp, host: &str, message: &Message) -> Result<Mail, lettre::error::Error> {
    let named = |name: &str| format!("<{}@{host}>", plain(name));
    let thread = message
        .incident
        .map(|id| named(&format!("larder-{host}-incident-{}", id.0)));
    let own = named(&message.key);
    let mut mail = Mail::builder()
        .from(way.from.clone())
        .subject(message.title.clone())
        .date(UNIX_EPOCH + Duration::from_secs(message.at.0))
        .header(ContentType::TEXT_PLAIN)
        .raw_header(automatic());
    for to in &way.to {
        mail = mail.to(to.clone());
    }
    mail = match thread {
        Some(thread) if message.occasion == Told::Fired => mail.message_id(Some(thread)),
        Some(thread) => mail
            .message_id(Some(own))
            .in_reply_to(thread.clone())
            .references(thread),
        None => mail.message_id(Some(own)),
    };
    mail.body(message.text.clone())
}

/// No out-of-office answers (RFC 3834).
fn automatic() -> HeaderValue {
    HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    )
}
