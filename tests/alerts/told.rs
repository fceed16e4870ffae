//! One incident, from its beginning to its end.

use std::time::Duration;

use serde_json::Value;
use tests::{
    client::{Complete, Request},
    hook::Hook,
    larder::{Config, Larder},
    stage::Stage,
    upstream::Settings,
    wait,
};

/// A rule that the test can break: by asking much, and mend by asking nothing.
pub(crate) const BUSY: &str = "[{ name = \"asked-much\", when = \"mirror.requests > 4\", for = \"0s\", keep = \"0s\", \
                               cause = \"load\", severity = \"critical\", what = \"somebody asks all the time\" }]";

/// A box that looks each second and tells at once.
pub(crate) fn config(hook: &Hook) -> Config {
    // Nobody is there, and nobody is asked.
    Config::with_upstream("http://127.0.0.1:9")
        .set("monitor.interval", "\"1s\"")
        .set("alert.settle", "\"0s\"")
        .set(
            "alert.receiver",
            &hook.receiver(", severity = \"critical\", apart = \"0s\""),
        )
        .set("alert.rule", BUSY)
}

/// Asks all the time, until it is dropped.
pub(crate) struct Asking(tokio::task::JoinHandle<()>);

impl Asking {
    pub(crate) fn of(address: std::net::SocketAddr) -> Self {
        Self(tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            loop {
                pace.tick().await;
                // It may be dead just now.
                let _ = tests::client::get(address, "/v2/").await;
            }
        }))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until the box says so of its alerts; asks seldom, as asking is what the rule is about.
pub(crate) async fn until(larder: &Larder, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut pace = tokio::time::interval(Duration::from_millis(700));
    let deadline = tokio::time::Instant::now() + wait::PATIENCE;
    loop {
        pace.tick().await;
        let state = alerts(larder).await;
        if is_so(&state) {
            return state;
        }
        let late = tokio::time::Instant::now() > deadline;
        assert!(!late, "{what}: not within {:?}: {state:#}", wait::PATIENCE);
    }
}

pub(crate) async fn alerts(larder: &Larder) -> Value {
    let answer = larder.get("/api/v1/alerts").await.expect("answered");
    answer.json()
}

async fn post(larder: &Larder, path: &str, body: &Value) -> Complete {
    let request = Request::new("POST", path)
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = request.send(larder.address()).await.expect("answered");
    answer.complete().await.expect("whole")
}

/// Incidents of the test's own rule: the machine may have others.
pub(crate) fn of_rule(list: &Value) -> Vec<&Value> {
    let list = list.as_array().expect("a list");
    list.iter().filter(|one| one["rule"] == "asked-much").collect()
}

fn occasions(arrived: &[Value]) -> Vec<&str> {
    arrived
        .iter()
        .filter_map(|message| message["occasion"].as_str())
        .collect()
}

#[tokio::test]
async fn an_incident_is_told_once_when_it_begins_and_once_when_it_is_over() {
    let hook = Hook::start().await;
    let larder = Larder::start(config(&hook)).await;
    let asking = Asking::of(larder.address());
    let told = hook.until("to be told", |arrived| !arrived.is_empty()).await;
    assert_eq!(occasions(&told), ["fired"]);
    let title = told[0]["title"].as_str().expect("a title");
    assert!(
        title.starts_with("[critical] ") && title.ends_with(": somebody asks all the time"),
        "{title}"
    );
    let state = alerts(&larder).await;
    let open = of_rule(&state["incidents"]);
    assert_eq!((open.len(), &open[0]["phase"]), (1, &Value::from("firing")));
    let id = open[0]["id"].clone();
    let taken = post(
        &larder,
        "/api/v1/alerts/acknowledge",
        &serde_json::json!({"id": id, "by": "jo"}),
    )
    .await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let state = alerts(&larder).await;
    assert_eq!(of_rule(&state["incidents"])[0]["acknowledged_by"], "jo");
    let status = larder.get("/api/v1/status").await.expect("answered").json();
    let shown = status["alerts"].as_array().expect("a list").iter();
    let mut shown = shown.map(|alert| &alert["summary"]);
    assert!(
        shown.any(|summary| summary == "somebody asks all the time"),
        "{status}"
    );
    let metrics = larder.get("/metrics").await.expect("answered").text();
    assert!(
        metrics.contains("larder_alerts{severity=\"critical\",phase=\"firing\"} 1"),
        "{metrics}"
    );
    drop(asking);
    let told = hook
        .until("to be told of the end", |arrived| arrived.len() > 1)
        .await;
    assert_eq!(occasions(&told), ["fired", "resolved"]);
    assert_eq!(told[0]["incident"], told[1]["incident"]);
    let over = until(&larder, "both to be noted as had", |state| {
        state["receivers"][0]["delivered"] == 2
    })
    .await;
    assert_eq!(of_rule(&over["incidents"]), [&Value::Null; 0]);
    assert_eq!(of_rule(&over["past"]).len(), 1);
    let series = larder
        .get("/api/v1/metrics?metric=mirror.requests&range=10m")
        .await;
    let series = series.expect("answered").json();
    assert!(
        series["points"].as_array().is_some_and(|points| points.len() > 2),
        "{series}"
    );
}

#[tokio::test]
async fn what_waited_for_a_receiver_that_was_away_is_one_message_also_after_a_restart() {
    let hook = Hook::start().await;
    hook.refuse();
    let mut larder = Larder::start(config(&hook)).await;
    for _ in 0..2 {
        let asking = Asking::of(larder.address());
        until(&larder, "an incident", |state| {
            !of_rule(&state["incidents"]).is_empty()
        })
        .await;
        drop(asking);
        until(&larder, "its end", |state| {
            of_rule(&state["incidents"]).is_empty()
        })
        .await;
    }
    let state = alerts(&larder).await;
    let error = state["receivers"][0]["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(error.contains("503"), "{state}");
    larder.kill().await;
    hook.accept();
    larder.resume().await;
    let told = hook.until("to be told", |arrived| !arrived.is_empty()).await;
    let about = told[0]["about"].as_array().expect("what it is about");
    assert_eq!((told.len(), about.len()), (1, 4), "{told:?}");
    assert_eq!(told[0]["occasion"], "digest");
}

#[tokio::test]
async fn a_test_message_says_what_came_of_it() {
    let hook = Hook::start().await;
    let larder = Larder::start(config(&hook)).await;
    let tested = post(&larder, "/api/v1/alerts/test", &serde_json::json!({})).await;
    assert_eq!(
        tested.json(),
        serde_json::json!({"deliveries": [{"receiver": "ops", "error": null}]})
    );
    assert_eq!(occasions(&hook.arrived()), ["test"]);
    hook.refuse();
    let tested = post(
        &larder,
        "/api/v1/alerts/test",
        &serde_json::json!({"receiver": "ops"}),
    )
    .await;
    let error = tested.json()["deliveries"][0]["error"]
        .as_str()
        .map(str::to_owned);
    assert!(error.is_some_and(|error| error.contains("503")));
    let unknown = post(
        &larder,
        "/api/v1/alerts/test",
        &serde_json::json!({"receiver": "x"}),
    )
    .await;
    assert_eq!(unknown.status, 404);
    assert!(
        unknown.text().contains("there is no receiver"),
        "{}",
        unknown.text()
    );
}

#[tokio::test]
async fn what_is_silenced_is_not_told_until_the_silence_ends() {
    let hook = Hook::start().await;
    let larder = Larder::start(config(&hook)).await;
    let request = serde_json::json!({"rule": "asked-*", "seconds": 3600, "comment": "a test"});
    let silenced = post(&larder, "/api/v1/alerts/silence", &request).await;
    assert_eq!(silenced.status, 200, "{}", silenced.text());
    let _asking = Asking::of(larder.address());
    let id = silenced.json()["id"].clone();
    until(&larder, "an incident", |state| {
        let open = of_rule(&state["incidents"]);
        open.iter().any(|open| open["silenced_by"] == id)
    })
    .await;
    assert_eq!(hook.arrived(), [Value::Null; 0]);
    let ended = post(&larder, "/api/v1/alerts/unsilence", &serde_json::json!({"id": 1})).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    let told = hook.until("to be told", |arrived| !arrived.is_empty()).await;
    assert_eq!(occasions(&told), ["fired"]);
}

#[tokio::test]
async fn an_outage_is_over_when_it_is_though_nobody_pulls() {
    let hook = Hook::start().await;
    let rule = "[{ name = \"no-wan\", for = \"0s\", keep = \"0s\" }, { name = \"upstream-down\", for = \"0s\", keep = \"0s\" }]";
    let stage = Stage::with(Settings::default(), |config| {
        config
            .set("monitor.interval", "\"1s\"")
            .set("alert.settle", "\"2s\"")
            .set(
                "alert.receiver",
                &hook.receiver(", severity = \"critical\", apart = \"0s\""),
            )
            .set("alert.rule", rule)
    })
    .await;
    stage.upstream.refuse().await;
    // Somebody pulls, once more and again, until the box believes it.
    let asking = tests::wait::until("an incident", wait::PATIENCE, || async {
        let _ = stage.manifest("v1").await;
        let state = alerts(&stage.larder).await;
        let mut open = state["incidents"].as_array().expect("a list").iter();
        open.any(|open| open["rule"] == "no-wan").then_some(())
    });
    asking.await;
    let told = hook.until("to be told", |arrived| !arrived.is_empty()).await;
    assert_eq!(occasions(&told), ["fired"]);
    assert_eq!(
        told[0]["about"][0]["subject"]["rule"], "no-wan",
        "and not what it explains"
    );
    stage.upstream.recover().await;
    let told = hook
        .until("to be told of the end", |arrived| arrived.len() > 1)
        .await;
    assert_eq!(occasions(&told), ["fired", "resolved"]);
}
