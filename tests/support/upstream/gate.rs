//! A gate in an answer: the upstream waits there until the test lets it go on.
//!
//! With it a test can assert "the client has the first half before the upstream was allowed to send the
//! second", which holds on any machine however slow, where a clock would not.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed when new; clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
    reached: Arc<watch::Sender<u64>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            open: Arc::new(watch::Sender::new(false)),
            reached: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Gate {
    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until an answer stands before the gate.
    pub async fn reached(&self) {
        self.reached_times(1).await;
    }

    /// Waits until `times` answers have come to the gate.
    pub async fn reached_times(&self, times: u64) {
        let mut reached = self.reached.subscribe();
        crate::wait::within("the upstream to come to its gate", crate::wait::PATIENCE, async {
            reached
                .wait_for(|n| *n >= times)
                .await
                .expect("the gate holds a sender");
        })
        .await;
    }

    pub(super) async fn pass(&self) {
        self.reached.send_modify(|n| *n += 1);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open)
            .await
            .expect("the gate holds a sender");
    }
}
