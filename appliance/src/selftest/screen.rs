//! The report for people.

use super::{Outcome, Report, Verdict};

/// What one replay came to.
pub fn screen(outcome: &Outcome) -> String {
    let threads = match outcome.threads.as_slice() {
        [] => String::new(),
        threads => format!(" ({})", threads.join(", ")),
    };
    let mut text = format!(
        "{}: {}, in {:.1} s\n  {}{threads}\n",
        outcome.incident,
        outcome.verdict.word(),
        outcome.seconds,
        outcome.what,
    );
    for expectation in &outcome.expectations {
        let line = if expectation.held {
            format!(
                "  held    {}: {} (expected: {})\n",
                expectation.what, expectation.seen, expectation.expected
            )
        } else {
            format!(
                "  BROKEN  {}: expected {}, seen {}\n",
                expectation.what, expectation.expected, expectation.seen
            )
        };
        text.push_str(&line);
    }
    for figure in &outcome.figures {
        text.push_str(&format!(
            "  figure  {}: {}\n",
            figure.what,
            figure.unit.show(figure.value)
        ));
    }
    for part in &outcome.not_replayed {
        text.push_str(&format!("  not replayed  {}: {}\n", part.what, part.why));
    }
    text
}

/// The last line.
pub fn summary(report: &Report) -> String {
    let all = report.incidents.len();
    match report.verdict {
        Verdict::Survived => format!("this box survives {all} of {all}\n"),
        Verdict::NotSurvived => {
            let not = report.not_survived();
            format!(
                "this box survives {} of {all}; not {}\n",
                all - not.len(),
                not.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{Incident, Unit, report::Findings},
        *,
    };

    #[test]
    fn what_broke_says_what_was_expected_and_seen() {
        let mut findings = Findings::default();
        findings.equal("pulls that failed", 0, 2);
        findings.equal("fetches", 1, 1);
        findings.figure("pulls", 40.0, Unit::Count);
        findings.not_replayed("neighbours", "there are none in this version");
        let outcome = Outcome::of(Incident::Thanos, findings, Duration::from_secs(2));
        let text = screen(&outcome);
        assert!(
            text.starts_with("thanos-7883: NOT SURVIVED, in 2.0 s\n"),
            "{text}"
        );
        for line in [
            "  BROKEN  pulls that failed: expected 0, seen 2\n",
            "  held    fetches: 1 (expected: 1)\n",
            "  figure  pulls: 40\n",
            "  not replayed  neighbours: there are none in this version\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let told = summary(&Report::of(vec![outcome]));
        assert_eq!(told, "this box survives 0 of 1; not thanos-7883\n");
    }
}
