//! Workers that cannot be started, cannot be killed, or speak nonsense.

use tokio::io::AsyncWriteExt as _;

use super::{
    acting::{acting, deaf, frame, hello, reciting, starved},
    *,
};
use crate::janitor::{
    error::Failure,
    protocol::{self, End, FromWorker, ToWorker, VERSION},
    supervisor::silence::MOST_SPARED,
};

#[tokio::test]
async fn files_are_removed_when_no_process_can_be_started() {
    let bed = Bed::new(9);
    let thread = bed.thread();
    let start = Plan::new(move |nth| match nth {
        0..4 => Err(Errno::NOMEM.into()),
        _ => thread.start(),
    });
    let supervisor = bed.supervisor(start, bed.settings());
    let gone = soon(supervisor.unlink(bed.blobs[..3].to_vec()))
        .await
        .expect("by a thread");
    assert_eq!((gone.files, bed.left()), (3, 6));
    let refused = done(&supervisor, scan())
        .await
        .0
        .expect_err("the circuit is open");
    let JobError::CircuitOpen { until, why, .. } = &refused else {
        panic!("{refused}")
    };
    assert!(matches!(why, Failure::Start(error) if Errno::from_io_error(error) == Some(Errno::NOMEM)));
    soon(supervisor.unlink(bed.blobs[3..4].to_vec()))
        .await
        .expect("by a thread");
    let counts = supervisor.state().counts;
    assert_eq!((counts.not_started, counts.files_removed), (3, 4));

    // One try, which fails; then one that does not.
    tokio::time::sleep_until(*until).await;
    let refused = done(&supervisor, scan()).await.0.expect_err("it is open again");
    assert_eq!(supervisor.state().counts.not_started, 4);
    let again = refused.retry_at().expect("it says when");
    assert!(again > *until);
    tokio::time::sleep_until(again).await;
    let (report, steps) = done(&supervisor, scan()).await;
    assert_eq!((report.is_ok(), names(&steps)), (true, bed.blobs[4..].to_vec()));
}

#[tokio::test]
async fn workers_that_cannot_be_killed_are_given_up_and_never_more_than_two() {
    let bed = Bed::new(4);
    let supervisor = bed.well();
    bed.faulty.block(Some(Call::Unlink));
    let error = soon(supervisor.unlink(bed.blobs.clone()))
        .await
        .expect_err("they hang");
    let JobError::CircuitOpen { until, why, .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(why, Failure::Abandoned { count: 2 }), "{why}");
    let state = supervisor.state();
    assert_eq!(
        (state.counts.started, state.counts.hung, state.abandoned),
        (2, 2, 2)
    );
    let at_once = soon(supervisor.unlink(bed.blobs.clone())).await;
    assert!(matches!(at_once, Err(JobError::CircuitOpen { .. })));

    // The disk comes back.
    bed.faulty.block(None);
    tokio::time::sleep_until(*until).await;
    let done = soon(async {
        loop {
            match supervisor.unlink(bed.blobs.clone()).await {
                Err(error) => tokio::time::sleep_until(error.retry_at().expect("open")).await,
                done => break done,
            }
        }
    });
    done.await.expect("well again");
    assert_eq!(bed.left(), 0);
    until_none_is_abandoned(&supervisor).await;
}

async fn until_none_is_abandoned(supervisor: &Supervisor) {
    soon(supervisor.unlink(Vec::new())).await.expect("well");
    until(supervisor, |state| state.abandoned == 0).await;
}

#[tokio::test]
async fn nonsense_is_named() {
    let ended = frame(&FromWorker::Ended {
        job: 99,
        end: End::Finished,
    });
    let odd_end = [hello(VERSION), ended].concat();
    let garbage = [hello(VERSION), b"\0\0\0\x03[1]".to_vec()].concat();
    for (words, wanted) in [
        (b"Segmentation fault".to_vec(), "bytes was announced"),
        (hello(VERSION + 1), "greeting in version"),
        (garbage, "`[1]`"),
        (odd_end, "job 99"),
    ] {
        let bed = Bed::new(1);
        let supervisor = bed.supervisor(Plan::new(move |_| Ok(reciting(words.clone()))), bed.settings());
        let error = done(&supervisor, scan()).await.0.expect_err("nonsense");
        let text = crate::source::chain(&error);
        assert!(text.contains(wanted), "{text}");
        assert_eq!(supervisor.state().counts.killed, 3);
    }
}

#[tokio::test]
async fn a_start_that_takes_for_ever_is_given_up() {
    let bed = Bed::new(3);
    let thread = bed.thread();
    // Ends when its other end is dropped.
    let (held, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let start = Plan::new(move |_| {
        let _ = gate.lock().recv();
        thread.start()
    });
    let settings = Settings {
        start_deadline: Duration::from_millis(100),
        ..bed.settings()
    };
    let supervisor = bed.supervisor(start, settings);
    let error = done(&supervisor, scan()).await.0.expect_err("nothing starts");
    assert!(matches!(error, JobError::CircuitOpen { .. }), "{error}");
    assert_eq!(supervisor.state().abandoned, 2);
    drop(held);
}

#[tokio::test]
async fn a_worker_that_dies_before_it_hears_its_orders_leaves_nobody_waiting() {
    let bed = Bed::new(4);
    let thread = bed.thread();
    let supervisor = bed.supervisor(
        Plan::new(move |nth| match nth {
            // Both jobs are with it when it dies, so that its successor is to get two orders at once.
            0 => Ok(acting(|mut orders, mut answers| async move {
                let _ = answers.write_all(&hello(VERSION)).await;
                let mut begun = 0;
                while let Ok(Some(order)) = protocol::receive::<ToWorker>(&mut orders).await {
                    begun += u32::from(matches!(order, ToWorker::Begin { .. }));
                    if begun == 2 {
                        return;
                    }
                }
            })),
            1 => Ok(deaf()),
            _ => thread.start(),
        }),
        bed.settings(),
    );
    let (steps, mut taken) = mpsc::channel(1);
    let walk = async {
        let all = async { while taken.recv().await.is_some() {} };
        tokio::join!(supervisor.run(scan(), SLOW, steps), all).0
    };
    let gone = supervisor.unlink(bed.blobs[..2].to_vec());
    let (walked, gone) = soon(async { tokio::join!(walk, gone) }).await;
    assert_eq!(gone.expect("removed").files, 2);
    // The second worker did not get as far as the walk.
    assert_eq!(walked.expect("walked").restarts, 1);
    let counts = supervisor.state().counts;
    assert_eq!((counts.started, counts.died, counts.killed), (3, 1, 1));
    assert_eq!((counts.jobs_done, bed.left()), (2, 2));
}

#[tokio::test]
async fn a_worker_that_starves_for_ever_is_replaced_at_last() {
    let bed = Bed::new(2);
    let settings = Settings {
        step_deadline: Duration::from_millis(50),
        ..bed.settings()
    };
    let thread = bed.thread();
    let start = Plan::new(move |nth| match nth {
        0 => Ok(starved(reciting(hello(VERSION)))),
        _ => thread.start(),
    });
    let supervisor = bed.supervisor(start, settings);
    let began = tokio::time::Instant::now();
    let (report, steps) = done(&supervisor, scan()).await;
    assert_eq!(
        (report.expect("done").restarts, names(&steps)),
        (1, bed.blobs.clone())
    );
    assert!(began.elapsed() >= Duration::from_millis(6 * 50 + 100));
    let counts = supervisor.state().counts;
    assert_eq!((counts.spared, counts.killed), (u64::from(MOST_SPARED), 1));
}

#[tokio::test]
async fn a_worker_that_starves_may_be_slow_to_stop() {
    let bed = Bed::new(2);
    let (spared, waits) = oneshot::channel::<()>();
    let waits = Mutex::new(Some(waits));
    let start = Plan::new(move |_| {
        let waits = waits.lock().take().expect("one start");
        Ok(starved(acting(|mut orders, mut answers| async move {
            let _ = answers.write_all(&hello(VERSION)).await;
            while let Ok(Some(order)) = protocol::receive::<ToWorker>(&mut orders).await {
                if let ToWorker::Cancel { job } = order {
                    let _ = waits.await;
                    let end = End::Cancelled;
                    let _ = answers.write_all(&frame(&FromWorker::Ended { job, end })).await;
                    return std::future::pending().await;
                }
            }
        })))
    });
    let supervisor = bed.supervisor(start, bed.settings());
    let (steps, taken) = mpsc::channel(1);
    drop(taken);
    let refused = async {
        supervisor
            .run(scan(), SLOW, steps)
            .await
            .expect_err("nobody reads")
    };
    let slow = async {
        until(&supervisor, |state| state.counts.spared > 0).await;
        let _ = spared.send(());
    };
    let (error, ()) = soon(async { tokio::join!(refused, slow) }).await;
    assert!(matches!(error, JobError::Unread { .. }), "{error}");
    let counts = supervisor.state().counts;
    assert_eq!((counts.started, counts.killed), (1, 0));
}
