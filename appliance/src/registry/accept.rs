//! `Accept` on manifests. Clients send several lines, lists, or both.

use http::{HeaderMap, header};

use crate::oci::MediaType;

/// Whether a client takes a media type: it names it, or a wildcard that covers it, or says nothing.
pub(super) fn accepts(headers: &HeaderMap, media_type: &MediaType) -> bool {
    let mut said_something = false;
    for line in headers.get_all(header::ACCEPT) {
        let Ok(line) = line.to_str() else { continue };
        for range in line.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(name) = parts.next().filter(|name| !name.is_empty()) else {
                continue;
            };
            said_something = true;
            let refused = parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            if !refused && covers(name, media_type.as_str()) {
                return true;
            }
        }
    }
    !said_something
}

fn covers(range: &str, media_type: &str) -> bool {
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => media_type
            .split('/')
            .next()
            .is_some_and(|own| own.eq_ignore_ascii_case(kind)),
        None => range.eq_ignore_ascii_case(media_type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, line.parse().expect("valid"));
        }
        accepts(&headers, &MediaType::OCI_INDEX.parse().expect("valid"))
    }

    #[test]
    fn lines_and_lists_are_one() {
        assert!(index(&[]));
        assert!(index(&["*/*"]));
        assert!(index(&["application/*"]));
        assert!(index(&[MediaType::OCI_MANIFEST, MediaType::OCI_INDEX]));
        assert!(index(&[&format!(
            "{}, {};q=0.5",
            MediaType::OCI_MANIFEST,
            MediaType::OCI_INDEX
        )]));
        assert!(!index(&[MediaType::OCI_MANIFEST]));
        assert!(!index(&[
            MediaType::OCI_MANIFEST,
            &format!("{};q=0", MediaType::OCI_INDEX)
        ]));
    }
}
