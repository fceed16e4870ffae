//! `/v2/<name>/blobs/<digest>`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::{Asked, ErrorCode, Registry, Story, errors::RegistryError, not_modified, range::Wanted, tell};
use crate::{
    delivery::{Body, FileBody, Span},
    memory::Buffer,
    metrics::Kind,
    mirror::{BlobAnswer, BlobContent},
    oci::Digest,
};

impl Registry {
    pub(super) async fn blob(
        &self,
        asked: &Asked<'_>,
        name: &str,
        digest: &Digest,
    ) -> Result<Response<Body>, RegistryError> {
        let repository = self.repository(asked, name)?;
        let story = Story {
            repository: Some(repository.clone()),
            ..Story::of(Kind::Blob)
        };
        let unserved = |e| RegistryError::unserved(&e, ErrorCode::BlobUnknown);
        let mut response = Response::new(Body::empty());
        let text = digest.to_string();
        let etag = format!("\"{text}\"");
        describe(response.headers_mut(), &text, &etag)?;

        // The digest is the content: whoever has it needs to ask nobody.
        if not_modified(asked.headers, &etag) && self.mirror.stat_blob(&repository, digest).await.is_ok() {
            super::status(&mut response, StatusCode::NOT_MODIFIED);
            tell(&mut response, asked, story);
            return Ok(response);
        }
        if *asked.method == Method::HEAD {
            let (size, outcome) = self
                .mirror
                .stat_blob(&repository, digest)
                .await
                .map_err(unserved)?;
            if let Some(size) = size {
                response
                    .headers_mut()
                    .insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            }
            tell(
                &mut response,
                asked,
                Story {
                    outcome: Some(outcome),
                    ..story
                },
            );
            return Ok(response);
        }
        let answer = self.mirror.blob(&repository, digest).await.map_err(unserved)?;
        let story = Story {
            outcome: Some(answer.outcome),
            source: answer.source.clone(),
            ..story
        };
        self.send(asked, &mut response, answer, &etag)?;
        tell(&mut response, asked, story);
        Ok(response)
    }

    /// Puts the wanted part of a blob into a response.
    fn send(
        &self,
        asked: &Asked<'_>,
        response: &mut Response<Body>,
        answer: BlobAnswer,
        etag: &str,
    ) -> Result<(), RegistryError> {
        // Of a size that is not known yet no part can be named: all of it is sent, as it comes.
        let span = match answer.content.size() {
            None => Span { start: 0, end: None },
            Some(size) => {
                let wanted = Wanted::of(asked.headers, size, etag);
                match wanted {
                    Wanted::Unsatisfiable => return Err(RegistryError::range(size)),
                    Wanted::Part { start, end } => {
                        let range = format!("bytes {start}-{}/{size}", end - 1);
                        let range = HeaderValue::from_str(&range)
                            .map_err(|e| RegistryError::internal(e.to_string()))?;
                        response.headers_mut().insert(header::CONTENT_RANGE, range);
                        super::status(response, StatusCode::PARTIAL_CONTENT);
                    }
                    Wanted::Whole => {}
                }
                wanted.span(size)
            }
        };
        if let Some(length) = span.length() {
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let body = self.body(asked, answer.content, span)?;
        *response.body_mut() = match answer.lease {
            Some(lease) => body.holding(lease),
            None => body,
        };
        Ok(())
    }

    fn body(&self, asked: &Asked<'_>, content: BlobContent, span: Span) -> Result<Body, RegistryError> {
        let from_file = |file, growth| {
            FileBody::new(
                file,
                span,
                growth,
                &asked.line.delivery,
                self.mirror.budget().deliveries(),
            )
            .map(Body::file)
            .map_err(|error| RegistryError::internal(format!("map the blob: {error}")))
        };
        match content {
            BlobContent::Inline(bytes) => Ok(Body::buffer(Buffer::borrowed(part(&bytes, span)))),
            BlobContent::File { file, .. } => from_file(file, None),
            BlobContent::Growing { file, growth, .. } => from_file(file, Some(growth)),
            BlobContent::Passing { onward, .. } => Ok(Body::stream(
                onward.open(span),
                span.length(),
                asked.line.windows.clone(),
            )),
        }
    }
}

fn part(bytes: &Bytes, span: Span) -> Bytes {
    // In range: the span was made for this size.
    bytes.slice(span.start as usize..span.end.map_or(bytes.len(), |end| end as usize))
}

fn describe(headers: &mut HeaderMap, digest: &str, etag: &str) -> Result<(), RegistryError> {
    let invalid = |_| RegistryError::internal("the blob's headers cannot be written".to_owned());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        "docker-content-digest",
        HeaderValue::from_str(digest).map_err(invalid)?,
    );
    headers.insert(header::ETAG, HeaderValue::from_str(etag).map_err(invalid)?);
    Ok(())
}
