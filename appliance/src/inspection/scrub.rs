//! What follows from the bytes of what is listed.
//!
//! Must not know: how the walk goes on.

use super::{halted::Halted, pass::Pass, run::Run};
use crate::{
    clock::Timestamp,
    janitor::{Finding, Step},
};

impl Run<'_> {
    pub(super) async fn scrubbed(
        &mut self,
        pass: &mut Pass,
        step: &Step,
        since: Timestamp,
    ) -> Result<(), Halted> {
        let mut wrong = Vec::new();
        for finding in &step.findings {
            match finding {
                Finding::Mismatch { name, found, size } => {
                    let Some(digest) = name.digest() else { continue };
                    tracing::warn!(%digest, %found, size, "a blob's bytes are not what its name says");
                    wrong.push(digest);
                }
                Finding::Unreadable { name, why, .. } => {
                    pass.record.sums.unreadable += 1;
                    tracing::warn!(file = %name, %why, "a blob's file cannot be read");
                    if let Some(digest) = name.digest()
                        && why.errno.is_some_and(is_of_the_medium)
                    {
                        self.off_the_list(digest, since).await?;
                    }
                }
                _ => {}
            }
        }
        if !wrong.is_empty() {
            let condemned = self.cache.condemn(wrong, since).await?;
            if !condemned.is_empty() {
                pass.record.sums.mismatched += condemned.len() as u64;
                (self.settings.gone)();
                self.remove_files(condemned).await?;
            }
        }
        Ok(())
    }
}

/// Whether an error says that the bytes are gone, and not that this process is short of something.
pub(super) fn is_of_the_medium(errno: i32) -> bool {
    use rustix::io::Errno;
    [
        Errno::IO,
        Errno::BADMSG,
        Errno::UCLEAN,
        Errno::NODATA,
        Errno::REMOTEIO,
        Errno::ILSEQ,
    ]
    .iter()
    .any(|known| known.raw_os_error() == errno)
}
