//! Verdicts that can be bad.

use super::*;

fn outcome(expect: impl FnOnce(&mut Findings)) -> Outcome {
    let mut findings = Findings::default();
    expect(&mut findings);
    Outcome::of(Incident::Spegel, findings, Duration::from_millis(1234))
}

#[test]
fn one_thing_that_did_not_hold_is_enough() {
    let good = outcome(|findings| findings.equal("pulls that failed", 0, 0));
    assert_eq!((good.verdict, good.seconds), (Verdict::Survived, 1.2));
    let bad = outcome(|findings| {
        findings.equal("pulls", 3, 3);
        findings.at_most("in use", 0, 4096, Unit::Bytes);
    });
    assert_eq!(bad.verdict, Verdict::NotSurvived);
    assert_eq!(bad.expectations[1].expected, "at most 0 B");
    assert_eq!(bad.expectations[1].seen, "4.0 KiB");
    let report = Report::of(vec![good.clone(), bad]);
    assert_eq!(
        (report.verdict, report.not_survived()),
        (Verdict::NotSurvived, vec!["spegel"])
    );
    assert_eq!(Report::of(vec![good]).verdict, Verdict::Survived);
}

#[test]
fn what_shows_nothing_is_not_survived() {
    assert_eq!(outcome(|_| {}).verdict, Verdict::NotSurvived);
    assert_eq!(Report::of(Vec::new()).verdict, Verdict::NotSurvived);
    let broken = Findings::broken_off(&Unplayable::new("start", "the mirror", "no port"));
    let broken = Outcome::of(Incident::Spegel, broken, Duration::ZERO);
    assert_eq!(broken.verdict, Verdict::NotSurvived);
    assert_eq!(broken.expectations[0].seen, "start the mirror: no port");
    let hung = Outcome::of(
        Incident::Spegel,
        Findings::hung(Duration::from_secs(9)),
        Duration::ZERO,
    );
    assert_eq!(hung.verdict, Verdict::NotSurvived);
}

#[test]
fn bounds_hold_up_to_themselves() {
    let held = |expect: &dyn Fn(&mut Findings)| {
        let mut findings = Findings::default();
        expect(&mut findings);
        findings.expectations[0].held
    };
    assert!(held(&|f| f.at_least("x", 3, 3)) && !held(&|f| f.at_least("x", 3, 2)));
    assert!(held(&|f| f.at_most("x", 3, 3, Unit::Count)) && !held(&|f| f.at_most("x", 3, 4, Unit::Count)));
    let second = Duration::from_secs(1);
    assert!(held(&|f| f.within("x", second, second)) && !held(&|f| f.within("x", second, second * 2)));
    let short = outcome(|findings| findings.within("x", second, Duration::from_micros(920)));
    let [told] = &short.expectations[..] else {
        panic!("{short:?}")
    };
    assert_eq!(
        (told.expected.as_str(), told.seen.as_str()),
        ("at most 1000 ms", "0.92 ms")
    );
    assert!(held(&|f| f.nothing_of("x", &[])) && !held(&|f| f.nothing_of("x", &["y".to_owned()])));
    assert!(held(&|f| f.part_at_most("x", 0.5, 0.5)) && !held(&|f| f.part_at_most("x", 0.5, 0.51)));
    assert!(!held(&|f| f.equal("x", 1, 2)));
}
