//! A `larder.toml` for a test.

use std::{collections::BTreeMap, path::Path};

/// The configuration, put together key by key. Values are TOML: strings come with their quotes.
#[derive(Clone, Debug, Default)]
pub struct Config {
    top: BTreeMap<String, String>,
    sections: BTreeMap<String, BTreeMap<String, String>>,
    upstreams: Vec<Entry>,
    resolv_conf: Option<String>,
    namespace: Option<String>,
    environment: Vec<(String, String)>,
}

/// One `[[upstream]]`.
#[derive(Clone, Debug)]
pub struct Entry {
    name: String,
    endpoints: Vec<String>,
    keys: Vec<(String, String)>,
}

impl Entry {
    pub fn new(name: &str, endpoints: &[String]) -> Self {
        Self {
            name: name.to_owned(),
            endpoints: endpoints.to_vec(),
            keys: Vec::new(),
        }
    }

    /// `value` is TOML.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.keys.push((key.to_owned(), value.to_owned()));
        self
    }
}

impl Config {
    /// No upstream but those that are added, a free port, and a log that can be read by machines.
    pub fn new() -> Self {
        Self::default()
            .set("builtin_upstreams", "false")
            .set("listen.http", "\"127.0.0.1:0\"")
            .set("log.format", "\"json\"")
    }

    /// With one upstream called `registry.test`, which is also the default.
    pub fn with_upstream(url: &str) -> Self {
        Self::with_endpoints(&[url.to_owned()])
    }

    /// With one upstream called `registry.test` of several endpoints.
    pub fn with_endpoints(urls: &[String]) -> Self {
        Self::new()
            .upstream(Entry::new("registry.test", urls))
            .set("default_upstream", "\"registry.test\"")
    }

    pub fn upstream(mut self, entry: Entry) -> Self {
        self.upstreams.push(entry);
        self
    }

    /// Sets a key of the upstream added last.
    pub fn upstream_key(mut self, key: &str, value: &str) -> Self {
        let entry = self.upstreams.last_mut().expect("an upstream was added before");
        entry.keys.push((key.to_owned(), value.to_owned()));
        self
    }

    /// `set("cache.max_bytes", "\"10MiB\"")`; `value` is TOML.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        match key.split_once('.') {
            Some((section, key)) => {
                self.sections
                    .entry(section.to_owned())
                    .or_default()
                    .insert(key.to_owned(), value.to_owned());
            }
            None => {
                self.top.insert(key.to_owned(), value.to_owned());
            }
        }
        self
    }

    /// The daemon asks this DNS server, and no other.
    pub fn dns(mut self, server: std::net::IpAddr) -> Self {
        self.resolv_conf = Some(format!("nameserver {server}\noptions timeout:1 attempts:1\n"));
        self
    }

    /// The daemon lives in a network of its own, and listens there.
    pub fn inside(mut self, network: &crate::network::Network) -> Self {
        self.namespace = Some(network.name().to_owned());
        self.set("listen.http", &format!("\"{}:0\"", network.inside()))
    }

    /// An environment variable for the daemon.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn resolv_conf(&self) -> Option<&str> {
        self.resolv_conf.as_deref()
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(super) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The text of the file, for data in `data`.
    pub fn to_toml(&self, data: &Path) -> String {
        let mut text = format!("data_dir = {:?}\n", data.display().to_string());
        let mut line = |key: &str, value: &str| text.push_str(&format!("{key} = {value}\n"));
        for (key, value) in &self.top {
            line(key, value);
        }
        for upstream in &self.upstreams {
            line("\n[[upstream]]\nname", &format!("{:?}", upstream.name));
            line("endpoints", &format!("{:?}", upstream.endpoints));
            for (key, value) in &upstream.keys {
                line(key, value);
            }
        }
        for (section, keys) in &self.sections {
            for (n, (key, value)) in keys.iter().enumerate() {
                let key = if n == 0 {
                    format!("\n[{section}]\n{key}")
                } else {
                    key.clone()
                };
                line(&key, value);
            }
        }
        text
    }
}
