//! The configuration as a person meets it: files, variables, mistakes.

mod alert;
mod upkeep;

use std::{collections::BTreeMap, time::Duration};

use super::*;

/// Loads a file's text with variables.
fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("larder.toml");
    std::fs::write(&path, text).expect("a file");
    load(&Inputs {
        file: FileChoice::Named(path),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    })
}

fn config(text: &str, environment: &[(&str, &str)]) -> Config {
    match load_text(text, environment) {
        Ok(loaded) => loaded.config,
        Err(e) => panic!("{e}"),
    }
}

fn mistakes(text: &str, environment: &[(&str, &str)]) -> String {
    load_text(text, environment).expect_err("a mistake").to_string()
}

fn upstream<'a>(config: &'a Config, name: &str) -> &'a UpstreamConfig {
    config
        .upstream(&name.parse().expect("a name"))
        .expect("configured")
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let loaded = load(&Inputs {
        file: FileChoice::FirstOf(vec!["/nonexistent/larder.toml".into()]),
        environment: BTreeMap::new(),
    })
    .expect("the defaults");
    assert_eq!(loaded.file, None);
    let config = loaded.config;
    assert_eq!(config.listen.http, "127.0.0.1:5000".parse().ok());
    assert_eq!(config.upstreams.len(), 5);
    assert_eq!(
        upstream(&config, "docker.io").endpoints[0].as_str(),
        "https://registry-1.docker.io"
    );
    assert_eq!(upstream(&config, "ghcr.io").tag_ttl, Duration::from_secs(300));
    assert_eq!(config.cache.max_bytes, Limit::Auto);
    assert_eq!(config.fetch.buffer_bytes.bytes(), 32 << 20);
    assert_eq!(config.watchdog.device, Some(Limit::Auto));
}

#[test]
fn the_page_of_the_design_is_accepted() {
    let config = config(include_str!("example.toml"), &[]);
    assert_eq!(config.cache.pins[0].to_string(), "docker.io/library/alpine:3.20");
    assert!(matches!(config.alert.receivers[0].way, Way::Webhook(_)));
    assert_eq!(config.alert.receivers[1].least, crate::rule::Severity::Critical);
    assert_eq!(
        config.fetch.max_wan_rate.map(Rate::bytes_per_second),
        Some(20 << 20)
    );
    assert_eq!(config.upstreams.len(), 6);
}

#[test]
fn an_upstream_changes_the_built_in_one_field_by_field() {
    let config = config(
        "[[upstream]]\nname = \"index.docker.io\"\ntag_ttl = \"1h\"\n[[upstream]]\nname = \"mine:5000\"\n",
        &[(
            "LARDER_UPSTREAM",
            r#"[{name = "docker.io", username = "me", password = "s3cret"}]"#,
        )],
    );
    let hub = upstream(&config, "docker.io");
    assert_eq!(hub.endpoints[0].as_str(), "https://registry-1.docker.io");
    assert_eq!(hub.tag_ttl, Duration::from_secs(3600));
    assert_eq!(
        hub.credentials.as_ref().map(|c| c.password.expose()),
        Some("s3cret")
    );
    assert_eq!(
        upstream(&config, "mine:5000").endpoints[0].as_str(),
        "https://mine:5000"
    );
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn built_in_upstreams_can_be_left_out() {
    let text = "builtin_upstreams = false\ndefault_upstream = \"mine\"\n[[upstream]]\nname = \"mine\"\n";
    assert_eq!(config(text, &[]).upstreams.len(), 1);
    let error = mistakes("", &[("LARDER_BUILTIN_UPSTREAMS", "false")]);
    assert!(
        error.contains("`docker.io` is not a configured upstream"),
        "{error}"
    );
}

#[test]
fn the_environment_is_typed_after_the_defaults() {
    let config = config(
        "[listen]\nhttp = \"127.0.0.1:1\"\n",
        &[
            ("LARDER_LISTEN__HTTP", "[::]:5000"),
            ("LARDER_CACHE__HIGH", "0.9"),
            ("LARDER_CACHE__MAX_INODES", "12345"),
            ("LARDER_OPEN", "true"),
            ("LARDER_PREFETCH__IMAGES", "alpine:3.20, ghcr.io/a/b"),
            ("LARDER_CACHE__PINS", "[\"busybox\"]"),
            ("LARDER_SERVICE_HOST", "10.0.0.1"),
            ("LARDER_PORT_5000_TCP", "tcp://10.0.0.1:5000"),
            ("LARDER_CONFIG", "x"),
            ("PATH", "/bin"),
        ],
    );
    assert_eq!(config.listen.http, "[::]:5000".parse().ok());
    assert_eq!(config.cache.high.get(), 0.9);
    assert_eq!(config.cache.max_inodes, Limit::At(12345));
    assert_eq!(config.scope, Scope::Open);
    assert_eq!(config.prefetch.images.len(), 2);
    assert_eq!(config.cache.pins.len(), 1);
}

#[test]
fn one_mistake_makes_no_other_setting_unknown() {
    let defaults: toml::Table = include_str!("defaults.toml").parse().expect("TOML");
    // What an upstream is by default stands there under a name of its own.
    let sections = defaults
        .iter()
        .filter(|(section, _)| *section != "upstream-defaults");
    for (section, keys) in sections {
        let Some(keys) = keys.as_table() else { continue };
        for key in keys.keys() {
            // What takes any text takes this.
            let Err(told) = load_text(&format!("[{section}]\n{key} = -1\n"), &[]) else {
                continue;
            };
            let told = told.to_string();
            assert!(!told.contains("is not a setting"), "{section}.{key}: {told}");
        }
    }
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let error = mistakes(
        r#"
open = "yes"
defualt_upstream = "ghcr.io"

[cache]
low = 0.95
inline_belw = "1KiB"

[fetch]
buffer_bytes = "12 apples"

[[upstream]]
name = "ghcr.io"
endpoints = ["https://user:pw@ghcr.io"]
colour = "red"
"#,
        &[("LARDER_FETCH__PROGRESS_TIMEOUT", "5"), ("LARDER_FECTH__X", "1")],
    );
    for part in [
        "9 mistakes",
        "larder.toml:2, key `open`",
        "did you mean `default_upstream`?",
        "larder.toml:6, key `cache.low`",
        "did you mean `cache.inline_below`?",
        "larder.toml:10, key `fetch.buffer_bytes`",
        "env LARDER_FETCH__PROGRESS_TIMEOUT",
        "env LARDER_FECTH__X",
        "did you mean `fetch`?",
        "larder.toml:14, key `upstream[ghcr.io].endpoints`",
        "`username` and `password_file`",
        "larder.toml:15, key `upstream[ghcr.io].colour`",
    ] {
        assert!(error.contains(part), "no {part:?} in:\n{error}");
    }
    assert!(!error.contains("user:pw"), "{error}");
}

#[test]
fn each_cross_check_has_its_words() {
    for (text, says) in [
        ("[cache]\nhigh = 0.99", "eviction would never begin"),
        ("[cache]\nstop = 1.5", "at most 1"),
        ("[listen]\nhttp = \"\"", "no client could reach"),
        ("[listen]\nhttps = \"127.0.0.1:5000\"", "the same address"),
        ("[listen]\ncert_file = \"/dev/null\"", "`cert_file` is set"),
        ("[listen]\nhttps = \"nonsense\"", "an address and a port"),
        (
            "[[upstream]]\nname = \"a\"\n[[upstream]]\nname = \"a\"",
            "a second one called `a`",
        ),
        ("[[upstream]]\nendpoints = []", "no `name`"),
        ("[upstream]\nname = \"a\"", "two brackets"),
        ("[[upstream]]\nname = \"a\"\nendpoints = []", "the list is empty"),
        (
            "[[upstream]]\nname = \"a\"\nendpoints = [\"http://a\", \"http://A/\"]",
            "there twice",
        ),
        ("[[upstream]]\nname = \"a\"\nusername = \"x\"", "no password"),
        (
            "[[upstream]]\nname = \"a\"\npassword_file = \"/nonexistent\"",
            "cannot be read",
        ),
        ("[[upstream]]\nname = \"a\"\nca_file = \"/tmp\"", "is a directory"),
        (
            "[[upstream]]\nname = \"a\"\nallow = [\"A B\"]",
            "not a repository pattern",
        ),
        (
            "[cache]\npins = [\"quay.example/x\"]",
            "not a configured upstream",
        ),
        ("[fetch]\nbuffer_bytes = 1", "at least 8MiB"),
        ("[fetch]\nprogress_timeout = \"0s\"", "time out at once"),
        (
            "[[alert.receiver]]\nname = \"x\"\nkind = \"pager\"",
            "\"webhook\", \"ntfy\"",
        ),
        (
            "[[alert.receiver]]\nname = \"x\"\nkind = \"slack\"\nurl = \"smtp://x\"",
            "`https://…`",
        ),
        ("[log]\nlevel = \"loud\"", "not a log level"),
        ("listen = 5", "write `[listen]`"),
        ("open = ", "not TOML"),
        ("a = 1\na = 2", "larder.toml:2:1"),
    ] {
        let error = mistakes(text, &[]);
        assert!(error.contains(says), "no {says:?} for {text:?} in:\n{error}");
        assert!(error.contains("where:") && error.contains("do:"), "{error}");
    }
}

#[test]
fn a_secret_file_is_read_without_its_newline() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("password");
    std::fs::write(&path, "pass word\r\n").expect("a file");
    let text = format!("[[upstream]]\nname = \"ghcr.io\"\nusername = \"me\"\npassword_file = {path:?}\n");
    let loaded = load_text(&text, &[]).expect("a configuration");
    let credentials = upstream(&loaded.config, "ghcr.io")
        .credentials
        .as_ref()
        .expect("credentials");
    assert_eq!(credentials.password.expose(), "pass word");
    assert!(!loaded.effective().contains("pass word"));
    let error = mistakes(&format!("{text}password = \"x\"\n"), &[]);
    assert!(error.contains("one of `password` and `password_file`"), "{error}");
}

#[test]
fn what_is_shown_reads_back_and_names_its_origin() {
    let text = include_str!("example.toml");
    let first = load_text(text, &[("LARDER_CACHE__POLICY", "lru")]).expect("a configuration");
    let shown = first.effective();
    let with_url = shown
        .replacen("# url = (hidden)", "url = \"http://alerts.example/hook\"", 1)
        .replacen("# url = (hidden)", "url = \"smtps://mail.example\"", 1);
    let again = load_text(&with_url, &[]).expect("what was shown is a configuration");
    assert_eq!(again.config, first.config);
    for line in [
        "policy = \"lru\"                              # env LARDER_CACHE__POLICY",
        "builtin_upstreams = true                    # default",
        "endpoints = [\"https://quay.io\"]             # built-in",
    ] {
        assert!(shown.contains(line), "no {line:?} in:\n{shown}");
    }
    assert!(shown.contains("/larder.toml:"), "{shown}");
}

#[test]
fn patterns_admit() {
    let config = config(
        "[[upstream]]\nname = \"a\"\nallow = [\"team/*\"]\ndeny = [\"team/old\"]\n",
        &[],
    );
    let admits = |path: &str| upstream(&config, "a").admits(&path.parse().expect("a path"));
    assert!(admits("team/app") && admits("team/sub/app"));
    assert!(!admits("team/old") && !admits("other/app"));
}
