//! Pools, permits and buffers together.

use std::time::Duration;

use bytes::Bytes;

use super::*;

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_dropped_buffer_returns_its_room() {
    let pool = Pool::new(64 << 10);
    let buffer = pool
        .acquire(10_000, LONG)
        .await
        .expect("room")
        .cover(Bytes::from(vec![1; 5_000]));
    assert_eq!(pool.usage().in_use, 8192, "shrunk to what it covers, in pages");
    drop(buffer);
    assert_eq!(pool.usage().in_use, 0);
    assert_eq!(pool.usage().acquired, pool.usage().released);
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_makes_wait_and_then_says_so() {
    let pool = Pool::new(8192);
    let held = pool.acquire(8192, LONG).await.expect("room");
    assert!(pool.try_acquire(1).is_none());
    let refused = pool.acquire(1, Duration::from_secs(5)).await;
    assert_eq!(refused.expect_err("full"), Exhausted { capacity: 8192 });
    assert_eq!(pool.usage().exhausted, 1);
    assert_eq!(pool.usage().waiting, 0);
    drop(held);
    assert!(pool.try_acquire(8192).is_some());
}

#[tokio::test]
async fn one_thing_larger_than_the_pool_gets_all_of_it() {
    let pool = Pool::new(8192);
    let all = pool.acquire(1 << 20, LONG).await.expect("room");
    assert_eq!(all.bytes(), 8192);
    drop(all);
    assert_eq!(pool.usage().in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn who_draws_from_a_part_cannot_use_up_the_whole() {
    let whole = Pool::new(64 << 10);
    let part = whole.part(32 << 10);
    let mut held = part.acquire(32 << 10, LONG).await.expect("room");
    assert!(part.try_acquire(1).is_none());
    assert!(part.acquire(1, Duration::from_secs(1)).await.is_err());
    assert_eq!(whole.usage().in_use, 32 << 10);
    let rest = whole.try_acquire(32 << 10).expect("the other half");
    held.shrink_to(8192);
    assert_eq!(whole.usage().in_use, (32 << 10) + 8192);
    drop((held, rest));
    assert_eq!((whole.usage().in_use, part.usage().in_use), (0, 0));
    assert!(part.try_acquire(32 << 10).is_some());
}

#[tokio::test(start_paused = true)]
async fn shared_bytes_hold_their_room_until_the_last_clone_is_gone() {
    let pool = Pool::new(16 << 10);
    let mut permit = pool.acquire(1, LONG).await.expect("room");
    permit.grow_to(9_000, LONG).await.expect("more room");
    assert_eq!(pool.usage().in_use, 12 << 10);
    assert!(permit.grow_to(1 << 20, LONG).await.is_ok(), "all there is");
    assert_eq!(pool.usage().in_use, 16 << 10);
    let bytes = permit.share(Bytes::from(vec![5; 5_000]));
    assert_eq!(pool.usage().in_use, 8192);
    let part = bytes.slice(10..20);
    drop(bytes);
    assert_eq!((pool.usage().in_use, &part[..]), (8192, &[5; 10][..]));
    drop(part);
    assert_eq!(pool.usage().in_use, 0);
    assert_eq!(pool.usage().acquired, pool.usage().released);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_cannot_grow_stays_as_it_is() {
    let whole = Pool::new(16 << 10);
    let part = whole.part(16 << 10);
    let mut permit = part.acquire(4096, LONG).await.expect("room");
    let other = part.acquire(8192, LONG).await.expect("room");
    assert!(permit.grow_to(12 << 10, Duration::from_secs(1)).await.is_err());
    assert_eq!((whole.usage().in_use, part.usage().in_use), (12 << 10, 12 << 10));
    drop(other);
    permit.grow_to(12 << 10, LONG).await.expect("room now");
    assert_eq!((whole.usage().in_use, part.usage().in_use), (12 << 10, 12 << 10));
    drop(permit);
    assert_eq!((whole.usage().in_use, part.usage().in_use), (0, 0));
}

#[tokio::test]
async fn a_cancelled_waiter_leaves_nothing_behind() {
    let pool = Pool::new(4096);
    let held = pool.acquire(1, LONG).await.expect("room");
    let mut waiter = Box::pin(pool.acquire(1, LONG));
    assert!(futures_util::poll!(waiter.as_mut()).is_pending());
    assert_eq!(pool.usage().waiting, 1);
    drop(waiter);
    drop(held);
    assert_eq!((pool.usage().waiting, pool.usage().in_use), (0, 0));
}
