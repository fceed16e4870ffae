//! What messages say.

use std::time::Duration;

use super::*;
use crate::{
    alert::{Incident, Phase, Subject},
    rule::{Direction, RuleName, Terms, builtin},
};

fn voice() -> Voice {
    Voice {
        host: "attic".to_owned(),
        zone: TimeZone::UTC,
    }
}

fn letter(id: u64, rule: &str, of: &str, occasion: Occasion, at: u64) -> Letter {
    let rules = builtin().expect("read");
    let rule = rules.iter().find(|known| known.name.0 == rule).expect("there");
    let terms = Terms {
        cause: rule.cause,
        severity: rule.severity,
        pending: rule.pending,
        keep: rule.keep,
        worse: Direction::Up,
        settle: Duration::ZERO,
        lapse: Duration::from_secs(30),
    };
    let subject = Subject {
        rule: RuleName(rule.name.0.clone()),
        of: of.to_owned(),
    };
    let incident = Incident {
        phase: Phase::Firing {
            since: Timestamp(1_800_000_000),
        },
        worst: 0.99,
        ..Incident::new(IncidentId(id), subject, terms, 0.97, Timestamp(at))
    };
    let notice = Notice {
        occasion,
        at: Timestamp(at),
        incident,
        flapping: false,
    };
    Letter::new(notice, rule, None)
}

#[test]
fn a_message_says_what_since_when_how_bad_and_what_to_do() {
    let mut fired = letter(7, "memory-short", "", Occasion::Fired, 1_800_000_150);
    fired.culprit = Some("gitlab-runner (1.2 GB)".to_owned());
    let message = compose(&[fired], 12, &voice(), Timestamp(1_800_000_160)).expect("one");
    assert_eq!(
        message.title,
        "[critical] attic: memory is nearly used up, and programs wait for it"
    );
    assert_eq!(
        message.text,
        "what: memory is nearly used up, and programs wait for it\n\
         since: 2027-01-15 08:00 UTC\n\
         now: memory.used 97.0 %\n\
         worst: memory.used 99.0 %\n\
         by: gitlab-runner (1.2 GB)\n\
         the box: collecting, scrubbing and prefetching pause; pulls go on\n\
         you can: see which process grows; a box with less than 512 MiB may need a smaller `fetch.buffer_bytes`\n\
         incident: 7 (memory-short)\n"
    );
    assert_eq!(
        (message.key.as_str(), message.incident),
        ("larder-attic-12", Some(IncidentId(7)))
    );
}

#[test]
fn its_end_says_how_long_it_was() {
    let over = letter(7, "room-low", "", Occasion::Resolved, 1_800_007_500);
    let message = compose(&[over], 13, &voice(), Timestamp(1_800_007_500)).expect("one");
    assert!(
        message.title.starts_with("[over] attic: the disk fills"),
        "{}",
        message.title
    );
    assert!(message.title.ends_with("(2 h 5 min)"), "{}", message.title);
    assert!(message.text.contains("until: 2027-01-15 10:05 UTC\n"));
    assert!(!message.text.contains("you can"));
}

#[test]
fn a_beginning_and_an_end_that_nobody_heard_of_are_one_line() {
    let letters = [
        letter(1, "no-wan", "", Occasion::Fired, 1_800_000_200),
        letter(1, "no-wan", "", Occasion::Resolved, 1_800_007_200),
    ];
    let message = compose(&letters, 2, &voice(), Timestamp(1_800_007_200)).expect("one");
    assert_eq!(message.title, "[over] attic: no registry can be reached");
    assert_eq!(
        message.text,
        "over      critical: no registry can be reached; from 2027-01-15 08:00 UTC to 2027-01-15 10:00 UTC, 2 h 0 min\n"
    );
    assert_eq!(
        (message.occasion, message.incident),
        (Told::Resolved, Some(IncidentId(1)))
    );
}

#[test]
fn a_digest_counts_and_lists() {
    let letters = [
        letter(1, "no-wan", "", Occasion::Fired, 1_800_000_200),
        letter(2, "upstream-down", "quay.io", Occasion::Fired, 1_800_000_300),
        letter(1, "no-wan", "", Occasion::Resolved, 1_800_007_200),
        letter(3, "disk-worn", "mmcblk0", Occasion::Reminder, 1_800_008_000),
    ];
    let message = compose(&letters, 9, &voice(), Timestamp(1_800_009_000)).expect("one");
    assert_eq!(message.title, "[2 incidents, 1 over] attic");
    assert_eq!(message.text.lines().count(), 3);
    assert!(
        message
            .text
            .contains("\nnew       warning: quay.io: a registry does not answer; since")
    );
    assert!(
        message
            .text
            .contains("\nstill     warning: mmcblk0: the flash is nearly worn out;")
    );
    assert_eq!(
        (message.severity, message.occasion),
        (Severity::Warning, Told::Digest)
    );
    assert_eq!(message.incident, None);
}

#[test]
fn times_are_told_in_two_units() {
    let told: Vec<_> = [5, 65, 3600, 90_000].map(duration).into();
    assert_eq!(told, ["5 s", "1 min", "1 h 0 min", "1 d 1 h"]);
}

#[test]
fn what_is_gone_or_not_watched_any_more_is_not_said_to_be_mended() {
    let mut gone = letter(3, "disk-failing", "sdb", Occasion::Resolved, 1_800_090_000);
    gone.notice.incident.ending = Ending::Gone;
    let message = compose(std::slice::from_ref(&gone), 3, &voice(), gone.notice.at).expect("one");
    assert!(
        message.title.starts_with("[gone] attic: sdb:"),
        "{}",
        message.title
    );
    assert!(
        message
            .text
            .contains("note: nothing was measured of it for a day"),
        "{}",
        message.text
    );
    assert_eq!(message.occasion, Told::Resolved);
    let mut unwatched = Letter::of_no_rule(gone.notice.clone());
    unwatched.notice.incident.ending = Ending::Unwatched;
    let began = letter(3, "disk-failing", "sdb", Occasion::Fired, 1_800_000_000);
    let waited = compose(&[began, gone.clone()], 4, &voice(), Timestamp(1_800_090_000)).expect("one");
    assert!(waited.title.starts_with("[gone] attic: sdb:"), "{}", waited.title);
    assert!(
        waited.text.contains("taken for gone, and not for mended"),
        "{}",
        waited.text
    );
    let both = [gone, unwatched];
    let digest = compose(&both[1..], 4, &voice(), Timestamp(1_800_090_000)).expect("one");
    assert!(
        digest.title.starts_with("[unwatched] attic: sdb: disk-failing"),
        "{}",
        digest.title
    );
    assert!(
        digest.text.contains("does not name it any more"),
        "{}",
        digest.text
    );
}
