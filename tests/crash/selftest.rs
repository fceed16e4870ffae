//! `larder selftest` as a person runs it.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tests::{disk::Disk, larder};

const INCIDENTS: [&str; 4] = ["nixery-167", "beszel-283", "spegel", "thanos-7883"];

/// In a folder with a configuration that no `larder` could start with.
fn selftest(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(larder::binary());
    command.arg("selftest").args(words).current_dir(home);
    command
}

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("larder.toml"), "data_dir = 7").expect("written");
    home
}

fn ran(words: &[&str]) -> Output {
    let home = home();
    let output = selftest(home.path(), words).output().expect("larder runs");
    let left: Vec<_> = names(home.path());
    assert_eq!(left, ["larder.toml"], "nothing is made where it was started");
    output
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("listed");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("read").file_name().to_string_lossy().into_owned()
    };
    names.map(name).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Replays one and wants it survived.
fn survived(incident: &str) {
    let scratch = tempfile::tempdir().expect("a folder");
    fs::write(scratch.path().join("mine"), "mine").expect("written");
    let folder = scratch.path().to_str().expect("text");
    let began = Instant::now();
    let output = ran(&["--incident", incident, "--folder", folder, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", text(&output.stdout), text(&output.stderr)));
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["verdict"], "survived");
    let [outcome] = &report["incidents"].as_array().expect("a list")[..] else {
        panic!("{report:#}")
    };
    assert_eq!(
        (&outcome["incident"], &outcome["verdict"]),
        (&incident.into(), &"survived".into())
    );
    let expectations = outcome["expectations"].as_array().expect("a list");
    assert!(expectations.len() > 5, "{report:#}");
    for expectation in expectations {
        assert_eq!(expectation["held"], true, "{expectation}");
        assert!(expectation["expected"].is_string() && expectation["seen"].is_string());
    }
    assert!(
        outcome["figures"]
            .as_array()
            .is_some_and(|figures| figures.len() > 1)
    );
    assert!(
        outcome["not_replayed"]
            .as_array()
            .is_some_and(|parts| !parts.is_empty())
    );
    assert_eq!(names(scratch.path()), ["mine"], "only what was there is there");
    println!("{incident}: {:.1} s", began.elapsed().as_secs_f64());
}

#[test]
fn heavy_the_service_that_stopped_answering_is_survived() {
    survived("nixery-167");
}

#[test]
fn heavy_the_alert_storm_is_survived() {
    survived("beszel-283");
}

#[test]
fn heavy_the_dead_cache_node_is_survived() {
    survived("spegel");
}

#[test]
fn heavy_the_leaking_pool_is_survived() {
    survived("thanos-7883");
}

#[test]
fn a_name_that_is_none_is_told_with_those_that_are() {
    let output = ran(&["--incident", "thanos-1"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("no incident of this name"), "{told}");
    let listed = ran(&["--list"]);
    assert!(listed.status.success());
    for incident in INCIDENTS {
        assert!(
            told.contains(incident) && text(&listed.stdout).contains(incident),
            "{told}"
        );
    }
    assert_eq!(text(&listed.stdout).lines().count(), INCIDENTS.len());
}

#[test]
fn a_folder_that_is_not_there_or_has_no_room_is_told_and_left_alone() {
    let output = ran(&["--folder", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("/nowhere/at/all"),
        "{}",
        text(&output.stderr)
    );
    let disk = Disk::tmpfs(12 << 20, 4000);
    let output = ran(&["--folder", disk.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains("too little room") && told.contains("--folder"),
        "{told}"
    );
    assert_eq!(names(disk.path()), [""; 0]);
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let home = home();
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().to_str().expect("text");
    for signal in [Signal::INT, Signal::TERM] {
        let child = selftest(home.path(), &["--incident", "nixery", "--folder", folder])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = Guarded(child.expect("larder runs"));
        let id = child.0.id();
        // In the middle: the mirror has made its folders and has a worker.
        until("a worker", || larder::worker_of(id).is_some());
        let worker = larder::worker_of(id);
        let process = Pid::from_raw(id.cast_signed()).expect("a process");
        kill_process(process, signal).expect("sent");
        until("its end", || child.0.try_wait().expect("waited").is_some());
        let status = child.0.wait().expect("waited");
        let mut told = String::new();
        let stderr = child.0.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut told).expect("text");
        assert_eq!(status.code(), Some(1), "{told}");
        assert!(told.contains("interrupted"), "{told}");
        assert_eq!(names(scratch.path()), [""; 0]);
        let gone = || worker.is_none_or(|worker| !is_there(worker));
        until("its worker's end", gone);
    }
}

fn is_there(process: Pid) -> bool {
    Path::new(&format!("/proc/{}", process.as_raw_nonzero())).exists()
}

/// Killed when the test ends before it.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It can have ended by now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let by = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < by, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
