//! A box that does not look after itself: it serves, says so, and nobody is misled.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{
    hook::Hook,
    larder::{Config, Larder, binary},
    process::Program,
    stage::{Stage, quick},
    wait,
};

use super::told::{BUSY, alerts, of_rule};

fn config(upstream: &str, hook: &Hook, interval: &str) -> Config {
    quick(&[upstream.to_owned()])
        .set("monitor.interval", &format!("{interval:?}"))
        .set("alert.settle", "\"0s\"")
        .set("alert.receiver", &hook.receiver(", apart = \"0s\""))
        .set("alert.rule", BUSY)
}

/// The names of its threads.
fn threads(larder: &Larder) -> Vec<String> {
    let folder = format!("/proc/{}/task", larder.process().id());
    let tasks = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("read {folder}: {e}"));
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

fn is_watching(threads: &[String]) -> bool {
    threads
        .iter()
        .any(|name| name == "sampler" || name.starts_with("probe-"))
}

/// What a command prints.
async fn printed(larder: &Larder, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = Program::new("command", binary())
        .args(arguments)
        .args(["--server", &larder.url()]);
    run.run(folder.path(), wait::PATIENCE).await.expect_ok().output
}

#[tokio::test]
async fn a_box_that_does_not_look_after_itself_says_so_everywhere() {
    let hook = Hook::start().await;
    let mut stage = Stage::start().await;
    stage.larder.stop().await;
    let url = stage.upstream.url();
    stage.larder.reconfigure(config(&url, &hook, "off"));
    stage.larder.resume().await;
    let image = stage.image(1, 100_000);
    stage.cache(&image).await;
    assert!(
        !is_watching(&threads(&stage.larder)),
        "{:?}",
        threads(&stage.larder)
    );

    let larder = &stage.larder;
    let off = json!({"state": "off"});
    let status = larder.get("/api/v1/status").await.expect("answered").json();
    assert_eq!(status["watching"], off, "{status}");
    assert_eq!(status["mode"], "serving", "it is what its owner wants");
    assert_eq!(status["watchdog"]["late"], json!([]), "nothing waits for it");
    assert_eq!(alerts(larder).await["watching"], off);
    let samples = larder.get("/api/v1/metrics").await.expect("answered").json();
    assert_eq!((&samples["watching"], &samples["series"]), (&off, &json!([])));
    let course = larder
        .get("/api/v1/metrics?metric=cpu.busy&range=10m")
        .await
        .expect("answered");
    assert!(
        course.status >= 400 && course.text().contains("monitor.interval"),
        "{}",
        course.text()
    );
    let metrics = larder.get("/metrics").await.expect("answered").text();
    assert!(metrics.contains("larder_monitor_interval_seconds 0"), "{metrics}");
    assert!(!metrics.contains("larder_sample{"), "{metrics}");
    let screen = printed(larder, &["status"]).await;
    assert!(screen.contains("watching   OFF"), "{screen}");
    let list = printed(larder, &["alerts"]).await;
    assert!(
        list.contains("nothing is known") && !list.contains("all is well"),
        "{list}"
    );

    // Whoever wants it back is told what that takes, and gets it by a restart; and the other way round.
    for (interval, watches) in [("1s", true), ("off", false)] {
        stage.larder.reconfigure(config(&url, &hook, interval));
        stage.larder.write_configuration();
        stage.larder.signal(Signal::HUP);
        let told =
            |line: &str| (line.contains("needs_restart") && line.contains("monitor.interval")).then_some(());
        let process = stage.larder.process();
        process.line("answer to the reload", wait::PATIENCE, told).await;
        assert_eq!(is_watching(&threads(&stage.larder)), !watches, "as before");
        stage.larder.stop().await;
        stage.larder.resume().await;
        let as_wanted = async || (is_watching(&threads(&stage.larder)) == watches).then_some(());
        wait::until("the sampler to be as it should", wait::PATIENCE, as_wanted).await;
    }
    assert_eq!(hook.arrived(), [Value::Null; 0]);
}

#[tokio::test]
async fn what_fired_before_is_not_told_to_be_over() {
    let hook = Hook::start().await;
    let upstream = tests::upstream::Upstream::start().await;
    let mut larder = Larder::start(config(&upstream.url(), &hook, "1s")).await;
    let asking = super::told::Asking::of(larder.address());
    hook.until("to be told", |arrived| !arrived.is_empty()).await;
    larder.stop().await;
    drop(asking);
    larder.reconfigure(config(&upstream.url(), &hook, "off"));
    larder.resume().await;
    let list = printed(&larder, &["alerts"]).await;
    assert!(
        list.contains("somebody asks all the time") && list.contains("as it was when the box last looked"),
        "{list}"
    );
    // For as long as several rounds would take; seldom, as asking is what the rule is about.
    let mut pace = tokio::time::interval(Duration::from_millis(800));
    for _ in 0..6 {
        pace.tick().await;
        assert_eq!(of_rule(&alerts(&larder).await["incidents"]).len(), 1);
    }
    // It looks again, and finds that it is over: not before.
    assert_eq!(hook.arrived().len(), 1, "{:?}", hook.arrived());
    larder.stop().await;
    larder.reconfigure(config(&upstream.url(), &hook, "1s"));
    larder.resume().await;
    let told = hook
        .until("to be told of the end", |arrived| arrived.len() > 1)
        .await;
    assert_eq!(told[1]["occasion"], "resolved");
}

#[tokio::test]
async fn a_heartbeat_that_could_never_beat_is_a_mistake() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("larder.toml");
    let text = "[monitor]\ninterval = \"off\"\n[alert]\nheartbeat_url = \"https://alive.example/box\"\n";
    std::fs::write(&file, text).expect("a temporary file");
    let check = |name: &str| {
        let run = Program::new(name, binary())
            .args(["check", "--config"])
            .arg(&file);
        run.run(folder.path(), Duration::from_secs(30))
    };
    let refused = check("check-1").await;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.output);
    assert!(refused.output.contains("heartbeat_url"), "{}", refused.output);
    std::fs::write(&file, "[monitor]\ninterval = \"off\"\n").expect("a temporary file");
    let shown = check("check-2").await.expect_ok().output;
    assert!(shown.contains("interval = \"off\""), "{shown}");
}
