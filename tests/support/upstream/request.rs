//! What is asked of the upstream, and of which kind it is.

use crate::client::Headers;

/// The kinds of requests that a script can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Ping,
    HeadManifest,
    GetManifest,
    HeadBlob,
    GetBlob,
    Tags,
    Referrers,
    Token,
    /// A blob asked for at the CDN.
    Cdn,
    Other,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    pub query: String,
    pub headers: Headers,
    /// What it is about.
    pub target: Target,
}

/// A request's path, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Ping,
    Manifest { repository: String, reference: String },
    Blob { repository: String, digest: String },
    Tags { repository: String },
    Referrers { repository: String, digest: String },
    Token,
    Cdn { repository: String, digest: String },
    Unknown,
}

impl Request {
    /// Understands the head of a request; nothing when it is not HTTP.
    pub(super) fn parse(head: &str) -> Option<Self> {
        let (line, lines) = head.split_once("\r\n").unwrap_or((head, ""));
        let mut words = line.split(' ');
        let (method, uri) = (words.next()?, words.next()?);
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Headers::parse(lines),
            target: Target::of(path),
        })
    }

    pub fn kind(&self) -> Kind {
        match (&self.target, self.is_head()) {
            (Target::Ping, _) => Kind::Ping,
            (Target::Manifest { .. }, true) => Kind::HeadManifest,
            (Target::Manifest { .. }, false) => Kind::GetManifest,
            (Target::Blob { .. }, true) => Kind::HeadBlob,
            (Target::Blob { .. }, false) => Kind::GetBlob,
            (Target::Tags { .. }, _) => Kind::Tags,
            (Target::Referrers { .. }, _) => Kind::Referrers,
            (Target::Token, _) => Kind::Token,
            (Target::Cdn { .. }, _) => Kind::Cdn,
            (Target::Unknown, _) => Kind::Other,
        }
    }

    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// A parameter of the query, its escapes undone.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).next()
    }

    /// Every value of a parameter.
    pub fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| unescape(value))
    }

    /// The repository it is about, if any.
    pub fn repository(&self) -> Option<&str> {
        match &self.target {
            Target::Manifest { repository, .. }
            | Target::Blob { repository, .. }
            | Target::Tags { repository }
            | Target::Referrers { repository, .. }
            | Target::Cdn { repository, .. } => Some(repository),
            Target::Ping | Target::Token | Target::Unknown => None,
        }
    }
}

impl Target {
    fn of(path: &str) -> Self {
        let text = |t: &str| t.to_owned();
        if path == "/v2/" || path == "/v2" {
            return Self::Ping;
        }
        if path == "/token" {
            return Self::Token;
        }
        if let Some((repository, digest)) = path.strip_prefix("/cdn/").and_then(|p| p.rsplit_once('/')) {
            return Self::Cdn {
                repository: text(repository),
                digest: text(digest),
            };
        }
        let Some(path) = path.strip_prefix("/v2/") else {
            return Self::Unknown;
        };
        if let Some(repository) = path.strip_suffix("/tags/list") {
            return Self::Tags {
                repository: text(repository),
            };
        }
        if let Some((repository, reference)) = path.rsplit_once("/manifests/") {
            return Self::Manifest {
                repository: text(repository),
                reference: text(reference),
            };
        }
        if let Some((repository, digest)) = path.rsplit_once("/blobs/") {
            return Self::Blob {
                repository: text(repository),
                digest: text(digest),
            };
        }
        if let Some((repository, digest)) = path.rsplit_once("/referrers/") {
            return Self::Referrers {
                repository: text(repository),
                digest: text(digest),
            };
        }
        Self::Unknown
    }
}

fn unescape(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
