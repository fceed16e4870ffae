//! Load of many small requests, made by `wrk`.

use std::{net::SocketAddr, path::Path, time::Duration};

use tests::process::Program;

use crate::{Done, content::accept, rows::Row};

/// Asks for `path` over and over for a time.
pub(crate) async fn load(server: SocketAddr, path: &str, row: &Row, time: Duration, folder: &Path) -> Done {
    let finished = Program::new("wrk", "wrk")
        .args(["-t", &row.connections.min(2).to_string()])
        .args(["-c", &row.connections.to_string()])
        .args(["-d", &format!("{}s", time.as_secs())])
        .args(["--timeout", "20s"])
        .args(["-H", &format!("Accept: {}", accept())])
        .arg(format!("http://{server}{path}"))
        .run(folder, time + Duration::from_secs(60))
        .await
        .expect_ok();
    let output = &finished.output;
    let trouble = ["Non-2xx", "Socket errors"];
    if let Some(line) = output.lines().find(|l| trouble.iter().any(|t| l.contains(t))) {
        tests::loudly(&format!("{row} at {server}: {}", line.trim()));
    }
    let units = output.lines().find_map(requests);
    let rate = output
        .lines()
        .find_map(|l| l.strip_prefix("Requests/sec:")?.trim().parse().ok());
    let (units, rate): (f64, f64) = units
        .zip(rate)
        .unwrap_or_else(|| panic!("wrk said nothing of use:\n{output}"));
    Done {
        units,
        took: Duration::from_secs_f64(units / rate),
    }
}

/// Finds the number in `  83112 requests in 4.00s, 81.17MB read`.
fn requests(line: &str) -> Option<f64> {
    let (number, _) = line.split_once(" requests in ")?;
    number.trim().parse().ok()
}
