//! `larder images`: what the box keeps, as a table.

use std::fmt::Write as _;

use super::words::{age, bytes};
use crate::api::Images;

/// The table, with a line for each image.
pub(super) fn table(images: &Images) -> String {
    let header = ["IMAGE", "DIGEST", "SIZE", "PLATFORMS", "PULLED", "STATE"].map(str::to_owned);
    let mut rows = vec![header];
    rows.extend(images.images.iter().map(|image| {
        let state = match (image.complete, image.pinned) {
            (true, true) => "whole, pinned",
            (true, false) => "whole",
            (false, true) => "incomplete, pinned",
            (false, false) => "incomplete",
        };
        [
            image.reference.clone(),
            // As Docker shortens it.
            image.digest.hex().chars().take(12).collect(),
            bytes(image.bytes),
            if image.platforms.is_empty() {
                "-".into()
            } else {
                image.platforms.join(",")
            },
            image
                .last_pulled_seconds_ago
                .map_or("-".into(), |seconds| format!("{} ago", age(seconds))),
            state.to_owned(),
        ]
    }));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let images: Images = serde_json::from_value(serde_json::json!({"images": [
            {"reference": "docker.io/library/alpine:3.20", "digest": digest, "bytes": 3_600_000,
             "platforms": ["linux/amd64"], "pinned": true, "complete": true, "last_pulled_seconds_ago": 90},
            {"reference": "ghcr.io/a/b:1", "digest": digest, "bytes": 5, "pinned": false, "complete": false},
        ]}))
        .expect("images");
        assert_eq!(
            table(&images),
            "\
IMAGE                          DIGEST        SIZE     PLATFORMS    PULLED  STATE
docker.io/library/alpine:3.20  abababababab  3.4 MiB  linux/amd64  1m ago  whole, pinned
ghcr.io/a/b:1                  abababababab  5 B      -            -       incomplete
"
        );
    }
}
