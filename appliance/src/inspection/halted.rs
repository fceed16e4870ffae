//! Why a pass does not go on.

use tokio::time::Instant;

use super::record::Fault;
use crate::{cache::CacheError, collector::Unable, janitor::JobError, source::chain};

/// With the reason, and when it is worth trying again, if that is known.
#[derive(Debug)]
pub(super) struct Halted {
    pub(super) fault: Fault,
    pub(super) retry_at: Option<Instant>,
}

impl From<Fault> for Halted {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            retry_at: None,
        }
    }
}

impl From<CacheError> for Halted {
    fn from(error: CacheError) -> Self {
        Fault::Index(chain(&error)).into()
    }
}

impl From<Unable> for Halted {
    fn from(unable: Unable) -> Self {
        Self {
            fault: Fault::Worker(unable.why),
            retry_at: unable.retry_at,
        }
    }
}

impl From<&JobError> for Halted {
    fn from(error: &JobError) -> Self {
        let words = chain(error);
        Self {
            fault: match error {
                JobError::CircuitOpen { .. } => Fault::Worker(words),
                JobError::Refused { .. } => Fault::Disk(words),
                JobError::Unread { .. } | JobError::Stopped { .. } | JobError::Busy { .. } => {
                    Fault::Janitor(words)
                }
            },
            retry_at: error.retry_at(),
        }
    }
}
