//! Where a repository's content can be had: the sources of its upstream, best first.

use std::{future::Future, sync::Arc};

use tokio::time::{Duration, Instant};

use super::Unserved;
use crate::{
    backoff::Backoff,
    oci::RepositoryPath,
    source::{Fault, Health, Source, SourceError, SourceName},
};

/// An answer longer ago than this says nothing about the upstream's health any more. Short, because it
/// decides whether a manifest is served whose blobs are still to come; asking costs one HEAD.
const ANSWER_COUNTS: Duration = Duration::from_secs(5);

/// The least time an attempt is given when several sources share one deadline.
const ATTEMPT_MIN: Duration = Duration::from_secs(1);

/// How often all sources are asked, and the pauses between: the first and the longest drawn, and the longest
/// that is waited because a source asked for it.
const ROUNDS: u32 = 3;
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is known of an upstream without asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It answered just now.
    Up,
    /// Nothing is known.
    Unknown,
    /// It failed, and may be tried again.
    Doubtful,
    /// No source would even be tried.
    Down,
}

/// A repository's sources.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) sources: Arc<[Arc<dyn Source>]>,
    pub(super) path: RepositoryPath,
    /// To be asked only after the others.
    pub(super) avoid: Arc<[SourceName]>,
}

impl Route {
    pub(super) fn new(sources: Arc<[Arc<dyn Source>]>, path: RepositoryPath) -> Self {
        Self {
            sources,
            path,
            avoid: Arc::new([]),
        }
    }

    #[must_use]
    pub(super) fn avoiding(self, avoid: Vec<SourceName>) -> Self {
        Self {
            avoid: avoid.into(),
            ..self
        }
    }

    /// The sources in the order to be asked: configured order, but those to avoid and those at rest last.
    fn ordered(&self) -> Vec<Arc<dyn Source>> {
        let mut ordered = self.sources.to_vec();
        ordered.sort_by_key(|source| match source.health() {
            Health::Open { .. } => 3,
            _ if self.avoid.contains(source.name()) => 2,
            Health::HalfOpen => 1,
            Health::Closed { .. } => 0,
        });
        ordered
    }

    pub(super) fn outlook(&self) -> Outlook {
        let mut outlook = Outlook::Down;
        for source in self.sources.iter() {
            match source.health() {
                Health::Closed { answered: Some(ago) } if ago < ANSWER_COUNTS => return Outlook::Up,
                Health::Closed { .. } => outlook = Outlook::Unknown,
                Health::HalfOpen if outlook == Outlook::Down => outlook = Outlook::Doubtful,
                Health::HalfOpen | Health::Open { .. } => {}
            }
        }
        outlook
    }

    /// Asks one source after the other until one has it; after a hiccup, all of them again.
    ///
    /// A 502 or a reset is often gone at the next try, and a client that is told of it fails its pull. What
    /// an upstream *answers* is final, and silence has used up the time already.
    pub(super) async fn ask<T, F>(
        &self,
        deadline: Instant,
        mut call: impl FnMut(Arc<dyn Source>, RepositoryPath, Instant) -> F,
    ) -> Result<(T, Arc<dyn Source>), Unserved>
    where
        F: Future<Output = Result<T, SourceError>>,
    {
        let mut backoff = Backoff::new(PAUSE.0, PAUSE.1);
        let mut rng = fastrand::Rng::new();
        let mut round = 1;
        loop {
            let errors = match self.round(deadline, &mut call).await {
                Ok(found) => return Ok(found),
                Err(errors) => errors,
            };
            let pause = backoff.next(&mut rng).max(self.rest(&errors));
            let in_time = Instant::now() + pause + ATTEMPT_MIN < deadline;
            if round == ROUNDS || pause > LONGEST_PAUSE || !in_time || !errors.iter().any(is_hiccup) {
                return Err(Unserved::from_sources(&errors));
            }
            round += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// The deadline is shared: a silent source does not use up the time of those after it.
    async fn round<T, F>(
        &self,
        deadline: Instant,
        call: &mut impl FnMut(Arc<dyn Source>, RepositoryPath, Instant) -> F,
    ) -> Result<(T, Arc<dyn Source>), Vec<SourceError>>
    where
        F: Future<Output = Result<T, SourceError>>,
    {
        let ordered = self.ordered();
        let mut errors = Vec::new();
        for (at, source) in ordered.iter().enumerate() {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let others = u32::try_from(ordered.len() - at).unwrap_or(u32::MAX);
            let attempt = now + (left / others).max(ATTEMPT_MIN).min(left);
            match call(source.clone(), self.path.clone(), attempt).await {
                Ok(answer) => return Ok((answer, source.clone())),
                Err(error) => {
                    let ours = error.fault == Fault::Ours;
                    errors.push(error);
                    if ours {
                        break;
                    }
                }
            }
        }
        Err(errors)
    }

    /// How long the source that comes back first wants to be left alone.
    fn rest(&self, errors: &[SourceError]) -> Duration {
        let told = errors.iter().map(|error| match error.fault {
            Fault::Resting { retry_in } => retry_in,
            Fault::Limited { retry_after } => retry_after.unwrap_or(Duration::MAX),
            _ => Duration::ZERO,
        });
        let state = self.sources.iter().map(|source| match source.health() {
            Health::Open { retry_in } => retry_in,
            Health::Closed { .. } | Health::HalfOpen => Duration::ZERO,
        });
        told.min()
            .unwrap_or_default()
            .max(state.min().unwrap_or_default())
    }
}

/// Whether the same question may have an answer a moment later.
fn is_hiccup(error: &SourceError) -> bool {
    matches!(
        error.fault,
        Fault::Unavailable | Fault::Resting { .. } | Fault::Limited { .. }
    )
}
