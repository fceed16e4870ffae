//! Askers who are slow, take nothing or go: never the worker's fault, and never another job's.

use super::*;
use crate::janitor::job::Task;

#[tokio::test]
async fn an_asker_who_is_slow_is_not_a_worker_that_hangs() {
    let bed = Bed::new(3);
    let supervisor = bed.well();
    let (steps, mut taken) = mpsc::channel(1);
    let job = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, steps).await }
    });
    // One step lies in the channel and one waits: for longer than a worker may be silent.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    // What is to be removed does not wait for it.
    soon(supervisor.unlink(bed.blobs[2..].to_vec()))
        .await
        .expect("done");
    let mut all = Vec::new();
    while let Some(step) = soon(taken.recv()).await {
        all.push(step);
    }
    assert_eq!(soon(job).await.expect("no panic").expect("done").restarts, 0);
    assert_eq!(names(&all)[..2], bed.blobs[..2]);
    assert_eq!(supervisor.state().counts.killed, 0);
}

#[tokio::test]
async fn a_walk_that_waits_behind_a_slow_asker_is_not_a_worker_that_hangs() {
    let bed = Bed::new(6);
    let supervisor = bed.well();
    let begin = |job: Job| {
        let (steps, taken) = mpsc::channel(1);
        let supervisor = supervisor.clone();
        let running = tokio::spawn(async move { supervisor.run(job, SLOW, steps).await });
        (running, taken)
    };
    let (removing, mut removed) = begin(Job::Unlink(Folder::Blobs, bed.blobs.clone()));
    soon(removed.recv()).await.expect("a step");
    let (walking, mut walked) = begin(scan());
    // For longer than a worker may be silent.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    while soon(removed.recv()).await.is_some() {}
    while soon(walked.recv()).await.is_some() {}
    for running in [removing, walking] {
        let report = soon(running).await.expect("no panic").expect("done");
        assert_eq!(report.restarts, 0);
    }
    let counts = supervisor.state().counts;
    assert_eq!((counts.started, counts.killed, bed.left()), (1, 0, 0));
}

#[tokio::test]
async fn removing_that_hangs_is_seen_while_a_walk_waits_for_its_asker() {
    let bed = Bed::new(6);
    let supervisor = bed.well();
    let (steps, _never_taken) = mpsc::channel(1);
    let walking = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, steps).await }
    });
    // One step lies in the channel and one waits.
    until(&supervisor, |state| match &state.activity {
        Activity::Running(jobs) => jobs.iter().any(|job| job.progress.files > 0),
        _ => false,
    })
    .await;
    bed.faulty.block(Some(Call::Unlink));
    let began = tokio::time::Instant::now();
    let removing = tokio::spawn({
        let (supervisor, blobs) = (supervisor.clone(), bed.blobs.clone());
        async move { supervisor.unlink(blobs).await }
    });
    until(&supervisor, |state| state.counts.hung > 0).await;
    assert!(began.elapsed() < bed.settings().patience, "{:?}", began.elapsed());
    bed.faulty.block(None);
    drop((walking, removing));
}

#[tokio::test]
async fn an_asker_who_takes_nothing_or_goes_ends_its_job_only() {
    let bed = Bed::new(5);
    let settings = Settings {
        patience: Duration::from_millis(200),
        ..bed.settings()
    };
    let supervisor = bed.supervisor(Arc::new(bed.thread()), settings);
    let (steps, _kept) = mpsc::channel(1);
    let error = soon(supervisor.run(scan(), SLOW, steps))
        .await
        .expect_err("unread");
    assert!(
        matches!(error, JobError::Unread { task: Task::Scan, .. }),
        "{error}"
    );
    assert_eq!(error.reached().after().and_then(Name::digest), Some(bed.blobs[0]));

    let (steps, taken) = mpsc::channel(1);
    drop(taken);
    let error = soon(supervisor.run(scan(), SLOW, steps)).await.expect_err("gone");
    assert!(matches!(error, JobError::Unread { .. }), "{error}");
    let (report, steps) = done(&supervisor, scan()).await;
    assert_eq!((report.is_ok(), names(&steps)), (true, bed.blobs.clone()));
    assert_eq!(supervisor.state().counts.started, 1, "the worker was kept");
}
