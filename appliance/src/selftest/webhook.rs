//! Somebody who is told by a webhook, in this process.
//!
//! Promises: what it has refused it has not had. Must not know: what it is told.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    report::Unplayable,
    wire::{Connection, listen},
};

/// The receiver. It is gone when it is dropped.
pub(super) struct Webhook {
    address: SocketAddr,
    desk: Arc<Desk>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Desk {
    arrived: Mutex<Vec<serde_json::Value>>,
    refuses: AtomicBool,
    refused: AtomicU64,
}

impl Webhook {
    pub(super) async fn start() -> Result<Self, Unplayable> {
        let (listener, address) = listen()
            .await
            .map_err(|error| Unplayable::new("open a door for", "the webhook", error))?;
        let desk = Arc::<Desk>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(open(listener, desk.clone()));
        Ok(Self {
            address,
            desk,
            _tasks: tasks,
        })
    }

    /// As a line of the configuration.
    pub(super) fn receiver(&self, name: &str) -> String {
        format!(
            "alert.receiver = [{{ name = \"{name}\", kind = \"webhook\", url = \"http://{}/hook\" }}]",
            self.address
        )
    }

    /// From now on it takes nothing, as when there is no way to it.
    pub(super) fn refuse(&self) {
        self.desk.refuses.store(true, SeqCst);
    }

    pub(super) fn take(&self) {
        self.desk.refuses.store(false, SeqCst);
    }

    /// Messages that it has refused.
    pub(super) fn refused(&self) -> u64 {
        self.desk.refused.load(SeqCst)
    }

    /// What it has had.
    pub(super) fn arrived(&self) -> Vec<serde_json::Value> {
        self.desk.arrived.lock().clone()
    }
}

async fn open(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let desk = desk.clone();
            // Whoever breaks off is told so by itself.
            connections.spawn(async move { drop(desk.serve(stream).await) });
        }
    }
}

impl Desk {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut connection = Connection::new(stream);
        while let Some(request) = connection.request().await? {
            if self.refuses.load(SeqCst) {
                self.refused.fetch_add(1, SeqCst);
                connection.head("503 Service Unavailable", 0, &[]).await?;
                continue;
            }
            let message = serde_json::from_slice(&request.body).unwrap_or_default();
            self.arrived.lock().push(message);
            connection.head("204 No Content", 0, &[]).await?;
        }
        Ok(())
    }
}
