//! containerd, pulled through with `ctr` and a `hosts.toml`, as Kubernetes nodes do.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{HOST, NOWHERE, PULL_LIMIT, Pulled, Route};
use crate::{
    process::{Finished, Process, Program},
    wait,
};

/// A containerd of its own.
pub struct Containerd {
    folder: tempfile::TempDir,
    _daemon: Process,
}

impl Containerd {
    /// Starts one that knows the way to [`HOST`].
    pub async fn start(route: Route) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = write_config(folder.path());
        // Its mounts are its own: none outlives it.
        let daemon = Program::contained("containerd", "containerd")
            .arg("--config")
            .arg(config)
            .start(folder.path());
        daemon
            .line("`successfully booted`", wait::PATIENCE, |line| {
                line.contains("containerd successfully booted").then_some(())
            })
            .await;
        let this = Self {
            folder,
            _daemon: daemon,
        };
        this.set_route(route);
        this
    }

    /// Changes where [`HOST`] is found, for the pulls that follow.
    pub fn set_route(&self, route: Route) {
        let origin = route
            .origin
            .map_or_else(|| NOWHERE.to_owned(), |address| address.to_string());
        let hosts = self.hosts().join(HOST);
        fs::create_dir_all(&hosts).expect("a folder for hosts.toml");
        let text = format!(
            "server = \"http://{origin}\"\n\n[host.\"http://{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
            route.mirror
        );
        fs::write(hosts.join("hosts.toml"), text).expect("hosts.toml can be written");
    }

    /// Pulls an image for amd64, unpacks it, and takes it away again.
    pub async fn pull(&self, repository: &str, tag: &str) -> Pulled {
        let reference = format!("{HOST}/{repository}:{tag}");
        let started = Instant::now();
        let pulled = self.pull_with(&reference, &[]).await;
        let took = started.elapsed();
        let mut digest = None;
        if pulled.ok() {
            let listed = self
                .ctr(&["images", "list", &format!("name=={reference}")])
                .await
                .expect_ok();
            let fields = listed.output.lines().find(|line| line.starts_with(&reference));
            digest = fields.and_then(|line| line.split_whitespace().find(|f| f.starts_with("sha256:")));
            let digest = digest.map(str::to_owned);
            // With the image goes all its content: the next pull begins with nothing.
            self.ctr(&["images", "remove", "--sync", &reference])
                .await
                .expect_ok();
            return Pulled {
                digest,
                output: pulled.output,
                took,
            };
        }
        Pulled {
            digest: digest.map(str::to_owned),
            output: pulled.output,
            took,
        }
    }

    async fn pull_with(&self, reference: &str, more: &[&str]) -> Finished {
        let hosts = self.hosts();
        let hosts = hosts.to_str().expect("temporary paths are text");
        let fixed = [
            "images",
            "pull",
            "--snapshotter",
            "native",
            "--platform",
            "linux/amd64",
            "--hosts-dir",
            hosts,
        ];
        self.ctr(&[&fixed[..], more, &[reference]].concat()).await
    }

    fn hosts(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    async fn ctr(&self, arguments: &[&str]) -> Finished {
        Program::new("ctr", "ctr")
            .arg("--address")
            .arg(self.folder.path().join("containerd.sock"))
            .args(arguments)
            .run(self.folder.path(), PULL_LIMIT)
            .await
    }
}

fn write_config(folder: &Path) -> PathBuf {
    let folder_text = folder.display();
    // Everything that wants more than a folder is left out.
    let text = format!(
        "version = 2\nroot = \"{folder_text}/root\"\nstate = \"{folder_text}/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\", \
         \"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.snapshotter.v1.btrfs\", \
         \"io.containerd.snapshotter.v1.zfs\", \"io.containerd.snapshotter.v1.aufs\"]\n\
         [grpc]\naddress = \"{folder_text}/containerd.sock\"\n[ttrpc]\naddress = \"\"\n"
    );
    let path = folder.join("config.toml");
    fs::write(&path, text).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
    path
}
