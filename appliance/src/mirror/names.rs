//! Which repository a name in a URL means.

use std::collections::HashSet;

use crate::oci::{InvalidName, Repository, RepositoryPath, UpstreamName};

/// The closed list that names are looked up in. A name is never dialled because a client wrote it, unless
/// the mirror is open.
#[derive(Clone, Debug)]
pub struct Names {
    configured: HashSet<UpstreamName>,
    default: UpstreamName,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Closed,
    Open,
}

/// A name that means nothing here.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unresolved {
    #[error(
        "`{0}` is not an upstream of this mirror; add an [[upstream]] of that name, or set `open = true`"
    )]
    Upstream(String),
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl Names {
    /// A closed list.
    pub fn new(configured: impl IntoIterator<Item = UpstreamName>, default: UpstreamName) -> Self {
        Self {
            configured: configured.into_iter().collect(),
            default,
            scope: Scope::Closed,
        }
    }

    /// Any name that looks like a registry's is an upstream.
    #[must_use]
    pub fn open(self) -> Self {
        Self {
            scope: Scope::Open,
            ..self
        }
    }

    /// In this order: `ns` (containerd); a first path component that names an upstream; the default.
    pub fn resolve(&self, name: &str, ns: Option<&str>) -> Result<Repository, Unresolved> {
        if let Some(ns) = ns {
            let upstream: UpstreamName = ns
                .parse()
                .map_err(|_| Unresolved::Upstream(ns.chars().take(255).collect()))?;
            if !self.configured.contains(&upstream) && self.scope == Scope::Closed {
                return Err(Unresolved::Upstream(upstream.to_string()));
            }
            return repository(upstream, name);
        }
        if let Some((first, rest)) = name.split_once('/') {
            let named = first
                .parse()
                .ok()
                .filter(|upstream| self.configured.contains(upstream));
            if let Some(upstream) = named {
                return repository(upstream, rest);
            }
            // Docker Hub's own names have no dots: this is a registry, and not one of ours.
            let foreign = first.contains(['.', ':']) || first == "localhost";
            if foreign && self.scope == Scope::Open {
                let upstream = first.parse().map_err(Unresolved::Name)?;
                return repository(upstream, rest);
            }
            if foreign && self.default.is_docker_hub() {
                return Err(Unresolved::Upstream(first.to_owned()));
            }
        }
        repository(self.default.clone(), name)
    }
}

fn repository(upstream: UpstreamName, path: &str) -> Result<Repository, Unresolved> {
    let path: RepositoryPath = if upstream.is_docker_hub() && !path.contains('/') {
        format!("library/{path}").parse()?
    } else {
        path.parse()?
    };
    Ok(Repository { upstream, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let name = |text: &str| text.parse().expect("valid");
        Names::new(
            ["docker.io", "ghcr.io", "127.0.0.1:15010"].map(name),
            name("docker.io"),
        )
    }

    fn resolved(name: &str, ns: Option<&str>) -> String {
        names()
            .resolve(name, ns)
            .map_or_else(|e| format!("error: {e}"), |r| r.to_string())
    }

    #[test]
    fn ns_wins_then_the_prefix_then_the_default() {
        assert_eq!(
            resolved("library/alpine", Some("docker.io")),
            "docker.io/library/alpine"
        );
        assert_eq!(
            resolved("library/alpine", Some("registry-1.docker.io")),
            "docker.io/library/alpine"
        );
        assert_eq!(resolved("a/b", Some("127.0.0.1:15010")), "127.0.0.1:15010/a/b");
        assert_eq!(resolved("ghcr.io/owner/app", None), "ghcr.io/owner/app");
        assert_eq!(
            resolved("ghcr.io/owner/app", Some("docker.io")),
            "docker.io/ghcr.io/owner/app"
        );
        assert_eq!(
            resolved("index.docker.io/alpine", None),
            "docker.io/library/alpine"
        );
        assert_eq!(resolved("alpine", None), "docker.io/library/alpine");
        assert_eq!(resolved("owner/app", None), "docker.io/owner/app");
    }

    #[test]
    fn what_is_not_configured_is_never_dialled() {
        for (name, ns) in [
            ("a/b", Some("evil.example")),
            ("evil.example/a/b", None),
            ("localhost/a", None),
            ("a/b", Some("http://x")),
        ] {
            assert!(resolved(name, ns).starts_with("error"), "{name} {ns:?}");
        }
        let open = names().open();
        assert_eq!(
            open.resolve("a/b", Some("some.example"))
                .expect("open")
                .to_string(),
            "some.example/a/b"
        );
        assert_eq!(
            open.resolve("some.example/a/b", None).expect("open").to_string(),
            "some.example/a/b"
        );
    }
}
