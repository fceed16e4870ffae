//! How a worker comes into being.
//!
//! | how | when |
//! |---|---|
//! | [`Program`] | as a process: the usual way |
//! | [`Thread`] | in the mirror's own process: only for removing files, and only when no process can be started |
//!
//! Must not know: what workers are told.

use std::{
    ffi::OsString,
    fmt,
    future::Future,
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    pin::Pin,
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
    process::{Child, Command},
    sync::oneshot,
};

use super::{
    vitals::Vitals,
    worker::{self, Means},
};
use crate::{cache::Disk, source::chain};

/// Something that starts workers.
pub trait Start: Send + Sync + 'static {
    /// Starts one. May block: it is called on a thread of its own, within the runtime's context. That thread
    /// lives for as long as the worker may: some limits follow it.
    fn start(&self) -> io::Result<Started>;
}

/// A worker that was started, and the ends of its pipes.
pub struct Started {
    pub orders: Box<dyn AsyncWrite + Send + Unpin>,
    pub answers: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub complaints: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub process: Box<dyn Process>,
}

/// What can be done with a worker besides talking to it. Dropping it ends it, as far as that can be done.
pub trait Process: Send + Sync + 'static {
    /// Its process id, if it is a process.
    fn id(&self) -> Option<u32>;

    /// What the kernel says of it, if it is a process and the kernel tells. Never waits.
    fn vitals(&self) -> Option<Vitals> {
        self.id().and_then(Vitals::of_process)
    }

    /// Ends it without asking. It may be a while until it has ended, or for ever.
    fn kill(&mut self);

    /// Waits until it has ended. Can be dropped and called again.
    fn wait(&mut self) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>>;
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Code(i32),
    Signal(i32),
    /// In words, where there is no status.
    Other(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl From<io::Result<ExitStatus>> for Ending {
    fn from(status: io::Result<ExitStatus>) -> Self {
        match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Self::Code(code),
                (None, Some(signal)) => Self::Signal(signal),
                (None, None) => Self::Other(status.to_string()),
            },
            Err(error) => Self::Other(format!("it cannot be waited for: {error}")),
        }
    }
}

/// A worker as a process: `larder janitor`.
///
/// It is given an empty environment: the mirror's may hold secrets. It is in a process group of its own, so that
/// a Ctrl-C at the terminal reaches the mirror, which ends it in order.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl Program {
    /// The program that is running, also after its file was replaced or removed.
    pub fn this() -> Self {
        let program = Self::at("/proc/self/exe");
        #[cfg(debug_assertions)]
        let program = match std::env::var_os(super::FAULT_VARIABLE) {
            Some(fault) => program.variable(super::FAULT_VARIABLE, fault),
            None => program,
        };
        program
    }

    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            environment: Vec::new(),
        }
    }

    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}

impl Start for Program {
    fn start(&self) -> io::Result<Started> {
        let mut child = Command::new(&self.path)
            .arg0("larder")
            .arg("janitor")
            .env_clear()
            .envs(self.environment.iter().cloned())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let none = || io::Error::other("the process has no pipes");
        Ok(Started {
            orders: Box::new(child.stdin.take().ok_or_else(none)?),
            answers: Box::new(child.stdout.take().ok_or_else(none)?),
            complaints: Some(Box::new(child.stderr.take().ok_or_else(none)?)),
            process: Box::new(child),
        })
    }
}

impl Process for Child {
    fn id(&self) -> Option<u32> {
        Self::id(self)
    }

    fn kill(&mut self) {
        // It can only have ended already.
        let _ = self.start_kill();
    }

    fn wait(&mut self) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
        Box::pin(async { Self::wait(self).await.into() })
    }
}

/// A worker as a thread of this process.
#[derive(Clone, Debug)]
pub struct Thread {
    disk: Disk,
}

impl Thread {
    pub const fn on(disk: Disk) -> Self {
        Self { disk }
    }

    pub(super) fn start_with(means: Means) -> io::Result<Started> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (answers, orders) = UnixStream::from_std(ours)?.into_split();
        let output = Box::new(theirs.try_clone()?);
        let (ended, ending) = oneshot::channel();
        std::thread::Builder::new()
            .name("janitor-orders".into())
            .spawn(move || {
                let words = match worker::run(&theirs, output, means) {
                    Ok(hands) => {
                        // It may be stuck in the kernel: then this is, too, and says nothing.
                        let _ = hands.map(std::thread::JoinHandle::join);
                        "its orders ended".to_owned()
                    }
                    Err(error) => chain(&error),
                };
                let _ = ended.send(Ending::Other(words));
            })?;
        Ok(Started {
            orders: Box::new(orders),
            answers: Box::new(answers),
            complaints: None,
            process: Box::new(Stranded(Some(ending))),
        })
    }
}

impl Start for Thread {
    fn start(&self) -> io::Result<Started> {
        Self::start_with(Means::of_thread(self.disk.clone()))
    }
}

/// A thread: it ends when its orders do, and cannot be made to.
struct Stranded(Option<oneshot::Receiver<Ending>>);

impl Process for Stranded {
    fn id(&self) -> Option<u32> {
        None
    }

    fn kill(&mut self) {}

    fn wait(&mut self) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
        Box::pin(async {
            let ended = match &mut self.0 {
                Some(ending) => ending.await.ok(),
                None => None,
            };
            self.0 = None;
            ended.unwrap_or_else(|| Ending::Other("the thread has ended".into()))
        })
    }
}
