//! A broker of the system's, and one who watches it.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
};

/// `mosquitto`, until it is dropped.
pub(super) struct Broker {
    child: Child,
    _log: JoinSet<()>,
}

/// A port that nobody has now.
pub(super) fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn command(name: &str) -> Command {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let mut command = Command::new(name);
    command.env("PATH", path).kill_on_drop(true);
    command
}

impl Broker {
    /// Begins to listen; `more` are lines of its configuration.
    pub(super) async fn start(folder: &Path, port: u16, more: &str) -> Self {
        let file = folder.join("mosquitto.conf");
        let text = format!("user root\nlistener {port} 127.0.0.1\n{more}\n");
        std::fs::write(&file, text).expect("a file");
        let mut child = command("mosquitto")
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("`tests/run` installs mosquitto");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
        while let Some(line) = log.next_line().await.expect("a log") {
            if line.ends_with("running") {
                let mut rest = JoinSet::new();
                rest.spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
                return Self { child, _log: rest };
            }
        }
        panic!("the broker ended at once");
    }

    pub(super) async fn end(mut self) {
        self.child.kill().await.expect("killed");
    }

    /// A file with a name and a password for brokers.
    pub(super) async fn passwords(folder: &Path, name: &str, password: &str) -> String {
        let file = folder.join("passwords");
        let made = command("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(&file)
            .args([name, password])
            .status();
        assert!(made.await.expect("started").success());
        format!("allow_anonymous false\npassword_file {}", file.display())
    }
}

/// Sees all that is published, and what was kept from before.
pub(super) struct Watcher {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watcher {
    pub(super) async fn start(port: u16) -> Self {
        // By lines, also when nobody sees them.
        let mut child = command("stdbuf")
            .args(["-oL", "mosquitto_sub"])
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-t", "#", "-d", "-F", "%t = %p"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("`tests/run` installs mosquitto-clients");
        let stdout = child.stdout.take().expect("piped");
        let mut watcher = Self {
            _child: child,
            lines: BufReader::new(stdout).lines(),
        };
        watcher.until("Subscribed").await;
        watcher
    }

    /// The next line that begins so.
    pub(super) async fn until(&mut self, start: &str) -> String {
        let mut seen = Vec::new();
        let search = async {
            while let Some(line) = self.lines.next_line().await.expect("text") {
                if line.starts_with(start) {
                    return line;
                }
                seen.push(line);
            }
            panic!("the watcher ended");
        };
        match tokio::time::timeout(super::PATIENT, search).await {
            Ok(line) => line,
            Err(_) => panic!("no `{start}` among {seen:#?}"),
        }
    }
}
