//! Jobs that are done, joined, refused and ended.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn jobs_are_done_and_counted() {
    let bed = Bed::new(12);
    let supervisor = bed.well();
    let (report, steps) = done(&supervisor, scan()).await;
    assert_eq!(names(&steps), bed.blobs);
    assert_eq!(report.expect("done").progress.files, 12);
    let twice: Vec<_> = bed.blobs[..5].iter().chain(&bed.blobs[..5]).copied().collect();
    let gone = soon(supervisor.unlink(twice)).await.expect("done");
    assert_eq!((gone.files, gone.bytes, gone.missing), (5, 20, 0));
    let gone = soon(supervisor.unlink(bed.blobs[..6].to_vec()))
        .await
        .expect("done");
    assert_eq!((gone.files, gone.missing), (1, 5));
    assert_eq!(bed.left(), 6);
    until(&supervisor, |state| matches!(state.activity, Activity::Idle)).await;
    let counts = supervisor.state().counts;
    assert_eq!(
        (
            counts.started,
            counts.jobs_done,
            counts.files_removed,
            counts.bytes_removed
        ),
        (1, 3, 6, 24)
    );
    soon(supervisor.unlink(Vec::new()))
        .await
        .expect("nothing to do is done");
}

#[tokio::test]
async fn more_files_than_fit_into_an_order_are_removed() {
    let bed = Bed::new(5000);
    let gone = soon(bed.well().unlink(bed.blobs.clone())).await.expect("done");
    assert_eq!((gone.files, bed.left()), (5000, 0));
}

#[tokio::test]
async fn the_same_job_is_done_once_for_all_who_ask() {
    let bed = Bed::new(4);
    let supervisor = bed.well();
    let (steps, mut taken) = mpsc::channel(1);
    let first = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, steps).await }
    });
    let mut all = vec![soon(taken.recv()).await.expect("a step")];
    let (joining, unused) = mpsc::channel(1);
    let second = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, joining).await }
    });
    // Its sender is dropped when it has joined.
    let mut unused = unused;
    assert_eq!(soon(unused.recv()).await, None);
    while let Some(step) = soon(taken.recv()).await {
        all.push(step);
    }
    assert_eq!(names(&all), bed.blobs);
    let report = |done: Result<Result<Report, JobError>, _>| done.expect("no panic").expect("done");
    assert_eq!(report(soon(first).await).part, Part::Asked);
    assert_eq!(report(soon(second).await).part, Part::Joined);
    assert_eq!(supervisor.state().counts.jobs_done, 1);
}

#[tokio::test]
async fn a_disk_that_refuses_is_not_the_workers_fault() {
    let bed = Bed::new(5);
    let supervisor = bed.well();
    *bed.faulty.fails.lock() = Some((Call::List, Errno::IO));
    for _ in 0..4 {
        let (report, _) = done(&supervisor, scan()).await;
        match report.expect_err("refused") {
            JobError::Refused { why, .. } => assert_eq!(why.errno, Some(Errno::IO.raw_os_error())),
            other => panic!("{other}"),
        }
    }
    *bed.faulty.fails.lock() = None;
    assert!(done(&supervisor, scan()).await.0.is_ok(), "the circuit is closed");
}

#[tokio::test]
async fn stopping_ends_everything() {
    let bed = Bed::new(5);
    let supervisor = bed.well();
    let (steps, mut taken) = mpsc::channel(1);
    let job = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, steps).await }
    });
    soon(taken.recv()).await.expect("a step");
    soon(supervisor.stop()).await;
    let error = soon(job).await.expect("no panic").expect_err("stopped");
    let JobError::Stopped { reached, .. } = error else {
        panic!("{error}")
    };
    let reached = reached.after().and_then(Name::digest).expect("a place");
    assert!(bed.blobs.iter().collect::<BTreeSet<_>>().contains(&reached));
    assert!(matches!(supervisor.state().activity, Activity::Stopped));
    let later = soon(supervisor.unlink(bed.blobs.clone())).await;
    assert!(matches!(later, Err(JobError::Stopped { .. })));
    soon(supervisor.stop()).await;
    assert_eq!(bed.left(), 5);
}
