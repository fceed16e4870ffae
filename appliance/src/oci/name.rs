//! Names: upstreams, repositories, tags and references.

use std::{fmt, str::FromStr, sync::Arc};

use super::Digest;

/// A name that the specification's grammar does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {allowed}")]
pub struct InvalidName {
    what: &'static str,
    text: String,
    allowed: &'static str,
}

impl InvalidName {
    fn new(what: &'static str, text: &str, allowed: &'static str) -> Self {
        Self {
            what,
            text: text.chars().take(300).collect(),
            allowed,
        }
    }
}

/// The name a site calls an upstream by, in its configuration and in `ns`: `docker.io`, `ghcr.io`,
/// `registry.local:5000`. Always lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamName(Arc<str>);

impl UpstreamName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Docker Hub answers to several names; all of them are this one.
    pub fn is_docker_hub(&self) -> bool {
        &*self.0 == "docker.io"
    }
}

impl FromStr for UpstreamName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        let fits = |c: u8| c.is_ascii_alphanumeric() || b".-_:[]".contains(&c);
        if lower.is_empty() || lower.len() > 255 || !lower.bytes().all(fits) || lower.starts_with(['.', '-'])
        {
            return Err(InvalidName::new(
                "upstream name",
                text,
                "write a host name, with `:port` if it has one",
            ));
        }
        Ok(Self(match lower.as_str() {
            "index.docker.io" | "registry-1.docker.io" => "docker.io".into(),
            _ => lower.into(),
        }))
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository's path at its upstream: `library/alpine`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryPath(Arc<str>);

impl RepositoryPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepositoryPath {
    type Err = InvalidName;

    /// The specification's grammar: components of `[a-z0-9]+` joined by `.`, `_`, `__` or dashes, at most
    /// 255 characters in all. No component can be `.` or `..`, so a path is safe to place in a URL.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= 255 && text.split('/').all(is_component) {
            return Ok(Self(text.into()));
        }
        Err(InvalidName::new(
            "repository name",
            text,
            "components of lower-case letters and digits, joined by `.`, `_`, `__` or `-`, separated by `/`, at most 255 characters",
        ))
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    if !alphanumeric(*first) || !alphanumeric(*last) {
        return false;
    }
    // Between alphanumerics stands one of: `.`, `_`, `__`, or dashes.
    text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|gap| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|c| c == b'-'))
}

/// A repository of a certain upstream: what visibility is decided by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    pub upstream: UpstreamName,
    pub path: RepositoryPath,
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.upstream, self.path)
    }
}

/// A tag: `latest`, `3.20`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    /// The specification's grammar: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        let fits = text.len() <= 128
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|c| word(c) || c == b'.' || c == b'-');
        if !fits {
            return Err(InvalidName::new(
                "tag",
                text,
                "letters, digits, `_`, `.` and `-`, at most 128 characters",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a manifest is asked for by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A tag has no colon and a digest has one: no text is both.
        if text.contains(':') {
            let digest = text.parse().map_err(|_| {
                InvalidName::new(
                    "digest",
                    text,
                    "write `sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits",
                )
            })?;
            return Ok(Self::Digest(digest));
        }
        text.parse().map(Self::Tag)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_follow_the_grammar() {
        for good in [
            "alpine",
            "library/alpine",
            "a/b/c",
            "a__b",
            "a--b",
            "a.b_c-d",
            "0",
        ] {
            assert!(good.parse::<RepositoryPath>().is_ok(), "{good}");
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "../a", "a/..", "a___b", "a._b", "-a", "a-", "a b",
            "a%2fb",
        ] {
            assert!(bad.parse::<RepositoryPath>().is_err(), "{bad}");
        }
        assert!("a".repeat(256).parse::<RepositoryPath>().is_err());
    }

    #[test]
    fn docker_hub_has_one_name() {
        for alias in [
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
            "Docker.IO",
        ] {
            assert!(
                alias.parse::<UpstreamName>().is_ok_and(|n| n.is_docker_hub()),
                "{alias}"
            );
        }
    }

    #[test]
    fn a_reference_is_a_tag_or_a_digest() {
        assert!(matches!("latest".parse(), Ok(Reference::Tag(_))));
        assert!("sha256:abc".parse::<Reference>().is_err());
        assert!(".hidden".parse::<Reference>().is_err());
        assert!("a".repeat(129).parse::<Reference>().is_err());
    }
}
