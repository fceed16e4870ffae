//! An outage of the line, from what is measured to what arrives: the board, the built-in rules, the book on the disk, the
//! posts.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    super::{book::Book, *},
    posting::{Life, Power, ROUND, Site},
};
use crate::{
    cache::{Disk, SmallDatabase},
    clock::Clock,
    monitor::{Board, Elapsed, Raw, Reading},
    rule::{Metric, Series},
};

/// Registries that fail with the line.
const REGISTRIES: usize = 13;
/// Rounds of ten seconds.
const MINUTE: usize = 6;
const HOUR: usize = 60 * MINUTE;

/// A box, its disk, and whoever is told.
struct Box {
    site: Site,
    dir: TempDir,
    board: Board,
    rounds: u64,
}

impl Box {
    fn new() -> Self {
        Self {
            site: Site::new(),
            dir: tempfile::tempdir().expect("a folder"),
            board: Board::default(),
            rounds: 0,
        }
    }

    fn shelf(&self) -> Shelf {
        Shelf::new(SmallDatabase::new(
            self.dir.path().join("state.redb"),
            Disk::real(),
        ))
    }

    /// It is switched on: what it knows is what is on its disk.
    fn start(&mut self) -> Life {
        self.board = Board::default();
        let page = self.shelf().read().expect("read");
        self.site
            .start_on(Book::open(page), self.shelf(), Power::until(u32::MAX))
    }

    fn line_is(&self, works: bool) {
        for (mailbox, _) in self.site.mailboxes.values() {
            mailbox.refuses.store(!works, SeqCst);
        }
    }

    /// A round in which this is measured of the line, and of each registry. `None`: nothing.
    async fn round(&mut self, life: &Life, wan: Option<f64>, registry: impl Fn(usize) -> Option<f64>) {
        self.round_with(life, wan, registry, None).await;
    }

    /// And how worn a disk is.
    async fn round_with(
        &mut self,
        life: &Life,
        wan: Option<f64>,
        registry: impl Fn(usize) -> Option<f64>,
        worn: Option<f64>,
    ) {
        self.rounds += 1;
        let reading = |metric, of: &str, value| Reading {
            series: Series::of(metric, of),
            raw: Raw::Gauge(value),
            limit: None,
        };
        let mut readings: Vec<Reading> = wan.map(|wan| reading(Metric::Wan, "", wan)).into_iter().collect();
        for number in 0..REGISTRIES {
            if let Some(up) = registry(number) {
                readings.push(reading(Metric::UpstreamUp, &format!("registry-{number}"), up));
            }
        }
        readings.extend(worn.map(|worn| reading(Metric::DiskWorn, "mmcblk0", worn)));
        let at = Elapsed {
            since_start: ROUND * self.rounds as u32,
            took: Duration::from_millis(1),
        };
        let now = self.site.clock.now();
        self.board.take(&readings, at, now);
        let timing = Timing {
            lapse: 4 * ROUND,
            settle: Duration::from_secs(30),
        };
        let rules = &self.site.rules;
        life.book.round(
            now,
            |engine| judge(engine, rules, &self.board, timing, now),
            |notice| {
                let rule = rules
                    .iter()
                    .find(|rule| rule.name == notice.incident.subject.rule);
                Letter::new(notice, rule.expect("a built-in rule"), None)
            },
        );
        sleep(ROUND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_hours_without_the_line_thirteen_symptoms_and_a_reboot_are_one_incident_and_one_message() {
    let mut it = Box::new();
    let mut life = it.start();
    for _ in 0..5 * MINUTE {
        it.round(&life, Some(1.0), |_| Some(1.0)).await;
    }
    it.line_is(false);
    // The symptoms are seen before the cause.
    for _ in 0..2 {
        it.round(&life, Some(1.0), |_| Some(0.0)).await;
    }
    for _ in 0..HOUR {
        it.round(&life, Some(0.0), |_| Some(0.0)).await;
    }
    // The power goes for three minutes, of which the clock without a battery knows less than one.
    drop(life);
    let lost = it.site.clock.now().0 - 130;
    sleep(Duration::from_secs(180)).await;
    it.site.clock = Clock::starting_at(Duration::from_secs(lost + 180));
    life = it.start();
    // Nobody has asked for anything yet.
    for _ in 0..MINUTE {
        it.round(&life, None, |_| None).await;
    }
    for _ in 0..HOUR {
        it.round(&life, Some(0.0), |_| Some(0.0)).await;
    }
    it.line_is(true);
    // The line is back for a minute before anything that it carries is asked, and the last registry a minute later.
    for _ in 0..MINUTE {
        it.round(&life, Some(0.0), |_| Some(0.0)).await;
    }
    for round in 0..20 * MINUTE {
        let up = |number: usize| Some(f64::from(u8::from(round * 2 >= number)));
        it.round(&life, Some(1.0), up).await;
    }
    for (name, (mailbox, _)) in &it.site.mailboxes {
        let arrived = mailbox.arrived.lock();
        let [message] = &arrived[..] else {
            panic!("{name}: {arrived:#?}")
        };
        assert_eq!(message.occasion, Told::Resolved, "{name}");
        assert_eq!(
            message.title, "[over] attic: no registry can be reached",
            "{name}"
        );
        let about: Vec<_> = message.about.iter().map(|about| about.occasion).collect();
        assert_eq!(about, [Occasion::Fired, Occasion::Resolved], "{name}");
    }
    let now = it.site.clock.now();
    life.book.look(now, |open, past, head| {
        assert_eq!(open, [], "nothing lasts");
        let told = past.iter().filter(|past| past.incident.told.is_some());
        assert_eq!(told.count(), 1);
        assert_eq!(past.len(), 1 + REGISTRIES, "what was explained is known");
        assert_eq!(head.lost, 0);
    });
    assert_eq!(life.book.waiting("people").letters, []);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_while_the_outage_lasts_is_told_of_it_all_the_same() {
    let mut it = Box::new();
    let life = it.start();
    it.line_is(false);
    for _ in 0..HOUR {
        it.round(&life, Some(0.0), |_| Some(0.0)).await;
    }
    // A server on the LAN, say.
    it.line_is(true);
    for _ in 0..20 * MINUTE {
        it.round(&life, Some(0.0), |_| Some(0.0)).await;
    }
    let (told, again) = it.site.told("people");
    assert_eq!((told.as_slice(), again), ([(1, Told::Fired)].as_slice(), 0));
}

#[tokio::test(start_paused = true)]
async fn what_has_nothing_to_do_with_the_outage_waits_for_nothing() {
    let mut it = Box::new();
    let life = it.start();
    it.line_is(false);
    for _ in 0..HOUR {
        it.round(&life, Some(0.0), |_| Some(0.0)).await;
    }
    it.line_is(true);
    // The longest wait between tries is 5 min; that for the end of the outage is ten more.
    for _ in 0..6 * MINUTE {
        it.round_with(&life, Some(0.0), |_| Some(0.0), Some(0.95)).await;
    }
    let (mailbox, _) = &it.site.mailboxes["people"];
    let arrived = mailbox.arrived.lock();
    let about: Vec<String> = arrived
        .iter()
        .flat_map(|message| message.about.iter().map(|about| about.subject.to_string()))
        .collect();
    assert_eq!(about, ["no-wan", "disk-worn(mmcblk0)"], "{arrived:#?}");
}
