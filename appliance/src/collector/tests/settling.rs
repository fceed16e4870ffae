//! What a crash has left comes back on the list before anything else is taken off it.

use super::*;

/// Above the mark, and nobody has said yet what a crash has left.
async fn bed() -> Bed {
    let bed = Bed::raw(1 << 40, Some(LIMIT)).await;
    for number in 0..23 {
        bed.image(number).await;
    }
    assert!(bed.cache.pressure().expect("known").worst() > 0.93 && !bed.cache.is_settled());
    bed
}

#[tokio::test]
async fn it_waits_until_that_is_known() {
    let bed = bed().await;
    // A person does not wait, and a rehearsal shows that the task has come round.
    for _ in 0..3 {
        bed.cache.room_wanted().notify_one();
        bed.collector.rehearse().await.expect("rehearsed");
    }
    assert_eq!(bed.collector.history(), []);
    bed.cache.settle(bed.cache.era().expect("an index"));
    while bed.collector.history().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(bed.collector.history()[0].why, Why::HighMark);
}

#[tokio::test]
async fn it_does_not_wait_for_longer_than_a_restart_loop_gives_it() {
    let bed = bed().await;
    tokio::time::pause();
    let began = bed.clock.now();
    while bed.collector.history().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let waited = began.age(bed.collector.history()[0].at).expect("later");
    assert!(
        waited > Duration::from_secs(1) && waited < Duration::from_secs(11),
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_window_that_opens_meanwhile_is_used_once_when_it_can_be() {
    let bed = Bed::raw(1 << 40, Some(LIMIT)).await;
    for number in 0..16 {
        bed.image(number).await;
    }
    bed.window.store(true, SeqCst);
    for _ in 0..3 {
        bed.cache.room_wanted().notify_one();
        bed.collector.rehearse().await.expect("rehearsed");
    }
    assert_eq!(bed.collector.history(), []);
    bed.cache.settle(bed.cache.era().expect("an index"));
    while bed.collector.history().is_empty() {
        tokio::task::yield_now().await;
    }
    // Also when it did not help, as all of it is young.
    for number in 16..20 {
        bed.image(number).await;
        bed.cache.room_wanted().notify_one();
        bed.collector.rehearse().await.expect("rehearsed");
    }
    let whys: Vec<Why> = bed.collector.history().iter().map(|record| record.why).collect();
    assert_eq!(whys, [Why::Window]);
}
