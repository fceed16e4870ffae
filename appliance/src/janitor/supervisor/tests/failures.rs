//! Workers that cannot be started, cannot be killed, or speak nonsense.

use std::{future::Future, pin::Pin};

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::janitor::{
    error::Failure,
    start::{Ending, Process},
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

/// A worker that says what it is told to say, whatever it hears, and ends when it is killed.
fn scripted(words: &[u8]) -> Started {
    let (answers, mut theirs) = tokio::io::duplex(1 << 16);
    let words = words.to_vec();
    let (held, dead) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let _ = theirs.write_all(&words).await;
        let _ = dead.await;
    });
    Started {
        orders: Box::new(tokio::io::sink()),
        answers: Box::new(answers),
        complaints: None,
        process: Box::new(Script(Some(held))),
    }
}

struct Script(Option<oneshot::Sender<()>>);

impl Process for Script {
    fn id(&self) -> Option<u32> {
        None
    }

    fn kill(&mut self) {
        self.0 = None;
    }

    fn wait(&mut self) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
        match self.0 {
            Some(_) => Box::pin(std::future::pending()),
            None => Box::pin(async { Ending::Signal(9) }),
        }
    }
}

#[tokio::test]
async fn nonsense_is_named() {
    use crate::janitor::protocol::{End, FromWorker, VERSION, frame};
    let hello = |version| {
        frame(&FromWorker::Hello {
            version,
            limits: Vec::new(),
        })
        .expect("written")
    };
    let ended = frame(&FromWorker::Ended {
        job: 99,
        end: End::Finished,
    });
    let odd_end = [hello(VERSION), ended.expect("written")].concat();
    let garbage = [hello(VERSION), b"\0\0\0\x03[1]".to_vec()].concat();
    for (words, wanted) in [
        (b"Segmentation fault".to_vec(), "bytes was announced"),
        (hello(VERSION + 1), "greeting in version"),
        (garbage, "`[1]`"),
        (odd_end, "job 99"),
    ] {
        let bed = Bed::new(1);
        let supervisor = bed.supervisor(Plan::new(move |_| Ok(scripted(&words))), bed.settings());
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
