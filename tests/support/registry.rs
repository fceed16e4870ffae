//! A real registry: Debian's `docker-registry`, with a storage folder of its own.
//!
//! Promises: listens on a free port of loopback; what is pushed is what it serves; it can be stopped and
//! started again on the same port with the same content.
//! Must not know: Larder.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    client::{self, Request},
    images::{Blob, Image},
    process::{Process, Program},
    wait,
};

/// A `docker-registry` process.
pub struct Registry {
    folder: tempfile::TempDir,
    proxy_of: Option<String>,
    address: SocketAddr,
    process: Option<Process>,
}

impl Registry {
    /// An empty registry.
    pub async fn start() -> Self {
        Self::start_as(None).await
    }

    /// A registry in proxy mode in front of `upstream` (`http://…`): the incumbent.
    pub async fn start_proxy(upstream: &str) -> Self {
        Self::start_as(Some(upstream.to_owned())).await
    }

    async fn start_as(proxy_of: Option<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut this = Self {
            folder,
            proxy_of,
            address,
            process: None,
        };
        this.resume().await;
        this
    }

    /// Starts it (again), on the port it had before.
    pub async fn resume(&mut self) {
        let mut program = Program::new("docker-registry", "docker-registry")
            .args(["serve"])
            .arg(self.write_config())
            .env("OTEL_TRACES_EXPORTER", "none");
        if let Some(upstream) = &self.proxy_of {
            program = program.env("REGISTRY_PROXY_REMOTEURL", upstream);
        }
        let process = program.start(self.folder.path());
        self.address = process
            .line("line with its address", wait::PATIENCE, listening_address)
            .await;
        let address = self.address;
        wait::until("docker-registry to accept", wait::PATIENCE, || async move {
            client::answers(address).await.then_some(())
        })
        .await;
        self.process = Some(process);
    }

    /// Stops it: connections are refused from now on.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The running process, for its figures.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the registry runs")
    }

    /// Uploads an image with all that it needs, and tags it.
    pub async fn push(&self, repository: &str, tag: &str, image: &Image) {
        for blob in image.all_blobs() {
            self.push_blob(repository, blob).await;
        }
        for manifest in image.manifests() {
            self.push_manifest(repository, &manifest.digest, manifest).await;
        }
        self.push_manifest(repository, tag, &image.manifest).await;
    }

    pub async fn push_manifest(&self, repository: &str, reference: &str, manifest: &Blob) {
        let answer = Request::new("PUT", format!("/v2/{repository}/manifests/{reference}"))
            .header("Content-Type", &manifest.media_type)
            .body(manifest.bytes.clone());
        let answer = answer.send(self.address).await.expect("the registry answers");
        let answer = answer.complete().await.expect("the registry answers in full");
        assert_eq!(
            answer.status,
            201,
            "push {repository}:{reference}: {}",
            answer.text()
        );
    }

    pub async fn push_blob(&self, repository: &str, blob: &Blob) {
        let path = format!("/v2/{repository}/blobs/{}", blob.digest);
        let there = Request::head(path)
            .send(self.address)
            .await
            .expect("the registry answers");
        if there.status == 200 {
            return;
        }
        let begin = Request::new("POST", format!("/v2/{repository}/blobs/uploads/"));
        let begun = begin.send(self.address).await.expect("the registry answers");
        assert_eq!(begun.status, 202, "begin an upload to {repository}");
        let location = begun.headers.get("location").expect("an upload has a location");
        let path = location.strip_prefix(&self.url()).unwrap_or(location);
        let put = Request::new(
            "PUT",
            format!("{path}&digest={}", blob.digest.replace(':', "%3A")),
        )
        .header("Content-Type", "application/octet-stream")
        .body(blob.bytes.clone());
        let answer = put.send(self.address).await.expect("the registry answers");
        let answer = answer.complete().await.expect("the registry answers in full");
        assert_eq!(answer.status, 201, "upload {}: {}", blob.digest, answer.text());
    }

    fn write_config(&self) -> PathBuf {
        let path = self.folder.path().join("config.yml");
        let storage = self.folder.path().join("storage");
        let config = format!(
            "version: 0.1\nlog: {{ level: info, formatter: text, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: {} }}, delete: {{ enabled: true }} }}\n\
             http: {{ addr: \"{}\", relativeurls: true, secret: larder }}\n",
            storage.display(),
            self.address,
        );
        fs::write(&path, config).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
        path
    }

    /// The time a registry may take for anything asked of it here.
    pub const LIMIT: Duration = Duration::from_secs(120);
}

/// Finds the address in `… msg="listening on 127.0.0.1:41233" …`.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    rest.split(['"', ' ', ',']).next()?.parse().ok()
}
