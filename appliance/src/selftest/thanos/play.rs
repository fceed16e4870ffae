//! One play: a transfer, and its end before its time.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::{Instant, sleep};

use super::{
    super::{
        client::{self, Broken, Coming},
        content::{Blob, Noise, Stock},
        report::Unplayable,
        script::{Act, Gate},
        stage::{Setting, Stage},
        upstream::Upstream,
    },
    Abort, Ending, Place, Played,
    full_disk::FullDisk,
};
use crate::{
    cache::Disk,
    memory::Budget,
    oci::{Algorithm, Digest},
};

/// Of the blob.
const LENGTH: u64 = 2 << 20;
/// What an upstream writes at once.
const CHUNK: u64 = 64 << 10;
/// A pool that is not whole after so long is not about to be.
const SETTLING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(1);

impl Place {
    /// A byte of that chunk.
    const fn byte(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Middle => LENGTH / 2,
            Self::Last => LENGTH - 1,
        }
    }

    /// How much has to come before a transfer is as far as that.
    fn before(self) -> u64 {
        self.byte().clamp(CHUNK, LENGTH - 1)
    }
}

pub(super) async fn play(folder: &Path, abort: Abort, place: Place) -> Result<Played, Unplayable> {
    let noise = Noise {
        seed: 7883,
        size: LENGTH,
    };
    let blob = noise.blob();
    let mut stock = Stock::default();
    stock.add_blob(&blob);
    let upstream = Upstream::start(stock).await?;
    let gate = Gate::shut();
    let (acts, then) = acts(abort, place, &gate);
    upstream.script().play(blob.digest, acts, then);
    let full = Arc::new(FullDisk::at(place, place.byte()));
    let disk = match abort {
        Abort::DiskFull => Disk::with_faults(full.clone()),
        _ => Disk::real(),
    };
    let more = [
        "fetch.progress_timeout = \"500ms\"",
        "fetch.first_byte_timeout = \"5s\"",
    ];
    let setting = Setting {
        endpoints: vec![upstream.url()],
        more: &more,
        disk,
    };
    let stage = Stage::start(folder, setting).await?;
    let budget = stage.running.budget();
    let transfer = Transfer {
        stage: &stage,
        blob,
        gate: &gate,
        until: place.before() - CHUNK,
    };
    let ending = match abort {
        Abort::ClientGone | Abort::Shutdown => transfer.left().await,
        Abort::DiskFull => transfer.taken_beyond_the_gate().await,
        Abort::UpstreamCut | Abort::TimeOut | Abort::Mismatch => transfer.taken().await,
    };
    let ending = ending.map_err(|broken| Unplayable::new("pull", blob.digest, client::told(&broken)))?;
    let asked = upstream.gets(&blob.digest);
    let ended = Instant::now();
    let (under_way, settled) = match abort {
        Abort::Shutdown => {
            stage.running.stop(std::future::ready(())).await;
            gate.open();
            whole(&budget).await;
            (0, ended.elapsed())
        }
        _ => {
            gate.open();
            stage.settled().await;
            let settled = (stage.running.under_way(), ended.elapsed());
            stage.stop().await;
            settled
        }
    };
    let usage = budget.usage();
    let played = Played {
        abort,
        place,
        happened: match abort {
            Abort::DiskFull => full.refused() > 0,
            Abort::ClientGone | Abort::Shutdown => !asked.is_empty() && ending == Ending::Left,
            _ => !asked.is_empty(),
        },
        ending,
        in_use: usage.in_use,
        acquired: usage.acquired,
        released: usage.released,
        under_way,
        settled,
    };
    Ok(played)
}

/// What the upstream does, and what it does when it is asked again.
fn acts(abort: Abort, place: Place, gate: &Gate) -> (Vec<Act>, Act) {
    let held = Act::HeldAt(place.before(), gate.clone());
    match abort {
        Abort::ClientGone | Abort::Shutdown | Abort::DiskFull => (vec![held], Act::Whole),
        Abort::UpstreamCut => (vec![Act::CutAt(place.byte())], Act::Missing),
        Abort::TimeOut => (vec![Act::SilentAt(place.byte())], Act::Missing),
        Abort::Mismatch => (Vec::new(), Act::WrongAt(place.byte())),
    }
}

/// A client's.
struct Transfer<'a> {
    stage: &'a Stage,
    blob: Blob,
    gate: &'a Gate,
    /// What the client has when the end comes.
    until: u64,
}

impl Transfer<'_> {
    async fn begun(&self) -> Result<Coming, Broken> {
        client::ask(self.stage.address, Method::GET, &self.blob.path(), Bytes::new()).await
    }

    /// It goes while it is sent something.
    async fn left(&self) -> Result<Ending, Broken> {
        let mut coming = self.begun().await?;
        coming.beyond(self.until).await?;
        Ok(Ending::Left)
    }

    async fn taken(&self) -> Result<Ending, Broken> {
        Ok(self.end(self.begun().await).await)
    }

    /// It has a part before the upstream goes on.
    async fn taken_beyond_the_gate(&self) -> Result<Ending, Broken> {
        let mut coming = self.begun().await?;
        let mut first = Vec::new();
        while first.len() as u64 <= self.until {
            match coming.next().await? {
                Some(data) => first.extend_from_slice(&data),
                None => break,
            }
        }
        self.gate.open();
        let rest = coming.whole().await?;
        first.extend_from_slice(&rest.bytes);
        Ok(self.judged(rest.status, &first))
    }

    /// A refusal is an end like any other.
    async fn end(&self, coming: Result<Coming, Broken>) -> Ending {
        let whole = match coming {
            Ok(coming) => coming.whole().await,
            Err(broken) => Err(broken),
        };
        whole.map_or(Ending::Refused, |whole| self.judged(whole.status, &whole.bytes))
    }

    fn judged(&self, status: StatusCode, bytes: &[u8]) -> Ending {
        if status != StatusCode::OK {
            Ending::Refused
        } else if Digest::of(Algorithm::Sha256, bytes) == self.blob.digest {
            Ending::Right
        } else {
            Ending::Wrong
        }
    }
}

/// Waits until a pool is whole; not for ever.
async fn whole(budget: &Budget) {
    let by = Instant::now() + SETTLING;
    while budget.usage().in_use > 0 && Instant::now() < by {
        sleep(LOOK).await;
    }
}
