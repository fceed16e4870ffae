//! From the book to the receivers, with crashes between every two steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinHandle, time::sleep};

use super::super::{
    book::{Book, Page},
    post::{Addressee, Post},
    receiver::{Delivered, Fault, Gathers, Reach, Receiver, Undelivered},
    store::Store,
    writing::write_all,
    *,
};
use crate::{
    cache::{CacheError, Call, Disk, Faults, SmallDatabase},
    clock::Clock,
    rule::{Rule, RuleName, Severity, builtin},
};

pub(super) const ROUND: Duration = Duration::from_secs(10);

/// The power, which goes at a step that the test chooses.
pub(super) struct Power {
    steps: AtomicU32,
    fails_at: u32,
    gone: AtomicBool,
    told: Notify,
}

impl Power {
    pub(super) fn until(fails_at: u32) -> Arc<Self> {
        Arc::new(Self {
            steps: AtomicU32::new(0),
            fails_at,
            gone: AtomicBool::new(false),
            told: Notify::new(),
        })
    }

    /// Whether it is there for the next step.
    fn step(&self) -> bool {
        if self.steps.fetch_add(1, SeqCst) + 1 == self.fails_at {
            self.gone.store(true, SeqCst);
            self.told.notify_one();
        }
        !self.gone.load(SeqCst)
    }
}

/// What is on the disk.
#[derive(Clone)]
struct Paper {
    page: Arc<Mutex<Page>>,
    power: Arc<Power>,
}

impl Store for Paper {
    fn read(&self) -> Result<Page, CacheError> {
        Ok(self.page.lock().clone())
    }

    fn write(&mut self, page: &Page) -> Result<(), CacheError> {
        if self.power.step() {
            *self.page.lock() = page.clone();
            self.power.step();
        }
        Ok(())
    }
}

/// What has arrived, by receiver.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) arrived: Mutex<Vec<Message>>,
    pub(super) refuses: AtomicBool,
}

pub(super) struct Sender {
    mailbox: Arc<Mailbox>,
    power: Arc<Power>,
    gathers: Gathers,
}

impl Receiver for Sender {
    fn gathers(&self) -> Gathers {
        self.gathers
    }

    fn reach(&self) -> BoxFuture<'_, Reach> {
        let is_open = !self.mailbox.refuses.load(SeqCst);
        async move { if is_open { Reach::Open } else { Reach::Shut } }.boxed()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        async move {
            if self.mailbox.refuses.load(SeqCst) {
                return Err(Undelivered {
                    operation: "post to",
                    to: "nowhere".to_owned(),
                    fault: Fault::Unreachable,
                    cause: "there is no way out".to_owned(),
                });
            }
            if self.power.step() {
                self.mailbox.arrived.lock().push(message.clone());
                if self.power.step() {
                    return Ok(Delivered);
                }
            }
            std::future::pending().await
        }
        .boxed()
    }
}

/// What outlives a crash.
pub(super) struct Site {
    page: Arc<Mutex<Page>>,
    pub(super) mailboxes: BTreeMap<&'static str, (Arc<Mailbox>, Gathers)>,
    pub(super) clock: Clock,
    pub(super) rules: Vec<Rule>,
}

/// A process.
pub(super) struct Life {
    pub(super) book: Book,
    power: Arc<Power>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Site {
    pub(super) fn new() -> Self {
        let mailbox = |gathers| (Arc::<Mailbox>::default(), gathers);
        Self {
            page: Arc::default(),
            mailboxes: BTreeMap::from([
                ("people", mailbox(Gathers::Digests)),
                ("pager", mailbox(Gathers::Incidents)),
            ]),
            clock: Clock::starting_at(Duration::from_secs(1_800_000_000)),
            rules: builtin().expect("read"),
        }
    }

    /// Starts, with power for so many steps.
    fn start(&self, steps: u32) -> Life {
        let power = Power::until(steps);
        let paper = Paper {
            page: self.page.clone(),
            power: power.clone(),
        };
        let book = Book::open(paper.read().expect("read"));
        self.start_on(book, paper, power)
    }

    pub(super) fn start_on(&self, book: Book, paper: impl Store, power: Arc<Power>) -> Life {
        let (_end, ends) = tokio::sync::watch::channel(false);
        let (tell, written) = tokio::sync::watch::channel(0);
        let pages = book.pages();
        let mut tasks = vec![tokio::spawn(async move {
            let _end = _end;
            write_all(pages, paper, tell, ends, crate::heartbeat::Beat::default()).await;
        })];
        let names: Vec<&str> = self.mailboxes.keys().copied().collect();
        book.receivers(&names);
        for (name, (mailbox, gathers)) in &self.mailboxes {
            let post = Post {
                addressee: Addressee {
                    name: (*name).to_owned(),
                    receiver: Arc::new(Sender {
                        mailbox: mailbox.clone(),
                        power: power.clone(),
                        gathers: *gathers,
                    }),
                    wishes: Wishes {
                        quiet: None,
                        zone: TimeZone::UTC,
                        rate: crate::config::Frequency::default(),
                        least: Severity::Info,
                    },
                    voice: Voice {
                        host: "attic".to_owned(),
                        zone: TimeZone::UTC,
                    },
                },
                book: book.clone(),
                written: Written::of(written.clone()),
                clock: self.clock.clone(),
                rng: fastrand::Rng::with_seed(1),
            };
            tasks.push(tokio::spawn(post.deliver()));
        }
        Life { book, power, tasks }
    }

    fn rule(&self, name: &str) -> &Rule {
        let rule = self.rules.iter().find(|rule| rule.name.0 == name);
        rule.expect("a built-in rule")
    }

    /// A round in which these rules are broken, and those that are not are fine.
    fn round(&self, life: &Life, broken: &[&str]) {
        let now = self.clock.now();
        let judge = |engine: &mut Engine| {
            for name in ["disk-worn", "upstream-down"] {
                let rule = self.rule(name);
                let terms = crate::rule::Terms {
                    cause: rule.cause,
                    severity: rule.severity,
                    pending: Duration::ZERO,
                    keep: Duration::ZERO,
                    worse: rule.when.worse(),
                    settle: Duration::from_secs(30),
                    lapse: 3 * ROUND,
                };
                let subject = Subject {
                    rule: RuleName(name.to_owned()),
                    of: String::new(),
                };
                let signal = if broken.contains(&name) {
                    Signal::Bad(1.0)
                } else {
                    Signal::Fine(0.0)
                };
                engine.observe(&subject, terms, signal, now);
            }
        };
        life.book.round(now, judge, |notice| {
            let rule = self.rule(&notice.incident.subject.rule.0);
            Letter::new(notice, rule, None)
        });
    }

    /// What was told of which incidents, once each; and how often something was told again.
    pub(super) fn told(&self, name: &str) -> (Vec<(u64, Told)>, usize) {
        let (mailbox, _) = &self.mailboxes[name];
        let arrived = mailbox.arrived.lock();
        let keys: BTreeSet<&str> = arrived.iter().map(|message| message.key.as_str()).collect();
        let mut seen = BTreeSet::new();
        let told = arrived.iter().filter(|message| seen.insert(message.key.clone()));
        let told = told.map(|message| (message.incident.map_or(0, |id| id.0), message.occasion));
        (told.collect(), arrived.len() - keys.len())
    }
}

/// Two incidents, one in the other, with a crash at a step and a restart. How many steps there were.
async fn story(crash_at: u32) -> (Site, u32) {
    let site = Site::new();
    let mut life = site.start(crash_at);
    let mut steps = 0;
    for round in 0..120 {
        let broken: &[&str] = match round {
            5..60 => &["upstream-down"],
            60..80 => &["upstream-down", "disk-worn"],
            80..90 => &["disk-worn"],
            _ => &[],
        };
        if life.power.gone.load(SeqCst) {
            steps += life.power.steps.load(SeqCst);
            drop(life);
            life = site.start(u32::MAX);
        }
        site.round(&life, broken);
        sleep(ROUND).await;
    }
    steps += life.power.steps.load(SeqCst);
    (site, steps)
}

const TOLD: [(u64, Told); 4] = [
    (1, Told::Fired),
    (2, Told::Fired),
    (1, Told::Resolved),
    (2, Told::Resolved),
];

#[tokio::test(start_paused = true)]
async fn a_crash_between_any_two_steps_loses_nothing_and_sends_at_most_one_message_twice() {
    let (site, steps) = story(u32::MAX).await;
    for name in site.mailboxes.keys() {
        assert_eq!(site.told(name), (TOLD.to_vec(), 0), "{name}");
    }
    assert!(steps > 4 * 2 * 2, "{steps} steps");
    let mut twice = 0;
    for crash_at in 1..=steps {
        let (site, _) = story(crash_at).await;
        for name in site.mailboxes.keys() {
            let (told, again) = site.told(name);
            assert_eq!(told, TOLD, "{name}, crash at step {crash_at}");
            assert!(
                again <= 1,
                "{again} sent twice to {name}, crash at step {crash_at}"
            );
            twice += again;
        }
    }
    assert!(twice > 0, "a crash between sending and noting it is among them");
}

#[tokio::test(start_paused = true)]
async fn after_hours_without_a_way_out_there_is_one_digest() {
    let site = Site::new();
    let life = site.start(u32::MAX);
    let (people, _) = &site.mailboxes["people"];
    people.refuses.store(true, SeqCst);
    for round in 0..720 {
        let broken: &[&str] = match round {
            5..600 => &["upstream-down", "disk-worn"],
            600..700 => &["disk-worn"],
            _ => &[],
        };
        site.round(&life, broken);
        sleep(ROUND).await;
    }
    let failing = life.book.look(site.clock.now(), |_, _, head| {
        head.reached["people"].failing.clone()
    });
    let failing = failing.expect("it is known");
    assert!(
        failing.why.contains("there is no way out") && failing.tries > 20,
        "{failing:?}"
    );
    people.refuses.store(false, SeqCst);
    sleep(Duration::from_secs(400)).await;
    let arrived = people.arrived.lock();
    let [digest] = &arrived[..] else {
        panic!("{arrived:?}")
    };
    assert_eq!(digest.occasion, Told::Digest);
    assert_eq!(digest.title, "[over] attic: 2 incidents");
    // Who keeps incidents itself was told of each as it came.
    let (told, _) = site.told("pager");
    let ended = [(2, Told::Resolved), (1, Told::Resolved)];
    assert_eq!((&told[..2], &told[2..]), (&TOLD[..2], &ended[..]));
    let waiting = life.book.waiting("people");
    assert_eq!(waiting.letters, []);
    assert_eq!(site.page.lock().letters.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_new_is_told_of_what_comes_and_one_that_is_gone_keeps_nothing() {
    let mut site = Site::new();
    let life = site.start(u32::MAX);
    let (people, gathers) = site.mailboxes["people"].clone();
    people.refuses.store(true, SeqCst);
    for round in 0..60 {
        site.round(&life, if round > 5 { &["disk-worn"] } else { &[] });
        sleep(ROUND).await;
    }
    drop(life);
    site.mailboxes.remove("people");
    site.mailboxes.insert("new", (Arc::default(), gathers));
    let life = site.start(u32::MAX);
    for _ in 0..60 {
        site.round(&life, &[]);
        sleep(ROUND).await;
    }
    assert_eq!(site.told("new").0, [(1, Told::Resolved)]);
    assert_eq!(site.told("pager").0, [(1, Told::Fired), (1, Told::Resolved)]);
    assert_eq!(
        site.page.lock().letters.len(),
        0,
        "nobody waits for what the other was to have"
    );
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_refuses_keeps_nobody_from_being_told() {
    struct Refusing;
    impl Faults for Refusing {
        fn before(&self, _: Call, _: &Path) -> io::Result<()> {
            Err(rustix::io::Errno::ROFS.into())
        }
    }
    let disk = Disk::with_faults(Arc::new(Refusing));
    let shelf = Shelf::new(SmallDatabase::new("state.redb".into(), disk));
    assert!(shelf.read().is_err());
    let site = Site::new();
    let life = site.start_on(Book::open(Page::default()), shelf, Power::until(u32::MAX));
    for round in 0..120 {
        site.round(
            &life,
            if (5..60).contains(&round) {
                &["disk-worn"]
            } else {
                &[]
            },
        );
        sleep(ROUND).await;
    }
    assert_eq!(site.told("people").0, [(1, Told::Fired), (1, Told::Resolved)]);
}

#[tokio::test(start_paused = true)]
async fn a_box_that_is_offline_for_a_year_does_not_grow_for_ever() {
    let site = Site::new();
    let life = Life {
        book: Book::open(Page::default()),
        power: Power::until(u32::MAX),
        tasks: Vec::new(),
    };
    life.book.receivers(&["people"]);
    for _ in 0..1500 {
        for (broken, lasts) in [(true, 60), (true, 4 * 3600), (false, 4 * 3600)] {
            site.round(&life, if broken { &["disk-worn"] } else { &[] });
            sleep(Duration::from_secs(lasts)).await;
        }
    }
    let letters = life.book.waiting("people").letters;
    assert_eq!(letters.len(), 1000);
    let (lost, next) = life
        .book
        .look(site.clock.now(), |_, _, head| (head.lost, head.next));
    assert_eq!((lost, next > 2000), (next - 1000, true));
}
