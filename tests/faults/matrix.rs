//! Faults that last: cold, warm, and gone again.

use std::time::Duration;

use tests::upstream::{Fault, Kind};

use crate::{
    campaign,
    plays::{all, ask_for_all, check_upstream, stage},
};

/// What can be had from an upstream with this fault, if that can be told.
fn can_be_served(kind: Kind, fault: &Fault) -> Option<bool> {
    match fault {
        // Healthy answers in all that matters.
        Fault::NoDigest | Fault::Chunked | Fault::IgnoreRange | Fault::WrongContentRange => Some(true),
        Fault::StaleToken => Some(true),
        // A HEAD is a convenience: what it would have told, a GET tells.
        _ if kind == Kind::HeadManifest => None,
        // Some of these are lies about a thing that this kind of answer does not have.
        Fault::WrongDigest | Fault::ContentEncoding | Fault::FlipByte(_) | Fault::Trickle(_) => None,
        Fault::Challenge | Fault::ExpiredRedirect if kind == Kind::Token => None,
        _ => Some(false),
    }
}

/// A registry that names a time far away is left alone for longer than a test can wait.
fn asks_to_stay_away(fault: &Fault) -> bool {
    matches!(fault, Fault::RetryAfter(_, when) if when.contains("GMT"))
}

async fn cold(kind: Kind) {
    campaign::run(all().into_iter().map(|fault| cold_play(kind, fault))).await;
}

async fn cold_play(kind: Kind, fault: Fault) {
    let what = format!("cold, {kind:?}, {fault:?}");
    let (stage, image) = stage().await;
    let rule = stage.upstream.script().always(kind, fault.clone());
    let whole = ask_for_all(&stage, &image, &what).await;
    // Whether a HEAD is sent at all is the mirror's business.
    let story = stage.upstream.log().story();
    assert!(
        rule.played() > 0 || kind == Kind::HeadManifest,
        "{what}: was never played:\n{story}"
    );
    if let Some(wanted) = can_be_served(kind, &fault) {
        assert_eq!(whole, wanted, "{what}: all of it was had: {whole}\n{story}");
    }
    check_upstream(&stage, &image, &what);
    // Gone again: so is its effect, as soon as the upstream's rest is over.
    stage.upstream.script().clear();
    stage.upstream.recover().await;
    if asks_to_stay_away(&fault) {
        return;
    }
    let again = stage.pull_at_last(image.digest());
    let limit = Duration::from_secs(85);
    assert!(
        tokio::time::timeout(limit, again).await.is_ok(),
        "{what}: no pull succeeds {limit:?} after the fault"
    );
    stage.settled().await;
}

async fn warm(kind: Kind) {
    campaign::run(all().into_iter().map(|fault| warm_play(kind, fault))).await;
}

async fn warm_play(kind: Kind, fault: Fault) {
    let what = format!("warm, {kind:?}, {fault:?}");
    let (stage, image) = stage().await;
    stage.cache(&image).await;
    stage.upstream.revoke_tokens();
    stage.upstream.script().always(kind, fault.clone());
    // An upstream that says in so many words that there is no such tag is believed.
    let believed = matches!(fault, Fault::Status(404)) && kind != Kind::Token;
    let whole = ask_for_all(&stage, &image, &what).await;
    let story = stage.upstream.log().story();
    assert!(
        whole || believed,
        "{what}: all is here and not all was served:\n{story}"
    );
    check_upstream(&stage, &image, &what);
}

macro_rules! plays {
    ($($kind:ident: $cold:ident $warm:ident;)*) => {$(
        #[tokio::test]
        async fn $cold() {
            cold(Kind::$kind).await;
        }

        #[tokio::test]
        async fn $warm() {
            warm(Kind::$kind).await;
        }
    )*};
}

plays! {
    HeadManifest: head_manifest_cold head_manifest_warm;
    GetManifest: get_manifest_cold get_manifest_warm;
    GetBlob: get_blob_cold get_blob_warm;
    Token: token_cold token_warm;
}
