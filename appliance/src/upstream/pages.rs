//! Lists that come in pages: `Link: <…>; rel="next"`.
//!
//! Promises: the next page is at the same registry, and the number of pages is bounded. Must not know: what is
//! listed.

use http::{HeaderMap, Uri, header::LINK};

use super::{failure::Failure, redirect::join};
use crate::dial::Origin;

/// Pages that are followed at most. At 1000 entries a page no list in the wild is longer.
pub(super) const MOST: usize = 100;

/// The largest page, in bytes.
pub(super) const LARGEST: usize = 4 << 20;

/// The address of the next page, if there is one.
pub(super) fn next(headers: &HeaderMap, here: &Uri, home: &Origin) -> Result<Option<Uri>, Failure> {
    let Some(reference) = headers
        .get_all(LINK)
        .iter()
        .find_map(|v| target(v.to_str().ok()?))
    else {
        return Ok(None);
    };
    let next = join(here, reference)
        .filter(|next| Origin::of(next).is_some_and(|origin| origin == *home) && next != here)
        .ok_or_else(|| Failure::untrustworthy("the next page is said to be where it cannot be"))?;
    Ok(Some(next))
}

/// `<…>` of the link whose relation is `next`.
fn target(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (url, after) = after.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let is_next = after[..end].split([';', ',']).any(|parameter| {
            let mut parts = parameter.splitn(2, '=');
            let name = parts.next().unwrap_or_default().trim();
            let value = parts.next().unwrap_or_default().trim().trim_matches('"');
            name.eq_ignore_ascii_case("rel") && value.eq_ignore_ascii_case("next")
        });
        if is_next {
            return Some(url);
        }
        rest = &after[end..];
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(link: &'static str) -> Result<Option<String>, Failure> {
        let here: Uri = "https://r.example/v2/x/tags/list?n=2".parse().expect("valid");
        let home = Origin::of(&here).expect("an origin");
        let mut headers = HeaderMap::new();
        headers.insert(LINK, HeaderValue::from_static(link));
        next(&headers, &here, &home).map(|next| next.map(|uri| uri.to_string()))
    }

    #[test]
    fn the_next_page_is_found() {
        let page = Some("https://r.example/v2/x/tags/list?n=2&last=b".to_owned());
        for link in [
            r#"</v2/x/tags/list?n=2&last=b>; rel="next""#,
            "</v2/x/tags/list?n=2&last=b>;REL=next",
            "<?n=2&last=b>; title=x; rel=\"next\"",
            r#"</first>; rel="first", <https://r.example/v2/x/tags/list?n=2&last=b>; rel="next""#,
        ] {
            assert_eq!(read(link).expect(link), page, "{link}");
        }
        for link in ["", "<", "</x>", r#"</x>; rel="prev""#, "rel=next"] {
            assert_eq!(read(link).expect(link), None, "{link}");
        }
    }

    #[test]
    fn a_page_elsewhere_or_the_same_one_again_is_not_followed() {
        assert!(read(r#"<https://evil.example/v2/x>; rel="next""#).is_err());
        assert!(read(r#"<http://r.example/v2/x>; rel="next""#).is_err());
        assert!(read(r#"<?n=2>; rel="next""#).is_err());
    }
}
