//! Names to addresses.
//!
//! A static binary has no name service of the system's: names are looked up in `/etc/hosts` and at the
//! servers of `/etc/resolv.conf` directly. Promises: the answer comes in bounded time; both families are asked
//! at once, and one whose answer is late is waited for once and joins in later; a box that came up before its network
//! notices when `resolv.conf` appears or changes. Must not know: what the addresses are for.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, future::BoxFuture};
use hickory_resolver::{
    Hosts, Resolver, TokioResolver,
    config::{ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::RecordType},
    system_conf::parse_resolv_conf,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    families::Family,
    pair::{Answer, LOOKUP, Late, both},
};

/// How long one query to one server may take, and how often it is sent.
const QUERY: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;

/// How often the configuration is looked at.
const CHECK: Duration = Duration::from_secs(3);

/// Finds the addresses of a host. The seam at which tests put names of their own.
pub trait Resolve: Send + Sync {
    /// `host` is a name, not an address; its addresses of the family `first` are those to begin with.
    fn resolve<'a>(&'a self, host: &'a str, first: Family) -> BoxFuture<'a, Result<Found, ResolveError>>;
}

/// What a name stands for.
pub struct Found {
    /// At least one.
    pub addresses: Vec<IpAddr>,
    /// Those of a family of which there is no answer yet; none, when it does not come or has none.
    pub late: Option<BoxFuture<'static, Vec<IpAddr>>>,
}

impl From<Vec<IpAddr>> for Found {
    fn from(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            late: None,
        }
    }
}

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("read {}", path.display())]
    Configuration {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("use the name servers of {}", path.display())]
    Servers {
        path: PathBuf,
        #[source]
        source: NetError,
    },
    #[error("no name server answered in {LOOKUP:?}")]
    Silent,
    #[error("the name has no address")]
    NoAddress(#[source] Option<Answered>),
}

/// What the name servers said. A link of its own in the chain of causes, because the resolver's errors
/// repeat theirs.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Answered(pub(super) NetError);

impl ResolveError {
    /// Whether a server has answered, if only that there is no such name.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::NoAddress(None) => true,
            Self::NoAddress(Some(Answered(NetError::Dns(DnsError::NoRecordsFound(none))))) => {
                matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
            }
            _ => false,
        }
    }

    pub fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Silent | Self::NoAddress(Some(Answered(NetError::Timeout)))
        )
    }
}

/// The names of the system.
pub struct SystemNames {
    resolv_conf: PathBuf,
    hosts: PathBuf,
    current: Mutex<Option<Current>>,
    late: Late,
}

struct Current {
    resolver: Arc<TokioResolver>,
    files: Stamp,
    checked: Instant,
}

/// When the two files were changed last.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([Option<SystemTime>; 2]);

impl Default for SystemNames {
    fn default() -> Self {
        Self::reading("/etc/resolv.conf".into(), "/etc/hosts".into())
    }
}

impl SystemNames {
    fn reading(resolv_conf: PathBuf, hosts: PathBuf) -> Self {
        Self {
            resolv_conf,
            hosts,
            current: Mutex::new(None),
            late: Late::default(),
        }
    }

    /// The resolver for the configuration as it is now. Reads two small files of `/etc` when they changed.
    fn current(&self) -> Result<Arc<TokioResolver>, ResolveError> {
        let mut current = self.current.lock();
        let now = Instant::now();
        if let Some(known) = &*current
            && now < known.checked + CHECK
        {
            return Ok(known.resolver.clone());
        }
        let files = self.stamp();
        if let Some(known) = &mut *current
            && known.files == files
        {
            known.checked = now;
            return Ok(known.resolver.clone());
        }
        let resolver = Arc::new(self.build()?);
        *current = Some(Current {
            resolver: resolver.clone(),
            files,
            checked: now,
        });
        Ok(resolver)
    }

    fn stamp(&self) -> Stamp {
        Stamp([&self.resolv_conf, &self.hosts].map(|path| fs::metadata(path).and_then(|m| m.modified()).ok()))
    }

    fn build(&self) -> Result<TokioResolver, ResolveError> {
        let text = fs::read(&self.resolv_conf).map_err(|source| ResolveError::Configuration {
            path: self.resolv_conf.clone(),
            source,
        })?;
        let servers = |source| ResolveError::Servers {
            path: self.resolv_conf.clone(),
            source,
        };
        let (config, mut options): (ResolverConfig, _) = parse_resolv_conf(text).map_err(servers)?;
        options.timeout = QUERY;
        options.attempts = ATTEMPTS;
        options.use_hosts_file = ResolveHosts::Never;
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let mut resolver = builder.build().map_err(servers)?;
        resolver.set_hosts(Arc::new(self.hosts()));
        Ok(resolver)
    }

    /// A box without the file, or with a strange one, does without it.
    fn hosts(&self) -> Hosts {
        let mut hosts = Hosts::default();
        let read = fs::File::open(&self.hosts).and_then(|file| hosts.read_hosts_conf(file));
        if let Err(error) = read {
            tracing::debug!(%error, path = %self.hosts.display(), "hosts are left out");
        }
        hosts
    }
}

impl Resolve for SystemNames {
    fn resolve<'a>(&'a self, host: &'a str, first: Family) -> BoxFuture<'a, Result<Found, ResolveError>> {
        async move {
            if is_localhost(host) {
                let both: Vec<IpAddr> = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
                return Ok(both.into());
            }
            let resolver = self.current()?;
            let name = qualified(host);
            let [wanted, other] = [first, first.other()].map(|family| {
                let kind = match family {
                    Family::V4 => RecordType::A,
                    Family::V6 => RecordType::AAAA,
                };
                lookup(resolver.clone(), name.clone(), kind).boxed()
            });
            let patience = self.late.patience(host, first, Instant::now());
            let found = both(wanted, other, patience).await?;
            // IPv4 goes first where IPv6 is broken: then there is nothing else that could be used meanwhile.
            if found.is_late && !patience.is_zero() && first == Family::V6 {
                self.late.note(host, first, Instant::now());
            }
            Ok(found.found)
        }
        .boxed()
    }
}

/// RFC 6761: never asked for.
fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

/// A name with a dot is complete: the search list of `resolv.conf` is for names of one word only. Otherwise
/// each registry without IPv6 would be asked for under the LAN's domain as well.
fn qualified(host: &str) -> String {
    if host.contains('.') && !host.ends_with('.') {
        format!("{host}.")
    } else {
        host.to_owned()
    }
}

async fn lookup(resolver: Arc<TokioResolver>, name: String, kind: RecordType) -> Answer {
    let found = resolver.lookup(name, kind).await?;
    Ok(found
        .answers()
        .iter()
        .filter_map(|record| record.data.ip_addr())
        .collect())
}

#[cfg(test)]
#[path = "tests/resolve.rs"]
mod tests;
