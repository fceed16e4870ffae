//! The samples, the restarts, and who is told.

use std::{path::Path, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    super::{report::Unplayable, stage::configuration, webhook::Webhook},
    ROUNDS, RULE, SHORT, Seen, folder_of,
};
use crate::{
    clock::{Clock, Timestamp},
    config::Config,
    monitor::{Elapsed, Raw, Reading},
    rule::{Metric, Series},
    serve::Telling,
    source::chain,
};

const INTERVAL: u64 = 10;
/// One round in so many is absurd.
const ABSURD: u64 = 60;
/// When the process is another: before it has fired, before the first message has arrived, in the middle, and while it
/// gets better.
const RESTARTS: [u64; 4] = [108, 140, 400, 655];
/// The receiver cannot be reached in these rounds, in which it is to be told first.
const UNREACHABLE: std::ops::Range<u64> = 100..140;
/// What a disk can do in a second, and a link.
const DISK: f64 = 6e8;
const LINK: f64 = 125e6;
const RECEIVER: &str = "ops";
/// An impossible rate sets these off at once, and keeps them for longer than an incident settles.
const RULES: &str = r#"alert.rule = [
    { name = "disk-too-fast", when = "max(disk.read, 5m) > 600000000", for = "0s", cause = "disk", severity = "critical", what = "an impossible rate" },
    { name = "link-too-fast", when = "max(network.received, 5m) > 125000000", for = "0s", cause = "network", severity = "critical", what = "an impossible rate" },
]"#;
/// For what is on its way to a receiver that takes it.
const DELIVERY: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(1);

pub(in super::super) async fn replay(folder: &Path) -> Result<Seen, Unplayable> {
    let state = folder_of(folder)?;
    let webhook = Webhook::start().await?;
    let lines = [webhook.receiver(RECEIVER), RULES.to_owned()];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let nobody = ["http://127.0.0.1:9".to_owned()];
    let (config, _) = configuration(&folder.join("data"), &nobody, &lines)?;
    let clock = Clock::starting_at(Duration::from_secs(1_800_000_000));
    let mut life = start(&config, &state, &clock)?;
    let mut samples = Samples::new();
    let mut seen = Seen::default();
    for round in 0..ROUNDS {
        if round == UNREACHABLE.start {
            webhook.refuse();
        }
        if round == UNREACHABLE.end {
            webhook.take();
        }
        if RESTARTS.contains(&round) {
            seen.end_of(life).await;
            seen.restarts += 1;
            life = start(&config, &state, &clock)?;
        }
        clock.not_before(Timestamp(clock.now().0 + INTERVAL));
        let readings = samples.of(round, &mut seen);
        let at = Elapsed {
            since_start: Duration::from_secs(round * INTERVAL),
            took: Duration::from_millis(1),
        };
        life.round(&readings, at);
        seen.rates(&life);
        handed_over(&life, &webhook, round).await;
    }
    seen.waiting = life.book().waiting(RECEIVER).letters.len() as u64;
    seen.end_of(life).await;
    seen.refused = webhook.refused();
    for message in webhook.arrived() {
        seen.arrived(&message);
    }
    Ok(seen)
}

fn start(config: &Config, state: &Path, clock: &Clock) -> Result<Telling, Unplayable> {
    let started = Telling::start(config.clone(), state, clock);
    started.map_err(|error| Unplayable::new("start", "telling", chain(&error)))
}

/// Waits until what is to be told now was told, or refused. Not for ever: that nothing arrives is for the judge.
async fn handed_over(life: &Telling, webhook: &Webhook, round: u64) {
    let by = Instant::now() + DELIVERY;
    while !life.book().waiting(RECEIVER).letters.is_empty() && Instant::now() < by {
        if UNREACHABLE.contains(&round) && webhook.refused() > 0 {
            return;
        }
        sleep(LOOK).await;
    }
}

/// What is measured of a box that runs out of memory.
struct Samples {
    random: fastrand::Rng,
}

impl Samples {
    fn new() -> Self {
        Self {
            random: fastrand::Rng::with_seed(283),
        }
    }

    fn of(&mut self, round: u64, seen: &mut Seen) -> Vec<Reading> {
        let is_short = SHORT.contains(&round);
        let is_absurd = is_short && round % ABSURD == 7;
        seen.rounds += 1;
        seen.bad += u64::from(is_short);
        seen.absurd += u64::from(is_absurd);
        let (used, pressure) = if is_short { (0.97, 0.6) } else { (0.4, 0.0) };
        let gauge = |metric, sound, absurd| Reading {
            series: Series::alone(metric),
            raw: Raw::Gauge(if is_absurd { absurd } else { sound }),
            limit: None,
        };
        let mut readings = vec![
            gauge(Metric::MemoryUsed, used, 1.8e19),
            gauge(Metric::PressureMemory, pressure, -1.0),
        ];
        for (metric, of, each, limit) in [
            (Metric::DiskRead, "sda", 5_000_000, DISK),
            (Metric::DiskErrors, "sda", 0, 1e6),
            (Metric::NetworkReceived, "eth0", 9_000_000, LINK),
        ] {
            // As a counter reads whose bytes were torn.
            let count = if is_absurd {
                self.random.u64(1 << 40..)
            } else {
                round * each
            };
            readings.push(Reading {
                series: Series::of(metric, of),
                raw: Raw::Counter(count),
                limit: Some(limit),
            });
        }
        seen.readings += readings.len() as u64;
        readings
    }
}

impl Seen {
    /// What can be believed of the rates, now.
    fn rates(&mut self, life: &Telling) {
        for now in life.board().lock().now() {
            let most = match now.series.metric {
                Metric::DiskRead => DISK,
                Metric::NetworkReceived => LINK,
                _ => continue,
            };
            let rate = now.last.map_or(0.0, |last| f64::from(last.value));
            self.fastest = self.fastest.max(rate / most);
        }
    }

    async fn end_of(&mut self, life: Telling) {
        self.dropped += life
            .board()
            .lock()
            .dropped()
            .map(|(_, _, count)| count)
            .sum::<u64>();
        life.end().await;
    }

    /// Counts what a message tells.
    fn arrived(&mut self, message: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let empty = Vec::new();
        for about in message["about"].as_array().unwrap_or(&empty) {
            let rule = text(&about["subject"]["rule"]);
            let occasion = text(&about["occasion"]).to_lowercase();
            if rule == RULE {
                *self.told.entry(occasion).or_default() += 1;
            } else {
                self.other.push(format!("{rule}: {occasion}"));
            }
        }
    }
}
