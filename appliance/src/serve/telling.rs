//! Judging and telling in this process, for who wants to try them: put together as `larder serve` does it, on samples
//! that are passed in.
//!
//! Must not know: what is tried, nor whether it is true.

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwap;

use super::{
    ServeError, alerting,
    alerting::Alerting,
    build,
    facts::Site,
    monitoring::{History, Pulse, Round},
};
use crate::{
    alert::Book,
    cache::{Disk, SmallDatabase},
    clock::Clock,
    config::Config,
    monitor::{
        Elapsed, Reading, SharedBoard,
        history::{Limits, RedbShelf},
    },
    source::chain,
};

/// Whoever judges samples and tells people.
pub struct Telling {
    board: SharedBoard,
    book: Book,
    clock: Clock,
    round: Round,
    history: Arc<History>,
    alerting: Alerting,
}

impl Telling {
    /// Begins with what an earlier one has written into `state`. Within a runtime; waits for the disk.
    pub fn start(config: Config, state: &Path, clock: &Clock) -> Result<Self, ServeError> {
        let database = SmallDatabase::new(state.to_owned(), Disk::real());
        let (book, shelf) = alerting::open(database.clone());
        let alerting = Alerting::start(&book, shelf, clock, build::proxy()?).map_err(ServeError::Monitor)?;
        let pulse = Pulse::new(config.monitor.interval, clock);
        let history = History::start(RedbShelf::new(database), Limits::of_disk(0), clock.clone());
        let history = Arc::new(history.map_err(ServeError::Monitor)?);
        alerting.apply(&config.alert, &pulse);
        let site = Arc::new(ArcSwap::from_pointee(Site {
            config,
            made: Vec::new(),
        }));
        let board = SharedBoard::default();
        Ok(Self {
            round: Round::new(&site, &board, &book, &history, &pulse),
            board,
            book,
            clock: clock.clone(),
            history,
            alerting,
        })
    }

    /// A round of samples: through the gate onto the board, judged, told. It may wait for half a second.
    pub fn round(&mut self, readings: &[Reading], at: Elapsed) {
        let now = self.clock.now();
        self.board.lock().take(readings, at, now);
        self.round.done(now);
    }

    /// What was sampled.
    pub fn board(&self) -> &SharedBoard {
        &self.board
    }

    /// What is told.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Ends it in order, with everything written down.
    pub async fn end(self) {
        self.alerting.end().await;
        let (history, board) = (self.history, self.board);
        let ended = tokio::task::spawn_blocking(move || history.end(&board.lock())).await;
        if let Err(error) = ended {
            tracing::error!(error = %chain(&error), "history did not end");
        }
    }
}
