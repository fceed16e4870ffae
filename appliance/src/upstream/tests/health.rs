use super::*;

const REST: Duration = Duration::from_secs(10);

fn breaker() -> Breaker {
    Breaker::new(
        Backoff::new(REST, Duration::from_secs(60)),
        fastrand::Rng::with_seed(1),
    )
}

fn call(breaker: &mut Breaker, outcome: Outcome, now: Instant) {
    let leave = breaker.admit(now).expect("let in");
    breaker.end(leave, outcome, now);
}

fn rest(breaker: &Breaker, now: Instant) -> Duration {
    match breaker.health(now) {
        Health::Open { retry_in } => retry_in,
        other => panic!("not open but {other:?}"),
    }
}

/// A breaker that has just opened, and the first moment at which its rest is over.
fn tripped(now: Instant) -> (Breaker, Instant) {
    let mut breaker = breaker();
    call(&mut breaker, Outcome::Silent, now);
    let over = now + rest(&breaker, now);
    (breaker, over)
}

#[test]
fn it_opens_by_what_finding_out_costs() {
    let now = Instant::now();
    for (outcome, times) in [
        (Outcome::Silent, 1),
        (Outcome::Unreachable, 2),
        (Outcome::Broken, 3),
    ] {
        let mut breaker = breaker();
        for _ in 1..times {
            call(&mut breaker, outcome, now);
            assert_eq!(
                breaker.health(now),
                Health::Closed { answered: None },
                "{outcome:?}"
            );
        }
        call(&mut breaker, outcome, now);
        let rest = rest(&breaker, now);
        assert!(
            (REST.mul_f32(0.79)..REST.mul_f32(1.21)).contains(&rest),
            "{rest:?}"
        );
        assert_eq!(breaker.admit(now), Err(rest));
    }
}

#[test]
fn an_outage_lasts_from_its_first_failure_to_its_last_and_ends_with_an_answer() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let now = Instant::now();
    let mut breaker = breaker();
    assert_eq!(breaker.failing(now), None);
    call(&mut breaker, Outcome::Unreachable, now);
    call(&mut breaker, Outcome::Silent, now + minutes(3));
    call(&mut breaker, Outcome::Broken, now + minutes(20));
    let failing = |first, last| {
        Some(Failing {
            first: minutes(first),
            last: minutes(last),
        })
    };
    assert_eq!(breaker.failing(now + minutes(21)), failing(21, 1));
    // Nobody asked for long: what fails then is another matter.
    call(&mut breaker, Outcome::Silent, now + minutes(90));
    assert_eq!(breaker.failing(now + minutes(91)), failing(1, 1));
    call(&mut breaker, Outcome::Answered, now + minutes(100));
    assert_eq!(breaker.failing(now + minutes(101)), None);
}

#[test]
fn an_answer_in_between_forgets_the_failures() {
    let now = Instant::now();
    let mut breaker = breaker();
    for _ in 0..5 {
        call(&mut breaker, Outcome::Broken, now);
        call(&mut breaker, Outcome::Broken, now);
        call(&mut breaker, Outcome::Answered, now);
    }
    assert_eq!(
        breaker.health(now),
        Health::Closed {
            answered: Some(Duration::ZERO)
        }
    );
}

#[test]
fn an_overloaded_registry_gets_the_rest_it_asked_for() {
    let now = Instant::now();
    let mut breaker = breaker();
    call(&mut breaker, Outcome::Overloaded(Duration::from_secs(77)), now);
    assert_eq!(rest(&breaker, now), Duration::from_secs(77));
}

#[test]
fn after_the_rest_exactly_one_probe_goes_and_its_answer_closes() {
    let (mut breaker, over) = tripped(Instant::now());
    assert_eq!(breaker.health(over), Health::HalfOpen);
    let probe = breaker.admit(over).expect("the probe");
    assert!(breaker.admit(over).is_err(), "only one");
    assert_eq!(breaker.health(over), Health::HalfOpen);
    breaker.end(probe, Outcome::Answered, over);
    assert!(matches!(breaker.health(over), Health::Closed { .. }));
}

#[test]
fn a_probe_that_fails_doubles_the_rest_up_to_the_cap_and_an_answer_resets_it() {
    let (mut breaker, mut now) = tripped(Instant::now());
    let mut rests = Vec::new();
    for _ in 0..5 {
        call(&mut breaker, Outcome::Broken, now);
        let rest = rest(&breaker, now);
        rests.push(rest.as_secs_f32());
        now += rest;
    }
    for (rest, ideal) in rests.iter().zip([20.0, 40.0, 60.0, 60.0, 60.0]) {
        assert!(
            (ideal * 0.79..=60.0_f32.min(ideal * 1.21)).contains(rest),
            "{rests:?}"
        );
    }
    call(&mut breaker, Outcome::Answered, now);
    call(&mut breaker, Outcome::Silent, now);
    assert!(rest(&breaker, now) < REST.mul_f32(1.21));
}

#[test]
fn a_dropped_probe_lets_the_next_one_go() {
    let (mut breaker, over) = tripped(Instant::now());
    let probe = breaker.admit(over).expect("the probe");
    breaker.abandon(probe);
    breaker.admit(over).expect("another probe");
}

#[test]
fn calls_let_in_before_it_opened_move_nothing_afterwards() {
    let now = Instant::now();
    let mut breaker = breaker();
    let early: Vec<_> = (0..3).map(|_| breaker.admit(now).expect("let in")).collect();
    call(&mut breaker, Outcome::Silent, now);
    let first = rest(&breaker, now);
    breaker.end(early[0], Outcome::Silent, now);
    assert_eq!(rest(&breaker, now), first, "one outage counts once");

    let over = now + first;
    let probe = breaker.admit(over).expect("the probe");
    breaker.end(early[1], Outcome::Silent, over);
    breaker.abandon(early[1]);
    assert!(breaker.admit(over).is_err(), "the probe is still out");
    breaker.end(probe, Outcome::Answered, over);
    breaker.end(early[2], Outcome::Silent, over);
    assert!(matches!(breaker.health(over), Health::Closed { .. }));
}
