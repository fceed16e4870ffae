//! What each service over HTTP is sent.

use super::{
    server::{Seen, Server, answer, ok},
    *,
};
use crate::alert::receiver::Gathers;

/// What arrives at a server of this kind; `URL` in the lines stands for it.
async fn sent(kind: &str, lines: &str, message: &Message) -> Seen {
    let server = Server::start(vec![ok()]).await;
    let receiver = receiver(kind, &lines.replace("URL", &server.url()), PATIENT);
    send(&*receiver, message).await.expect("delivered");
    server.last()
}

/// What an owner reads when the service says no, with a secret in its answer.
async fn refused(kind: &str, lines: &str) -> String {
    let server = Server::start(vec![answer("403 Forbidden", "", "no rights for s3cret")]).await;
    let receiver = receiver(kind, &lines.replace("URL", &server.url()), PATIENT);
    let error = send(&*receiver, &fired()).await.expect_err("refused");
    assert_eq!(error.fault, Fault::Misconfigured);
    error.to_string()
}

#[tokio::test]
async fn ntfy_is_told_with_the_right_priority() {
    let lines = "url = \"URL/sub/boxes\"\ntoken = \"s3cret\"";
    for (occasion, severity, priority, tag) in [
        (Told::Fired, Severity::Critical, 5, "rotating_light"),
        (Told::Fired, Severity::Warning, 4, "warning"),
        (Told::Resolved, Severity::Critical, 2, "white_check_mark"),
        (Told::Test, Severity::Info, 3, "wave"),
    ] {
        let message = message(occasion, severity);
        let seen = sent("ntfy", lines, &message).await;
        assert_eq!(seen.line(), "POST /sub/ HTTP/1.1");
        assert_eq!(seen.header("authorization"), Some("Bearer s3cret"));
        let body = seen.json();
        assert_eq!(
            (&body["topic"], &body["title"]),
            (&"boxes".into(), &message.title.clone().into())
        );
        assert_eq!(
            (&body["priority"], &body["tags"][0]),
            (&priority.into(), &tag.into())
        );
        assert_eq!(body["message"], message.text);
    }
    let long = Message {
        text: "ä".repeat(4000),
        ..fired()
    };
    let body = sent("ntfy", lines, &long).await.json();
    assert_eq!(body["message"].as_str().map(str::len), Some(3800));
    assert!(!refused("ntfy", lines).await.contains("s3cret"));
}

#[tokio::test]
async fn telegram_is_told_by_a_bot() {
    let lines = "url = \"URL\"\ntoken = \"12:s3cret\"\nchat = \"-100123\"\nthread = 4";
    let fired = fired();
    let seen = sent("telegram", lines, &fired).await;
    assert_eq!(seen.line(), "POST /bot12:s3cret/sendMessage HTTP/1.1");
    let body = seen.json();
    assert_eq!(
        (&body["chat_id"], &body["message_thread_id"]),
        (&(-100_123).into(), &4.into())
    );
    assert_eq!(body["text"], format!("{}\n\n{}", fired.title, fired.text));
    assert_eq!(body["disable_notification"], false);
    assert!(body.get("parse_mode").is_none(), "no letter means anything");
    let over = message(Told::Resolved, Severity::Critical);
    let named = lines.replace("-100123", "@boxes").replace("\nthread = 4", "");
    let body = sent("telegram", &named, &over).await.json();
    assert_eq!(
        (&body["chat_id"], &body["disable_notification"]),
        (&"@boxes".into(), &true.into())
    );
    assert!(body.get("message_thread_id").is_none());
    let lines = lines.replace("12:s3cret", "s3cret");
    assert!(!refused("telegram", &lines).await.contains("s3cret"));
}

#[tokio::test]
async fn slack_and_discord_are_told_in_their_colours() {
    let fired = fired();
    let slack = sent("slack", "url = \"URL/services/s3cret\"", &fired).await;
    assert_eq!(slack.line(), "POST /services/s3cret HTTP/1.1");
    let body = slack.json();
    assert_eq!(
        body["text"],
        "[critical] attic: the disk &lt;sda&gt; is \"full\" – very"
    );
    assert_eq!(body["attachments"][0]["color"], "#d32f2f");
    assert_eq!(
        body["attachments"][0]["text"],
        "what: the disk is full\nyou can: &amp; so on\n"
    );

    let long = Message {
        title: "x".repeat(300),
        ..message(Told::Resolved, Severity::Critical)
    };
    let body = sent("discord", "url = \"URL/api/webhooks/1/s3cret\"", &long)
        .await
        .json();
    let embed = &body["embeds"][0];
    assert_eq!(
        embed["title"].as_str().map(|title| title.chars().count()),
        Some(256)
    );
    assert_eq!(
        (&embed["color"], &embed["description"]),
        (&0x38_8e3c.into(), &long.text.into())
    );
    assert_eq!(body["allowed_mentions"]["parse"], serde_json::json!([]));
    assert!(
        !refused("discord", "url = \"URL/s3cret\"")
            .await
            .contains("/s3cret")
    );
}

#[tokio::test]
async fn matrix_is_told_once_by_the_name_of_the_message() {
    let lines = "url = \"URL/\"\ntoken = \"s3cret\"\nroom = \"!a/b:example.org\"";
    let fired = fired();
    let seen = sent("matrix", lines, &fired).await;
    assert_eq!(
        seen.line(),
        "PUT /_matrix/client/v3/rooms/%21a%2Fb%3Aexample%2Eorg/send/m.room.message/larder%2Dattic%2D12 HTTP/1.1"
    );
    assert_eq!(seen.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(seen.json()["msgtype"], "m.text");
    assert_eq!(seen.json()["body"], format!("{}\n\n{}", fired.title, fired.text));
    let over = message(Told::Resolved, Severity::Critical);
    assert_eq!(sent("matrix", lines, &over).await.json()["msgtype"], "m.notice");
    assert!(!refused("matrix", lines).await.contains("s3cret"));
}

#[tokio::test]
async fn pagerduty_opens_and_closes_the_same_incident() {
    let lines = "url = \"URL\"\nkey = \"s3cret\"";
    let seen = sent("pagerduty", lines, &fired()).await;
    assert_eq!(seen.line(), "POST /v2/enqueue HTTP/1.1");
    let opened = seen.json();
    assert_eq!(
        (&opened["routing_key"], &opened["event_action"]),
        (&"s3cret".into(), &"trigger".into())
    );
    assert_eq!(opened["dedup_key"], "larder-attic-incident-7");
    assert_eq!(
        (&opened["payload"]["severity"], &opened["payload"]["source"]),
        (&"critical".into(), &"attic".into())
    );
    assert_eq!(opened["payload"]["timestamp"], "2027-01-15T08:00:00Z");
    let over = Message {
        key: "larder-attic-99".to_owned(),
        ..message(Told::Resolved, Severity::Critical)
    };
    let closed = sent("pagerduty", lines, &over).await.json();
    assert_eq!(
        (&closed["event_action"], &closed["dedup_key"]),
        (&"resolve".into(), &opened["dedup_key"])
    );
    let receiver = receiver("pagerduty", "key = \"s3cret\"", SHORT);
    assert_eq!(receiver.gathers(), Gathers::Incidents);
    assert!(!refused("pagerduty", lines).await.contains("s3cret"));
}
