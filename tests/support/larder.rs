//! The binary under test.
//!
//! Promises: each [`Larder`] has a folder and a port of its own; [`Larder::start`] returns when `/readyz`
//! says yes; a restart keeps the folder; when a test fails, the log is shown.
//! Must not know: what is in the folder, beyond what DESIGN.md tells people.

mod config;
mod folder;
mod metrics;

pub use config::{Config, Entry};
pub use folder::Found;
pub use metrics::Metrics;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::{
    client::{self, Body, BodyError, Complete, Request, Response},
    process::{Process, Program},
    wait,
};

/// A running larder, or one that was killed and waits to be started again.
pub struct Larder {
    config: Config,
    /// Configuration and logs; the data too, unless it lies elsewhere.
    folder: Arc<TempDir>,
    data: PathBuf,
    address: SocketAddr,
    process: Option<Process>,
    /// From the start of the process to `/readyz`.
    pub ready_after: Duration,
}

impl Larder {
    /// Starts with data in a temporary folder.
    pub async fn start(config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        Self::start_in(config, folder, data).await
    }

    /// Starts with data in `data`, such as a disk that is too small.
    pub async fn start_on(config: Config, data: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::start_in(config, folder, data.to_owned()).await
    }

    async fn start_in(config: Config, folder: TempDir, data: PathBuf) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let folder = Arc::new(folder);
        let mut this = Self {
            config,
            folder,
            data,
            address,
            process: None,
            ready_after: Duration::ZERO,
        };
        this.resume().await;
        this
    }

    /// Starts it again with the same data, and configuration as it is now. Its port is a new one.
    pub async fn resume(&mut self) {
        self.launch().await;
        self.await_ready().await;
    }

    /// Starts it and returns when it listens, ready or not.
    pub async fn launch(&mut self) {
        assert!(self.process.is_none(), "larder runs already");
        let file = self.write_configuration();
        let started = Instant::now();
        let (first, binary) = match self.config.namespace() {
            None => (binary(), None),
            Some(_) => (PathBuf::from("ip"), Some(binary())),
        };
        let mut program = match self.config.resolv_conf() {
            None => Program::new("larder", first),
            Some(text) => {
                let over = self.folder.path().join("resolv.conf");
                std::fs::write(&over, text).unwrap_or_else(|e| panic!("write {}: {e}", over.display()));
                Program::with_file_over("larder", first, &over, "/etc/resolv.conf")
            }
        };
        if let (Some(namespace), Some(binary)) = (self.config.namespace(), binary) {
            // It becomes the program, so the process id is the program's own.
            program = program.args(["netns", "exec", namespace]).arg(binary);
        }
        program = program
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .env("RUST_BACKTRACE", "1");
        for (key, value) in self.config.environment() {
            program = program.env(key, value);
        }
        let process = program.start(self.folder.path());
        self.address = process.line("`listening` line", wait::PATIENCE, listening).await;
        self.ready_after = started.elapsed();
        self.process = Some(process);
    }

    async fn await_ready(&mut self) {
        let started = Instant::now();
        let address = self.address;
        wait::until("larder to be ready", wait::PATIENCE, || async move {
            client::get(address, "/readyz")
                .await
                .is_ok_and(|a| a.status == 200)
                .then_some(())
        })
        .await;
        self.ready_after += started.elapsed();
    }

    /// Writes the configuration as it is now, for a daemon that reads it again.
    pub fn write_configuration(&self) -> PathBuf {
        let file = self.folder.path().join("larder.toml");
        std::fs::write(&file, self.config.to_toml(&self.data))
            .unwrap_or_else(|e| panic!("write {}: {e}", file.display()));
        file
    }

    /// Changes the configuration for the next start.
    pub fn reconfigure(&mut self, config: Config) {
        self.config = config;
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.process.take().expect("larder runs").kill().await;
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let mut process = self.process.take().expect("larder runs");
        wait::within("larder to end", limit, process.ended()).await
    }

    /// `SIGTERM`, and waits for the end.
    pub async fn stop(&mut self) {
        let mut process = self.process.take().expect("larder runs");
        let status = process.terminate(wait::PATIENCE).await;
        assert!(status.success(), "larder ended with {status} when asked to stop");
    }

    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("larder runs")
    }

    /// True while the process lives.
    pub fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_running)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request to it.
    pub async fn send(&self, request: Request) -> std::io::Result<Response> {
        request.send(self.address).await
    }

    /// GETs a path to its end.
    pub async fn get(&self, path: &str) -> Result<Complete, BodyError> {
        client::get(self.address, path).await
    }

    /// GETs a path and reads what comes, hashed and not kept.
    pub async fn hash(&self, path: &str, like: &str) -> Result<(u16, String), BodyError> {
        let mut answer = Request::get(path).send(self.address).await?;
        let body: &mut Body = &mut answer.body;
        let digest = body.hash_all(like).await?;
        Ok((answer.status, digest))
    }

    /// HEADs a path.
    pub async fn head(&self, path: &str) -> std::io::Result<Response> {
        Request::head(path).send(self.address).await
    }

    /// What `/metrics` says now.
    pub async fn metrics(&self) -> Metrics {
        let answer = self
            .get("/metrics")
            .await
            .unwrap_or_else(|e| panic!("/metrics: {e}"));
        assert_eq!(answer.status, 200, "/metrics: {}", answer.text());
        Metrics::parse(&answer.text())
    }

    /// Where its data lies.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

/// The collector's worker, if there is one: whichever thread of the daemon started it.
pub fn worker_of(daemon: u32) -> Option<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{daemon}/task")).ok()?;
    let children =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children: Vec<String> = children.collect();
    children
        .iter()
        .flat_map(|pids| pids.split_whitespace())
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .find(|pid| {
            let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
            line.is_ok_and(|line| line.windows(7).any(|word| word == b"janitor"))
        })
}

/// The binary: `LARDER_BIN`, or the one built next to the test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("LARDER_BIN") {
        let path = PathBuf::from(path);
        assert!(
            path.is_file(),
            "LARDER_BIN is {}, which is no file",
            path.display()
        );
        return path;
    }
    let test = std::env::current_exe().expect("a test knows its own file");
    let path = test
        .parent()
        .and_then(Path::parent)
        .map(|profile| profile.join("larder"));
    let path = path.expect("a test lies in `<target>/<profile>/deps`");
    assert!(
        path.is_file(),
        "{} is not there: build it with `cargo build -p appliance`, or use `tests/run`, which does",
        path.display()
    );
    path
}

/// Finds the bound address in the daemon's JSON log line `listening`.
fn listening(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| {
        line.get(name)
            .or_else(|| line["fields"].get(name))
            .and_then(|v| v.as_str())
    };
    if field("message") != Some("listening") {
        return None;
    }
    field("http")?.parse().ok()
}
