//! podman: `pull` into a store of its own.

use std::{path::PathBuf, time::Instant};

use super::{HOST, PULL_LIMIT, Pulled, Route, registries_conf};
use crate::process::{Finished, Program};

/// podman with an empty store.
pub struct Podman {
    folder: tempfile::TempDir,
    registries_conf: PathBuf,
    store: u32,
}

impl Podman {
    pub fn new(route: Route) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let registries_conf = registries_conf(folder.path(), route);
        Self {
            folder,
            registries_conf,
            store: 0,
        }
    }

    /// Pulls an image for amd64 into an empty store.
    pub async fn pull(&mut self, repository: &str, tag: &str) -> Pulled {
        self.store += 1;
        let reference = format!("{HOST}/{repository}:{tag}");
        let started = Instant::now();
        let pulled = self
            .podman(&["pull", "--quiet", "--arch", "amd64", &reference])
            .await;
        let took = started.elapsed();
        let mut digest = None;
        if pulled.ok() {
            let format = "{{.Digest}}";
            let inspected = self
                .podman(&["image", "inspect", "--format", format, &reference])
                .await;
            digest = inspected
                .output
                .lines()
                .find(|line| line.starts_with("sha256:"))
                .map(str::to_owned);
        }
        let _ = std::fs::remove_dir_all(self.root());
        Pulled {
            digest,
            output: pulled.output,
            took,
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join(format!("root-{}", self.store))
    }

    async fn podman(&self, arguments: &[&str]) -> Finished {
        let run = self.folder.path().join("run");
        Program::new("podman", "podman")
            .arg("--root")
            .arg(self.root())
            .arg("--runroot")
            .arg(&run)
            .args([
                "--storage-driver=vfs",
                "--cgroup-manager=cgroupfs",
                "--events-backend=none",
            ])
            .args(arguments)
            .env("CONTAINERS_REGISTRIES_CONF", &self.registries_conf)
            .env("XDG_RUNTIME_DIR", &run)
            .run(self.folder.path(), PULL_LIMIT)
            .await
    }
}
