//! A box that is sampled for days, its history, and shelves that refuse.

use std::sync::atomic::Ordering::Relaxed;

use super::bed::{START, Site};
use crate::{
    clock::Timestamp,
    monitor::{
        Sheet,
        history::{Fineness, Limits, Shelf as _, Summary},
    },
    rule::{Metric, Series},
};

const HOUR: u64 = 3600;
const ROOM: Limits = Limits { bytes: 16 << 20 };

/// What load a second has.
fn load(second: u64) -> f32 {
    (second % 977) as f32
}

fn sample(second: u64, sheet: &mut Sheet) {
    sheet.gauge(Metric::Load, "", f64::from(load(second)));
}

/// What a time comes to, from its samples.
fn expected(fineness: Fineness, begin: u64) -> Summary {
    let of_minute = |begin: u64| {
        let samples = (begin..begin + 60).filter(|second| second % 10 == 0).map(load);
        Summary::of(samples).expect("some")
    };
    let minutes = (begin..begin + fineness.step()).step_by(60).map(of_minute);
    Summary::over(minutes).expect("some")
}

fn is_near(one: Summary, other: Summary) -> bool {
    one.least == other.least && one.most == other.most && (one.average - other.average).abs() < 0.01
}

#[test]
fn a_day_is_there_by_the_minute_ten_minutes_and_two_hours() {
    let mut site = Site::new(ROOM);
    assert!(site.read(Fineness::Minute).is_empty(), "nothing yet");
    site.until(START + 26 * HOUR, 10, sample);
    for (fineness, count) in [
        (Fineness::Minute, 24 * 60..=24 * 60 + 10),
        (Fineness::TenMinutes, 26 * 6 - 1..=26 * 6),
        (Fineness::TwoHours, 12..=13),
    ] {
        let all = site.read(fineness);
        assert!(count.contains(&all.len()), "{fineness:?}: {}", all.len());
        // The first time is one that began before the samples.
        for (begin, summary) in all.iter().filter(|(begin, _)| *begin > START) {
            assert_eq!(begin % fineness.step(), 0);
            assert!(
                is_near(*summary, expected(fineness, *begin)),
                "{fineness:?} at {begin}: {summary:?}"
            );
        }
    }
    // A part of it.
    let series = Series::alone(Metric::Load);
    let (from, to) = (Timestamp(START + 10 * HOUR), Timestamp(START + 11 * HOUR));
    let hour = site
        .archive
        .read(&series, Fineness::Minute, from, to)
        .expect("read");
    assert_eq!(hour.len(), 61);
    let none = site
        .archive
        .read(&Series::of(Metric::Load, "x"), Fineness::Minute, from, to);
    assert!(none.expect("read").is_empty());
}

#[test]
fn everything_has_its_time() {
    let mut site = Site::new(ROOM);
    site.until(START + 9 * 24 * HOUR, 60, sample);
    let oldest = |fineness| site.read(fineness).first().map(|(begin, _)| site.now - begin);
    let within = |fineness: Fineness| fineness.kept()..fineness.kept() + fineness.span() * 2;
    assert!(oldest(Fineness::Minute).is_some_and(|age| within(Fineness::Minute).contains(&age)));
    assert!(oldest(Fineness::TenMinutes).is_some_and(|age| within(Fineness::TenMinutes).contains(&age)));
    assert!(oldest(Fineness::TwoHours).is_some_and(|age| age >= 9 * 24 * HOUR));
}

#[test]
fn on_a_small_disk_the_oldest_makes_room() {
    let limits = Limits::of_disk(12 << 20);
    assert_eq!(limits.bytes, 64 << 10);
    let mut site = Site::new(limits);
    let many = |second: u64, sheet: &mut Sheet| {
        sample(second, sheet);
        for disk in 0..40 {
            sheet.gauge(
                Metric::DiskLatency,
                &format!("sd{disk}"),
                f64::from(load(second + disk)),
            );
        }
    };
    site.until(START + 48 * HOUR, 30, many);
    let mut held = 0;
    for fineness in Fineness::ALL {
        let mut last = 0;
        let mut take = |begin: Timestamp, block: &[u8]| {
            held += block.len() as u64;
            last = begin.0;
        };
        site.shelf
            .read(fineness, Timestamp(0), Timestamp(u64::MAX), &mut take)
            .expect("read");
        assert!(
            site.now - last <= 2 * fineness.span(),
            "{fineness:?}: the newest is there"
        );
    }
    assert!(held <= limits.bytes, "{held}");
    assert!(held >= limits.bytes / 4, "{held}");
}

#[test]
fn an_orderly_end_costs_nothing_and_a_kill_ten_minutes() {
    let mut site = Site::new(ROOM);
    site.until(START + HOUR + 300, 10, sample);
    site.end();
    site.restart(60);
    site.until(START + 2 * HOUR + 420, 10, sample);
    let minutes = site.read(Fineness::Minute);
    let between = |from: u64, to: u64| minutes.iter().filter(|(at, _)| (from..to).contains(at)).count();
    assert!(
        (59..=60).contains(&between(START + HOUR / 2, START + HOUR / 2 + HOUR)),
        "a minute of rest at most"
    );
    // Killed.
    site.restart(0);
    site.until(START + 5 * HOUR, 10, sample);
    let minutes = site.read(Fineness::Minute);
    let missing = 5 * 60 - minutes.len();
    assert!(missing <= 22, "{missing}");
    // The two hours in which all that happened are summed up all the same, once they are over.
    let two_hours = site.read(Fineness::TwoHours);
    assert_eq!(two_hours.len(), 2);
    assert!(
        is_near(two_hours[1].1, expected(Fineness::TwoHours, two_hours[1].0)) || two_hours[1].1.most > 900.0
    );
}

#[test]
fn two_hours_that_ended_while_the_box_was_off_are_summed_up_later() {
    let mut site = Site::new(ROOM);
    let begin = Fineness::TwoHours.begin(Timestamp(START)).0 + 2 * HOUR;
    site.until(begin + HOUR, 10, sample);
    site.end();
    site.restart(5 * HOUR);
    site.until(site.now + HOUR, 10, sample);
    let two_hours: Vec<u64> = site
        .read(Fineness::TwoHours)
        .into_iter()
        .map(|(at, _)| at)
        .collect();
    assert!(two_hours.contains(&begin), "{begin} in {two_hours:?}");
}

#[test]
fn a_shelf_that_refuses_costs_what_is_older_than_an_hour() {
    let mut site = Site::new(ROOM);
    site.until(START + HOUR, 10, sample);
    site.shelf.refuses.store(true, Relaxed);
    let refused = site.until(START + HOUR + 45 * 60, 10, sample);
    assert!(
        (4..=5).contains(&refused.len()),
        "once in ten minutes: {refused:?}"
    );
    assert_eq!(refused[0], "write the history");
    assert!(site.read(Fineness::Minute).len() >= 95, "what waits is shown");
    site.shelf.refuses.store(false, Relaxed);
    site.until(START + 2 * HOUR, 10, sample);
    assert_eq!(site.archive.lost(), 0);
    assert!(site.read(Fineness::Minute).len() >= 110);

    site.shelf.refuses.store(true, Relaxed);
    site.until(START + 5 * HOUR, 10, sample);
    assert!(
        (11..=13).contains(&site.archive.lost()),
        "{}",
        site.archive.lost()
    );
    site.shelf.refuses.store(false, Relaxed);
    site.until(START + 6 * HOUR, 10, sample);
    let minutes = site.read(Fineness::Minute);
    assert!((230..=250).contains(&minutes.len()), "{}", minutes.len());
    // Of the second two hours nothing is left.
    assert_eq!(site.read(Fineness::TwoHours).len(), 2);
}

/// A hundred series, sixty of which never stand still: what it costs flash.
#[test]
fn a_day_of_a_hundred_series_writes_no_more_than_is_said() {
    let mut site = Site::new(ROOM);
    let hundred = |second: u64, sheet: &mut Sheet| {
        for number in 0..100 {
            let value = if number < 60 {
                load(second * (number + 1))
            } else {
                1.0
            };
            sheet.gauge(Metric::DiskLatency, &format!("d{number}"), f64::from(value));
        }
    };
    site.until(START + HOUR, 20, hundred);
    let before = site.written.load(Relaxed);
    site.shelf.writes.store(0, Relaxed);
    site.until(START + 25 * HOUR, 20, hundred);
    let written = site.written.load(Relaxed) - before;
    assert_eq!(site.shelf.writes.load(Relaxed), 144);
    println!("{written} bytes in a day");
    assert!(written <= 12 << 20, "{written}");
}
