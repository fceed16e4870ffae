//! The configuration: `larder.toml` and its environment, as values that cannot be wrong.
//!
//! Layers lie on each other: defaults, built-in upstreams, the file, the environment. A value is parsed
//! once, here; what is wrong is told all at once, each mistake with its place and with what is allowed.
//! Promises: a [`Config`] is consistent; secrets show neither in `Debug` nor in [`Loaded::effective`]; the
//! process's environment and working directory are not looked at, except through [`Inputs`].
//! Must not know: who uses it.

mod alert;
mod amount;
mod cache;
mod effective;
mod endpoint;
mod environment;
mod fetch;
mod file;
mod files;
mod images;
mod layers;
mod limit;
mod listen;
mod locate;
mod log;
mod origin;
mod path;
mod pattern;
mod problem;
mod reader;
mod sampling;
mod schedule;
mod secret;
mod setting;
mod span;
mod text;
mod upkeep;
mod upstreams;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use alert::{
    AlertConfig, Discord, Field, Frequency, Header, HeartbeatConfig, InvalidAddress, InvalidTemplate,
    InvalidZone, Matrix, Mqtt, Ntfy, PagerDuty, Protection, ReceiverConfig, ReceiverKind, ServiceUrl, Slack,
    Smtp, Syslog, Telegram, Template, Way, Webhook, Zone,
};
pub use amount::{InvalidRate, InvalidSize, Rate, Size};
pub use cache::{CacheConfig, Policy};
pub use endpoint::{Endpoint, InvalidEndpoint, Scheme};
pub use fetch::FetchConfig;
pub use file::FileChoice;
pub use images::Scope;
pub use layers::Inputs;
pub use limit::{Fraction, Limit};
pub use listen::{CertificateFiles, Listen};
pub use log::{InvalidLogLevel, LogConfig, LogFormat, LogLevel};
pub use origin::Origin;
pub use pattern::{InvalidPattern, Pattern};
pub use problem::{ConfigError, Place, Problem};
pub use sampling::Sampling;
pub use schedule::{Hours, InvalidTime, Schedule, TimeOfDay, Window};
pub use secret::Secret;
pub use span::{InvalidSpan, Span};
pub use upkeep::{JanitorConfig, MonitorConfig, PrefetchConfig, WatchdogConfig};
pub use upstreams::{Credentials, UpstreamConfig};

use crate::oci::UpstreamName;
use images::Naming;
use reader::{Entry, Reader, Section};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where everything that is kept is kept.
    pub data_dir: PathBuf,
    /// Where a name without an upstream is looked for. Configured, unless the scope is open.
    pub default_upstream: UpstreamName,
    /// `open`: whether registries are served that are not configured.
    pub scope: Scope,
    pub listen: Listen,
    /// By name, each once.
    pub upstreams: Vec<UpstreamConfig>,
    pub cache: CacheConfig,
    pub fetch: FetchConfig,
    pub prefetch: PrefetchConfig,
    pub janitor: JanitorConfig,
    pub monitor: MonitorConfig,
    pub alert: AlertConfig,
    pub watchdog: WatchdogConfig,
    pub log: LogConfig,
}

impl Config {
    /// The upstream of this name, if it is configured.
    pub fn upstream(&self, name: &UpstreamName) -> Option<&UpstreamConfig> {
        self.upstreams.iter().find(|upstream| upstream.name == *name)
    }

    /// The socket that commands on this box talk to.
    pub fn socket(&self) -> PathBuf {
        self.data_dir.join("larder.sock")
    }
}

/// A configuration, and where each value of it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    entries: Vec<Entry>,
}

/// Reads the configuration. All mistakes are told, not just the first.
pub fn load(inputs: &Inputs) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let layers = layers::Layers::read(inputs, &mut problems);
    let reader = Reader::new(layers, problems);
    let config = reader.root(read);
    let (layers, entries, problems) = reader.finish();
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded {
            config,
            file: layers.file.map(|file| file.path.to_path_buf()),
            entries,
        }),
        _ => Err(ConfigError { problems }),
    }
}

fn read(s: &Section<'_>) -> Option<Config> {
    let data_dir = s.read("data_dir");
    let default_upstream = s.read::<UpstreamName>("default_upstream");
    let open = s.read::<bool>("open");
    let _built_in = s.read::<bool>("builtin_upstreams");
    let listen = s.within("listen", listen::read);

    // From the names as written: a mistake within an upstream must not make it unknown elsewhere.
    let configured = s.names("upstream");
    let scope = if open == Some(true) {
        Scope::Open
    } else {
        Scope::Configured
    };
    let upstreams = s.each_named("upstream", upstreams::read);
    if let Some(name) = &default_upstream
        && scope == Scope::Configured
        && !configured.iter().any(|known| known == name.as_str())
    {
        s.refuse(
            "default_upstream",
            &format!("`{name}` is not a configured upstream"),
            Some(format!("one of: {}", configured.join(", "))),
            "choose one of them, or add an `[[upstream]]` of that name",
        );
    }
    let naming = Naming {
        default: default_upstream.clone(),
        configured: &configured,
        scope,
    };

    let cache = s.within("cache", |s| cache::read(s, &naming));
    let fetch = s.within("fetch", fetch::read);
    let prefetch = s.within("prefetch", |s| upkeep::prefetch(s, &naming));
    let janitor = s.within("janitor", upkeep::janitor);
    let monitor = s.within("monitor", upkeep::monitor);
    let alert = s.within("alert", |s| {
        alert::read(s, monitor.as_ref().map(|monitor| monitor.interval))
    });
    let watchdog = s.within("watchdog", upkeep::watchdog);
    let log = s.within("log", log::read);
    open?;
    Some(Config {
        data_dir: data_dir?,
        default_upstream: default_upstream?,
        scope,
        listen: listen?,
        upstreams,
        cache: cache?,
        fetch: fetch?,
        prefetch: prefetch?,
        janitor: janitor?,
        monitor: monitor?,
        alert: alert?,
        watchdog: watchdog?,
        log: log?,
    })
}
