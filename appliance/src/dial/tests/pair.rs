use super::*;

fn error() -> Answer {
    Err(NetError::Message("no"))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn after(ms: u64, answer: Answer) -> BoxFuture<'static, Answer> {
    async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        answer
    }
    .boxed()
}

/// What there is, and after how long; and what comes late.
async fn ask(
    wanted: BoxFuture<'static, Answer>,
    other: BoxFuture<'static, Answer>,
    patience: Duration,
) -> Result<(Vec<IpAddr>, u128, Vec<IpAddr>), ResolveError> {
    let started = Instant::now();
    let Found { addresses, late } = both(wanted, other, patience).await?.found;
    let ms = started.elapsed().as_millis();
    let late = match late {
        Some(late) => late.await,
        None => Vec::new(),
    };
    Ok((addresses, ms, late))
}

#[tokio::test(start_paused = true)]
async fn the_family_to_begin_with_is_waited_for_a_moment_and_the_other_one_not() {
    let (v6, v4) = (address("2001:db8::1"), address("192.0.2.1"));
    let [six, four] = [v6, v4].map(|address| move |ms| after(ms, Ok(vec![address])));
    let waits = RESOLUTION_DELAY;
    let none = Vec::new();
    for (wanted, other, patience, expected) in [
        (six(10), four(30), waits, (vec![v6], 10, vec![v4])),
        (six(30), four(10), waits, (vec![v4, v6], 30, none.clone())),
        (six(400), four(10), waits, (vec![v4], 60, vec![v6])),
        (six(400), four(10), Duration::ZERO, (vec![v4], 10, vec![v6])),
        (four(400), six(10), waits, (vec![v6], 60, vec![v4])),
        (after(10, error()), four(40), waits, (vec![v4], 40, none.clone())),
        (
            after(10, Ok(vec![])),
            four(40),
            waits,
            (vec![v4], 40, none.clone()),
        ),
        (six(10), after(40, error()), waits, (vec![v6], 10, none.clone())),
        (after(40, error()), four(10), waits, (vec![v4], 40, none.clone())),
    ] {
        let (found, ms, late) = ask(wanted, other, patience).await.expect("found");
        assert_eq!((&found, &late), (&expected.0, &expected.2));
        assert!(
            (expected.1..expected.1 + 5).contains(&ms),
            "{found:?} after {ms} ms"
        );
    }
    let nothing = ask(after(10, Ok(vec![])), after(40, error()), waits).await;
    assert!(matches!(nothing, Err(ResolveError::NoAddress(Some(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_says_nothing_is_given_up_in_time() {
    let started = Instant::now();
    let never = || std::future::pending().boxed();
    let silent = ask(never(), never(), RESOLUTION_DELAY).await;
    assert!(matches!(silent, Err(ResolveError::Silent)));
    let half = after(10, Ok(vec![address("192.0.2.1")]));
    let found = ask(never(), half, RESOLUTION_DELAY).await.expect("found");
    assert_eq!(found.2, [] as [IpAddr; 0], "what comes late ends as well");
    assert!(started.elapsed() <= 2 * (LOOKUP + Duration::from_millis(10)));
}

#[test]
fn a_name_that_was_late_is_not_waited_for_for_a_while() {
    let late = Late::default();
    let now = Instant::now();
    let patience = |host, after| late.patience(host, Family::V6, now + after);
    assert_eq!(patience("a", Duration::ZERO), RESOLUTION_DELAY);
    late.note("a", Family::V6, now);
    assert_eq!(patience("a", Duration::ZERO), Duration::ZERO);
    assert_eq!(patience("b", Duration::ZERO), RESOLUTION_DELAY);
    assert_eq!(late.patience("a", Family::V4, now), RESOLUTION_DELAY);
    assert_eq!(patience("a", LATE), RESOLUTION_DELAY);
    for name in 0..LATE_NAMES {
        late.note(&name.to_string(), Family::V6, now);
    }
    assert!(late.0.lock().len() <= LATE_NAMES);
}
