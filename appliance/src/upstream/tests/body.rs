use std::future::poll_fn;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

async fn stalls(watch: &mut Watch) -> bool {
    poll_fn(|cx| Poll::Ready(watch.poll_stall(cx).is_ready())).await
}

#[tokio::test(start_paused = true)]
async fn waiting_counts_and_what_moves_begins_anew() {
    let mut watch = Watch::new(PATIENCE);
    for _ in 0..3 {
        assert!(!stalls(&mut watch).await);
        tokio::time::advance(PATIENCE - Duration::from_secs(1)).await;
        assert!(!stalls(&mut watch).await);
        watch.moved(PROGRESS);
    }
    assert!(!stalls(&mut watch).await);
    tokio::time::advance(PATIENCE).await;
    assert!(stalls(&mut watch).await);
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_not_moving() {
    let mut watch = Watch::new(PATIENCE);
    let mut seconds = 0;
    while !stalls(&mut watch).await {
        tokio::time::advance(Duration::from_secs(1)).await;
        watch.moved(1);
        watch.resume();
        seconds += 1;
    }
    assert_eq!(seconds, PATIENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn the_takers_pauses_do_not_count() {
    let mut watch = Watch::new(PATIENCE);
    for chunk in [1, PROGRESS] {
        assert!(!stalls(&mut watch).await);
        watch.moved(chunk);
        tokio::time::advance(PATIENCE * 5).await;
        watch.resume();
        assert!(!stalls(&mut watch).await, "after {chunk} bytes");
        tokio::time::advance(PATIENCE - Duration::from_secs(1)).await;
        assert!(!stalls(&mut watch).await, "after {chunk} bytes");
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(stalls(&mut watch).await);
}
