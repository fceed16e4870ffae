//! Where a repository's content can be had: the sources of its upstream, best first.

use std::{future::Future, sync::Arc};

use tokio::time::{Duration, Instant};

use super::Unserved;
use crate::{
    oci::RepositoryPath,
    source::{Fault, Health, Source, SourceError, SourceName},
};

/// An answer longer ago than this says nothing about the upstream's health any more. Short, because it
/// decides whether a manifest is served whose blobs are still to come; asking costs one HEAD.
const ANSWER_COUNTS: Duration = Duration::from_secs(5);

/// The least time an attempt is given when several sources share one deadline.
const ATTEMPT_MIN: Duration = Duration::from_secs(1);

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

    /// Asks one source after the other until one has it. The deadline is shared: a silent source does not
    /// use up the time of those after it.
    pub(super) async fn ask<T, F>(
        &self,
        deadline: Instant,
        mut call: impl FnMut(Arc<dyn Source>, RepositoryPath, Instant) -> F,
    ) -> Result<(T, Arc<dyn Source>), Unserved>
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
        Err(Unserved::from_sources(&errors))
    }
}
