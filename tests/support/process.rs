//! Child processes that cannot outlive the test and whose words are kept.
//!
//! Promises: every line a child prints is kept in memory and in a file; when a test panics the last lines
//! are shown; a dropped [`Process`] is killed and reaped; if the test itself is killed, the kernel kills
//! the child (`PR_SET_PDEATHSIG`).
//! Must not know: which programs are run.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::watch;

use crate::wait::within;

mod figures;
mod spawner;

/// How much of a child's log a failing test shows.
const SHOWN_LINES: usize = 40;
const SHOWN_COLUMNS: usize = 300;

/// A program to be started.
pub struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// `name` is what the program is called in messages and what its log file is named by.
    pub fn new(name: &str, program: impl AsRef<OsStr>) -> Self {
        // The kernel ties the death signal to the parent *thread*, hence the spawner; `setpriv` sets it
        // without unsafe code and then becomes the program, so the process id is the program's own.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        Self {
            name: name.to_owned(),
            command,
        }
    }

    /// The same, in a mount namespace of its own in which `over` (a file) lies over `place`.
    pub fn with_file_over(name: &str, program: impl AsRef<OsStr>, over: &Path, place: &str) -> Self {
        let mut this = Self::new(name, "unshare");
        let script = "mount --bind \"$1\" \"$2\"; shift 2; exec \"$@\"";
        this.command
            .args(["--mount", "--propagation", "private", "sh", "-ec", script, "sh"]);
        this.command.arg(over).arg(place).arg(program);
        this
    }

    /// The same, as the first process of a process and mount namespace: when it dies, all that it
    /// started dies and all that it mounted is gone. For daemons that leave children behind.
    pub fn contained(name: &str, program: impl AsRef<OsStr>) -> Self {
        let mut this = Self::new(name, "unshare");
        this.command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(program);
        this
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Starts it; its log goes to `<folder>/<name>.log`.
    pub fn start(self, folder: &Path) -> Process {
        let Self { name, mut command } = self;
        // No proxy of the machine may come between the test and its loopback servers.
        for key in [
            "http_proxy",
            "https_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "all_proxy",
        ] {
            if !command.get_envs().any(|(set, _)| set == key) {
                command.env_remove(key);
            }
        }
        // The daemon reads its configuration from variables of this prefix; the tests' own are not meant.
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("LARDER_") {
                command.env_remove(key);
            }
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawner::spawn(command).unwrap_or_else(|e| panic!("start {name}: {e}"));
        let log_path = folder.join(format!("{name}.log"));
        let log = Arc::new(Log::new(&log_path));
        let readers = [
            child.stdout.take().map(|pipe| copy(pipe, log.clone())),
            child.stderr.take().map(|pipe| copy(pipe, log.clone())),
        ];
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a child that was not reaped has a pidfd");
        let (ended, status) = watch::channel(None);
        let reaper = std::thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for once");
            ended.send_replace(Some(status));
        });
        let readers = readers.into_iter().flatten().collect();
        Process {
            name,
            pid,
            pidfd,
            status,
            reaper: Some(reaper),
            log,
            log_path,
            readers,
        }
    }

    /// Runs it to its end, or panics after `limit`.
    pub async fn run(self, folder: &Path, limit: Duration) -> Finished {
        let what = format!("{} to end", self.name);
        let mut process = self.start(folder);
        let status = within(&what, limit, process.ended()).await;
        for reader in process.readers.drain(..) {
            // The pipes are at their end, since the process is.
            let _ = tokio::task::spawn_blocking(move || reader.join()).await;
        }
        Finished {
            name: process.name.clone(),
            status,
            output: process.log(),
        }
    }
}

/// What a program that ran to its end left.
#[derive(Debug)]
pub struct Finished {
    pub name: String,
    pub status: ExitStatus,
    pub output: String,
}

impl Finished {
    pub fn ok(&self) -> bool {
        self.status.success()
    }

    /// Panics with the output unless the program ended well.
    #[track_caller]
    pub fn expect_ok(self) -> Self {
        assert!(
            self.ok(),
            "{} ended with {}:\n{}",
            self.name,
            self.status,
            self.output
        );
        self
    }
}

/// A running child.
pub struct Process {
    name: String,
    pid: Pid,
    /// Names this very process, even after its id was given to another.
    pidfd: OwnedFd,
    status: watch::Receiver<Option<ExitStatus>>,
    reaper: Option<JoinHandle<()>>,
    log: Arc<Log>,
    log_path: PathBuf,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// All that it printed so far.
    pub fn log(&self) -> String {
        self.log.lines().join("\n")
    }

    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// Sends `signal`; a process that is gone already is left alone.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Stops it in its tracks (`SIGSTOP`).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it run on (`SIGCONT`).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    /// Asks it to end (`SIGTERM`) and gives its status.
    pub async fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let what = format!("{} to end after SIGTERM", self.name);
        within(&what, limit, self.ended()).await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = self
            .status
            .wait_for(Option::is_some)
            .await
            .expect("the reaper reports before it ends");
        status.expect("waited until there is a status")
    }

    /// True while it has not ended.
    pub fn is_running(&self) -> bool {
        self.status.borrow().is_none()
    }

    /// Waits for a line for which `find` gives something; looks at earlier lines too.
    ///
    /// # Panics
    /// After `limit`, or when the child closes its output without having printed such a line.
    pub async fn line<T>(&self, what: &str, limit: Duration, find: impl Fn(&str) -> Option<T>) -> T {
        let search = async {
            let mut changes = self.log.changes.subscribe();
            let mut seen = 0;
            loop {
                let state = *changes.borrow_and_update();
                let found = self.log.with_lines(|lines| {
                    let found = lines[seen..].iter().find_map(|line| find(line));
                    seen = lines.len();
                    found
                });
                if let Some(found) = found {
                    return found;
                }
                assert!(
                    state.open > 0,
                    "{} ended without {what}:\n{}",
                    self.name,
                    self.log()
                );
                changes
                    .changed()
                    .await
                    .expect("the log lives as long as the process");
            }
        };
        match tokio::time::timeout(limit, search).await {
            Ok(found) => found,
            Err(_) => panic!("{}: no {what} within {limit:?}:\n{}", self.name, self.log()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(reaper) = self.reaper.take() {
            let _ = reaper.join();
        }
        if std::thread::panicking() {
            let lines = self.log.lines();
            let from = lines.len().saturating_sub(SHOWN_LINES);
            eprintln!(
                "--- the last lines of {} ({}):",
                self.name,
                self.log_path.display()
            );
            for line in &lines[from..] {
                let shown: String = line.chars().take(SHOWN_COLUMNS).collect();
                eprintln!("    {shown}");
            }
        }
    }
}

/// The lines of a child, in memory and in a file.
struct Log {
    lines: Mutex<(Vec<String>, File)>,
    changes: watch::Sender<LogState>,
}

#[derive(Clone, Copy)]
struct LogState {
    lines: usize,
    /// Of stdout and stderr, how many are still open.
    open: usize,
}

impl Log {
    fn new(path: &Path) -> Self {
        let file = File::options().create(true).append(true).open(path);
        let file = file.unwrap_or_else(|e| panic!("open {}: {e}", path.display()));
        Self {
            lines: Mutex::new((Vec::new(), file)),
            changes: watch::Sender::new(LogState { lines: 0, open: 2 }),
        }
    }

    fn with_lines<T>(&self, look: impl FnOnce(&[String]) -> T) -> T {
        look(&self.lines.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    fn lines(&self) -> Vec<String> {
        self.with_lines(<[String]>::to_vec)
    }

    fn push(&self, line: String) {
        let mut guard = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // The file is a convenience for people; memory is what tests read.
        let _ = writeln!(guard.1, "{line}");
        guard.0.push(line);
        drop(guard);
        self.changes.send_modify(|state| state.lines += 1);
    }
}

fn copy(pipe: impl Read + Send + 'static, log: Arc<Log>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
        log.changes.send_modify(|state| state.open -= 1);
    })
}

/// Used by [`spawner`]: a request and where its answer goes.
type SpawnRequest = (Command, mpsc::Sender<std::io::Result<Child>>);
