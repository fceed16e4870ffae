//! A fill says that it gets on.

use tokio::sync::Semaphore;

use super::{Bed, content, source::CHUNK};
use crate::heartbeat::Load;

#[tokio::test]
async fn each_chunk_is_progress_and_silence_is_none() {
    let bed = Bed::new().await;
    let digest = bed.source.hold(content(8 * CHUNK, 1));
    let beat = bed.mirror.beat();
    assert_eq!(beat.pulse().load, Load::Idle);
    let closed = bed.source.gate.forget_permits(Semaphore::MAX_PERMITS);
    let before = beat.pulse().steps;
    let looking = async {
        for chunks in 1..=3 {
            bed.source.gate.add_permits(1);
            while beat.pulse().steps < before + chunks {
                tokio::task::yield_now().await;
            }
        }
        // What was read is written as well, and then nothing comes any more.
        let mut standing = beat.pulse();
        let mut still = 0;
        while still < 50 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            let now = beat.pulse();
            still = if now == standing { still + 1 } else { 0 };
            standing = now;
        }
        assert_eq!(standing.load, Load::Busy);
        bed.source.gate.add_permits(closed - 3);
    };
    let (pulled, ()) = tokio::join!(bed.pull(&digest), looking);
    pulled.expect("pulled");
    bed.settled().await;
    assert_eq!(beat.pulse().load, Load::Idle);
    assert!(beat.pulse().steps >= before + 8);
}
