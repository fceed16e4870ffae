//! The real mirror, as `larder serve` builds it, in this process, with a folder of its own below the scratch folder.
//!
//! Promises: it listens on a free port of this machine, knows the upstreams of the replay and no others, and is closed in
//! order. Must not know: what is replayed.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{client, content::UPSTREAM, report::Unplayable};
use crate::{
    cache::Disk,
    config::{self, Config, FileChoice, Inputs},
    serve::Running,
    source::chain,
};

/// How long it may take until nothing is under way any more.
const SETTLING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);

/// A mirror that serves.
pub(super) struct Stage {
    pub(super) running: Running,
    pub(super) address: SocketAddr,
    pub(super) data: PathBuf,
}

/// How it is to be.
#[derive(Clone, Debug)]
pub(super) struct Setting<'a> {
    /// Of the one upstream, in their order.
    pub(super) endpoints: Vec<String>,
    /// Lines of the configuration, each with its section's name: `cache.high = 0.9`.
    pub(super) more: &'a [&'a str],
    pub(super) disk: Disk,
}

/// A configuration with nothing of the user's in it.
pub(super) fn configuration(
    data: &Path,
    endpoints: &[String],
    more: &[&str],
) -> Result<(Config, Inputs), Unplayable> {
    let folder = data.parent().unwrap_or(data);
    let mut text = format!(
        "data_dir = {data:?}\nbuiltin_upstreams = false\ndefault_upstream = \"{UPSTREAM}\"\nlisten.http = \"127.0.0.1:0\"\nwatchdog.device = \"\"\n"
    );
    for line in more {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(
        text,
        "[[upstream]]\nname = \"{UPSTREAM}\"\nendpoints = {endpoints:?}\ntag_ttl = \"1h\""
    );
    let file = folder.join("larder.toml");
    std::fs::write(&file, text).map_err(|error| Unplayable::new("write", file.display(), error))?;
    let inputs = Inputs {
        file: FileChoice::Named(file),
        environment: std::collections::BTreeMap::new(),
    };
    let config = config::load(&inputs)
        .map_err(|error| Unplayable::new("read", "the configuration", error))?
        .config;
    Ok((config, inputs))
}

impl Stage {
    /// Starts it with its data in `folder`, and returns when it is ready.
    pub(super) async fn start(folder: &Path, setting: Setting<'_>) -> Result<Self, Unplayable> {
        std::fs::create_dir_all(folder).map_err(|error| Unplayable::new("make", folder.display(), error))?;
        let data = folder.join("data");
        let (config, inputs) = configuration(&data, &setting.endpoints, setting.more)?;
        let running = Running::start(config, inputs, setting.disk)
            .await
            .map_err(|error| Unplayable::new("start", "the mirror", chain(&error)))?;
        let address = running
            .address()
            .ok_or_else(|| Unplayable::new("start", "the mirror", "it listens nowhere"))?;
        let stage = Self {
            running,
            address,
            data,
        };
        let ready = client::get(address, "/readyz").await;
        match ready {
            Ok(ready) if ready.status.is_success() => Ok(stage),
            Ok(ready) => Err(Unplayable::new(
                "start",
                "the mirror",
                format!("it is not ready: {}", ready.status),
            )),
            Err(broken) => Err(Unplayable::new("start", "the mirror", client::told(&broken))),
        }
    }

    /// Waits until nothing is under way any more and no buffer is in use; not for ever.
    pub(super) async fn settled(&self) {
        let by = Instant::now() + SETTLING;
        let budget = self.running.budget();
        while (self.running.under_way() > 0 || budget.usage().in_use > 0) && Instant::now() < by {
            sleep(LOOK).await;
        }
    }

    /// What `/metrics` says, summed over labels.
    pub(super) async fn metric(&self, family: &str) -> Result<f64, Unplayable> {
        self.metric_of(family, "").await
    }

    /// The same, of the lines with this text in their labels.
    pub(super) async fn metric_of(&self, family: &str, label: &str) -> Result<f64, Unplayable> {
        let page = client::get(self.address, "/metrics")
            .await
            .map_err(|broken| Unplayable::new("read", "/metrics", client::told(&broken)))?;
        Ok(sum(&String::from_utf8_lossy(&page.bytes), family, label))
    }

    /// Ends it in order.
    pub(super) async fn stop(self) {
        self.running.stop(std::future::pending()).await;
    }
}

fn sum(page: &str, family: &str, label: &str) -> f64 {
    let lines = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(family)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let is_meant = (labels.is_empty() || labels.starts_with('{')) && labels.contains(label);
        is_meant.then(|| value.parse::<f64>().ok()).flatten()
    });
    lines.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_summed_up_and_no_other() {
        let page =
            "# HELP a_total x\na_total{why=\"asked\"} 2\na_total{why=\"window\"} 3\na_total_more 9\nb 4\n";
        assert_eq!(sum(page, "a_total", ""), 5.0);
        assert_eq!(sum(page, "a_total", "why=\"asked\""), 2.0);
        assert_eq!((sum(page, "b", ""), sum(page, "c", "")), (4.0, 0.0));
    }

    #[test]
    fn nothing_of_the_users_is_in_the_configuration() {
        let dir = tempfile::tempdir().expect("a folder");
        let data = dir.path().join("data");
        let more = ["fetch.progress_timeout = \"1s\""];
        let (config, _) = configuration(&data, &["http://127.0.0.1:9".to_owned()], &more).expect("read");
        assert_eq!(config.data_dir, data);
        assert_eq!(
            config.listen.http,
            Some("127.0.0.1:0".parse().expect("an address"))
        );
        assert_eq!((config.upstreams.len(), config.listen.https), (1, None));
        assert_eq!(config.watchdog.device, None);
        assert_eq!(config.fetch.progress_timeout, Duration::from_secs(1));
    }
}
