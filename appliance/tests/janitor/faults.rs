//! Workers that hang, die and grow: a job is done all the same.

use std::fs;

use larder::janitor::{Activity, Cursor, Ending, Failure, Folder, Job, JobError, Name, Pace, Reading, Walk};
use rustix::process::{Signal, kill_process};

use crate::bed::{Bed, SMALL, done, found, gone, scan, scrub, soon, worker};

#[tokio::test]
async fn every_job_is_done_whatever_happens_at_any_of_its_steps() {
    for kind in ["exit", "abort", "eat-memory", "hang"] {
        for task in ["scan", "scrub", "unlink"] {
            for step in 1..=3 {
                let bed = Bed::new(9);
                let fault = format!("{kind}@{task}:{step}");
                let supervisor = bed.supervisor(&[&fault]);
                let restarts = match task {
                    "unlink" => {
                        let (report, _) = done(
                            &supervisor,
                            Job::Unlink(Folder::Blobs, bed.blobs.clone()),
                            SMALL,
                            |_| {},
                        )
                        .await;
                        let report = report.expect(&fault);
                        let settled = report.progress.files + report.progress.missing;
                        assert_eq!((settled, bed.left()), (9, 0), "{fault}");
                        report.restarts
                    }
                    task => {
                        let job = if task == "scan" { scan() } else { scrub() };
                        let (report, steps) = done(&supervisor, job, SMALL, |_| {}).await;
                        assert_eq!(found(&steps), bed.blobs, "{fault}: each once, in order");
                        report.expect(&fault).restarts
                    }
                };
                let counts = supervisor.state().counts;
                let hangs = u64::from(kind == "hang");
                assert_eq!(restarts, 1, "{fault}");
                assert_eq!((counts.started, counts.killed), (2, hangs), "{fault}");
                assert_eq!((counts.died, counts.hung), (1 - hangs, 0), "{fault}");
                soon(supervisor.stop()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_stopped_worker_is_replaced_and_the_job_goes_on_from_its_cursor() {
    let bed = Bed::new(12);
    let supervisor = bed.supervisor(&[]);
    let mut stopped = None;
    let (report, steps) = done(&supervisor, scan(), SMALL, |_| {
        if stopped.is_none() {
            let process = worker(&supervisor.state());
            kill_process(process, Signal::STOP).expect("stopped");
            stopped = Some(process);
        }
    })
    .await;
    assert_eq!(report.expect("done").restarts, 1);
    assert_eq!(found(&steps), bed.blobs, "each once, in order");
    gone(stopped.expect("stopped")).await;
    let counts = supervisor.state().counts;
    assert_eq!((counts.started, counts.killed, counts.hung), (2, 1, 0));
}

#[tokio::test]
async fn workers_killed_at_random_lose_nothing() {
    let bed = Bed::new(200);
    let supervisor = bed.supervisor(&[]);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut kills, mut steps_since) = (0, 0);
    let one = Pace { files: 1, ..SMALL };
    let (report, steps) = done(&supervisor, scan(), one, |_| {
        let state = supervisor.state();
        steps_since += 1;
        // What was on its way from the one before is no progress of the next: three who make none are too many.
        if steps_since > 4 && random.u8(..) < 24 && state.worker.is_some() {
            // It may have gone already.
            kills += u32::from(kill_process(worker(&state), Signal::KILL).is_ok());
            steps_since = 0;
        }
    })
    .await;
    let report = report.expect("done");
    assert_eq!(found(&steps), bed.blobs, "each once, in order");
    assert!(
        kills > 3 && report.restarts > 0,
        "{kills} kills, {} restarts",
        report.restarts
    );
}

#[tokio::test]
async fn a_worker_that_grows_dies_alone_and_the_circuit_opens_and_closes() {
    let bed = Bed::new(6);
    let supervisor = bed.supervisor(&["eat-memory@scrub:1"; 4]);
    let error = done(&supervisor, scrub(), SMALL, |_| {})
        .await
        .0
        .expect_err("three died");
    let JobError::CircuitOpen { until, why, .. } = error else {
        panic!("{error}")
    };
    match why {
        Failure::Died {
            ending, last_words, ..
        } => {
            assert_eq!(ending, Ending::Signal(6));
            assert!(last_words.contains("memory allocation of"), "{last_words}");
        }
        other => panic!("{other}"),
    }
    assert!(matches!(
        supervisor.state().activity,
        Activity::CircuitOpen { .. }
    ));
    let refused = done(&supervisor, scan(), SMALL, |_| {})
        .await
        .0
        .expect_err("at once");
    assert_eq!(refused.retry_at(), Some(until));
    assert_eq!(supervisor.state().counts.started, 3);

    // One try is made, and fails; the next rest is longer.
    tokio::time::sleep_until(until).await;
    let error = done(&supervisor, scrub(), SMALL, |_| {})
        .await
        .0
        .expect_err("the fourth");
    let again = error.retry_at().expect("open");
    assert!(again > until);
    assert_eq!(supervisor.state().counts.started, 4);
    tokio::time::sleep_until(again).await;
    let (report, steps) = done(&supervisor, scrub(), SMALL, |_| {}).await;
    assert_eq!((report.is_ok(), found(&steps)), (true, bed.blobs.clone()));
    assert!(matches!(supervisor.state().activity, Activity::Idle));
}

#[tokio::test]
async fn the_file_at_which_workers_hang_is_named_and_can_be_stepped_over() {
    let bed = Bed::new(3);
    let fifo = bed.blob(&bed.blobs[1]);
    fs::remove_file(&fifo).expect("removed");
    // Opening a pipe to which nobody writes takes for ever, like reading a sector of a dying disk.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("made");
    let supervisor = bed.supervisor(&[]);
    let (report, steps) = done(&supervisor, scrub(), SMALL, |_| {}).await;
    assert_eq!(found(&steps), bed.blobs[..1]);
    let JobError::CircuitOpen {
        until, why, reached, ..
    } = report.expect_err("it hangs")
    else {
        panic!("open")
    };
    let Failure::Silent { at, .. } = why else {
        panic!("{why}")
    };
    let at = at.expect("a name");
    assert_eq!(at.digest(), Some(bed.blobs[1]));
    assert_eq!(reached.after(), Some(&Name::from(&bed.blobs[0])));
    tokio::time::sleep_until(until).await;
    let rest = Job::Walk(Walk::Scrub {
        from: Cursor::past(reached.folder(), at),
        source: Reading::Medium,
        rate: None,
    });
    let (report, steps) = done(&supervisor, rest, SMALL, |_| {}).await;
    assert_eq!((report.is_ok(), found(&steps)), (true, bed.blobs[2..].to_vec()));
}
