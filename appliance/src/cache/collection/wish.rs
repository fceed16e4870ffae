//! What people want kept, and what they want gone.

use std::sync::Arc;

use super::{Taken, carry_out::carry_out, panicked};
use crate::{
    cache::{
        cache::Cache,
        census,
        error::CacheError,
        index::{Command, Done, Guard},
    },
    oci::{Digest, Image, Reference},
};

/// How often a person's wish is looked at anew, when what it rests on has changed meanwhile.
const RETIRE_TRIES: u32 = 5;

impl Cache {
    /// Takes an image off the list: its tags, and all that no other image needs. Its files are to be removed.
    ///
    /// Nothing goes ([`Taken::spared`]) while a part of it is being filled.
    pub async fn retire(&self, root: &Digest) -> Result<Taken, CacheError> {
        let mut taken = Taken::default();
        // What was stored since it was looked at can need a part of it: then what goes is another question.
        for _ in 0..RETIRE_TRIES {
            let (inner, root) = (self.inner.clone(), *root);
            let watch = Arc::new(inner.uses.watch());
            let found = tokio::task::spawn_blocking(move || census::exclusive(&inner, &root));
            let Some(unit) = found.await.map_err(panicked)?? else {
                return Ok(taken);
            };
            // A person says so: whoever reads it does not matter.
            (taken, _) = carry_out(&self.inner, vec![unit], Guard::Need(watch)).await?;
            if taken.spared == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// An image is to be kept, from now on and when it comes.
    pub async fn pin(&self, image: &Image) -> Result<(), CacheError> {
        let inner = &self.inner;
        let digest = match &image.reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(tag) => self.tag(&image.repository, tag)?.map(|record| record.digest),
        };
        // A plan that was made before does not know of the pin.
        let _needed = digest.map(|digest| inner.uses.need(&digest, inner.clock.now()));
        let command = Command::Pin {
            image: image.to_string(),
        };
        let asked = self.inner.index.ask(command).await;
        asked.map(|_| ()).map_err(|error| error.during("pin", image))
    }

    /// It may go again. Whether it was pinned.
    pub async fn unpin(&self, image: &Image) -> Result<bool, CacheError> {
        let command = Command::Unpin {
            image: image.to_string(),
        };
        let asked = self.inner.index.ask(command).await;
        asked
            .map(|done| done != Done::Nothing)
            .map_err(|error| error.during("unpin", image))
    }

    /// All pins, by their images' whole names.
    pub fn pins(&self) -> Result<Vec<String>, CacheError> {
        self.inner.index.pins()
    }
}
