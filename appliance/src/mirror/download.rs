//! The bytes of one blob on their way over the WAN: across cuts, stalls and sources, without a gap.
//!
//! A download goes on from the byte it reached, at the same source or at the next one, as long as it gets
//! somewhere. Every chunk it hands out carries its permit of the memory budget.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::time::Instant;

use super::{Reason, Unserved, pace::Pace, route::Route, suspects::Suspects};
use crate::{
    backoff::Backoff,
    heartbeat::Beat,
    memory::{Buffer, Permit, Pool},
    oci::Digest,
    source::{Source, SourceError, SourceName},
};

/// Room taken before a chunk is read, in bytes: what a connection's read buffer holds at most. What the
/// chunk does not need goes back at once.
const CHUNK: usize = 256 << 10;

/// Attempts in a row that move fewer than [`PROGRESS`] bytes, before it is given up.
const FRUITLESS_ATTEMPTS: u32 = 6;

/// What counts as getting somewhere, in bytes. More than a head and a token packet, so that an upstream
/// that cuts every connection after a little cannot keep a download alive for ever.
const PROGRESS: u64 = 64 << 10;

/// How long it goes on without a byte once attempts fail. With the progress deadline before it this stays
/// under the 40 s after which clients are taken to hang.
const FRUITLESS_TIME: Duration = Duration::from_secs(8);

/// How long it waits for room in the memory budget.
const ROOM: Duration = Duration::from_secs(30);

/// The first pause between fruitless attempts, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(4));

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>;

/// What downloads share, and how long the head of an answer may take.
#[derive(Clone, Debug)]
pub(super) struct Means {
    pub(super) pool: Pool,
    pub(super) pace: Pace,
    pub(super) patience: Duration,
    pub(super) suspects: Arc<Suspects>,
    /// What arrives, and each attempt that ends, is progress.
    pub(super) beat: Beat,
}

/// One blob, arriving.
pub(super) struct Download {
    route: Route,
    digest: Digest,
    means: Means,
    position: u64,
    size: Option<u64>,
    stream: Option<(Arc<dyn Source>, Chunks)>,
    /// Room for the chunk that is being waited for.
    room: Option<Permit>,
    /// What has to be dropped because the source could not start in the middle, in bytes.
    skip: u64,
    /// Where the current attempt began; nothing before the first.
    began: Option<u64>,
    /// Attempts in a row that got nowhere, and since when.
    fruitless: u32,
    fruitless_since: Option<Instant>,
    backoff: Backoff,
    rng: fastrand::Rng,
    /// Why the last attempt ended.
    last: Option<Unserved>,
    contributors: Vec<Arc<dyn Source>>,
}

impl Download {
    /// A download from byte `from` on. Nothing is asked yet.
    pub(super) fn new(route: Route, digest: Digest, from: u64, means: Means) -> Self {
        Self {
            route,
            digest,
            means,
            position: from,
            size: None,
            stream: None,
            room: None,
            skip: 0,
            began: None,
            fruitless: 0,
            fruitless_since: None,
            backoff: Backoff::new(PAUSE.0, PAUSE.1),
            rng: fastrand::Rng::new(),
            last: None,
            contributors: Vec::new(),
        }
    }

    /// The same of a blob whose size is known already.
    #[must_use]
    pub(super) fn of_size(self, size: Option<u64>) -> Self {
        Self { size, ..self }
    }

    /// The whole blob's size in bytes, once a source has said it.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// The source that sends now, or sent last.
    pub(super) fn source(&self) -> Option<&Arc<dyn Source>> {
        self.contributors.last()
    }

    /// All that sent a part of it.
    pub(super) fn contributors(&self) -> impl Iterator<Item = SourceName> {
        self.contributors.iter().map(|source| source.name().clone())
    }

    /// Asks the sources in turn until one sends. One round, no pauses: for the first byte.
    pub(super) async fn open(&mut self, deadline: Instant) -> Result<(), Unserved> {
        let from = self.position;
        let digest = self.digest;
        let asked = self.route.ask(deadline, |source, path, deadline| async move {
            source.blob(&path, &digest, from, deadline).await
        });
        let (stream, source) = asked.await?;
        // A source that disagrees about the size has another blob: its bytes cannot be spliced on.
        if let (Some(known), Some(said)) = (self.size, stream.size)
            && known != said
        {
            return Err(Unserved::new(
                Reason::Untrustworthy,
                format!(
                    "{} says that {digest} has {said} bytes, earlier it was {known}",
                    source.name()
                ),
            ));
        }
        self.size = self.size.or(stream.size);
        self.skip = from.saturating_sub(stream.start);
        self.began = Some(from);
        if !self
            .contributors
            .iter()
            .any(|known| known.name() == source.name())
        {
            self.contributors.push(source.clone());
        }
        self.stream = Some((source, stream.chunks));
        Ok(())
    }

    /// The next bytes, or `None` after the last. Waits, pauses and asks again as needed.
    pub(super) async fn next(&mut self) -> Result<Option<Buffer>, Unserved> {
        loop {
            if self.size == Some(self.position) {
                self.stream = None;
                return Ok(None);
            }
            if self.stream.is_none() {
                self.reopen().await?;
            }
            if self.room.is_none() {
                self.room = Some(self.means.pool.acquire(CHUNK, ROOM).await?);
            }
            if let Some(due) = self.means.pace.due() {
                tokio::time::sleep_until(due).await;
            }
            let Some((_, chunks)) = &mut self.stream else {
                continue;
            };
            match chunks.next().await {
                Some(Ok(chunk)) => {
                    if let Some(buffer) = self.accept(chunk) {
                        return Ok(Some(buffer));
                    }
                }
                Some(Err(error)) => self.fail(error),
                None if self.size.is_none() => {
                    self.size = Some(self.position);
                }
                // Ended before its size without an error: as good as cut.
                None => self.stream = None,
            }
        }
    }

    /// Bytes that have arrived already, if there is room for them. Never waits.
    pub(super) fn try_next(&mut self, cx: &mut Context<'_>) -> Option<Buffer> {
        let (_, chunks) = self.stream.as_mut()?;
        if self.means.pace.due().is_some() {
            return None;
        }
        if self.room.is_none() {
            self.room = Some(self.means.pool.try_acquire(CHUNK)?);
        }
        match chunks.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => self.accept(chunk),
            Poll::Ready(Some(Err(error))) => {
                self.fail(error);
                None
            }
            // The end is `next`'s to find.
            Poll::Ready(None) | Poll::Pending => None,
        }
    }

    fn accept(&mut self, mut chunk: Bytes) -> Option<Buffer> {
        self.means.pace.arrived(chunk.len());
        self.means.beat.step();
        let skipped = self.skip.min(chunk.len() as u64);
        self.skip -= skipped;
        chunk.advance(usize::try_from(skipped).unwrap_or(usize::MAX));
        if chunk.is_empty() {
            return None;
        }
        self.position += chunk.len() as u64;
        if self.moved() >= PROGRESS {
            self.fruitless = 0;
            self.fruitless_since = None;
            self.backoff.reset();
        }
        self.room.take().map(|room| room.cover(chunk))
    }

    fn fail(&mut self, error: SourceError) {
        tracing::debug!(digest = %self.digest, at = self.position, error = %crate::source::chain(&error), "download interrupted");
        self.stream = None;
        self.means.beat.step();
        self.last = Some(Unserved::from_sources(&[error]));
    }

    /// Bytes since the current attempt began.
    fn moved(&self) -> u64 {
        self.began.map_or(0, |began| self.position - began)
    }

    /// Asks again from the byte that was reached, with pauses, until a source sends or it is fruitless.
    async fn reopen(&mut self) -> Result<(), Unserved> {
        // No permit is held while pausing.
        self.room = None;
        loop {
            self.means.beat.step();
            if self.began.is_some() && self.moved() < PROGRESS {
                self.fruitless += 1;
                let since = *self.fruitless_since.get_or_insert_with(Instant::now);
                if self.fruitless > FRUITLESS_ATTEMPTS || since.elapsed() > FRUITLESS_TIME {
                    let last = self.last.take();
                    return Err(last.unwrap_or_else(|| Unserved::out_of_patience(FRUITLESS_TIME)));
                }
                tokio::time::sleep(self.backoff.next(&mut self.rng)).await;
            }
            let left = self
                .fruitless_since
                .map(|since| (since + FRUITLESS_TIME) - Instant::now());
            let patience = left.map_or(self.means.patience, |left| left.min(self.means.patience));
            match self.open(Instant::now() + patience).await {
                Ok(()) => return Ok(()),
                Err(unserved) if matches!(unserved.reason, Reason::NotFound | Reason::Denied) => {
                    return Err(unserved);
                }
                Err(unserved) => {
                    tracing::debug!(digest = %self.digest, at = self.position, error = %unserved, "no source to go on from");
                    self.began = Some(self.position);
                    self.last = Some(unserved);
                }
            }
        }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Download({} at {} of {:?})",
            self.digest, self.position, self.size
        )
    }
}

/// Collects what has arrived: at least one chunk, at most about `limit` bytes, into `batch`.
///
/// Returns whether the end was reached.
pub(super) async fn gather(
    download: &mut Download,
    batch: &mut Vec<Buffer>,
    limit: usize,
) -> Result<Arrived, Unserved> {
    let Some(first) = download.next().await? else {
        return Ok(Arrived::All);
    };
    let mut gathered = first.remaining();
    batch.push(first);
    // One poll without waiting per chunk; a waker of the current task so that readiness is not lost.
    std::future::poll_fn(|cx| {
        while gathered < limit {
            let Some(buffer) = download.try_next(cx) else {
                break;
            };
            gathered += buffer.remaining();
            batch.push(buffer);
        }
        Poll::Ready(())
    })
    .await;
    Ok(Arrived::Some)
}

/// Whether more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Some,
    All,
}
