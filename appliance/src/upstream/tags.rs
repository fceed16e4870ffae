//! The tags of a repository.
//!
//! Promises: sorted, without doubles, bounded in pages and in number; what is not a tag by the specification
//! is left out. Must not know: who asks for which of them.

use http::{Method, StatusCode};
use serde::Deserialize;

use super::{
    answer::{is_page, page},
    errand::Errand,
    failure::Failure,
    pages,
};
use crate::oci::Tag;

/// Tags that are returned at most. Some repositories tag each build; nobody reads further.
const MOST: usize = 100_000;

#[derive(Deserialize)]
struct Page {
    /// `null` for none, in old registries.
    tags: Option<Vec<String>>,
}

pub(super) async fn list(errand: Errand<'_>) -> Result<Vec<Tag>, Failure> {
    let home = errand.endpoint.url.origin();
    let mut answer = errand.ask(Method::GET, "tags/list?n=1000", None, 0).await?;
    let mut tags: Vec<Tag> = Vec::new();
    for _ in 0..pages::MOST {
        if answer.response.status() != StatusCode::OK {
            return Err(errand.refusal(answer).await);
        }
        let here = answer.uri;
        let (head, body) = answer.response.into_parts();
        if is_page(&head.headers) {
            return Err(page());
        }
        let bytes = errand.document(body, pages::LARGEST).await?;
        let page: Page = serde_json::from_slice(&bytes)
            .map_err(|_| Failure::untrustworthy("the list of tags is not one"))?;
        tags.extend(
            page.tags
                .unwrap_or_default()
                .iter()
                .filter_map(|tag| tag.parse().ok()),
        );
        let next = pages::next(&head.headers, &here, home)?;
        match next {
            Some(next) if tags.len() < MOST => answer = errand.ask_at(Method::GET, next, None, 0).await?,
            _ => break,
        }
    }
    tags.sort_unstable();
    tags.dedup();
    tags.truncate(MOST);
    Ok(tags)
}
