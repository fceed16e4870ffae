//! Somebody who is told by a webhook.
//!
//! Promises: keeps each message that it answered well. Must not know: what messages mean.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::wait;

/// It takes messages for as long as it lives.
pub struct Hook {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Value>>>,
    /// What it answers.
    status: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hook {
    /// On loopback.
    pub async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into()).await
    }

    /// At an address of this machine.
    pub async fn start_at(address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let arrived = Arc::<Mutex<Vec<Value>>>::default();
        let status = Arc::new(AtomicU16::new(200));
        let (own, answers) = (arrived.clone(), status.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let (arrived, status) = (own.clone(), answers.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (arrived, status) = (arrived.clone(), status.clone());
                        async move { Ok::<_, Infallible>(answer(request, &arrived, &status).await) }
                    });
                    // Whoever is killed breaks off.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            arrived,
            status,
            task,
        }
    }

    /// As a receiver in the configuration.
    pub fn receiver(&self, more: &str) -> String {
        format!(
            "[{{ name = \"ops\", kind = \"webhook\", url = \"http://{}/hook\"{more} }}]",
            self.address
        )
    }

    /// From now on it takes nothing.
    pub fn refuse(&self) {
        self.status.store(503, SeqCst);
    }

    /// From now on it takes all.
    pub fn accept(&self) {
        self.status.store(200, SeqCst);
    }

    /// What has arrived, in order.
    pub fn arrived(&self) -> Vec<Value> {
        self.arrived.lock().expect("no panic").clone()
    }

    /// Waits until what has arrived is as it should be.
    pub async fn until(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        wait::until(what, wait::PATIENCE, || {
            let arrived = self.arrived();
            let done = is_so(&arrived).then_some(arrived);
            async move { done }
        })
        .await
    }
}

async fn answer(
    request: Request<Incoming>,
    arrived: &Mutex<Vec<Value>>,
    status: &AtomicU16,
) -> Response<Empty<Bytes>> {
    let body = request.into_body().collect().await;
    let message = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
    let status = StatusCode::from_u16(status.load(SeqCst)).expect("a status");
    if let (Some(message), true) = (message, status.is_success()) {
        arrived.lock().expect("no panic").push(message);
    }
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}
