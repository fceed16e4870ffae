//! A box that is busy: a worker that gets no CPU is slow, and one that is stopped hangs.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use larder::janitor::{Program, Settings, Start, Started, Starts, Supervisor};
use rustix::{
    process::{Signal, kill_process},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use tokio::sync::mpsc;

use crate::bed::{Bed, LARDER, SMALL, gone, scan, soon, worker};

/// So many want what the worker wants: at a tenth of their weight it waits for more than a deadline.
const BURNERS: usize = 16;
const DEADLINE: Duration = Duration::from_millis(100);

/// One CPU of those that this process may use.
fn one_cpu() -> CpuSet {
    let all = sched_getaffinity(None).expect("told");
    let cpu = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).expect("one");
    let mut one = CpuSet::new();
    one.set(cpu);
    one
}

/// The real program, on one CPU: the thread that starts it hands this down.
struct Pinned;

impl Start for Pinned {
    fn start(&self) -> io::Result<Started> {
        sched_setaffinity(None, &one_cpu())?;
        Program::at(LARDER).start()
    }
}

fn pinned(settings: Settings) -> Supervisor {
    let starts = Starts {
        process: Arc::new(Pinned),
        thread: None,
    };
    Supervisor::new(starts, settings, fastrand::Rng::with_seed(1))
}

/// Threads that compute on that CPU.
struct Load {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn begin() -> Self {
        let over = Arc::<AtomicBool>::default();
        let burn = |_| {
            let over = over.clone();
            std::thread::spawn(move || {
                sched_setaffinity(None, &one_cpu()).expect("pinned");
                while !over.load(SeqCst) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..BURNERS).map(burn).collect();
        Self { over, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[tokio::test]
async fn a_worker_that_gets_no_cpu_is_not_taken_for_one_that_hangs() {
    let bed = Bed::new(600);
    let supervisor = pinned(Settings {
        step_deadline: DEADLINE,
        ..bed.settings()
    });
    let (steps, mut taken) = mpsc::channel(1);
    let walking = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SMALL, steps).await }
    });
    soon(taken.recv()).await.expect("a step");
    let load = Load::begin();
    let mut state = supervisor.watch();
    let spared = state.wait_for(|state| state.counts.spared > 0 || state.counts.killed > 0);
    let walked = async { while taken.recv().await.is_some() {} };
    let watched = async {
        drop(soon(spared).await.expect("it is there"));
        // It can take as long as it likes now, but for the bound.
        tokio::task::spawn_blocking(move || drop(load))
            .await
            .expect("over");
    };
    soon(async { tokio::join!(walked, watched) }).await;
    let report = soon(walking).await.expect("no panic").expect("done");
    let counts = supervisor.state().counts;
    println!("spared {} times", counts.spared);
    assert_eq!((report.restarts, report.progress.files), (0, 600));
    assert_eq!((counts.started, counts.killed), (1, 0));
    assert!(counts.spared > 0);
}

#[tokio::test]
async fn a_worker_that_is_stopped_on_a_busy_box_is_given_no_more_time() {
    let bed = Bed::new(12);
    let supervisor = pinned(bed.settings());
    let (steps, mut taken) = mpsc::channel(1);
    let walking = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SMALL, steps).await }
    });
    soon(taken.recv()).await.expect("a step");
    let load = Load::begin();
    let state = supervisor.state();
    let process = worker(&state);
    kill_process(process, Signal::STOP).expect("stopped");
    let mut watched = supervisor.watch();
    let walked = async { while taken.recv().await.is_some() {} };
    let replaced = async {
        let killed = soon(watched.wait_for(|state| state.counts.killed > 0)).await;
        assert_eq!(killed.expect("it is there").counts.spared, state.counts.spared);
        gone(process).await;
        tokio::task::spawn_blocking(move || drop(load))
            .await
            .expect("over");
    };
    soon(async { tokio::join!(walked, replaced) }).await;
    let report = soon(walking).await.expect("no panic").expect("done");
    assert_eq!((report.restarts, report.progress.files), (1, 12));
    assert_eq!(supervisor.state().counts.started, 2);
}
