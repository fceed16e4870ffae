//! `/v2/<name>/tags/list` and `/v2/<name>/referrers/<digest>`.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Asked, ErrorCode, Registry, Story, errors::RegistryError, route::Page, tell};
use crate::{
    delivery::Body,
    memory::Buffer,
    metrics::Kind,
    oci::{Digest, MediaType, Tag},
};

impl Registry {
    pub(super) async fn tags(
        &self,
        asked: &Asked<'_>,
        name: &str,
        page: &Page,
    ) -> Result<Response<Body>, RegistryError> {
        let repository = self.repository(asked, name)?;
        let unserved = |e| RegistryError::unserved(&e, ErrorCode::NameUnknown);
        let answer = self.mirror.tags(&repository).await.map_err(unserved)?;
        let (shown, more) = select(&answer.tags, page);
        let names: Vec<&str> = shown.iter().map(Tag::as_str).collect();
        let text = json!({ "name": name, "tags": names }).to_string();
        let text = self.mirror.cover(text.into()).map_err(unserved)?;
        let mut response = document(asked, "application/json", text);
        if let (true, Some(last)) = (more, names.last()) {
            let link = next_page(
                name,
                last,
                page.n.unwrap_or(names.len()),
                asked.route.ns.as_deref(),
            );
            if let Ok(link) = HeaderValue::from_str(&link) {
                response.headers_mut().insert(header::LINK, link);
            }
        }
        tell(
            &mut response,
            asked,
            Story {
                outcome: Some(answer.outcome),
                repository: Some(repository),
                ..Story::of(Kind::Tags)
            },
        );
        Ok(response)
    }

    pub(super) async fn referrers(
        &self,
        asked: &Asked<'_>,
        name: &str,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Response<Body>, RegistryError> {
        let repository = self.repository(asked, name)?;
        let unserved = |e| RegistryError::unserved(&e, ErrorCode::NameUnknown);
        let answer = self
            .mirror
            .referrers(&repository, digest)
            .await
            .map_err(unserved)?;
        let index = match artifact_type {
            Some(wanted) => {
                let invalid =
                    |error| RegistryError::internal(format!("read the index of referrers: {error}"));
                let filtered = filter(&answer.index, wanted).map_err(invalid)?;
                self.mirror.cover(filtered).map_err(unserved)?
            }
            None => answer.index,
        };
        let mut response = document(asked, MediaType::OCI_INDEX, index);
        if artifact_type.is_some() {
            response
                .headers_mut()
                .insert("oci-filters-applied", HeaderValue::from_static("artifactType"));
        }
        tell(
            &mut response,
            asked,
            Story {
                outcome: Some(answer.outcome),
                repository: Some(repository),
                ..Story::of(Kind::Referrers)
            },
        );
        Ok(response)
    }
}

/// The tags of a page, and whether others follow. `tags` is sorted.
fn select<'a>(tags: &'a [Tag], page: &Page) -> (&'a [Tag], bool) {
    let from = page.last.as_ref().map_or(0, |last| {
        tags.partition_point(|tag| tag.as_str() <= last.as_str())
    });
    let rest = &tags[from..];
    match page.n {
        Some(n) if n < rest.len() => (&rest[..n], true),
        _ => (rest, false),
    }
}

fn next_page(name: &str, last: &str, n: usize, ns: Option<&str>) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let ns = ns.map(|ns| format!("&ns={}", encode(ns))).unwrap_or_default();
    format!(
        "</v2/{name}/tags/list?n={n}&last={}{ns}>; rel=\"next\"",
        encode(last)
    )
}

/// The index with only the referrers of one artifact type.
fn filter(index: &[u8], wanted: &str) -> Result<Bytes, serde_json::Error> {
    let mut index: Value = serde_json::from_slice(index)?;
    if let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) {
        manifests.retain(|entry| entry.get("artifactType").and_then(Value::as_str) == Some(wanted));
    }
    Ok(index.to_string().into())
}

fn document(asked: &Asked<'_>, media_type: &'static str, text: Bytes) -> Response<Body> {
    let length = HeaderValue::from(text.len());
    let body = if *asked.method == Method::HEAD {
        Body::empty()
    } else {
        Body::buffer(Buffer::borrowed(text))
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: Option<usize>, last: Option<&str>) -> (Vec<String>, bool) {
        let tags: Vec<Tag> = ["a", "b", "c", "d"]
            .iter()
            .map(|t| t.parse().expect("valid"))
            .collect();
        let (shown, more) = select(
            &tags,
            &Page {
                n,
                last: last.map(Into::into),
            },
        );
        (shown.iter().map(ToString::to_string).collect(), more)
    }

    #[test]
    fn pages_follow_each_other_without_gap() {
        assert_eq!(page(Some(2), None), (vec!["a".into(), "b".into()], true));
        assert_eq!(page(Some(2), Some("b")), (vec!["c".into(), "d".into()], false));
        assert_eq!(
            page(Some(2), Some("bb")),
            (vec!["c".into(), "d".into()], false),
            "also after a tag that is gone"
        );
        assert_eq!(page(None, Some("d")), (vec![], false));
        assert_eq!(page(Some(0), None), (vec![], true));
    }

    #[test]
    fn only_one_artifact_type_is_left() {
        let index = br#"{"manifests":[{"digest":"1","artifactType":"a/b"},{"digest":"2","artifactType":"c/d"},{"digest":"3"}]}"#;
        let left: Value = serde_json::from_slice(&filter(index, "c/d").expect("valid")).expect("valid");
        assert_eq!(left["manifests"].as_array().map(Vec::len), Some(1));
        assert_eq!(left["manifests"][0]["digest"], "2");
    }
}
