use super::*;
use crate::api::{Delivery, ReceiverState, Silence};

#[test]
fn alerts_in_words() {
    let mut alerts = Alerts::default();
    assert_eq!(
        list(&alerts),
        "all is well\nnobody is told: add an `[[alert.receiver]]` to the configuration\n"
    );
    alerts.watching = Some(Watching::Off);
    assert!(list(&alerts).starts_with("nothing is known: "));
    alerts.incidents = vec![Incident::default()];
    assert!(list(&alerts).contains("\nas it was when the box last looked"));
    alerts.watching = Some(Watching::On { interval_seconds: 10 });
    alerts.incidents = vec![
        Incident {
            id: 7,
            rule: "no-wan".into(),
            severity: "critical".into(),
            phase: "firing".into(),
            what: "no registry can be reached".into(),
            seconds: 61,
            acknowledged_by: Some("jo".into()),
            ..Incident::default()
        },
        Incident {
            id: 8,
            rule: "upstream-down".into(),
            of: "quay.io".into(),
            severity: "warning".into(),
            phase: "firing".into(),
            what: "a registry does not answer".into(),
            seconds: 7200,
            explained_by: Some("no-wan".into()),
            ..Incident::default()
        },
    ];
    alerts.silences = vec![Silence {
        id: 2,
        rule: "room-*".into(),
        of: "*".into(),
        seconds_left: 3600,
        comment: "moving".into(),
    }];
    alerts.receivers = vec![
        ReceiverState {
            name: "ops".into(),
            ..ReceiverState::default()
        },
        ReceiverState {
            name: "pager".into(),
            waiting: 3,
            error: Some("post to pager.example: refused".into()),
            failing_seconds: Some(300),
            ..ReceiverState::default()
        },
    ];
    assert_eq!(
        list(&alerts),
        "7 critical no-wan: no registry can be reached, firing for 1m; jo takes care\n\
         8 warning upstream-down: quay.io: a registry does not answer, firing for 2h; explained by no-wan\n\
         silence 2: nothing of room-* of * for 1h (moving)\n\
         receiver ops: has been told of all\n\
         receiver pager: not reached for 5m, 3 wait: post to pager.example: refused\n"
    );
}

#[test]
fn what_came_of_a_test_in_words() {
    let tested = Tested {
        deliveries: vec![
            Delivery {
                receiver: "ops".into(),
                error: None,
            },
            Delivery {
                receiver: "pager".into(),
                error: Some("connect to pager.example: refused".into()),
            },
        ],
    };
    assert_eq!(
        deliveries(&tested),
        "ops: it has taken the message\npager: connect to pager.example: refused\n"
    );
}
