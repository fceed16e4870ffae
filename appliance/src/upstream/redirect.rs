//! Where a redirect leads.
//!
//! Promises: a bounded chain without loops; never from HTTPS to HTTP; never to a URL with credentials in it.
//! Must not know: who is asked, and what is sent along.

use http::{HeaderMap, StatusCode, Uri, header::LOCATION};

use crate::dial::{Origin, Scheme};

/// The longest chain. Registries use one hop, seldom two.
const MOST: usize = 5;

/// A redirect that is not followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRedirect {
    #[error("a redirect without a usable Location")]
    Location,
    #[error("a redirect from HTTPS to {0}, which is not HTTPS")]
    Downgrade(Uri),
    #[error("a redirect back to {0}")]
    Loop(Uri),
    #[error("more than {MOST} redirects")]
    TooMany,
}

/// The URLs asked so far, first to last.
#[derive(Debug)]
pub(super) struct Trail(Vec<Uri>);

impl Trail {
    pub(super) fn from(start: Uri) -> Self {
        Self(vec![start])
    }

    /// The URL to ask now.
    pub(super) fn here(&self) -> &Uri {
        // Begun with one and never shortened.
        &self.0[self.0.len() - 1]
    }

    /// Follows a redirect.
    pub(super) fn follow(&mut self, headers: &HeaderMap) -> Result<(), BadRedirect> {
        let location = headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .ok_or(BadRedirect::Location)?;
        let next = join(self.here(), location).ok_or(BadRedirect::Location)?;
        let origin = Origin::of(&next).ok_or(BadRedirect::Location)?;
        if self.here().scheme_str() == Some("https") && origin.scheme == Scheme::Http {
            return Err(BadRedirect::Downgrade(without_query(&next)));
        }
        if self.0.contains(&next) {
            return Err(BadRedirect::Loop(without_query(&next)));
        }
        if self.0.len() > MOST {
            return Err(BadRedirect::TooMany);
        }
        self.0.push(next);
        Ok(())
    }
}

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A reference, absolute or relative, read at `base` (RFC 3986, section 5, without dot segments: what they
/// would resolve to is the server's business).
pub(super) fn join(base: &Uri, reference: &str) -> Option<Uri> {
    let reference = reference.trim().split('#').next()?;
    if reference.is_empty() {
        return None;
    }
    if reference.contains("://") && !reference.starts_with(['/', '?']) {
        return reference.parse().ok();
    }
    let scheme = base.scheme_str()?;
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}").parse().ok();
    }
    let authority = base.authority()?;
    let path = base.path();
    let path = match reference.as_bytes().first()? {
        b'/' => reference.to_owned(),
        b'?' => format!("{path}{reference}"),
        _ => format!("{}{reference}", &path[..=path.rfind('/')?]),
    };
    format!("{scheme}://{authority}{path}").parse().ok()
}

/// A URL for people: the signature of a CDN is a secret.
fn without_query(uri: &Uri) -> Uri {
    let bare = uri.to_string();
    let bare = bare.split('?').next().unwrap_or_default();
    bare.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn follow(trail: &mut Trail, location: &'static str) -> Result<(), BadRedirect> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_static(location));
        trail.follow(&headers)
    }

    fn trail() -> Trail {
        Trail::from("https://a.example/v2/x/blobs/y".parse().expect("valid"))
    }

    #[test]
    fn references_are_read_where_they_stand() {
        for (reference, url) in [
            ("https://b.example/z?sig=1#frag", "https://b.example/z?sig=1"),
            ("//b.example/z", "https://b.example/z"),
            ("/z?u=http://c", "https://a.example/z?u=http://c"),
            ("z", "https://a.example/v2/x/blobs/z"),
            ("?n=1", "https://a.example/v2/x/blobs/y?n=1"),
        ] {
            let base = trail();
            assert_eq!(
                join(base.here(), reference).map(|u| u.to_string()).as_deref(),
                Some(url)
            );
        }
    }

    #[test]
    fn loops_chains_downgrades_and_nonsense_are_refused() {
        let mut there_and_back = trail();
        follow(&mut there_and_back, "/one").expect("fine");
        assert!(matches!(
            follow(&mut there_and_back, "/v2/x/blobs/y"),
            Err(BadRedirect::Loop(_))
        ));
        let mut long = trail();
        for next in ["/1", "/2", "/3", "/4", "/5"] {
            follow(&mut long, next).expect(next);
        }
        assert!(matches!(follow(&mut long, "/6"), Err(BadRedirect::TooMany)));
        assert!(matches!(
            follow(&mut trail(), "http://a.example/z"),
            Err(BadRedirect::Downgrade(_))
        ));
        for nonsense in [
            "",
            "#",
            "ftp://x/",
            "https://u:p@b.example/",
            "https://",
            "http://[",
            "a b",
        ] {
            assert!(
                matches!(follow(&mut trail(), nonsense), Err(BadRedirect::Location)),
                "{nonsense}"
            );
        }
        assert!(matches!(
            trail().follow(&HeaderMap::new()),
            Err(BadRedirect::Location)
        ));
    }

    #[test]
    fn a_signature_is_not_shown() {
        let mut t = trail();
        follow(&mut t, "/z?sig=hunter2").expect("fine");
        let again = follow(&mut t, "/z?sig=hunter2").expect_err("a loop").to_string();
        assert!(!again.contains("hunter2"), "{again}");
    }
}
