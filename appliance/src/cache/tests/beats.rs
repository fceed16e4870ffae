//! The index's writer says that it gets on.

use super::*;
use crate::heartbeat::Load;

#[tokio::test]
async fn the_writer_has_work_until_it_is_on_the_disk() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, beat) = (repository("a"), cache.beat());
    let before = beat.pulse();
    assert_eq!(before.load, Load::Idle);
    cache
        .put_small(&name, small(&content(1, 500)))
        .await
        .expect("stored");
    assert_eq!(beat.pulse().load, Load::Idle);
    assert!(beat.pulse().steps > before.steps);
    let held = bed.faulty.hold(Call::Sync, "index.redb");
    let storing: Vec<_> = (2..3)
        .map(|seed| {
            let (cache, name) = (cache.clone(), name.clone());
            tokio::spawn(async move { cache.put_small(&name, small(&content(seed, 500))).await })
        })
        .collect();
    let held = held.reached().await;
    let stuck = beat.pulse();
    assert_eq!(stuck.load, Load::Busy);
    // Who asks now waits as well, and that is no progress.
    cache.used(&digest(&content(1, 500)));
    let another = cache.put_small(&name, small(&content(9, 500)));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), another)
            .await
            .is_err()
    );
    assert_eq!(beat.pulse(), stuck);
    drop(held);
    for storing in storing {
        storing.await.expect("no panic").expect("stored");
    }
    cache.close().await;
    assert_eq!(beat.pulse().load, Load::Idle);
    assert!(beat.pulse().steps > stuck.steps);
}
