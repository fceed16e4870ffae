//! Larder and its peers, started and warmed.

mod drayage;
mod larder;
mod nginx;

use std::{
    any::Any,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tests::{client::Request, measure::Family, registry::Registry, wait};

use crate::{
    content::{Fixture, REPOSITORY, TAG, Wanted, accept},
    drain::drain,
};

pub(crate) const LARDER: &str = "larder";
pub(crate) const NGINX_STATIC: &str = "nginx static";
pub(crate) const NGINX_CACHE: &str = "nginx cache";
pub(crate) const INCUMBENT: &str = "docker-registry proxy";
pub(crate) const DRAYAGE: &str = "drayage";

/// How much of the big blob is read to see whether it comes from the cache.
const TASTE: u64 = 64 << 20;

/// A server that is measured.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) family: Family,
    /// Resident memory after the start, in bytes.
    pub(crate) idle_rss: u64,
    /// Ends the server when it is dropped.
    _keeper: Box<dyn Any>,
}

impl Server {
    fn new(name: &'static str, address: SocketAddr, pid: u32, keeper: impl Any) -> Self {
        let family = Family::of(pid);
        Self {
            name,
            address,
            idle_rss: family.rss(),
            family,
            _keeper: Box::new(keeper),
        }
    }

    /// Asks for everything once, looks whether it is right, and waits until it comes from the cache.
    pub(crate) async fn warm(&mut self, fixture: &Fixture, origin: &Registry) {
        let started = Instant::now();
        for wanted in Wanted::ALL {
            let (path, blob) = (fixture.path(wanted), fixture.blob(wanted));
            let request = Request::get(&path).header("Accept", accept());
            let answer = request.send(self.address).await;
            let mut answer = answer.unwrap_or_else(|e| panic!("{}: {path}: {e}", self.name));
            assert_eq!(answer.status, 200, "{}: {path}", self.name);
            let digest = answer.body.hash_all(&blob.digest).await;
            let digest = digest.unwrap_or_else(|e| panic!("{}: {path}: {e}", self.name));
            assert_eq!(digest, blob.digest, "{}: {path}", self.name);
        }
        let (path, address) = (fixture.path(Wanted::Big), self.address);
        let what = format!("{} to serve from its cache", self.name);
        wait::until(&what, wait::PATIENCE, || {
            let path = path.clone();
            async move {
                let before = origin.process().cpu();
                let soon = Instant::now() + Duration::from_secs(10);
                tokio::task::spawn_blocking(move || drain(address, &path, TASTE, soon))
                    .await
                    .ok()?;
                tokio::time::sleep(Duration::from_millis(200)).await;
                (origin.process().cpu() - before < Duration::from_millis(30)).then_some(())
            }
        })
        .await;
        eprintln!("{} is warm after {:.1?}", self.name, started.elapsed());
    }
}

/// All that run.
pub(crate) struct Cast {
    // Servers end before what they depend on.
    pub(crate) servers: Vec<Server>,
    pub(crate) origin: Registry,
    pub(crate) folder: TempDir,
}

impl Cast {
    pub(crate) async fn start(fixture: &Fixture) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let origin = Registry::start().await;
        origin.push(REPOSITORY, TAG, &fixture.image).await;
        let mut servers = vec![
            larder::start(&origin.url(), folder.path()).await,
            nginx::serve_files(fixture, folder.path()).await,
            nginx::cache(&origin.url(), folder.path()).await,
        ];
        let incumbent = Registry::start_proxy(&origin.url()).await;
        let (address, pid) = (incumbent.address(), incumbent.process().id());
        servers.push(Server::new(INCUMBENT, address, pid, incumbent));
        match drayage::start(&origin.url(), folder.path()).await {
            Ok(drayage) => servers.push(drayage),
            Err(why) => tests::loudly(&format!("drayage is not measured: {why}")),
        }
        Self {
            servers,
            origin,
            folder,
        }
    }
}

/// Waits until something listens.
async fn listens(name: &str, address: SocketAddr) {
    wait::until(name, wait::PATIENCE, || async move {
        tests::client::answers(address).await.then_some(())
    })
    .await;
    // What a program does first thing after its start is not idling.
    tokio::time::sleep(Duration::from_millis(300)).await;
}
