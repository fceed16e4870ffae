//! `[alert]` as a person writes it.

use super::{config, load_text, mistakes};
use crate::{
    config::{Protection, Way},
    rule::{Severity, builtin},
};

/// A receiver of a kind, with more lines.
fn receiver(kind: &str, lines: &str) -> String {
    format!("[[alert.receiver]]\nname = \"x\"\nkind = \"{kind}\"\n{lines}\n")
}

#[test]
fn each_kind_has_its_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").expect("a file");
    let token_file = format!("token_file = {token:?}");
    for (kind, lines, word) in [
        ("webhook", "url = \"https://a/b?c=s3cret\"\nheaders = [\"X-A: s3cret\"]\ntemplate = '{\"a\": \"{{title}}\"}'".to_owned(), "webhook"),
        ("ntfy", format!("url = \"https://ntfy.sh/boxes\"\n{token_file}"), "ntfy"),
        ("smtp", format!("url = \"smtp://mail\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\nusername = \"u\"\npassword_file = {token:?}\ninsecure = true"), "smtp"),
        ("telegram", format!("chat = \"-100123\"\nthread = 4\n{token_file}"), "telegram"),
        ("slack", "url = \"https://hooks.slack.com/services/s3cret\"".to_owned(), "slack"),
        ("discord", "url = \"https://discord.com/api/webhooks/1/s3cret\"".to_owned(), "discord"),
        ("matrix", format!("url = \"https://matrix.example\"\nroom = \"!a:matrix.example\"\n{token_file}"), "matrix"),
        ("pagerduty", format!("key_file = {token:?}"), "pagerduty"),
        ("mqtt", "url = \"mqtts://broker\"\ntopic = \"home/larder\"\ndiscovery = \"\"".to_owned(), "mqtt"),
        ("syslog", "url = \"unix:///dev/log\"".to_owned(), "syslog"),
    ] {
        let loaded = load_text(&receiver(kind, &lines), &[]).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let read = &loaded.config.alert.receivers[0];
        assert_eq!((read.way.kind().as_str(), read.least), (word, Severity::Info));
        let shown = format!("{:?} {}", loaded.config, loaded.effective());
        assert!(!shown.contains("s3cret"), "{kind}: {shown}");
        if let Way::Smtp(smtp) = &read.way {
            assert_eq!(smtp.protection, Protection::Waived);
            assert_eq!(smtp.credentials.as_ref().map(|(_, password)| password.expose()), Some("s3cret"));
        }
    }
}

#[test]
fn each_mistake_of_a_receiver_has_its_words() {
    let mail = "url = \"smtp://mail\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\n";
    for (kind, lines, says) in [
        (
            "pager",
            "url = \"https://a\"\ntoken = \"x\"",
            "\"webhook\", \"ntfy\"",
        ),
        ("slack", "", "`https://…`"),
        ("slack", "url = \"smtp://x\"", "`https://…`"),
        (
            "slack",
            "url = \"https://x\"\nfrom = \"a@b\"",
            "`alert.receiver[0].from` is not a setting",
        ),
        (
            "webhook",
            "url = \"https://me:pw@x\"",
            "credentials do not belong in it",
        ),
        (
            "webhook",
            "url = \"https://x\"\nheaders = [\"X\"]",
            "X-Token: abc",
        ),
        (
            "webhook",
            "url = \"https://x\"\ntemplate = \"{{title}}\"",
            "is not JSON",
        ),
        (
            "webhook",
            "url = \"https://x\"\ntemplate = \"{{titel}}\"",
            "stands for nothing",
        ),
        (
            "webhook",
            "url = \"https://x\"\nca_file = \"/nonexistent\"",
            "cannot be read",
        ),
        (
            "webhook",
            "url = \"https://x\"\nseverity = \"bad\"",
            "\"info\", \"warning\", \"critical\"",
        ),
        (
            "webhook",
            "url = \"https://x\"\nquiet_hours = \"night\"",
            "22:00-07:00",
        ),
        ("ntfy", "url = \"https://ntfy.sh/\"", "does not end with a topic"),
        ("smtp", &mail.replace("\"c@d.example\"", ""), "the list is empty"),
        (
            "smtp",
            &mail.replace("a@b.example", "nobody"),
            "Larder <larder@example.org>",
        ),
        (
            "smtp",
            &format!("{mail}username = \"u\""),
            "there is no password with it",
        ),
        (
            "smtp",
            &format!("{mail}password = \"u\""),
            "there is no name with it",
        ),
        ("telegram", "chat = \"1\"", "set `token_file`"),
        (
            "matrix",
            "url = \"https://m\"\ntoken = \"t\"\nroom = \"#a:b\"",
            "is not an id",
        ),
        (
            "mqtt",
            "url = \"mqtt://b\"\ntopic = \"a/#\"",
            "nothing can be sent there",
        ),
        ("syslog", "url = \"unix://log\"", "begins with a slash"),
    ] {
        let error = mistakes(&receiver(kind, lines), &[]);
        assert!(
            error.contains(says),
            "no {says:?} for {kind}: {lines:?} in:\n{error}"
        );
        assert!(error.contains("a mistake\n"), "one and no more: {error}");
        assert!(
            error.contains("where:") && error.contains("do:") && !error.contains(":pw"),
            "{error}"
        );
    }
    let two = receiver("slack", "url = \"https://x\"").repeat(2);
    assert!(mistakes(&two, &[]).contains("two are called \"x\""));
}

#[test]
fn a_receiver_may_have_hours_of_its_own() {
    let text = [
        "[alert]\nquiet_hours = \"22:00-07:00\"\n".to_owned(),
        receiver("slack", "url = \"https://x\""),
        receiver("slack", "url = \"https://x\"\nquiet_hours = \"\"").replace("\"x\"\n", "\"y\"\n"),
        receiver("slack", "url = \"https://x\"\nquiet_hours = \"01:00-02:00\"").replace("\"x\"\n", "\"z\"\n"),
    ]
    .concat();
    let hours: Vec<_> = config(&text, &[])
        .alert
        .receivers
        .iter()
        .map(|receiver| receiver.quiet_hours.map(|hours| hours.to_string()))
        .collect();
    assert_eq!(
        hours,
        [
            Some("22:00-07:00".to_owned()),
            None,
            Some("01:00-02:00".to_owned())
        ]
    );
}

#[test]
fn a_rule_changes_the_built_in_one_in_what_it_says() {
    let before = builtin().expect("read");
    assert_eq!(config("", &[]).alert.rules, before);
    let rules = config(
        "[[alert.rule]]\nname = \"room-low\"\nseverity = \"critical\"\nfor = \"1h\"\n\
         [[alert.rule]]\nname = \"oom-kill\"\nenabled = false\n",
        &[],
    )
    .alert
    .rules;
    assert_eq!(rules.len(), before.len() - 1);
    assert!(rules.iter().all(|rule| rule.name.0 != "oom-kill"));
    let find = |rules: &[crate::rule::Rule]| rules.iter().find(|rule| rule.name.0 == "room-low").cloned();
    let (new, old) = (find(&rules).expect("there"), find(&before).expect("there"));
    assert_eq!((new.severity, new.pending.as_secs()), (Severity::Critical, 3600));
    assert_eq!(
        (new.when, new.clear, new.keep, new.what),
        (old.when, old.clear, old.keep, old.what)
    );
}

#[test]
fn a_rule_of_the_owners_own_needs_four_words() {
    let own = "[[alert.rule]]\nname = \"hot\"\nwhen = \"temperature > 70\"\ncause = \"temperature\"\n\
               severity = \"info\"\nwhat = \"it is warm\"\n";
    let rule = config(own, &[]).alert.rules.pop().expect("the last");
    assert_eq!(
        (rule.name.0.as_str(), rule.pending.as_secs(), rule.keep.as_secs()),
        ("hot", 60, 300)
    );
    let from_env = config(
        "",
        &[("LARDER_ALERT__RULE", "[{name = \"oom-kill\", enabled = false}]")],
    );
    assert!(from_env.alert.rules.len() < builtin().expect("read").len());
    for (text, says) in [
        (own.replace("temperature >", "temprature >"), "temprature"),
        (
            own.replace("\"temperature\"", "\"heat\""),
            "\"power\", \"temperature\"",
        ),
        (
            own.replace("severity = \"info\"\n", ""),
            "needs `when`, `cause`, `severity` and `what`",
        ),
        (own.replace("\"hot\"", "\"Too hot\""), "small letters"),
        (
            format!("{own}clear = \"cpu.busy < 10 %\"\n"),
            "the same metric (`temperature`)",
        ),
        (
            format!("{own}clear = \"temperature > 60\"\n"),
            "not the other side of `when`",
        ),
        (own.repeat(2), "two are called \"hot\""),
        (
            "[[alert.rule]]\nname = \"romm-low\"\nfor = \"1h\"".to_owned(),
            "did you mean \"room-low\"?",
        ),
        (
            "[[alert.rule]]\nname = \"romm-low\"\nenabled = false".to_owned(),
            "there is no such rule",
        ),
        (
            "[alert]\ntime_zone = \"Mars/Olympus\"".to_owned(),
            "no time zone `Mars/Olympus`",
        ),
        ("[alert]\nheartbeat_url = \"ping\"".to_owned(), "`https://…`"),
        (
            "[alert]\nheartbeat_url = \"https://p\"\nheartbeat_every = \"0s\"".to_owned(),
            "it is zero",
        ),
        (
            "[monitor]\ninterval = \"off\"\n[alert]\nheartbeat_url = \"https://p\"".to_owned(),
            "nobody would be called",
        ),
    ] {
        let error = mistakes(&text, &[]);
        assert!(error.contains(says), "no {says:?} for {text:?} in:\n{error}");
    }
}
