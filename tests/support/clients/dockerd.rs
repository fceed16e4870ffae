//! dockerd, with the mirror as its `--registry-mirror` for Docker Hub and by prefix for everything else.

use std::time::Instant;

use super::{HOST, NOWHERE, PULL_LIMIT, Pulled, Route};
use crate::{
    process::{Finished, Process, Program},
    wait,
};

/// A dockerd of its own.
pub struct Dockerd {
    folder: tempfile::TempDir,
    route: Route,
    _daemon: Process,
}

impl Dockerd {
    pub async fn start(route: Route) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        // In namespaces of its own: it starts a containerd that would outlive it, and mounts things.
        let daemon = Program::contained("dockerd", "dockerd")
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("docker.pid"))
            .arg("--host")
            .arg(format!("unix://{}", at("docker.sock").display()))
            .args([
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "--storage-driver=vfs",
            ])
            .arg(format!("--registry-mirror=http://{}", route.mirror))
            // What it falls back to is Docker Hub itself. The tests don't leave loopback: there is nothing.
            .env("HTTPS_PROXY", format!("http://{NOWHERE}"))
            .env("NO_PROXY", "127.0.0.1,localhost")
            .start(folder.path());
        daemon
            .line("`API listen`", wait::PATIENCE, |line| {
                line.contains("API listen on").then_some(())
            })
            .await;
        Self {
            folder,
            route,
            _daemon: daemon,
        }
    }

    /// Pulls `repository` of Docker Hub, through the `--registry-mirror`.
    pub async fn pull_hub(&self, repository: &str, tag: &str) -> Pulled {
        self.pull_reference(&format!("{repository}:{tag}")).await
    }

    /// Pulls from [`HOST`] by the mirror's prefix: `box:5000/registry.test/…`.
    pub async fn pull_prefixed(&self, repository: &str, tag: &str) -> Pulled {
        self.pull_reference(&format!("{}/{HOST}/{repository}:{tag}", self.route.mirror))
            .await
    }

    async fn pull_reference(&self, reference: &str) -> Pulled {
        let started = Instant::now();
        let pulled = self
            .docker(&["pull", "--platform", "linux/amd64", reference])
            .await;
        let took = started.elapsed();
        let mut digest = None;
        if pulled.ok() {
            let told = pulled
                .output
                .lines()
                .find_map(|line| line.strip_prefix("Digest: "));
            digest = told.map(str::to_owned);
            // The next pull begins with nothing.
            self.docker(&["image", "rm", "--force", reference])
                .await
                .expect_ok();
        }
        Pulled {
            digest,
            output: pulled.output,
            took,
        }
    }

    async fn docker(&self, arguments: &[&str]) -> Finished {
        Program::new("docker", "docker")
            .arg("--host")
            .arg(format!(
                "unix://{}",
                self.folder.path().join("docker.sock").display()
            ))
            .args(arguments)
            .run(self.folder.path(), PULL_LIMIT)
            .await
    }
}
