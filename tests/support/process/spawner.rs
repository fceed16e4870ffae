//! The one thread that starts children.
//!
//! `PR_SET_PDEATHSIG` fires when the *thread* that forked ends, and a test's thread ends long before its
//! process. This thread lives as long as the process, so children die with the process and not before.

use std::{
    process::{Child, Command},
    sync::{LazyLock, Mutex, PoisonError, mpsc},
};

use super::SpawnRequest;

static SPAWNER: LazyLock<Mutex<mpsc::Sender<SpawnRequest>>> = LazyLock::new(|| {
    let (requests, inbox) = mpsc::channel::<SpawnRequest>();
    std::thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for (mut command, answer) in inbox {
                // Whoever asked may have panicked meanwhile; the child then is dropped with the answer.
                let _ = answer.send(command.spawn());
            }
        })
        .expect("a thread can be started");
    Mutex::new(requests)
});

/// Starts `command` from the long-lived thread.
pub(super) fn spawn(command: Command) -> std::io::Result<Child> {
    let (answer, result) = mpsc::channel();
    let spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
    spawner.send((command, answer)).expect("the spawner never ends");
    drop(spawner);
    result.recv().expect("the spawner answers every request")
}
