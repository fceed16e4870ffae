//! Images as people name them: `alpine`, `alpine:3.20`, `ghcr.io/owner/app@sha256:…`.

use std::fmt;

use super::{InvalidName, Reference, Repository, UpstreamName};

/// A repository and what to take from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    pub repository: Repository,
    pub reference: Reference,
}

/// Why a text names no image of this site.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    #[error("`{text}` names no image; write `alpine:3.20` or `ghcr.io/owner/app@sha256:…`")]
    Empty { text: String },
    #[error("`{text}`: `{upstream}` is not a configured upstream")]
    UnknownUpstream { text: String, upstream: UpstreamName },
    #[error("`{text}` names no image")]
    Name {
        text: String,
        #[source]
        cause: InvalidName,
    },
}

impl Image {
    /// Reads a name as the Docker command line does: a first component that names a configured upstream,
    /// or that looks like a host (a dot, a colon, `localhost`), is the upstream; without one it is
    /// `default`; one word at Docker Hub is in `library/`; no tag is `latest`; a digest beside a tag wins.
    ///
    /// `known` says which upstreams there are. A host that is not among them is an error.
    pub fn parse(
        text: &str,
        default: &UpstreamName,
        known: impl Fn(&UpstreamName) -> bool,
    ) -> Result<Self, InvalidImage> {
        let text = text.trim();
        let refuse = |cause| InvalidImage::Name {
            text: text.to_owned(),
            cause,
        };
        let (upstream, rest) = match text.split_once('/') {
            None => (default.clone(), text),
            Some((first, rest)) => match first.parse::<UpstreamName>() {
                Ok(name) if known(&name) => (name, rest),
                Ok(name) if first.contains(['.', ':']) || first == "localhost" => {
                    return Err(InvalidImage::UnknownUpstream {
                        text: text.to_owned(),
                        upstream: name,
                    });
                }
                _ => (default.clone(), text),
            },
        };
        let (named, digest) = match rest.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (rest, None),
        };
        let (path, tag) = match named.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (named, None),
        };
        if path.is_empty() {
            return Err(InvalidImage::Empty {
                text: text.to_owned(),
            });
        }
        let path = if upstream.is_docker_hub() && !path.contains('/') {
            format!("library/{path}").parse()
        } else {
            path.parse()
        };
        let reference = match (digest, tag) {
            (Some(digest), _) => digest.parse().and_then(|found: Reference| match found {
                Reference::Digest(_) => Ok(found),
                // No colon: asking for it as a digest gives the right complaint.
                Reference::Tag(_) => format!(":{digest}").parse(),
            }),
            (None, tag) => tag.unwrap_or("latest").parse().map(Reference::Tag),
        };
        Ok(Self {
            repository: Repository {
                upstream,
                path: path.map_err(refuse)?,
            },
            reference: reference.map_err(refuse)?,
        })
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joint = match self.reference {
            Reference::Tag(_) => ':',
            Reference::Digest(_) => '@',
        };
        write!(f, "{}{joint}{}", self.repository, self.reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, InvalidImage> {
        let known = ["docker.io", "ghcr.io", "localhost:5001", "mine"];
        let default = "docker.io".parse().expect("a name");
        Image::parse(text, &default, |name| known.contains(&name.as_str())).map(|image| image.to_string())
    }

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, full) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("grafana/grafana", "docker.io/grafana/grafana:latest"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            (
                "registry-1.docker.io/library/alpine",
                "docker.io/library/alpine:latest",
            ),
            ("ghcr.io/owner/app:v1", "ghcr.io/owner/app:v1"),
            ("localhost:5001/app", "localhost:5001/app:latest"),
            ("mine/app", "mine/app:latest"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(full), "{text}");
        }
        assert_eq!(
            parse(&format!("ghcr.io/x/y:v1@{digest}")),
            Ok(format!("ghcr.io/x/y@{digest}"))
        );
    }

    #[test]
    fn what_names_nothing_is_refused() {
        assert!(matches!(
            parse("quay.io/x/y"),
            Err(InvalidImage::UnknownUpstream { .. })
        ));
        for bad in [
            "",
            ":3",
            "alpine:",
            "Alpine",
            "ghcr.io/",
            "alpine@latest",
            "alpine@sha256:abc",
            "a b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
