//! What limits a worker, and how it comes and goes with its parent.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use larder::janitor::{Effect, FAULT_VARIABLE, Finding, Pace};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::mpsc,
};

use crate::bed::{Bed, LARDER, PATIENCE, SMALL, done, gone, scrub, settings, soon, supervisor, worker};

#[tokio::test]
async fn the_worker_is_limited_and_says_how() {
    let bed = Bed::new(3);
    let supervisor = bed.supervisor(&["hang@scan:9"]);
    let gone = soon(supervisor.unlink(bed.blobs.clone()))
        .await
        .expect("within its limits");
    assert_eq!(gone.files, 3);
    let state = supervisor.state();
    let process = worker(&state).as_raw_nonzero();
    let told = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).expect("read");
    assert_eq!(told("oom_score_adj").trim(), "1000");
    let stat = told("stat");
    let fields: Vec<_> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    assert_eq!(
        (fields[16], fields[38]),
        ("10", "0"),
        "nice, and not of the idle class: {stat}"
    );
    let data = told("limits")
        .lines()
        .find(|line| line.starts_with("Max data size"))
        .map(str::to_owned);
    assert!(data.expect("a limit").contains(&(64 << 20).to_string()));
    assert_eq!(
        told("environ"),
        format!("{FAULT_VARIABLE}=hang@scan:9\0"),
        "nothing of ours"
    );
    let rss = told("status")
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .map(str::to_owned);
    let limits = state.worker.expect("a worker").limits;
    for limit in &limits {
        println!("{limit}");
    }
    println!("{}", rss.expect("a peak"));
    let names: Vec<_> = limits.iter().map(|limit| limit.name.as_str()).collect();
    let all = [
        "parent",
        "memory",
        "memory group",
        "first to go",
        "nice",
        "landlock",
    ];
    assert_eq!(names, all);
    let missing = limits
        .iter()
        .filter(|limit| matches!(limit.effect, Effect::Missing(_)));
    for limit in missing {
        assert!(
            ["memory group", "landlock"].contains(&limit.name.as_str()),
            "{limit}"
        );
    }
}

/// Where a blob's name, or the folder itself, leads elsewhere, nothing is read and nothing is removed, if the kernel has
/// the fence.
#[tokio::test]
async fn a_worker_reads_and_removes_nothing_outside_of_its_folders() {
    let bed = Bed::new(1);
    let outside = tempfile::tempdir().expect("folder");
    let (link, secret) = (
        bed.blob(&bed.blobs[0]),
        outside.path().join(bed.blobs[0].file_name()),
    );
    fs::rename(&link, &secret).expect("moved");
    std::os::unix::fs::symlink(&secret, &link).expect("linked");
    let supervisor = bed.supervisor(&[]);
    let (report, steps) = done(&supervisor, scrub(), SMALL, |_| {}).await;
    report.expect("done");
    let limits = supervisor.state().limits;
    let fence = limits
        .iter()
        .find(|limit| limit.name == "landlock")
        .expect("told");
    let findings: Vec<_> = steps.into_iter().flat_map(|step| step.findings).collect();
    match (&fence.effect, &findings[..]) {
        (Effect::Holds(_), [Finding::Unreadable { why, .. }]) => {
            assert_eq!(why.errno, Some(Errno::ACCESS.raw_os_error()));
        }
        (Effect::Missing(why), [Finding::Verified { .. }]) => {
            println!("not shown: landlock: {why}");
            return;
        }
        other => panic!("{other:?}"),
    }

    let folder = bed.dir.path().join("blobs");
    fs::rename(&folder, bed.dir.path().join("aside")).expect("moved");
    std::os::unix::fs::symlink(outside.path(), &folder).expect("linked");
    let gone = soon(supervisor.unlink(bed.blobs.clone())).await.expect("done");
    assert_eq!((gone.files, gone.kept.len()), (0, 1));
    assert_eq!(gone.kept[0].1.errno, Some(Errno::ACCESS.raw_os_error()));
    assert!(secret.exists());
    assert_eq!(supervisor.state().counts.started, 1, "by the same worker");
}

#[test]
fn it_is_not_for_people() {
    let output = Command::new(LARDER)
        .arg("janitor")
        .stdin(Stdio::null())
        .output()
        .expect("run");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("not for people"), "{text}");
    let help = Command::new(LARDER).arg("--help").output().expect("run");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("janitor"));
}

/// Set for [`a_parent`] only: the folder of its bed.
const PARENT: &str = "LARDER_TEST_PARENT";

/// No test by itself: the process that is killed by the next one.
#[tokio::test]
async fn a_parent() {
    let Some(folder) = std::env::var_os(PARENT) else {
        return;
    };
    let supervisor = supervisor(settings(Path::new(&folder)), &[]);
    let (steps, mut taken) = mpsc::channel(1);
    let rest = Pace {
        files: 1,
        rest: PATIENCE,
        ..SMALL
    };
    let running = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scrub(), rest, steps).await.is_ok() }
    });
    taken.recv().await.expect("a step");
    println!("worker {}", worker(&supervisor.state()).as_raw_nonzero());
    let _ = running.await;
}

#[tokio::test]
async fn a_worker_does_not_outlive_its_parent() {
    let bed = Bed::new(3);
    let mut parent = tokio::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "limits::a_parent", "--nocapture"])
        .env(PARENT, bed.dir.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(parent.stdout.take().expect("a pipe")).lines();
    let worker = loop {
        let line = soon(lines.next_line()).await.expect("read").expect("a line");
        if let Some((_, id)) = line.split_once("worker ") {
            break Pid::from_raw(id.trim().parse().expect("an id")).expect("an id");
        }
    };
    // Stopped, it cannot see that its pipe has ended.
    kill_process(worker, Signal::STOP).expect("stopped");
    soon(parent.kill()).await.expect("killed");
    gone(worker).await;
}
