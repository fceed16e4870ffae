//! The worker: reads orders, carries them out, says how it goes.
//!
//! | file | what |
//! |---|---|
//! | [`desk`] | where orders come in |
//! | [`step`] | a job in steps: signs of life, rests, cancels |
//! | [`listing`] | the files of a folder in order, in bounded memory |
//! | [`unlink`], [`scan`], [`scrub`], [`verify`] | the jobs |
//! | [`reading`] | reading a file to its end |
//! | [`fault`] | in debug builds: a worker that hangs, dies or grows when told to |
//!
//! One thread reads orders and sees the pipe's end; the other works. Where the worker is a process, the first is
//! its main thread, so that the process ends with the pipe even while the other is stuck in the kernel.
//!
//! Promises: memory is bounded whatever the folders hold; a cancel is seen between files and between the pieces
//! of a large one; nothing is written anywhere, but what others have written may be brought to the medium. Must not know: the index, what is worth keeping, that it may be a
//! process.

mod desk;
mod fault;
mod listing;
mod reading;
mod scan;
mod scrub;
mod step;
mod unlink;
mod verify;

use std::{
    io::{Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
};

use super::{
    job::Walk,
    limits::{self, Limit},
    protocol::{self, End, FrameError, FromWorker, Order, ToWorker, VERSION},
};
use crate::{
    cache::{Disk, Layout},
    source::chain,
};
use desk::{Assignment, Desk, OutOfTurn};
use fault::{Fault, Point};
use step::{Halt, Stride};

/// How many names are held to bring a folder into order. 32,768 are about 5 MB; each that many files of a
/// folder cost one more pass over its names.
const HELD: usize = 32 << 10;

/// What a worker is given besides its orders.
pub(super) struct Means {
    pub(super) disk: Disk,
    /// Applies the limits, before the first job.
    pub(super) limits: fn(&Path, u64) -> Vec<Limit>,
    /// What to do when the worker is broken: there is nobody to go on.
    pub(super) broken: fn(&str),
    /// How many names are held to bring a folder into order.
    pub(super) held: usize,
    fault: Fault,
}

impl Means {
    /// For a process of its own.
    pub(super) fn of_process(broken: fn(&str)) -> Self {
        let fault = Fault::told();
        Self {
            disk: fault.disk(),
            limits: limits::apply,
            broken,
            held: HELD,
            fault,
        }
    }

    /// For a thread among others: no limit can be put on it.
    pub(super) fn of_thread(disk: Disk) -> Self {
        Self {
            disk,
            limits: |_, _| Vec::new(),
            broken: |cause| tracing::error!(cause, "a thread that removes files is broken"),
            held: HELD,
            fault: Fault::none(),
        }
    }
}

/// Why a worker ended before its pipe did.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("read an order")]
    Order(#[source] FrameError),
    #[error("answer")]
    Answer(#[source] FrameError),
    #[error("the first message is not a greeting")]
    NoGreeting,
    #[error(
        "the mirror speaks version {theirs} and this worker version {VERSION}: they are not the same program"
    )]
    Version { theirs: u32 },
    #[error(transparent)]
    OutOfTurn(#[from] OutOfTurn),
    #[error("start a thread")]
    Thread(#[source] std::io::Error),
}

/// What the working thread has.
struct Bench {
    desk: Arc<Desk>,
    output: Box<dyn Write + Send>,
    disk: Disk,
    layout: Layout,
    fault: Fault,
    held: usize,
}

/// Takes orders until the input ends. The thread that works may outlive this, for as long as a system call that
/// it is in.
pub(super) fn run(
    mut input: impl Read,
    mut output: Box<dyn Write + Send>,
    means: Means,
) -> Result<Option<JoinHandle<()>>, WorkerError> {
    let Some(greeting) = protocol::read(&mut input).map_err(WorkerError::Order)? else {
        return Ok(None);
    };
    let ToWorker::Hello {
        version: theirs,
        folder,
        memory,
    } = greeting
    else {
        return Err(WorkerError::NoGreeting);
    };
    if theirs != VERSION {
        return Err(WorkerError::Version { theirs });
    }
    let answer = FromWorker::Hello {
        version: VERSION,
        limits: (means.limits)(&folder, memory),
    };
    // Within its limits by now.
    means.fault.strike(Point::Hello);
    let desk = Arc::new(Desk::default());
    protocol::write(&mut output, &answer).map_err(WorkerError::Answer)?;
    let fault = means.fault.clone();
    let mut bench = Bench {
        desk: desk.clone(),
        output,
        disk: means.disk,
        layout: Layout::new(&folder),
        fault: means.fault,
        held: means.held,
    };
    let broken = means.broken;
    let hands = std::thread::Builder::new()
        .name("janitor".into())
        .spawn(
            move || match catch_unwind(AssertUnwindSafe(|| work(&mut bench))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => broken(&chain(&error)),
                // The panic has been printed by now.
                Err(_) => broken("the worker panicked"),
            },
        )
        .map_err(WorkerError::Thread)?;
    fault.strike(Point::Greeted);
    let read = take_orders(input, &desk, &fault);
    desk.close();
    read.map(|()| Some(hands))
}

fn take_orders(mut input: impl Read, desk: &Desk, fault: &Fault) -> Result<(), WorkerError> {
    while let Some(message) = protocol::read(&mut input).map_err(WorkerError::Order)? {
        match message {
            ToWorker::Hello { .. } => {}
            ToWorker::Begin {
                job,
                order,
                pace,
                careful,
            } => desk.put(Assignment {
                job,
                order,
                pace,
                careful,
            })?,
            ToWorker::Taken { job } => desk.taken(job),
            ToWorker::Cancel { job } => {
                fault.strike(Point::Cancel);
                desk.cancel(job);
            }
        }
    }
    Ok(())
}

fn work(bench: &mut Bench) -> Result<(), FrameError> {
    while let Some(assignment) = bench.desk.next() {
        carry_out(bench, assignment)?;
    }
    Ok(())
}

/// Does one job and says how it ended.
fn carry_out(bench: &mut Bench, assignment: Assignment) -> Result<(), FrameError> {
    let (job, lane) = (assignment.job, assignment.lane());
    let done = do_it(bench, assignment);
    bench.fault.strike(Point::End);
    let end = match done {
        Ok(()) => End::Finished,
        Err(Halt::Stopped) => End::Cancelled,
        Err(Halt::Refused { operation, why }) => End::Refused { operation, why },
        Err(Halt::Pipe(error)) => return Err(error),
    };
    bench.desk.ended(lane);
    protocol::write(&mut bench.output, &FromWorker::Ended { job, end })
}

fn do_it(bench: &mut Bench, assignment: Assignment) -> Result<(), Halt> {
    let stride = Stride::begin(bench, &assignment);
    match assignment.order {
        Order::Unlink { folder, names } => unlink::run(stride, folder, names),
        Order::Walk(Walk::Scan { .. }) => scan::run(stride),
        Order::Walk(Walk::Scrub { source, rate, .. }) => scrub::run(stride, source, rate),
        Order::Walk(Walk::Verify { names, .. }) => verify::run(stride, names),
    }
}

#[cfg(test)]
mod tests;
