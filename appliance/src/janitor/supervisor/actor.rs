//! The task that owns the worker and the jobs, and joins the two.
//!
//! Promises: each answer is taken at once, and each deadline is seen, whatever the askers do; while a job is
//! under way, something is awaited that must come. Must not know: files.

use std::{future::pending, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    Starts,
    circuit::Circuit,
    lanes::{Lane, Lanes},
    link::Kind,
    post::Post,
    run::{Cause, Phase, Run, Step, Ticket},
    settings::Settings,
    silence::Silence,
    state::{Activity, Counts, Resting, SupervisorState},
};
use crate::{
    backoff::Backoff,
    janitor::protocol::{FrameError, FromWorker, JobId},
    source::chain,
};

#[derive(Debug)]
pub(super) enum Request {
    Run(Box<Ticket>),
    Stop(oneshot::Sender<()>),
}

pub(super) struct Actor {
    pub(super) settings: Arc<Settings>,
    pub(super) post: Post,
    pub(super) circuit: Circuit,
    pub(super) lanes: Lanes,
    /// The number of the last order.
    pub(super) last: JobId,
    /// When the worker last said something, or was last told something that it is to answer.
    pub(super) heard: Instant,
    /// Since then.
    pub(super) silence: Silence,
    /// Since it was told to stop.
    pub(super) stopping: Option<Silence>,
    /// Those of jobs; of workers, `post` knows.
    pub(super) counts: Counts,
    told: watch::Sender<SupervisorState>,
}

/// What comes next.
enum Event {
    Request(Option<Request>),
    Answer(Option<Result<FromWorker, FrameError>>),
    /// An asker has room for a step; `None`: it has gone.
    Room(Lane, Option<mpsc::OwnedPermit<Step>>),
    Time,
}

impl Actor {
    pub(super) fn new(
        starts: Starts,
        settings: Settings,
        rng: fastrand::Rng,
        told: watch::Sender<SupervisorState>,
    ) -> Self {
        let settings = Arc::new(settings);
        let rests = Backoff::new(settings.rests.0, settings.rests.1);
        let now = Instant::now();
        Self {
            post: Post::new(starts, settings.clone()),
            circuit: Circuit::new(settings.trip, rests, rng),
            heard: now,
            silence: Silence::from(now, settings.step_deadline),
            stopping: None,
            settings,
            lanes: Lanes::default(),
            last: 0,
            counts: Counts::default(),
            told,
        }
    }

    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let asked_to_stop = loop {
            self.advance().await;
            self.tell(self.activity());
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
        self.refuse_all();
        self.send_away().await;
        self.tell(Activity::Stopped);
        if let Some(done) = asked_to_stop {
            let _ = done.send(());
        }
    }

    async fn event(&mut self, requests: &mut mpsc::Receiver<Request>) -> Event {
        let deadline = self.deadline();
        let Self { post, lanes, .. } = self;
        let [unlink, walk] = Lane::BOTH.map(|lane| lanes[lane].run.as_ref());
        tokio::select! {
            // What has happened counts before what has not: an answer that is here is no silence.
            biased;
            answer = post.answer() => Event::Answer(answer),
            room = room(unlink) => Event::Room(Lane::Unlink, room),
            room = room(walk) => Event::Room(Lane::Walk, room),
            request = requests.recv() => Event::Request(request),
            () = at(deadline) => Event::Time,
        }
    }

    /// Does what can be done without waiting for anybody but a worker that starts.
    async fn advance(&mut self) {
        loop {
            self.admit();
            self.send_away_idle_thread().await;
            if !self.lanes.is_any_ready() {
                return;
            }
            if self.post.kind().is_some() {
                self.order().await;
                // It may have died before it was told, and then nothing would ever happen again.
                if self.post.kind().is_some() {
                    return;
                }
                continue;
            }
            let kind = if self.circuit.rest(Instant::now()).is_some() {
                Kind::Thread
            } else {
                Kind::Process
            };
            let started = self.post.start(kind).await;
            self.stopping = None;
            self.hear();
            if let Err(why) = started {
                self.failed(why, kind);
            }
        }
    }

    fn activity(&self) -> Activity {
        match self.circuit.rest(Instant::now()) {
            _ if !self.lanes.are_empty() => Activity::Running(self.lanes.runs().map(Run::state).collect()),
            Some(rest) => Activity::CircuitOpen {
                until: rest.until,
                why: rest.why.clone(),
            },
            None => Activity::Idle,
        }
    }

    fn tell(&self, activity: Activity) {
        let workers = self.post.turnover();
        self.told.send_replace(SupervisorState {
            activity,
            worker: self.post.facts(),
            resting: self.circuit.rest(Instant::now()).map(|rest| Resting {
                until: rest.until,
                why: rest.why.clone(),
            }),
            limits: self.post.said(),
            counts: Counts {
                started: workers.started,
                not_started: workers.not_started,
                killed: workers.killed,
                died: workers.died,
                hung: workers.hung,
                spared: workers.spared,
                ..self.counts
            },
            abandoned: self.post.abandoned(),
        });
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
