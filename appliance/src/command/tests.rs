//! Commands as a person types them.

use clap::Parser as _;

use super::*;

pub(super) struct Ran {
    pub(super) result: Result<Next, Failure>,
    pub(super) output: String,
    pub(super) notes: String,
}

pub(super) fn ran(words: &[&str], environment: &[(&str, &str)]) -> Ran {
    let line = Line::try_parse_from([&["larder"], words].concat()).expect("a command line");
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let mut environment: BTreeMap<String, String> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    // An empty file, not whatever lies in the folder where the tests run.
    environment
        .entry("LARDER_CONFIG".into())
        .or_insert_with(|| "/dev/null".into());
    let result = run(
        &line,
        &mut Surroundings {
            environment,
            output: &mut output,
            notes: &mut notes,
            screen: Screen::Plain,
        },
    );
    Ran {
        result,
        output: String::from_utf8(output).expect("text"),
        notes: String::from_utf8(notes).expect("text"),
    }
}

fn setup(client: &str, environment: &[(&str, &str)]) -> Ran {
    let mut all = vec![
        ("LARDER_LISTEN__HTTP", "192.0.2.7:5000"),
        ("LARDER_BUILTIN_UPSTREAMS", "false"),
        (
            "LARDER_UPSTREAM",
            r#"[{name="docker.io", endpoints=["https://registry-1.docker.io"]}, {name="ghcr.io"}, {name="mine:5001"}]"#,
        ),
    ];
    all.extend(environment);
    let ran = ran(&["setup", client], &all);
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    ran
}

const OVER_TLS: [(&str, &str); 2] = [
    ("LARDER_LISTEN__HTTP", ""),
    ("LARDER_LISTEN__HTTPS", "192.0.2.7:5443"),
];

#[test]
fn the_grammar_holds() {
    <Line as clap::CommandFactory>::command().debug_assert();
    assert!(matches!(ran(&[], &[]).result, Ok(Next::Serve { .. })));
    assert!(matches!(ran(&["serve"], &[]).result, Ok(Next::Serve { .. })));
    let wrong = Line::try_parse_from(["larder", "serv"]).expect_err("no such command");
    assert_eq!(wrong.exit_code(), 2);
}

#[test]
fn check_shows_values_with_their_origin() {
    let ran = ran(&["check"], &[("LARDER_LISTEN__HTTP", "[::]:5000")]);
    assert!(matches!(ran.result, Ok(Next::Nothing)));
    let line = "http = \"[::]:5000\"                          # env LARDER_LISTEN__HTTP";
    assert!(ran.output.contains(line), "{}", ran.output);
    assert!(ran.output.starts_with("# file /dev/null\n"));
    assert!(ran.notes.contains("good"));
}

#[test]
fn check_fails_with_the_list_of_mistakes() {
    let failure = ran(&["check"], &[("LARDER_OPEN", "maybe")])
        .result
        .expect_err("a mistake");
    let text = failure.to_string();
    assert!(
        text.contains("`open`: it is \"maybe\"") && text.contains("env LARDER_OPEN"),
        "{text}"
    );
}

#[test]
fn docker_gets_a_mirror_for_the_hub_and_names_for_the_rest() {
    let ran = setup("docker", &[]);
    let daemon: serde_json::Value = serde_json::from_str(&ran.output).expect("JSON");
    assert_eq!(daemon["registry-mirrors"][0], "http://192.0.2.7:5000");
    assert_eq!(daemon["insecure-registries"][0], "192.0.2.7:5000");
    assert!(ran.notes.contains("docker pull 192.0.2.7:5000/ghcr.io/OWNER/APP"));
    assert!(!ran.notes.contains("mine:5001"));
    let other = setup("docker", &[("LARDER_DEFAULT_UPSTREAM", "ghcr.io")]);
    assert!(!other.output.contains("registry-mirrors"));
}

#[test]
fn containerd_gets_a_file_for_each_registry() {
    let ran = setup("containerd", &[]);
    let expected = "\
mkdir -p '/etc/containerd/certs.d/docker.io'
cat > '/etc/containerd/certs.d/docker.io/hosts.toml' <<'EOF'
server = \"https://registry-1.docker.io\"

[host.\"http://192.0.2.7:5000\"]
  capabilities = [\"pull\", \"resolve\"]
EOF
";
    assert!(ran.output.contains(expected), "{}", ran.output);
    assert!(ran.output.contains("certs.d/mine:5001/hosts.toml"));
    let secure = setup("containerd", &OVER_TLS);
    assert!(
        secure.output.contains("[host.\"https://192.0.2.7:5443\"]"),
        "{}",
        secure.output
    );
    assert!(secure.output.contains("ca = \"/etc/larder-ca.pem\""));
    assert!(secure.notes.contains("larder-data/tls/cert.pem"));
}

#[test]
fn podman_gets_the_registry_in_the_path() {
    let ran = setup("podman", &[]);
    let file: toml::Table = toml::from_str(&ran.output).expect("TOML");
    let hub = &file["registry"][0];
    assert_eq!(hub["prefix"].as_str(), Some("docker.io"));
    assert_eq!(
        hub["mirror"][0]["location"].as_str(),
        Some("192.0.2.7:5000/docker.io")
    );
    assert_eq!(hub["mirror"][0]["insecure"].as_bool(), Some(true));
    assert_eq!(file["registry"].as_array().map(Vec::len), Some(2));
    assert!(ran.notes.contains("1 of the upstreams"));
}

#[test]
fn k3s_and_buildkit_name_every_registry() {
    let k3s = setup("k3s", &[]).output;
    assert!(
        k3s.contains("  \"mine:5001\":\n    endpoint:\n      - \"http://192.0.2.7:5000\"\n"),
        "{k3s}"
    );
    let secure = setup("k3s", &OVER_TLS).output;
    assert!(secure.contains("  \"192.0.2.7:5443\":\n    tls:\n"), "{secure}");
    let buildkit: toml::Table = toml::from_str(&setup("buildkit", &[]).output).expect("TOML");
    assert_eq!(
        buildkit["registry"]["ghcr.io"]["mirrors"][0].as_str(),
        Some("192.0.2.7:5000")
    );
    assert_eq!(
        buildkit["registry"]["192.0.2.7:5000"]["http"].as_bool(),
        Some(true)
    );
}

#[test]
fn an_address_from_the_person_wins() {
    let ran = ran(&["setup", "docker", "--address", "box.lan"], &[]);
    assert!(ran.output.contains("http://box.lan:5000"), "{}", ran.output);
    let default = setup("docker", &[("LARDER_LISTEN__HTTP", "127.0.0.1:5000")]);
    assert!(default.notes.contains("this box itself"), "{}", default.notes);
}
