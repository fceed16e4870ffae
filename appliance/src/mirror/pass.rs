//! Content that cannot be stored passes through: housekeeping fails no pull.
//!
//! A pass is a reader's own download. It is verified as far as it can be: whoever reads from where the hash
//! stands to the end gets the last bytes only when the digest matches.

use std::sync::Arc;

use futures_util::stream;
use parking_lot::Mutex;

use super::{
    Unserved,
    download::{Download, Means},
    route::Route,
    suspects::Suspects,
};
use crate::{
    delivery::{BodyError, BufferStream, Onward, Span},
    memory::Buffer,
    oci::{Digest, Hasher},
};

/// What a reader goes on with when a blob's file cannot hold it, or when there is no file at all.
#[derive(Debug)]
pub(super) struct Pass {
    route: Route,
    digest: Digest,
    means: Means,
    size: Option<u64>,
    /// The hash of what the file holds: of the bytes up to `at`.
    hasher: Hasher,
    at: u64,
    /// The download that was under way when it turned out that nothing can be stored: the first reader who
    /// starts where it stands takes it over, so that the blob is not asked for twice.
    opened: Mutex<Option<Download>>,
}

impl Pass {
    /// A pass from byte `at` on, of which `hasher` is the state. `opened` must stand at `at`.
    pub(super) fn new(
        route: Route,
        digest: Digest,
        (hasher, at): (Hasher, u64),
        size: Option<u64>,
        means: Means,
        opened: Option<Download>,
    ) -> Arc<Self> {
        Arc::new(Self {
            route,
            digest,
            means,
            size,
            hasher,
            at,
            opened: Mutex::new(opened),
        })
    }
}

impl Onward for Pass {
    fn open(&self, span: Span) -> BufferStream {
        let taken = if span.start == self.at {
            self.opened.lock().take()
        } else {
            None
        };
        let download = taken.unwrap_or_else(|| {
            Download::new(self.route.clone(), self.digest, span.start, self.means.clone()).of_size(self.size)
        });
        let to_the_end = span.end.is_none() || span.end == self.size;
        let reader = Reader {
            download,
            check: (span.start == self.at && to_the_end).then(|| (self.hasher.clone(), self.digest)),
            held: None,
            left: span.length(),
            suspects: self.means.suspects.clone(),
        };
        Box::pin(stream::try_unfold(reader, |mut reader| async move {
            let next = reader
                .next()
                .await
                .map_err(|unserved| BodyError(unserved.message))?;
            Ok(next.map(|buffer| (buffer, reader)))
        }))
    }
}

struct Reader {
    download: Download,
    /// The running hash and what it must come to.
    check: Option<(Hasher, Digest)>,
    /// Held back until more has come or the digest matches.
    held: Option<Buffer>,
    left: Option<u64>,
    suspects: Arc<Suspects>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Buffer>, Unserved> {
        while self.left != Some(0) || self.held.is_some() {
            let arrived = match self.left {
                Some(0) if self.check.is_none() => None,
                _ => self.download.next().await?,
            };
            let Some(buffer) = arrived else {
                self.verify()?;
                self.left = Some(0);
                return Ok(self.held.take());
            };
            let buffer = match self.left {
                // A range that ends before the blob does.
                Some(left) if (buffer.as_slice().len() as u64) > left => {
                    buffer.truncated(usize::try_from(left).unwrap_or(usize::MAX))
                }
                _ => buffer,
            };
            self.left = self.left.map(|left| left - buffer.as_slice().len() as u64);
            match &mut self.check {
                Some((hasher, _)) => {
                    hasher.update(buffer.as_slice());
                    if let Some(before) = self.held.replace(buffer) {
                        return Ok(Some(before));
                    }
                }
                None => return Ok(Some(buffer)),
            }
        }
        Ok(None)
    }

    fn verify(&mut self) -> Result<(), Unserved> {
        let Some((hasher, wanted)) = self.check.take() else {
            return Ok(());
        };
        let found = hasher.finish();
        if found == wanted {
            return Ok(());
        }
        self.suspects.blame(&wanted, self.download.contributors());
        self.held = None;
        Err(Unserved::new(
            super::Reason::Untrustworthy,
            format!("the upstream sent {found} for {wanted}"),
        ))
    }
}
