use super::*;

fn settings(variables: &[(&str, &str)]) -> Result<ProxySettings, InvalidProxy> {
    ProxySettings::from_env(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn way(settings: &ProxySettings, url: &str) -> Option<String> {
    let target = Origin::of(&url.parse().expect(url)).expect(url);
    settings.towards(&target).map(|proxy| proxy.origin.authority())
}

#[test]
fn each_scheme_has_its_proxy() {
    let both = settings(&[
        ("HTTPS_PROXY", "http://secure.lan:3128"),
        ("http_proxy", "plain.lan:8080/"),
    ])
    .expect("valid");
    assert_eq!(way(&both, "https://ghcr.io"), Some("secure.lan:3128".to_owned()));
    assert_eq!(way(&both, "http://ghcr.io"), Some("plain.lan:8080".to_owned()));
    let none = settings(&[("HTTPS_PROXY", "")]).expect("valid");
    assert_eq!(way(&none, "https://ghcr.io"), None);
}

#[test]
fn loopback_is_never_proxied() {
    let all = settings(&[("HTTP_PROXY", "proxy:1"), ("HTTPS_PROXY", "proxy:1")]).expect("valid");
    for url in [
        "http://127.0.0.1:5000",
        "https://localhost",
        "http://[::1]:5000",
        "http://127.9.9.9",
    ] {
        assert_eq!(way(&all, url), None, "{url}");
    }
}

#[test]
fn exceptions_are_names_suffixes_networks_and_ports() {
    let list = "exact.example, .suffix.example,*.star.example,10.0.0.0/8,192.168.1.7,fd00::/8,[2001:db8::1]:443,port.example:5000,junk/99,1.2.3.4/77,,";
    let some = settings(&[("HTTPS_PROXY", "proxy:1"), ("NO_PROXY", list)]).expect("valid");
    for url in [
        "https://exact.example",
        "https://below.exact.example",
        "https://a.suffix.example",
        "https://a.star.example",
        "https://10.200.3.4",
        "https://192.168.1.7:5000",
        "https://[fd12::1]",
        "https://[2001:db8::1]",
        "https://port.example:5000",
    ] {
        assert_eq!(way(&some, url), None, "{url}");
    }
    for url in [
        "https://inexact.example",
        "https://11.0.0.1",
        "https://192.168.1.8",
        "https://[2001:db8::1]:444",
        "https://[2001:db8::2]",
        "https://port.example",
        "https://1.2.3.4",
    ] {
        assert!(way(&some, url).is_some(), "{url}");
    }
    let star = settings(&[("HTTPS_PROXY", "proxy:1"), ("no_proxy", "*")]).expect("valid");
    assert_eq!(way(&star, "https://ghcr.io"), None);
    let zero = settings(&[("HTTPS_PROXY", "proxy:1"), ("no_proxy", "0.0.0.0/0")]).expect("valid");
    assert_eq!(way(&zero, "https://1.2.3.4"), None);
}

#[test]
fn credentials_are_decoded_sent_and_not_shown() {
    let some = settings(&[("HTTPS_PROXY", "http://user:p%40ss@proxy:1")]).expect("valid");
    let proxy = some.https.as_ref().expect("a proxy");
    assert_eq!(
        proxy.authorization.as_ref().map(HeaderValue::as_bytes),
        Some(format!("Basic {}", BASE64.encode(b"user:p@ss")).as_bytes())
    );
    assert!(!format!("{some:?}").contains("ss@"), "{some:?}");
}

#[test]
fn what_is_no_proxy_is_an_error_that_does_not_show_it() {
    for value in [
        "socks5://user:hunter2@x:1",
        "https://x:1",
        "http://",
        "http://a b",
    ] {
        let error = settings(&[("HTTPS_PROXY", value)]).expect_err(value);
        assert!(!error.to_string().contains("hunter2"));
    }
}
