//! What the box does on its own, as a person writes it.

use std::time::Duration;

use super::{config, load_text, mistakes};
use crate::config::Sampling;

#[test]
fn the_box_looks_after_itself_unless_that_is_turned_off() {
    let interval = |text: &str| config(text, &[]).monitor.interval;
    let ten = Sampling::Every(Duration::from_secs(10));
    assert_eq!(interval(""), ten);
    let off = load_text("[monitor]\ninterval = \"off\"", &[]).expect("read");
    assert_eq!(off.config.monitor.interval, Sampling::Off);
    assert!(off.effective().contains("interval = \"off\""));
    for wrong in ["0s", "500ms", "2m", "no"] {
        let error = mistakes(&format!("[monitor]\ninterval = \"{wrong}\""), &[]);
        assert!(error.contains("monitor.interval"), "{error}");
    }
}
