//! `/v2/<name>/manifests/<reference>`.

use http::{HeaderValue, Method, Response, StatusCode, header};

use tokio::time::Instant;

use super::{Asked, ErrorCode, Registry, Story, accept::accepts, errors::RegistryError, not_modified, tell};
use crate::{
    delivery::Body,
    memory::Buffer,
    metrics::Kind,
    mirror::ManifestAnswer,
    oci::{Links, Reference, Repository},
};

/// The platform that a client without a word for indexes is given, as Docker Hub and distribution do.
const DEFAULT_PLATFORM: (&str, &str) = ("linux", "amd64");

impl Registry {
    pub(super) async fn manifest(
        &self,
        asked: &Asked<'_>,
        name: &str,
        reference: &Reference,
    ) -> Result<Response<Body>, RegistryError> {
        let repository = self.repository(asked, name)?;
        let unserved = |e| RegistryError::unserved(&e, ErrorCode::ManifestUnknown);
        // One patience for all that the answer takes.
        let deadline = self.mirror.patience();
        let found = self
            .mirror
            .manifest(&repository, reference, deadline)
            .await
            .map_err(unserved)?;
        let answer = match reference {
            Reference::Tag(_) => self.acceptable(asked, &repository, found, deadline).await,
            Reference::Digest(_) => found,
        };
        respond(asked, repository, answer)
    }

    /// For a client that cannot read an index: the default platform's manifest, if it can be had.
    async fn acceptable(
        &self,
        asked: &Asked<'_>,
        repository: &Repository,
        found: ManifestAnswer,
        deadline: Instant,
    ) -> ManifestAnswer {
        if !found.manifest.media_type.is_index() || accepts(asked.headers, &found.manifest.media_type) {
            return found;
        }
        let Ok(links) = Links::of(&found.manifest.bytes) else {
            return found;
        };
        let platform = links.manifests.iter().find(|link| {
            link.platform
                .as_ref()
                .is_some_and(|p| (p.os.as_str(), p.architecture.as_str()) == DEFAULT_PLATFORM)
        });
        let Some(platform) = platform else { return found };
        match self
            .mirror
            .manifest(repository, &Reference::Digest(platform.digest), deadline)
            .await
        {
            Ok(answer) if accepts(asked.headers, &answer.manifest.media_type) => answer,
            _ => found,
        }
    }
}

fn respond(
    asked: &Asked<'_>,
    repository: Repository,
    answer: ManifestAnswer,
) -> Result<Response<Body>, RegistryError> {
    let ManifestAnswer {
        manifest,
        outcome,
        source,
        age,
    } = answer;
    let digest = manifest.digest.to_string();
    let etag = format!("\"{digest}\"");
    let invalid = |_| RegistryError::internal("the manifest's headers cannot be written".to_owned());
    let media_type = HeaderValue::from_str(manifest.media_type.as_str()).map_err(invalid)?;
    let length = manifest.bytes.len();

    let unchanged = not_modified(asked.headers, &etag);
    let body = match *asked.method {
        Method::GET if !unchanged => Body::buffer(Buffer::borrowed(manifest.bytes)),
        _ => Body::empty(),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(
        "docker-content-digest",
        HeaderValue::from_str(&digest).map_err(invalid)?,
    );
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).map_err(invalid)?);
    if let Some(age) = age {
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
    if unchanged {
        super::status(&mut response, StatusCode::NOT_MODIFIED);
    } else {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let story = Story {
        repository: Some(repository),
        outcome: Some(outcome),
        source,
        ..Story::of(Kind::Manifest)
    };
    tell(&mut response, asked, story);
    Ok(response)
}
