//! `WWW-Authenticate`: what a registry wants before it answers.
//!
//! Promises: any header is read without a panic, as far as it makes sense; several challenges in one header
//! or in several are told apart. Must not know: tokens.

use http::{HeaderMap, header::WWW_AUTHENTICATE};

/// One challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Challenge {
    Bearer(Bearer),
    Basic,
}

/// Where a token is to be had, and for what. All but the realm may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Bearer {
    pub(in crate::upstream) realm: String,
    pub(in crate::upstream) service: Option<String>,
    pub(in crate::upstream) scope: Option<String>,
}

impl Challenge {
    /// All challenges that are understood, in the order in which they stand.
    pub(in crate::upstream) fn all(headers: &HeaderMap) -> Vec<Self> {
        headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .flat_map(|value| parse(&String::from_utf8_lossy(value.as_bytes())))
            .collect()
    }
}

/// One word of the header.
#[derive(Debug, PartialEq)]
enum Item {
    Scheme(String),
    Parameter(String, String),
}

fn parse(text: &str) -> Vec<Challenge> {
    let mut challenges: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = text;
    while let Some((item, after)) = next_item(rest) {
        rest = after;
        match item {
            Item::Scheme(scheme) => challenges.push((scheme, Vec::new())),
            Item::Parameter(name, value) => {
                if let Some((_, parameters)) = challenges.last_mut() {
                    parameters.push((name, value));
                }
            }
        }
    }
    challenges
        .into_iter()
        .filter_map(|(scheme, parameters)| understand(&scheme, &parameters))
        .collect()
}

fn understand(scheme: &str, parameters: &[(String, String)]) -> Option<Challenge> {
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => {
            let get = |name| {
                parameters
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.clone())
                    .filter(|value| !value.is_empty())
            };
            Some(Challenge::Bearer(Bearer {
                realm: get("realm")?,
                service: get("service"),
                scope: get("scope"),
            }))
        }
        _ => None,
    }
}

/// Takes one word, `scheme`, `name=value` or `name="value"`, off the front.
fn next_item(text: &str) -> Option<(Item, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let end = text.find([' ', '\t', ',', '=']).unwrap_or(text.len());
    if text.is_empty() {
        return None;
    }
    let (word, rest) = text.split_at(end);
    let word = word.to_ascii_lowercase();
    let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else {
        return Some((Item::Scheme(word), rest));
    };
    let value = value.trim_start_matches([' ', '\t']);
    let (value, rest) = match value.strip_prefix('"') {
        Some(quoted) => unquote(quoted),
        None => {
            let end = value.find([' ', '\t', ',']).unwrap_or(value.len());
            (value[..end].to_owned(), &value[end..])
        }
    };
    Some((Item::Parameter(word, value), rest))
}

/// Reads up to the closing quote; a missing one is the end of the text.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer(Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn docker_hubs_challenge_is_read() {
        assert_eq!(
            parse(
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull,push""#
            ),
            [bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:library/alpine:pull,push")
            )]
        );
    }

    #[test]
    fn several_challenges_odd_spaces_and_escapes_are_read() {
        assert_eq!(
            parse(r#"Negotiate, bEaReR  realm = "https://x/\"q\"" , service=y,Basic realm="z""#),
            [bearer(r#"https://x/"q""#, Some("y"), None), Challenge::Basic]
        );
        assert_eq!(parse("Basic"), [Challenge::Basic]);
        assert_eq!(
            parse(r#"Bearer realm="https://x", error="insufficient_scope""#),
            [bearer("https://x", None, None)]
        );
    }

    #[test]
    fn nonsense_is_no_challenge() {
        for text in [
            "",
            ",",
            "=",
            "Bearer",
            r#"Bearer realm="#,
            r#"Bearer realm="""#,
            r#"realm="x""#,
            "\"",
            "Digest x",
        ] {
            assert_eq!(parse(text), [], "{text}");
        }
        assert_eq!(
            parse(r#"Bearer realm="https://x"#),
            [bearer("https://x", None, None)]
        );
    }

    proptest! {
        #[test]
        fn no_header_panics(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn no_header_of_its_own_characters_panics(text in r#"[ "=,\\Bearealm]{0,40}"#) {
            let _ = parse(&text);
        }
    }
}
