//! `POST /api/v1/pull`: fetch an image before it is needed, and tell how it goes.
//!
//! The answer is a stream of lines, each a JSON object ([`PullEvent`]). The last is `done` or `failed`; a
//! stream that ends without one was cut. While nothing changes, a blob's line is repeated at least once a
//! minute, so that silence means that the box is gone.

use serde::{Deserialize, Serialize};

use super::text;
use crate::oci::{Digest, Platform};

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// As people name images: `alpine:3.20`.
    pub reference: String,
    /// One platform of several; without it, all of them.
    #[serde(default, with = "text::optional")]
    pub platform: Option<Platform>,
}

/// One line of progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum PullEvent {
    /// The reference stands for this manifest.
    Resolved {
        #[serde(with = "text")]
        digest: Digest,
    },
    /// Where a blob is now. The first line for each blob may come at any time.
    Blob {
        #[serde(with = "text")]
        digest: Digest,
        /// Once it is known.
        #[serde(default)]
        size: Option<u64>,
        /// Bytes that are here.
        have: u64,
        state: BlobState,
    },
    /// The image is here, whole.
    Done {
        #[serde(with = "text")]
        digest: Digest,
        /// Of the whole image.
        bytes: u64,
        /// Of them, fetched now.
        fetched: u64,
    },
    /// It is not, and why.
    Failed { reason: String },
}

/// What happens to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobState {
    Waiting,
    Fetching,
    /// It was here before.
    Cached,
    /// It was fetched and verified.
    Fetched,
    Failed,
}

impl BlobState {
    /// Nothing more will happen to it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Cached | Self::Fetched | Self::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines_that_read_back() {
        let digest = Digest::of(crate::oci::Algorithm::Sha256, b"");
        let event = PullEvent::Blob {
            digest,
            size: None,
            have: 5,
            state: BlobState::Fetching,
        };
        let line = serde_json::to_string(&event).expect("JSON");
        assert!(
            line.starts_with(r#"{"event":"blob","digest":"sha256:e3b0c"#),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<PullEvent>(&line).expect("an event"), event);
        let request: PullRequest =
            serde_json::from_str(r#"{"reference":"alpine","new":1}"#).expect("a request");
        assert_eq!(request.platform, None);
        let request: Result<PullRequest, _> = serde_json::from_str(r#"{"reference":"a","platform":"x"}"#);
        assert!(request.is_err());
    }
}
