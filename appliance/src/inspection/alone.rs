//! A recovery by itself, for tests of what it leaves: the real pass, with the janitor's worker on a thread.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    pass::Pass,
    record::{Record, Sums, What, Why},
    run::Run,
    search::Search,
    settings::Settings,
    told::Told,
};
use crate::{
    cache::{Cache, Disk},
    clock::Clock,
    janitor::{Settings as JanitorSettings, Starts, Supervisor, Thread},
};

/// Recovers once, whether or not it is due. Nothing while there is nothing to compare with.
///
/// In a runtime of its own, so that the time of a test that holds it stands still.
pub(crate) async fn recover(cache: &Cache, clock: Clock, dir: &Path, disk: Disk) -> Option<Record> {
    let (cache, dir) = (cache.clone(), dir.to_owned());
    let recovered = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .expect("a runtime")
            .block_on(pass(&cache, clock, &dir, disk))
    });
    recovered.await.expect("no panic")
}

async fn pass(cache: &Cache, clock: Clock, dir: &Path, disk: Disk) -> Option<Record> {
    let era = cache.era()?;
    let patience = Duration::from_secs(60);
    let supervisor = Supervisor::new(
        Starts {
            process: Arc::new(Thread::on(disk)),
            thread: None,
        },
        JanitorSettings {
            folder: dir.to_owned(),
            memory: 64 << 20,
            step_deadline: patience,
            grace: patience,
            kill_grace: patience,
            start_deadline: patience,
            patience,
            idle_after: patience,
            trip: 3,
            rests: (patience, patience),
        },
        fastrand::Rng::with_seed(1),
    );
    let settings = Settings::new(clock, dir.join("inspection.json"));
    let mut pass = Pass::new(What::Recovery, Why::Start, settings.clock.now());
    pass.search = Search::of(era);
    let mut run = Run {
        cache,
        walker: &supervisor,
        hands: &supervisor,
        settings: &settings,
        condemned: &mut Vec::new(),
        told: &Told::new(super::memory::Memory::default()),
        counted: Sums::default(),
    };
    run.advance(&mut pass, None, &Notify::new()).await;
    supervisor.stop().await;
    Some(pass.record)
}
