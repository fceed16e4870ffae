//! The play, from a calm box to one that is started anew without a registry.

use std::{fs, path::Path, sync::Arc, time::Duration};

use http::Method;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{
    super::{
        client,
        report::Unplayable,
        script::Act,
        small_disk::{Amount, SmallDisk},
        stage::{Setting, Stage},
        upstream::Upstream,
    },
    Account, Seen, TIMES, Waits, full, harass,
    site::{Plan, Site},
};
use crate::{
    api::{CollectEvent, Collection, Collections, ImageRequest, path},
    cache::Disk,
};

/// Of the disk.
const SIZE: Amount = Amount {
    bytes: 12 << 20,
    inodes: 80,
};
/// Long enough for the worker to be met at its work, and for flash not to be worn by it.
const PULLS: Plan = Plan {
    bytes: SIZE.bytes * TIMES,
    over: Duration::from_secs(6),
};
/// The mirror of these plays; the first two are not for the calm one. Everything is a file, so that inodes are short as
/// well; hours of pulls go by in seconds.
const MORE: [&str; 6] = [
    "cache.max_bytes = \"9MiB\"",
    "cache.max_inodes = 64",
    "cache.inline_below = \"1KiB\"",
    "janitor.grace = \"0s\"",
    "janitor.step_deadline = \"1s\"",
    "fetch.progress_timeout = \"1s\"",
];
/// How long the worker is stopped again and again while two ask for a collection.
const STOPPED: Duration = Duration::from_millis(400);
/// The longest that a worker is left alone after it failed too often, and some.
const LEFT_ALONE: Duration = Duration::from_secs(40);
/// For what is condemned to be removed.
const SETTLING: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
const AGAIN: Duration = Duration::from_millis(200);

pub(in super::super) async fn replay(folder: &Path) -> Result<Seen, Unplayable> {
    let site = Site::new();
    let mut upstream = Upstream::start(site.stock()).await?;
    let mut seen = Seen {
        disk: SIZE.bytes,
        ..Seen::default()
    };
    calm(folder, &site, &upstream, &mut seen).await?;
    let own = folder.join("small");
    let disk = Arc::new(SmallDisk::of(&own.join("data"), SIZE));
    let start = || {
        let setting = Setting {
            endpoints: vec![upstream.url()],
            more: &MORE,
            disk: Disk::with_faults(disk.clone()),
        };
        Stage::start(&own, setting)
    };
    let stage = start().await?;
    ready(&stage, &site).await?;
    if let Some(blob) = site.stalling.blobs.last() {
        let silent = Act::SilentAt(blob.size() / 2);
        upstream.script().play(blob.digest, [silent], Act::Whole);
    }
    harassed(&stage, &site, &disk, &mut seen).await;
    recovered(&stage, &disk, &mut seen).await?;
    seen.joined = two_at_once(&stage, &disk).await?;
    seen.full = full::play(&stage, &disk, &site).await?;
    account(&stage, &mut seen).await?;
    seen.collections = stage.metric("larder_collections_total").await? as u64;
    let lost = ["larder_janitor_kills_total", "larder_janitor_deaths_total"];
    for family in lost {
        seen.workers_lost += stage.metric(family).await? as u64;
    }
    stage.stop().await;
    let stage = start().await?;
    upstream.close().await;
    seen.history_kept = history(&stage).await? > 0;
    seen.served_without_registry = client::pull(stage.address, &site.hot).await.is_ok();
    stage.stop().await;
    Ok(seen)
}

/// The same pulls and reads on a disk with room for all, with a worker that is left alone.
async fn calm(folder: &Path, site: &Site, upstream: &Upstream, seen: &mut Seen) -> Result<(), Unplayable> {
    let own = folder.join("calm");
    let setting = Setting {
        endpoints: vec![upstream.url()],
        more: &MORE[2..],
        disk: Disk::real(),
    };
    let stage = Stage::start(&own, setting).await?;
    ready(&stage, site).await?;
    let (mut waits, mut failed, mut lost) = (Waits::default(), Vec::new(), Vec::new());
    tokio::select! {
        _ = site.pull(stage.address, PULLS, &mut failed) => {}
        () = harass::read(stage.address, &site.hot, &mut waits, &mut lost) => {}
    }
    seen.calm = waits;
    seen.failed.extend(failed.into_iter().chain(lost));
    stage.stop().await;
    fs::remove_dir_all(&own).map_err(|error| Unplayable::new("remove", own.display(), error))
}

/// What is read all the time is here, and stays.
async fn ready(stage: &Stage, site: &Site) -> Result<(), Unplayable> {
    let unplayable = |broken: &client::Broken| Unplayable::new("pull", &site.hot.tag, client::told(broken));
    client::pull(stage.address, &site.hot)
        .await
        .map_err(|broken| unplayable(&broken))?;
    let reference = site
        .hot
        .path()
        .replacen("/v2/", "", 1)
        .replacen("/manifests/", ":", 1);
    let request = serde_json::json!(ImageRequest { reference }).to_string();
    let asked = client::ask(stage.address, Method::POST, path::PIN, request.into()).await;
    let pinned = asked.map_err(|broken| unplayable(&broken))?;
    if !pinned.status.is_success() {
        return Err(Unplayable::new("pin", &site.hot.tag, pinned.status));
    }
    Ok(())
}

/// Many times what the disk holds, while the worker is stopped and killed.
async fn harassed(stage: &Stage, site: &Site, disk: &SmallDisk, seen: &mut Seen) {
    let (mut failed, mut lost) = (Vec::new(), Vec::new());
    let stalling = async {
        let began = Instant::now();
        let came = client::pull(stage.address, &site.stalling).await;
        (came.is_ok(), began.elapsed())
    };
    let pulls = site.pull(stage.address, PULLS, &mut failed);
    let (stalled, (pulls, pulled)) = tokio::select! {
        done = async { tokio::join!(stalling, pulls) } => done,
        () = harass::read(stage.address, &site.hot, &mut seen.harassed, &mut lost) => return,
        () = harass::harass(&stage.running, &mut seen.signals) => return,
        () = harass::watch(disk, &mut seen.fullest) => return,
    };
    (seen.stalled, seen.stalled_took) = stalled;
    (seen.pulls, seen.pulled) = (pulls, pulled);
    seen.failed.extend(failed.into_iter().chain(lost));
    // Who is stopped still would hold up what follows for its deadline.
    harass::signal(&stage.running, Signal::KILL);
}

/// Waits until a worker has done something again: it may have been met too often. Not for ever.
async fn recovered(stage: &Stage, disk: &SmallDisk, seen: &mut Seen) -> Result<(), Unplayable> {
    let began = Instant::now();
    // So that there is something to do.
    disk.others(SIZE.part(8));
    while began.elapsed() < LEFT_ALONE {
        if collect(stage).await?.is_some_and(|done| done.pieces > 0) {
            break;
        }
        sleep(AGAIN).await;
    }
    seen.recovered = began.elapsed();
    Ok(())
}

/// Two ask at once for a collection that takes long enough for both, because the worker is stopped.
async fn two_at_once(stage: &Stage, disk: &SmallDisk) -> Result<bool, Unplayable> {
    // More than before, so that there is something to do.
    disk.others(SIZE.part(3));
    let stopping = async {
        let until = Instant::now() + STOPPED;
        while Instant::now() < until {
            harass::signal(&stage.running, Signal::STOP);
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    let (one, other, ()) = tokio::try_join!(collect(stage), collect(stage), stopping)?;
    disk.others(Amount::default());
    Ok(match (one, other) {
        (Some(one), Some(other)) => {
            let name = |run: &Collection| (run.took_milliseconds, run.pieces, run.bytes, run.why.clone());
            one.pieces > 0 && name(&one) == name(&other)
        }
        _ => false,
    })
}

/// `larder collect`; nothing when it failed.
pub(super) async fn collect(stage: &Stage) -> Result<Option<Collection>, Unplayable> {
    let unplayable =
        |broken: &client::Broken| Unplayable::new("ask for", "a collection", client::told(broken));
    let asked = client::ask(stage.address, Method::POST, path::COLLECT, "{}".into()).await;
    let whole = asked.map_err(|broken| unplayable(&broken))?.whole().await;
    let told = whole.map_err(|broken| unplayable(&broken))?.bytes;
    let last = told.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    Ok(match last.and_then(|line| serde_json::from_slice(line).ok()) {
        Some(CollectEvent::Done { collection }) if collection.ending != "failed" => Some(collection),
        _ => None,
    })
}

async fn history(stage: &Stage) -> Result<usize, Unplayable> {
    let told = client::get(stage.address, path::COLLECTIONS)
        .await
        .map_err(|broken| Unplayable::new("read", path::COLLECTIONS, client::told(&broken)))?;
    let history: Collections = serde_json::from_slice(&told.bytes)
        .map_err(|error| Unplayable::new("read", path::COLLECTIONS, error))?;
    Ok(history.collections.len())
}

/// Waits until what is counted is what is there; not for ever.
async fn account(stage: &Stage, seen: &mut Seen) -> Result<(), Unplayable> {
    stage.settled().await;
    let by = Instant::now() + SETTLING;
    loop {
        let bytes =
            stage.metric("larder_cache_bytes").await? - stage.metric("larder_cache_inline_bytes").await?;
        seen.counted = Account {
            files: stage.metric("larder_cache_files").await? as u64,
            bytes: bytes as u64,
        };
        let files: Vec<u64> = fs::read_dir(stage.data.join("blobs"))
            .map_err(|error| Unplayable::new("list", "blobs", error))?
            .filter_map(|file| Some(file.ok()?.metadata().ok()?.len()))
            .collect();
        seen.there = Account {
            files: files.len() as u64,
            bytes: files.iter().sum(),
        };
        if seen.counted == seen.there || Instant::now() > by {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}
