//! Who is late, and what is done about it.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::{
    heartbeat::Beat,
    watchdog::{Acts, Circumstances, Footing, Guard, Judge, Ladder, Part, Silence, Step},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A part that is looked at once a second.
struct Watch {
    judge: Judge,
    beat: Beat,
    now: u64,
}

impl Watch {
    fn over(part: Part) -> Self {
        let (mut judge, beat) = (Judge::default(), Beat::default());
        judge.watch(part, beat.clone());
        let mut this = Self { judge, beat, now: 0 };
        this.look();
        this
    }

    fn look(&mut self) -> Duration {
        let silences: Vec<_> = self.judge.look(seconds(self.now)).collect();
        assert_eq!(silences.len(), 1);
        silences[0].lasts
    }

    fn after(&mut self, passed: u64) -> Duration {
        for _ in 0..passed {
            self.now += 1;
            self.look();
        }
        self.look()
    }
}

#[test]
fn only_who_has_work_and_makes_no_step_is_silent() {
    let mut watch = Watch::over(Part::Fills);
    assert_eq!(watch.after(3600), seconds(0), "it has nothing to do");
    let work = watch.beat.work();
    assert_eq!(watch.after(5), seconds(5), "not since it was last idle");
    work.step();
    assert_eq!(watch.after(1), seconds(0));
    assert_eq!(watch.after(7), seconds(7));
    let other = watch.beat.work();
    assert_eq!(watch.after(1), seconds(8), "that something begins is no progress");
    drop(other);
    assert_eq!(watch.after(1), seconds(0), "that something ends is");
    drop(work);
    assert_eq!(watch.after(3600), seconds(0));
}

#[test]
fn time_in_which_nobody_looked_counts_against_nobody() {
    let mut watch = Watch::over(Part::Runtime);
    let _work = watch.beat.work();
    assert_eq!(watch.after(3), seconds(3));
    // The process was stopped, or the machine, for an hour.
    watch.now += 3600;
    assert_eq!(watch.look(), seconds(5));
    assert_eq!(watch.after(2), seconds(7));
}

#[test]
fn who_is_not_watched_any_more_is_not_late() {
    let mut watch = Watch::over(Part::Start);
    let _work = watch.beat.work();
    assert_eq!(watch.after(9), seconds(9));
    watch.judge.leave(Part::Start);
    assert_eq!(watch.judge.look(seconds(20)).count(), 0);
}

/// What is done while a part is silent, and when: from the first second to the last.
fn climbed(part: Part, footing: Footing, uptime: Duration, last: u64) -> Vec<(u64, Step)> {
    let mut ladder = Ladder::default();
    let steps = (0..=last).filter_map(|at| {
        let silence = Silence {
            part,
            lasts: seconds(at),
        };
        let circumstances = Circumstances { footing, uptime };
        Some((at, ladder.climb(silence, circumstances)?))
    });
    steps.collect()
}

#[test]
fn each_part_is_helped_in_its_own_way() {
    let hour = seconds(3600);
    for part in Part::ALL {
        let deadline = part.deadline().as_secs();
        let silence = |times: u64| Silence {
            part,
            lasts: seconds(deadline * times),
        };
        let restarts = vec![(deadline, Step::Restart(silence(1)))];
        let told = vec![(deadline, Step::Tell(silence(1)))];
        let killed = vec![
            (deadline, Step::KillWorker(silence(1))),
            (deadline * 2, Step::KillWorker(silence(2))),
            (deadline * 3, Step::GiveUp(silence(3))),
        ];
        let (firm, safe, young) = match part {
            Part::Start | Part::Runtime | Part::Threads | Part::Door => (&restarts, &restarts, &told),
            Part::Index | Part::Fills => (&restarts, &told, &told),
            Part::Collector | Part::Inspection => (&killed, &killed, &killed),
            Part::Sampler | Part::Alerts => (&told, &told, &told),
        };
        // A restart ends the process: it is looked at up to there.
        let until = |steps: &Vec<(u64, Step)>| match steps[0].1 {
            Step::Restart(_) => deadline,
            _ => deadline * 9,
        };
        assert_eq!(
            &climbed(part, Footing::Firm, seconds(1), until(firm)),
            firm,
            "{part}"
        );
        assert_eq!(&climbed(part, Footing::Safe, hour, until(safe)), safe, "{part}");
        assert_eq!(
            &climbed(part, Footing::Safe, seconds(1), until(young)),
            young,
            "{part}"
        );
    }
}

#[test]
fn a_part_that_moves_again_begins_at_the_ground() {
    let mut ladder = Ladder::default();
    let mut climb = |lasts: u64| {
        let silence = Silence {
            part: Part::Collector,
            lasts: seconds(lasts),
        };
        let circumstances = Circumstances {
            footing: Footing::Firm,
            uptime: seconds(9),
        };
        ladder.climb(silence, circumstances)
    };
    assert_eq!(climb(599), None);
    assert!(matches!(climb(600), Some(Step::KillWorker(_))));
    assert_eq!(climb(601), None, "once for a deadline");
    assert_eq!(climb(3), Some(Step::Recovered(Part::Collector)));
    assert_eq!(climb(4), None);
    assert!(matches!(climb(600), Some(Step::KillWorker(_))));
}

/// Says what a guard does.
struct Told {
    done: mpsc::Sender<Done>,
}

#[derive(Debug, PartialEq)]
enum Done {
    Acted(Step),
    Fed,
    Released,
}

impl Acts for Told {
    fn footing(&mut self) -> Footing {
        Footing::Firm
    }

    fn act(&mut self, step: Step) {
        let _ = self.done.send(Done::Acted(step));
    }

    fn feed(&mut self) {
        let _ = self.done.send(Done::Fed);
    }

    fn release(&mut self) {
        let _ = self.done.send(Done::Released);
    }
}

#[test]
fn a_guard_feeds_until_something_hangs_and_then_no_more() {
    let (done, told) = mpsc::channel();
    let guard = Guard::start(Told { done }).expect("a thread");
    let beat = Beat::default();
    let began = Instant::now();
    let _work = beat.work();
    guard.watch(Part::Runtime, beat);
    let mut fed = 0;
    let silence = loop {
        match told.recv_timeout(seconds(30)).expect("it looks") {
            Done::Fed => fed += 1,
            Done::Acted(Step::Restart(silence)) => break silence,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(silence.part, Part::Runtime);
    assert!(
        began.elapsed() >= silence.part.deadline() - seconds(1),
        "{:?}",
        began.elapsed()
    );
    assert!((7..=12).contains(&fed), "{fed}");
    assert_eq!(
        guard.standing().late().next().map(|(part, _)| part),
        Some(Part::Runtime)
    );
    assert!(
        told.recv().is_err(),
        "it feeds nobody any more, and releases nothing"
    );
}

#[test]
fn an_orderly_end_releases_what_was_fed() {
    let (done, told) = mpsc::channel();
    let guard = Guard::start(Told { done }).expect("a thread");
    assert_eq!(told.recv(), Ok(Done::Fed));
    let began = Instant::now();
    drop(guard);
    assert!(began.elapsed() < seconds(1), "it is not waited for");
    let last: Vec<_> = told.iter().collect();
    assert_eq!(last.last(), Some(&Done::Released));
}
