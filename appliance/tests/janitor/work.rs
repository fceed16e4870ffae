//! Jobs that go well.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use larder::janitor::{JobError, Pace, Part, Report};
use tokio::sync::mpsc;

use crate::bed::{Bed, SMALL, done, found, scan, soon, worker};

#[tokio::test]
async fn a_joined_job_is_done_once() {
    let bed = Bed::new(6);
    let supervisor = bed.supervisor(&[]);
    let mut second = None;
    let (report, _) = done(&supervisor, scan(), SMALL, |_| {
        if second.is_none() {
            let supervisor = supervisor.clone();
            let (steps, _) = mpsc::channel(1);
            second = Some(tokio::spawn(
                async move { supervisor.run(scan(), SMALL, steps).await },
            ));
        }
    })
    .await;
    assert_eq!(report.expect("done").part, Part::Asked);
    // It came before the end, and joined, or after it, and has no reader: never a second run beside the first.
    let second = soon(second.expect("asked")).await.expect("no panic");
    assert!(matches!(
        second,
        Ok(Report {
            part: Part::Joined,
            ..
        }) | Err(JobError::Unread { .. })
    ));
}

/// A figure, not a bound: how fast files go, beside a loop that does nothing else.
#[tokio::test]
async fn heavy_a_hundred_thousand_files_are_removed() {
    const FILES: u32 = 100_000;
    let memory = Path::new("/dev/shm");
    let folder = || match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let mut bed = Bed::within(folder().expect("folder"), FILES);
    let supervisor = bed.supervisor(&[]);
    let began = Instant::now();
    let (report, steps) = done(&supervisor, scan(), Pace::BRISK, |_| {}).await;
    let scanned = began.elapsed();
    let names = report.expect("done").progress.names;
    assert_eq!(
        found(&steps).into_iter().collect::<BTreeSet<_>>().len(),
        FILES as usize
    );
    let began = Instant::now();
    let gone = soon(supervisor.unlink(bed.blobs.clone())).await.expect("done");
    let removed = began.elapsed();
    assert_eq!((gone.files, bed.left()), (u64::from(FILES), 0));
    let process = worker(&supervisor.state()).as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("read");
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .expect("a peak");

    bed.fill(FILES);
    let began = Instant::now();
    for digest in &bed.blobs {
        fs::remove_file(bed.blob(digest)).expect("removed");
    }
    let alone = began.elapsed();
    let rate = |time: Duration| f64::from(FILES) / time.as_secs_f64();
    println!(
        "scan: {scanned:?}, {:.0} files/s, {names} names read",
        rate(scanned)
    );
    println!("unlink by the worker: {removed:?}, {:.0} files/s", rate(removed));
    println!("unlink by a bare loop: {alone:?}, {:.0} files/s", rate(alone));
    println!("worker's peak: {peak}");
}
