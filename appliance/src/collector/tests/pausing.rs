//! What can wait waits, and who waits is not stuck.

use super::*;
use crate::{heartbeat::Load, pause::Cause};

/// A cache that is above its high mark.
async fn full() -> Bed {
    let bed = Bed::new().await;
    bed.pause.begin(Cause::SafeMode);
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    for number in 22..24 {
        let _ = bed.file(&noise(LAYER, number)).await;
    }
    bed
}

#[tokio::test]
async fn in_safe_mode_nothing_is_collected_but_for_who_asks() {
    let bed = full().await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bed.collector.history(), [], "it has reason to, and may not");
    assert_eq!(bed.beat.pulse().load, Load::Idle);
    let before = bed.beat.pulse().steps;
    let record = bed.collector.collect().await.expect("collected");
    assert_eq!(
        (record.why, &record.ending),
        (Why::Asked, &Ending::Done),
        "{record}"
    );
    let steps = bed.beat.pulse().steps - before;
    assert!(steps > 2, "not its end alone: {steps}");
    assert_eq!(bed.beat.pulse().load, Load::Idle);
}

#[tokio::test]
async fn when_safe_mode_is_over_it_begins_by_itself() {
    let bed = full().await;
    bed.pause.end(Cause::SafeMode);
    tokio::time::pause();
    while bed.collector.history().is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(bed.collector.history()[0].why.is_urgent());
}

#[tokio::test]
async fn want_of_memory_makes_a_collection_stand_still_between_two_pieces() {
    let bed = full().await;
    bed.pause.begin(Cause::Memory);
    tokio::time::pause();
    let collecting = tokio::spawn({
        let collector = bed.collector.clone();
        async move { collector.collect().await }
    });
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert!(!collecting.is_finished());
    assert_eq!((0..22).filter(|number| bed.listed(*number)).count(), 22);
    let pulse = bed.beat.pulse();
    assert_eq!(pulse.load, Load::Busy);
    assert!(pulse.steps > 50, "it waits, and does not hang: {pulse:?}");
    bed.pause.end(Cause::Memory);
    let record = collecting.await.expect("no panic").expect("collected");
    assert_eq!(record.ending, Ending::Done, "{record}");
    bed.accounted();
}
