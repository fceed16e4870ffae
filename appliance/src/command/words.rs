//! Amounts in words, for people: rounded, with a unit that fits.

/// `1.4 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        // What would be printed as 1024 is 1 of the next.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// `3m`, `2d`: the largest unit only.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `40 ms`, `3m`: for how long something was at work.
pub(super) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        _ => age(milliseconds / 1_000),
    }
}

/// `93 %` of a limit.
pub(super) fn part(value: u64, whole: u64) -> String {
    if whole == 0 {
        return "no limit".into();
    }
    format!("{:.0} %", value as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded() {
        for (amount, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_500_000_000, "1.4 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(bytes(amount), text);
        }
        assert_eq!(
            [age(59), age(61), age(7200), age(200_000)],
            ["59s", "1m", "2h", "2d"]
        );
        assert_eq!([part(93, 100), part(1, 0)], ["93 %", "no limit"]);
    }
}
