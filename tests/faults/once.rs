//! Faults that happen once: a client that asks does not even notice those that a second try cures.

use tests::upstream::{At, Fault, Kind};

use crate::{
    campaign,
    plays::{ask_for_all, check_upstream, patient_stage},
};

/// What a registry that is well does once in a while.
fn hiccups() -> Vec<Fault> {
    vec![
        Fault::Status(500),
        Fault::Status(502),
        Fault::RetryAfter(503, "1".to_owned()),
        Fault::Status(504),
        Fault::ResetBeforeHeaders,
        Fault::ResetAfterHeaders,
        Fault::CutAt(At::Half),
        Fault::ResetAt(At::Half),
        Fault::Challenge,
    ]
}

async fn unnoticed(kind: Kind) {
    // A token endpoint that challenges is no hiccup: nobody is left to ask.
    let sensible = |fault: &Fault| kind != Kind::Token || !matches!(fault, Fault::Challenge);
    campaign::run(
        hiccups()
            .into_iter()
            .filter(sensible)
            .map(|fault| play(kind, fault)),
    )
    .await;
}

async fn play(kind: Kind, fault: Fault) {
    let what = format!("once, {kind:?}, {fault:?}");
    let (stage, image) = patient_stage().await;
    let rule = stage.upstream.script().once(kind, fault.clone());
    let whole = ask_for_all(&stage, &image, &what).await;
    assert!(
        whole,
        "{what}: one hiccup was handed on:\n{}",
        stage.upstream.log().story()
    );
    assert!(rule.played() <= 1, "{what}");
    check_upstream(&stage, &image, &what);
}

#[tokio::test]
async fn of_a_head_manifest() {
    unnoticed(Kind::HeadManifest).await;
}

#[tokio::test]
async fn of_a_get_manifest() {
    unnoticed(Kind::GetManifest).await;
}

#[tokio::test]
async fn of_a_get_blob() {
    unnoticed(Kind::GetBlob).await;
}

#[tokio::test]
async fn of_a_token() {
    unnoticed(Kind::Token).await;
}
