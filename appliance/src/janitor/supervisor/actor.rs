//! The task that owns the worker.
//!
//! Promises: there is one worker at a time, besides those that were given up; each answer is taken at once, and
//! each deadline is seen, whatever the askers do. Must not know: files.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    Starts, WAITING,
    circuit::Circuit,
    link::{Kind, Link},
    run::{Cause, Phase, Run, Step, Ticket},
    settings::Settings,
    starter::Starter,
    state::{Activity, Counts, Resting, SupervisorState, WorkerFacts},
};
use crate::{
    backoff::Backoff,
    janitor::{
        error::JobError,
        job::Job,
        limits::Limit,
        protocol::{FrameError, FromWorker, JobId, ToWorker},
    },
    source::chain,
};

#[derive(Debug)]
pub(super) enum Request {
    Run(Box<Ticket>),
    Stop(oneshot::Sender<()>),
}

pub(super) struct Actor {
    pub(super) settings: Settings,
    pub(super) process: Starter,
    pub(super) thread: Option<Starter>,
    pub(super) circuit: Circuit,
    told: watch::Sender<SupervisorState>,
    pub(super) counts: Counts,
    pub(super) abandoned: Arc<AtomicU32>,
    pub(super) link: Option<Link>,
    pub(super) limits: Vec<Limit>,
    /// The same of the last process, also when it has gone.
    pub(super) said: Vec<Limit>,
    /// When the worker last said something, or was last told something that it is to answer.
    pub(super) heard: Instant,
    /// When a worker that was told to stop must have.
    pub(super) stop_by: Option<Instant>,
    /// Unlink and walk: each of them one at a time.
    pub(super) lanes: [Lane; 2],
    pub(super) next: JobId,
}

#[derive(Default)]
pub(super) struct Lane {
    pub(super) run: Option<Run>,
    waiting: VecDeque<Ticket>,
}

pub(super) const UNLINK: usize = 0;
pub(super) const WALK: usize = 1;

const fn lane_of(job: &Job) -> usize {
    match job {
        Job::Unlink(..) => UNLINK,
        Job::Walk(_) => WALK,
    }
}

/// What comes next.
enum Event {
    Request(Option<Request>),
    Answer(Option<Result<FromWorker, FrameError>>),
    /// An asker has room for a step; `None`: it has gone.
    Room(usize, Option<mpsc::OwnedPermit<Step>>),
    Time,
}

impl Actor {
    pub(super) fn new(
        starts: Starts,
        settings: Settings,
        rng: fastrand::Rng,
        told: watch::Sender<SupervisorState>,
    ) -> Self {
        let abandoned = Arc::<AtomicU32>::default();
        let starter = |start| Starter::new(start, abandoned.clone());
        Self {
            circuit: Circuit::new(
                settings.trip,
                Backoff::new(settings.rests.0, settings.rests.1),
                rng,
            ),
            process: starter(starts.process),
            thread: starts.thread.map(starter),
            settings,
            told,
            counts: Counts::default(),
            abandoned,
            link: None,
            limits: Vec::new(),
            said: Vec::new(),
            heard: Instant::now(),
            stop_by: None,
            lanes: Default::default(),
            next: 0,
        }
    }

    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let asked_to_stop = loop {
            self.advance().await;
            self.tell(None);
            match self.event(&mut requests).await {
                Event::Request(Some(Request::Run(ticket))) => self.accept(*ticket),
                Event::Request(Some(Request::Stop(done))) => break Some(done),
                Event::Request(None) => break None,
                Event::Answer(Some(Ok(answer))) => self.answered(answer).await,
                Event::Answer(Some(Err(error))) => self.nonsense(chain(&error)).await,
                Event::Answer(None) => self.died().await,
                Event::Room(lane, Some(permit)) => self.deliver(lane, permit).await,
                Event::Room(lane, None) => self.cancel(lane, Cause::Unread).await,
                Event::Time => self.time().await,
            }
        };
        requests.close();
        while let Some(request) = requests.recv().await {
            match request {
                Request::Run(ticket) => self.accept(*ticket),
                Request::Stop(done) => drop(done),
            }
        }
        self.stop().await;
        if let Some(done) = asked_to_stop {
            let _ = done.send(());
        }
    }

    async fn event(&mut self, requests: &mut mpsc::Receiver<Request>) -> Event {
        let deadline = self.deadline();
        let Self { link, lanes, .. } = self;
        let [unlink, walk] = lanes;
        tokio::select! {
            // What has happened counts before what has not: an answer that is here is no silence.
            biased;
            answer = answer(link) => Event::Answer(answer),
            room = room(unlink.run.as_ref()) => Event::Room(UNLINK, room),
            room = room(walk.run.as_ref()) => Event::Room(WALK, room),
            request = requests.recv() => Event::Request(request),
            () = at(deadline) => Event::Time,
        }
    }

    fn accept(&mut self, ticket: Ticket) {
        let lane = &mut self.lanes[lane_of(&ticket.job)];
        let ticket = match &mut lane.run {
            Some(run) => match run.join(ticket) {
                Ok(()) => return,
                Err(ticket) => ticket,
            },
            None => ticket,
        };
        if lane.waiting.len() >= WAITING {
            let task = ticket.job.task();
            let _ = ticket.done.send(Err(JobError::Busy { task }));
        } else {
            lane.waiting.push_back(ticket);
        }
    }

    /// Does what can be done without waiting for anybody but a worker that starts.
    async fn advance(&mut self) {
        loop {
            self.admit();
            self.send_away_idle_thread().await;
            if !self.lanes.iter().any(Lane::is_ready) {
                return;
            }
            if self.link.is_some() {
                self.order().await;
                // It may have died before it was told, and then nothing would ever happen again.
                if self.link.is_some() {
                    return;
                }
                continue;
            }
            let kind = if self.circuit.rest(Instant::now()).is_some() {
                Kind::Thread
            } else {
                Kind::Process
            };
            if let Err(why) = self.start(kind).await {
                self.counts.not_started += 1;
                self.failed(why, kind);
            }
        }
    }

    /// Lets jobs in while the circuit is closed.
    fn admit(&mut self) {
        let rest = self.circuit.rest(Instant::now()).cloned();
        for lane in [UNLINK, WALK] {
            let by_thread = lane == UNLINK && self.thread.is_some();
            let refused = rest
                .as_ref()
                .filter(|rest| !(by_thread && rest.why.is_of_start()));
            let it = &mut self.lanes[lane];
            while it.run.is_none()
                && let Some(ticket) = it.waiting.pop_front()
            {
                let run = Run::new(ticket, Instant::now());
                match refused {
                    None => it.run = Some(run),
                    Some(rest) => {
                        self.counts.jobs_failed += 1;
                        let error = run.waits(rest);
                        run.finish(&Err(error));
                    }
                }
            }
        }
    }

    /// The thread is for removing files, while no process can be started.
    async fn send_away_idle_thread(&mut self) {
        let is_thread = self.link.as_ref().is_some_and(|link| link.kind == Kind::Thread);
        if is_thread && self.lanes[UNLINK].run.is_none() {
            self.send_away().await;
        }
    }

    /// When something has to be done although nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let runs = || self.lanes.iter().filter_map(|lane| lane.run.as_ref());
        let patience = runs()
            .filter(|run| run.undelivered.is_some())
            .map(|run| run.patience)
            .min();
        let worker = match &self.link {
            None => None,
            Some(_) if runs().next().is_none() => Some(self.heard + self.settings.idle_after),
            Some(_) => self.stop_by.or_else(|| self.silence()),
        };
        [patience, worker].into_iter().flatten().min()
    }

    /// When the worker will have been silent for too long. One that waits for whoever has files removed is not
    /// silent; one that waits for a walk's asker still removes files.
    fn silence(&self) -> Option<Instant> {
        let runs = || self.lanes.iter().filter_map(|lane| lane.run.as_ref());
        let unlink = self.lanes[UNLINK].run.as_ref();
        let waits = unlink.is_some_and(|run| matches!(run.phase, Phase::Delivering(_)));
        let works = runs().any(|run| matches!(run.phase, Phase::Working(_)));
        (works && !waits).then(|| self.heard + self.settings.step_deadline)
    }

    async fn time(&mut self) {
        let now = Instant::now();
        for lane in [UNLINK, WALK] {
            let run = self.lanes[lane].run.as_ref();
            if run.is_some_and(|run| run.undelivered.is_some() && run.patience <= now) {
                self.cancel(lane, Cause::Unread).await;
            }
        }
        if self.lanes.iter().all(|lane| lane.run.is_none()) {
            if self.heard + self.settings.idle_after <= now {
                self.send_away().await;
            }
        } else if self.stop_by.is_some_and(|by| by <= now) {
            let why = self.silent();
            self.kill(why).await;
        } else if self.stop_by.is_none() && self.silence().is_some_and(|by| by <= now) {
            for lane in [UNLINK, WALK] {
                self.cancel(lane, Cause::Silent).await;
            }
        }
    }

    /// Stops a job, whoever has it.
    pub(super) async fn cancel(&mut self, lane: usize, cause: Cause) {
        let Some(run) = &mut self.lanes[lane].run else {
            return;
        };
        match run.phase {
            Phase::Working(job) | Phase::Delivering(job) => {
                run.phase = Phase::Cancelling(job, cause);
                run.undelivered = None;
                self.stop_by.get_or_insert(Instant::now() + self.settings.grace);
                self.send(&ToWorker::Cancel { job }).await;
            }
            Phase::Ready if cause == Cause::Unread => self.finish(lane, None),
            Phase::Ready | Phase::Cancelling(..) => {}
        }
    }

    /// The asker takes a step.
    async fn deliver(&mut self, lane: usize, permit: mpsc::OwnedPermit<Step>) {
        let Some(run) = &mut self.lanes[lane].run else {
            return;
        };
        let Some(step) = run.undelivered.take() else {
            return;
        };
        let advance = run.taken(&step);
        permit.send(step);
        if lane == UNLINK {
            self.counts.files_removed += advance.files;
            self.counts.bytes_removed += advance.bytes;
        }
        let is_process = self.link.as_ref().is_some_and(|link| link.kind == Kind::Process);
        if advance.further && is_process {
            self.circuit.progressed();
        }
        if let Phase::Delivering(job) = run.phase {
            run.phase = Phase::Working(job);
            self.heard = Instant::now();
            self.send(&ToWorker::Taken { job }).await;
        }
    }

    /// Ends a job that nobody works at. `None`: nobody takes its steps.
    pub(super) fn finish(&mut self, lane: usize, end: Option<Result<(), JobError>>) {
        let Some(run) = self.lanes[lane].run.take() else {
            return;
        };
        let end = end.unwrap_or_else(|| Err(run.unread()));
        match &end {
            Ok(()) => self.counts.jobs_done += 1,
            Err(_) => self.counts.jobs_failed += 1,
        }
        self.heard = Instant::now();
        run.finish(&end);
    }

    async fn stop(&mut self) {
        for lane in [UNLINK, WALK] {
            if let Some(run) = &self.lanes[lane].run {
                let stopped = run.stopped();
                self.finish(lane, Some(Err(stopped)));
            }
            for ticket in std::mem::take(&mut self.lanes[lane].waiting) {
                let run = Run::new(ticket, Instant::now());
                let stopped = run.stopped();
                run.finish(&Err(stopped));
            }
        }
        self.send_away().await;
        self.tell(Some(Activity::Stopped));
    }

    fn tell(&self, activity: Option<Activity>) {
        let jobs = || self.lanes.iter().filter_map(|lane| lane.run.as_ref());
        let now = || match self.circuit.rest(Instant::now()) {
            _ if jobs().next().is_some() => Activity::Running(jobs().map(Run::state).collect()),
            Some(rest) => Activity::CircuitOpen {
                until: rest.until,
                why: rest.why.clone(),
            },
            None => Activity::Idle,
        };
        self.told.send_replace(SupervisorState {
            activity: activity.unwrap_or_else(now),
            worker: self.link.as_ref().map(|link| WorkerFacts {
                process: link.id(),
                limits: self.limits.clone(),
            }),
            resting: self.circuit.rest(Instant::now()).map(|rest| Resting {
                until: rest.until,
                why: rest.why.clone(),
            }),
            limits: self.said.clone(),
            counts: self.counts,
            abandoned: self.abandoned.load(Relaxed),
        });
    }
}

impl Lane {
    /// Whether a worker is wanted. What the last one found is delivered first.
    pub(super) fn is_ready(&self) -> bool {
        let ready = |run: &Run| run.phase == Phase::Ready && run.undelivered.is_none();
        self.run.as_ref().is_some_and(ready)
    }
}

async fn answer(link: &mut Option<Link>) -> Option<Result<FromWorker, FrameError>> {
    match link {
        Some(link) => link.answer().await,
        None => pending().await,
    }
}

/// Waits until an asker has room for a step, or has gone.
async fn room(run: Option<&Run>) -> Option<mpsc::OwnedPermit<Step>> {
    match run {
        Some(run) if run.undelivered.is_some() => run.steps.clone().reserve_owned().await.ok(),
        Some(run) if !matches!(run.phase, Phase::Cancelling(..)) => {
            run.steps.closed().await;
            None
        }
        _ => pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
