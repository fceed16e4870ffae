//! Workers that go wrong where no step begins: before they greet, in a system call, at the end, when they are to stop.

use std::time::Duration;

use futures_util::future::join_all;
use larder::janitor::{Folder, Job, JobError, Settings};
use tokio::sync::mpsc;

use crate::bed::{Bed, SMALL, done, found, scan, scrub, soon, supervisor};

/// Where each job can be struck besides its steps.
const POINTS: [(&str, &[&str]); 3] = [
    (
        "scan",
        &["hello:1", "greeted:1", "end:1", "call-list:1", "call-stat:4"],
    ),
    (
        "scrub",
        &["greeted:1", "end:1", "call-list:1", "call-open:4", "call-read:4"],
    ),
    (
        "unlink",
        &["hello:1", "greeted:1", "end:1", "call-stat:4", "call-unlink:4"],
    ),
];

fn settings(bed: &Bed) -> Settings {
    Settings {
        start_deadline: Duration::from_secs(6),
        ..bed.settings()
    }
}

async fn struck(kind: &str, task: &str, point: &str) {
    let fault = format!("{kind}@{point}");
    let what = format!("{fault} in a {task}");
    let bed = Bed::new(9);
    let supervisor = supervisor(settings(&bed), &[&fault]);
    let report = match task {
        "unlink" => {
            let job = Job::Unlink(Folder::Blobs, bed.blobs.clone());
            let (report, _) = done(&supervisor, job, SMALL, |_| {}).await;
            assert_eq!(bed.left(), 0, "{what}");
            report
        }
        task => {
            let job = if task == "scan" { scan() } else { scrub() };
            let (report, steps) = done(&supervisor, job, SMALL, |_| {}).await;
            assert_eq!(found(&steps), bed.blobs, "{what}: each once, in order");
            report
        }
    };
    let counts = supervisor.state().counts;
    let hangs = u64::from(kind == "hang");
    // One that has not greeted was given nothing.
    let restarts = u32::from(point != "hello:1");
    assert_eq!(report.expect(&what).restarts, restarts, "{what}");
    assert_eq!(counts.not_started, u64::from(1 - restarts), "{what}");
    assert_eq!((counts.started, counts.killed), (2, hangs), "{what}");
    assert_eq!((counts.died, counts.hung), (1 - hangs, 0), "{what}");
    soon(supervisor.stop()).await;
}

#[tokio::test]
async fn every_job_is_done_wherever_its_worker_goes_wrong() {
    for kind in ["hang", "abort", "eat-memory"] {
        let cases = POINTS
            .iter()
            .flat_map(|(task, points)| points.iter().map(move |point| struck(kind, task, point)));
        join_all(cases).await;
    }
}

#[tokio::test]
async fn a_worker_that_hangs_when_it_is_to_stop_is_killed_and_costs_its_job_nothing() {
    let bed = Bed::new(9);
    let supervisor = supervisor(settings(&bed), &["hang@cancel:1"]);
    let (steps, mut taken) = mpsc::channel(1);
    let leave = async {
        taken.recv().await.expect("a step");
        drop(taken);
    };
    let (left, ()) = soon(async { tokio::join!(supervisor.run(scan(), SMALL, steps), leave) }).await;
    assert!(matches!(left, Err(JobError::Unread { .. })), "{left:?}");
    let (report, steps) = done(&supervisor, scan(), SMALL, |_| {}).await;
    assert_eq!(
        (report.expect("done").restarts, found(&steps)),
        (0, bed.blobs.clone())
    );
    let counts = supervisor.state().counts;
    assert_eq!((counts.started, counts.killed, counts.hung), (2, 1, 0));
}
