//! What goes through the pipes between the parent and its worker.
//!
//! A frame is a length (four bytes, big-endian) and so many bytes of JSON. The parent says [`ToWorker::Hello`]
//! first, the worker answers with [`FromWorker::Hello`]. Then a job is a [`ToWorker::Begin`], a series of
//! [`FromWorker::Step`]s, each of which waits for its [`ToWorker::Taken`], and a [`FromWorker::Ended`].
//!
//! Promises: a frame is at most [`LARGEST`] bytes, both when it is written and when it is read, so that neither
//! side can make the other's memory grow; what cannot be understood is an error that says what it was; one
//! step is under way per job, so that a slow reader slows the worker and never fills a pipe. Must not know: what
//! jobs mean.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{
    job::{Finding, Pace, Progress, Refusal, Walk},
    limits::Limit,
    place::{Folder, Name},
};

/// Both ends are the same binary. They differ only when somebody starts one by hand.
pub(super) const VERSION: u32 = 2;
/// The most bytes in a frame.
pub(super) const LARGEST: usize = 1 << 20;
/// The most files that one order removes: what fits into a frame several times over.
pub(super) const MOST_UNLINKS: usize = 2048;
/// How much of something strange is shown.
const SHOWN: usize = 80;

/// Tells apart the jobs of one worker.
pub(super) type JobId = u64;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ToWorker {
    Hello {
        version: u32,
        /// The cache's folder.
        folder: PathBuf,
        /// The most memory to use, in bytes.
        memory: u64,
    },
    Begin {
        job: JobId,
        order: Order,
        pace: Pace,
        /// So many steps at the beginning are of one file each: to find the file at which a worker dies.
        careful: u64,
    },
    /// The findings of the last step have arrived where they matter: go on.
    Taken {
        job: JobId,
    },
    Cancel {
        job: JobId,
    },
}

/// A job as the worker gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Digests' files, in order of their names.
    Unlink {
        folder: Folder,
        names: Vec<Name>,
    },
    Walk(Walk),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FromWorker {
    Hello {
        version: u32,
        limits: Vec<Limit>,
    },
    Step {
        job: JobId,
        findings: Vec<Finding>,
        progress: Progress,
    },
    Ended {
        job: JobId,
        end: End,
    },
}

/// How a job ended. All that was found is in the steps before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    Finished,
    Cancelled,
    /// The disk refused what the job cannot do without.
    Refused {
        operation: String,
        why: Refusal,
    },
}

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the other end closed the pipe within a message")]
    Cut,
    #[error("a message of {length} bytes was announced; the most is {LARGEST}")]
    TooLong { length: usize },
    #[error("a message cannot be understood: `{shown}`")]
    Malformed {
        shown: String,
        source: serde_json::Error,
    },
    #[error("use the pipe")]
    Pipe(#[source] io::Error),
}

/// A message as it goes over the pipe.
pub(super) fn frame<M: Serialize>(message: &M) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(|source| FrameError::Malformed {
        shown: "our own message".into(),
        source,
    })?;
    let length = bytes.len() - 4;
    match u32::try_from(length) {
        Ok(announced) if length <= LARGEST => {
            bytes[..4].copy_from_slice(&announced.to_be_bytes());
            Ok(bytes)
        }
        _ => Err(FrameError::TooLong { length }),
    }
}

/// How long the body is that follows.
fn announced(head: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(head) as usize;
    if length > LARGEST {
        return Err(FrameError::TooLong { length });
    }
    Ok(length)
}

fn understood<M: DeserializeOwned>(body: &[u8]) -> Result<M, FrameError> {
    serde_json::from_slice(body).map_err(|source| FrameError::Malformed {
        shown: String::from_utf8_lossy(body).chars().take(SHOWN).collect(),
        source,
    })
}

fn failed(error: io::Error) -> FrameError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FrameError::Cut,
        _ => FrameError::Pipe(error),
    }
}

/// The worker's way to read: blocks. `None` when the other end has closed the pipe between messages.
pub(super) fn read<M: DeserializeOwned>(from: &mut impl Read) -> Result<Option<M>, FrameError> {
    let mut head = [0; 4];
    let mut have = 0;
    while have < head.len() {
        match from.read(&mut head[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(FrameError::Cut),
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let mut body = vec![0; announced(head)?];
    from.read_exact(&mut body).map_err(failed)?;
    understood(&body).map(Some)
}

/// The worker's way to write: blocks.
pub(super) fn write<M: Serialize>(to: &mut impl Write, message: &M) -> Result<(), FrameError> {
    let bytes = frame(message)?;
    to.write_all(&bytes)
        .and_then(|()| to.flush())
        .map_err(FrameError::Pipe)
}

/// The parent's way to read.
pub(super) async fn receive<M: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<M>, FrameError> {
    let mut head = [0; 4];
    let mut have = 0;
    while have < head.len() {
        match from.read(&mut head[have..]).await.map_err(failed)? {
            0 if have == 0 => return Ok(None),
            0 => return Err(FrameError::Cut),
            count => have += count,
        }
    }
    let mut body = vec![0; announced(head)?];
    from.read_exact(&mut body).await.map_err(failed)?;
    understood(&body).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::janitor::{job::Reading, place::Cursor};

    fn begin() -> ToWorker {
        ToWorker::Begin {
            job: 7,
            order: Order::Walk(Walk::Scrub {
                from: Cursor::START,
                source: Reading::Medium,
                rate: Some(1 << 20),
            }),
            pace: Pace::GENTLE,
            careful: 0,
        }
    }

    #[tokio::test]
    async fn both_ways_of_reading_read_what_was_written() {
        let mut bytes = frame(&begin()).expect("written");
        bytes.extend(frame(&ToWorker::Cancel { job: 7 }).expect("written"));
        let mut blocking = &bytes[..];
        assert_eq!(read(&mut blocking).expect("read"), Some(begin()));
        assert_eq!(
            read(&mut blocking).expect("read"),
            Some(ToWorker::Cancel { job: 7 })
        );
        assert_eq!(read::<ToWorker>(&mut blocking).expect("the end"), None);
        let mut waiting = &bytes[..];
        assert_eq!(receive(&mut waiting).await.expect("read"), Some(begin()));
    }

    #[tokio::test]
    async fn what_is_not_a_message_is_named() {
        let text = |error: FrameError| error.to_string();
        let mut bytes = frame(&begin()).expect("written");
        let cut = bytes.len() - 1;
        assert_eq!(
            text(read::<ToWorker>(&mut &bytes[..cut]).expect_err("cut")),
            text(FrameError::Cut)
        );
        assert_eq!(
            text(receive::<ToWorker>(&mut &bytes[..2]).await.expect_err("cut")),
            text(FrameError::Cut)
        );
        bytes[4] = b'!';
        assert!(text(read::<ToWorker>(&mut &bytes[..]).expect_err("no JSON")).contains("!\"Begin"));
        let error = read::<FromWorker>(&mut &b"GET / HTTP/1.1"[..]).expect_err("too long");
        assert!(text(error).contains("1195725856 bytes"));
    }

    #[test]
    fn the_largest_messages_fit() {
        let names = (0..MOST_UNLINKS).map(|n| format!("sha512-{n:0128}").parse().expect("a name"));
        let order = Order::Unlink {
            folder: Folder::Fills,
            names: names.collect(),
        };
        frame(&order).expect("fits");
        let names = (0..Walk::MOST_NAMES).map(|n| format!("sha512-{n:0128}").parse().expect("a name"));
        let order = Order::Walk(Walk::Verify {
            from: Cursor::START,
            names: names.collect(),
        });
        frame(&order).expect("fits");
        let worst: Name = std::iter::repeat_n('\u{1}', 255)
            .collect::<String>()
            .parse()
            .expect("a name");
        let finding = Finding::Foreign {
            folder: Folder::Blobs,
            name: worst,
            kind: crate::janitor::job::Kind::Folder,
        };
        let findings = vec![finding; Pace::MOST_FILES as usize];
        frame(&FromWorker::Step {
            job: 1,
            findings,
            progress: Progress::at(Cursor::START),
        })
        .expect("fits");
        let digest: Name = format!("sha512-{:0128}", 0).parse().expect("a name");
        let metadata = std::env::current_exe().and_then(std::fs::metadata);
        let finding = Finding::Wrong {
            name: digest.clone(),
            found: digest,
            stamp: crate::cache::Stamp::of(&metadata.expect("this program")),
        };
        frame(&FromWorker::Step {
            job: 1,
            findings: vec![finding; Pace::MOST_FILES as usize],
            progress: Progress::at(Cursor::START),
        })
        .expect("fits");
    }
}
