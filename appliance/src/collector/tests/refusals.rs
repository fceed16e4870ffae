//! A disk that refuses what it says it has room for.

use super::*;
use crate::cache::{Kind, Resource};

impl Bed {
    /// A fill that is refused, and what the collector does about it.
    async fn refused(&self, number: u64) -> Record {
        let before = self.collector.history().len();
        let error = self.file(&noise(LAYER, number)).await.expect_err("refused");
        assert_eq!(error.kind(), Kind::Full(Resource::Bytes), "{error}");
        while self.collector.history().len() == before {
            tokio::task::yield_now().await;
        }
        self.collector.history().pop().expect("one more")
    }
}

#[tokio::test]
async fn it_is_given_room_below_the_marks() {
    let bed = Bed::new().await;
    for number in 0..9 {
        bed.image(number).await;
    }
    bed.pass().await;
    let quota = bed.disk.ours();
    bed.disk.quota.store(quota, SeqCst);
    for number in 50..60 {
        let record = bed.refused(number).await;
        assert_eq!(
            (record.why, &record.ending),
            (Why::NoRoom, &Ending::Done),
            "{record}"
        );
        let goal = LAYER as u64 + LIMIT / 64;
        assert!(record.before < 930, "{record}");
        assert_eq!(record.goal_bytes, goal, "{record}");
        assert!((goal..2 * goal).contains(&record.bytes), "{record}");
        // As long as it is used, it is made again.
        while bed.disk.ours() < quota {
            bed.file(&noise(LAYER, number ^ bed.disk.ours()))
                .await
                .expect("there is room");
        }
        bed.pass().await;
    }
    // What is listed is whole.
    let listed = (0..9).filter(|number| bed.listed(*number)).count();
    assert!(listed < 9, "something went");
    bed.accounted();
}

#[tokio::test]
async fn where_making_room_is_of_no_use_content_stays() {
    let bed = Bed::new().await;
    for number in 0..9 {
        bed.image(number).await;
    }
    bed.pass().await;
    bed.disk.quota.store(0, SeqCst);
    for number in 50..52 {
        let record = bed.refused(number).await;
        assert!(record.units > 0 && record.ending == Ending::Done, "{record}");
    }
    let listed = |bed: &Bed| (0..9).filter(|number| bed.listed(*number)).count();
    let left = listed(&bed);
    let record = bed.refused(52).await;
    let Ending::Short(why) = &record.ending else {
        panic!("{record}")
    };
    assert!(why.contains("quota") && record.pieces == 0, "{record}");
    assert_eq!(listed(&bed), left);
    assert!(left >= 4, "{left} are left");
    bed.accounted();
}
