//! The ports of an upstream, and the ways in which connecting can fail.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use super::{Settings, Shared, connection};

/// How connections are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Up,
    /// Connections are accepted; nothing is ever said on them.
    Silent,
    /// Nothing listens; what was open is reset.
    Refusing,
    /// Connecting is never answered, as by a firewall that drops; nothing is said on open connections.
    BlackHoled,
}

impl Mode {
    fn is_mute(self) -> bool {
        matches!(self, Self::Silent | Self::BlackHoled)
    }
}

/// Waits while nothing may be said.
pub(super) async fn may_speak(mode: &mut watch::Receiver<Mode>) {
    // The sender lives in the listener's handle; without it the upstream is being dropped.
    let _ = mode.wait_for(|mode| !mode.is_mute()).await;
}

/// One port.
pub(super) struct Listener {
    address: SocketAddr,
    wanted: watch::Sender<Mode>,
    applied: watch::Sender<Option<Mode>>,
    first: Mutex<Option<TcpListener>>,
    wide: bool,
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Listener {
    pub(super) async fn bind(settings: &Settings) -> Self {
        let any = SocketAddr::from((settings.host.unwrap_or(Ipv4Addr::LOCALHOST.into()), 0));
        let listener = listen(any, settings.wide, 1024).await;
        let address = listener.local_addr().expect("a bound socket has an address");
        Self {
            address,
            wanted: watch::Sender::new(Mode::Up),
            applied: watch::Sender::new(None),
            first: Mutex::new(Some(listener)),
            wide: settings.wide,
            task: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The wish for a mode, for those who take an upstream down from inside.
    pub(super) fn wanted(&self) -> watch::Sender<Mode> {
        self.wanted.clone()
    }

    /// Begins to receive connections.
    pub(super) fn serve(&self, shared: Arc<Shared>) {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let port = Port {
            address: self.address,
            wide: self.wide,
            wanted: self.wanted.subscribe(),
            applied: self.applied.clone(),
            shared,
        };
        let task = tokio::spawn(port.run(first));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Changes the mode and waits until it holds.
    pub(super) async fn set_mode(&self, mode: Mode) {
        self.applied.send_replace(None);
        self.wanted.send_replace(mode);
        let mut applied = self.applied.subscribe();
        crate::wait::within("the upstream to change its mode", crate::wait::PATIENCE, async {
            applied
                .wait_for(|applied| *applied == Some(mode))
                .await
                .expect("the listener holds a sender");
        })
        .await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

struct Port {
    address: SocketAddr,
    wide: bool,
    wanted: watch::Receiver<Mode>,
    applied: watch::Sender<Option<Mode>>,
    shared: Arc<Shared>,
}

impl Port {
    async fn run(mut self, mut listener: Option<TcpListener>) {
        let mut connections = JoinSet::new();
        loop {
            let mode = *self.wanted.borrow_and_update();
            match mode {
                Mode::Up | Mode::Silent => {
                    let open = match listener.take() {
                        Some(open) => open,
                        None => listen(self.address, self.wide, 1024).await,
                    };
                    self.applied.send_replace(Some(mode));
                    listener = Some(self.receive(open, &mut connections).await);
                }
                Mode::Refusing => {
                    listener = None;
                    connections.shutdown().await;
                    self.applied.send_replace(Some(mode));
                    let _ = self.wanted.changed().await;
                }
                Mode::BlackHoled => {
                    drop(listener.take());
                    let _hole = hole(self.address).await;
                    self.applied.send_replace(Some(mode));
                    let _ = self.wanted.changed().await;
                }
            }
        }
    }

    /// Accepts until the mode changes.
    async fn receive(&mut self, listener: TcpListener, connections: &mut JoinSet<()>) -> TcpListener {
        loop {
            tokio::select! {
                _ = self.wanted.changed() => return listener,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let mode = self.wanted.clone();
                    connections.spawn(connection::serve(stream, mode, self.shared.clone()));
                }
            }
        }
    }
}

async fn listen(address: SocketAddr, wide: bool, backlog: u32) -> TcpListener {
    // The port was this upstream's before; a socket of its past may take a moment to let it go.
    crate::wait::until(
        "the upstream's port to be free",
        crate::wait::PATIENCE,
        || async move {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            };
            let socket = socket.ok()?;
            socket.set_reuseaddr(true).ok()?;
            if !wide {
                socket.set_send_buffer_size(128 * 1024).ok()?;
            }
            socket.bind(address).ok()?;
            socket.listen(backlog).ok()
        },
    )
    .await
}

/// A listening port whose queue is full, so that the kernel drops whoever wants to connect. It is one for as
/// long as what is returned lives.
pub async fn hole(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let listener = listen(address, false, 0).await;
    let mut queue = Vec::new();
    // A connection attempt that is not answered within this time tells that the queue is full.
    while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queue.push(stream.expect("a listening port accepts into its queue"));
        assert!(queue.len() < 64, "the queue of a port does not fill");
    }
    (listener, queue)
}
