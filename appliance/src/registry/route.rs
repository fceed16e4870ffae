//! From a URL to what is asked for.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::errors::{ErrorCode, RegistryError};
use crate::{
    metrics::Kind,
    oci::{Digest, Reference},
};

/// A parsed request line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// containerd's: the registry that the client means.
    pub(super) ns: Option<String>,
    pub(super) resource: Resource,
}

/// What is asked for. Names are resolved later: what they mean is the mirror's to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Base,
    Manifest {
        name: String,
        reference: Reference,
    },
    Blob {
        name: String,
        digest: Digest,
    },
    Tags {
        name: String,
        page: Page,
    },
    Referrers {
        name: String,
        digest: Digest,
        artifact_type: Option<String>,
    },
}

/// Which part of a tag list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// At most so many; all when absent.
    pub(super) n: Option<usize>,
    /// Those after this one.
    pub(super) last: Option<String>,
}

impl Route {
    pub(super) fn kind(&self) -> Kind {
        match self.resource {
            Resource::Base => Kind::Ping,
            Resource::Manifest { .. } => Kind::Manifest,
            Resource::Blob { .. } => Kind::Blob,
            Resource::Tags { .. } => Kind::Tags,
            Resource::Referrers { .. } => Kind::Referrers,
        }
    }

    /// Parses a path and a query.
    pub(super) fn parse(path: &str, query: Option<&str>) -> Result<Self, RegistryError> {
        let path = decode(path)?;
        let query = Query(query.unwrap_or_default());
        let ns = query.get("ns")?.map(Cow::into_owned).filter(|ns| !ns.is_empty());
        Ok(Self {
            ns,
            resource: resource(&path, &query)?,
        })
    }
}

fn resource(path: &str, query: &Query<'_>) -> Result<Resource, RegistryError> {
    let rest = path.strip_prefix("/v2").unwrap_or_default();
    if matches!(rest, "" | "/") {
        return Ok(Resource::Base);
    }
    // From the end: `manifests`, `blobs` and `tags` may stand in a repository's name, too.
    let mut parts = rest.trim_start_matches('/').rsplitn(3, '/');
    let (Some(last), Some(what), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(RegistryError::no_such_endpoint(path));
    };
    let name = name.to_owned();
    match (what, last) {
        ("manifests", reference) => {
            let reference = reference.parse().map_err(|error: crate::oci::InvalidName| {
                let code = if reference.contains(':') {
                    ErrorCode::DigestInvalid
                } else {
                    ErrorCode::ManifestInvalid
                };
                RegistryError::bad_request(code, error.to_string())
            })?;
            Ok(Resource::Manifest { name, reference })
        }
        ("blobs", digest) => Ok(Resource::Blob {
            name,
            digest: parse_digest(digest)?,
        }),
        ("tags", "list") => {
            let n = query.get("n")?.map(|n| n.parse()).transpose().map_err(|_| {
                RegistryError::bad_request(
                    ErrorCode::PaginationNumberInvalid,
                    "`n` must be a whole number".to_owned(),
                )
            })?;
            let last = query
                .get("last")?
                .map(Cow::into_owned)
                .filter(|last| !last.is_empty());
            Ok(Resource::Tags {
                name,
                page: Page { n, last },
            })
        }
        ("referrers", digest) => {
            let artifact_type = query
                .get("artifactType")?
                .map(Cow::into_owned)
                .filter(|kind| !kind.is_empty());
            Ok(Resource::Referrers {
                name,
                digest: parse_digest(digest)?,
                artifact_type,
            })
        }
        _ => Err(RegistryError::no_such_endpoint(path)),
    }
}

fn parse_digest(text: &str) -> Result<Digest, RegistryError> {
    text.parse().map_err(|error: crate::oci::InvalidDigest| {
        RegistryError::bad_request(ErrorCode::DigestInvalid, error.to_string())
    })
}

fn decode(text: &str) -> Result<Cow<'_, str>, RegistryError> {
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| RegistryError::bad_request(ErrorCode::NameInvalid, "the URL is not UTF-8".to_owned()))
}

struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// The first value of a key, decoded.
    fn get(&self, key: &str) -> Result<Option<Cow<'a, str>>, RegistryError> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| decode(value))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn resource(path: &str, query: &str) -> Resource {
        Route::parse(path, Some(query)).expect("valid").resource
    }

    #[test]
    fn the_endpoints_of_the_specification() {
        assert_eq!(resource("/v2/", ""), Resource::Base);
        assert_eq!(resource("/v2", ""), Resource::Base);
        assert_eq!(
            resource("/v2/a/b/manifests/latest", ""),
            Resource::Manifest {
                name: "a/b".into(),
                reference: "latest".parse().expect("valid")
            }
        );
        assert_eq!(
            resource(&format!("/v2/a/blobs/{}", DIGEST.replace(':', "%3A")), ""),
            Resource::Blob {
                name: "a".into(),
                digest: DIGEST.parse().expect("valid")
            }
        );
        assert_eq!(
            resource("/v2/a/tags/list", "n=10&last=1.0"),
            Resource::Tags {
                name: "a".into(),
                page: Page {
                    n: Some(10),
                    last: Some("1.0".into())
                }
            }
        );
        assert_eq!(
            resource(
                &format!("/v2/a/referrers/{DIGEST}"),
                "artifactType=application%2Fx"
            ),
            Resource::Referrers {
                name: "a".into(),
                digest: DIGEST.parse().expect("valid"),
                artifact_type: Some("application/x".into())
            }
        );
    }

    #[test]
    fn a_repository_may_be_called_like_an_endpoint() {
        assert_eq!(
            resource("/v2/tags/list/manifests/manifests/list", ""),
            Resource::Manifest {
                name: "tags/list/manifests".into(),
                reference: "list".parse().expect("valid")
            }
        );
    }

    #[test]
    fn ns_is_decoded() {
        let route = Route::parse("/v2/a/manifests/b", Some("ns=127.0.0.1%3A15010")).expect("valid");
        assert_eq!(route.ns.as_deref(), Some("127.0.0.1:15010"));
    }

    #[test]
    fn nonsense_is_an_error() {
        for path in [
            "/v2/x",
            "/v2/a/blobs/nope",
            "/v2/a/manifests/-x",
            "/v2/a/manifests/sha256:0",
            "/v2/%ff/manifests/a",
            "/v2/a/tags/other",
        ] {
            assert!(Route::parse(path, None).is_err(), "{path}");
        }
        assert!(Route::parse("/v2/a/tags/list", Some("n=many")).is_err());
    }
}
