//! The configuration in effect, as a TOML document with the origin of each value beside it.

use std::fmt::Write as _;

use super::{Loaded, path::Part, reader::Entry};

/// The column where comments start, if the value leaves room.
const COMMENT_COLUMN: usize = 44;

impl Loaded {
    /// A document that, read again, gives the same configuration, except for secrets, which are left out.
    pub fn effective(&self) -> String {
        let mut text = String::new();
        let mut table: &[Part] = &[];
        for entry in &self.entries {
            let parent = entry.path.parent();
            if parent != table {
                table = parent;
                let _ = write!(text, "\n{}\n", header(parent));
            }
            line(&mut text, entry);
        }
        text
    }
}

fn header(table: &[Part]) -> String {
    let keys: Vec<&str> = table
        .iter()
        .filter_map(|part| match part {
            Part::Key(key) => Some(key.as_str()),
            Part::Named(_) | Part::Element(_) => None,
        })
        .collect();
    match table.last() {
        Some(Part::Named(_) | Part::Element(_)) => format!("[[{}]]", keys.join(".")),
        _ => format!("[{}]", keys.join(".")),
    }
}

fn line(text: &mut String, entry: &Entry) {
    let setting = match &entry.value {
        Some(value) => format!("{} = {value}", entry.path.last()),
        None => format!("# {} = (hidden)", entry.path.last()),
    };
    let width = COMMENT_COLUMN.saturating_sub(1);
    let _ = writeln!(text, "{setting:<width$} # {}", entry.origin);
}
