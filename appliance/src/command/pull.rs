//! `larder pull`: fetch images before they are needed, and show how it goes.

use std::{collections::HashMap, io};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    Failure, Screen, Surroundings,
    client::{ClientError, Server},
    words::bytes,
};
use crate::{
    api::{BlobState, PullEvent, PullRequest, path},
    oci::{Digest, Platform},
};

/// Why an image was not pulled.
#[derive(Debug, thiserror::Error)]
pub(super) enum PullError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Failed(String),
    #[error("the box broke off without a result")]
    Cut,
}

/// The form in which progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    People,
    /// The box's own lines.
    Json,
}

/// Pulls one image after the other. All are tried; it fails if one did.
pub(super) async fn run(
    server: &Server,
    references: &[String],
    platform: Option<&Platform>,
    form: Form,
    around: &mut Surroundings<'_>,
) -> Result<(), Failure> {
    let mut failed = 0;
    for reference in references {
        let request = PullRequest {
            reference: reference.clone(),
            platform: platform.cloned(),
        };
        match one(server, &request, form, around).await? {
            Ok(()) => {}
            Err(e) => {
                failed += 1;
                writeln!(
                    around.notes,
                    "error: pull {reference}: {}",
                    crate::source::chain(&e)
                )
                .map_err(Failure::Output)?;
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Pulls {
            failed,
            all: references.len(),
        }),
    }
}

/// The outer error is ours, the inner one the pull's.
async fn one(
    server: &Server,
    request: &PullRequest,
    form: Form,
    around: &mut Surroundings<'_>,
) -> Result<Result<(), PullError>, Failure> {
    let mut lines = match server.post(path::PULL, request).await {
        Ok(lines) => lines,
        Err(e) => return Ok(Err(e.into())),
    };
    let mut progress = Progress::new(match form {
        Form::Json => Screen::Plain,
        Form::People => around.screen,
    });
    loop {
        let event: PullEvent = match lines.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Err(PullError::Cut)),
            Err(e) => return Ok(Err(e.into())),
        };
        if form == Form::Json {
            json(&event, around.output).map_err(Failure::Output)?;
        } else {
            progress.show(&event, around.notes).map_err(Failure::Output)?;
        }
        match event {
            PullEvent::Done {
                digest,
                bytes: all,
                fetched,
            } => {
                progress.clear();
                if form == Form::People {
                    writeln!(
                        around.output,
                        "{}: {digest}, {}, {} of it fetched",
                        request.reference,
                        bytes(all),
                        bytes(fetched)
                    )
                    .map_err(Failure::Output)?;
                }
                return Ok(Ok(()));
            }
            PullEvent::Failed { reason } => {
                progress.clear();
                return Ok(Err(PullError::Failed(reason)));
            }
            PullEvent::Resolved { .. } | PullEvent::Blob { .. } => {}
        }
    }
}

fn json(event: &PullEvent, output: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *output, event)?;
    writeln!(output)
}

/// A bar for each blob on a terminal, else a line for each change of state.
struct Progress {
    screen: Screen,
    all: MultiProgress,
    bars: HashMap<Digest, ProgressBar>,
    states: HashMap<Digest, BlobState>,
}

impl Progress {
    fn new(screen: Screen) -> Self {
        let target = match screen {
            Screen::Terminal => ProgressDrawTarget::stderr(),
            Screen::Plain => ProgressDrawTarget::hidden(),
        };
        Self {
            screen,
            all: MultiProgress::with_draw_target(target),
            bars: HashMap::new(),
            states: HashMap::new(),
        }
    }

    fn show(&mut self, event: &PullEvent, notes: &mut dyn io::Write) -> io::Result<()> {
        let PullEvent::Blob {
            digest,
            size,
            have,
            state,
        } = event
        else {
            return Ok(());
        };
        match self.screen {
            Screen::Terminal => {
                self.bar(digest, *size, *have, *state);
                Ok(())
            }
            Screen::Plain if self.states.insert(*digest, *state) == Some(*state) => Ok(()),
            Screen::Plain => {
                let size = size.map_or(String::new(), |size| format!(" ({})", bytes(size)));
                writeln!(notes, "{} {}{size}", short(digest), word(*state))
            }
        }
    }

    fn bar(&mut self, digest: &Digest, size: Option<u64>, have: u64, state: BlobState) {
        let bar = self.bars.entry(*digest).or_insert_with(|| {
            let bar = ProgressBar::new(0).with_prefix(short(digest)).with_style(style());
            self.all.add(bar)
        });
        if let Some(size) = size {
            bar.set_length(size);
        }
        bar.set_position(have);
        bar.set_message(word(state));
        if state.is_final() && !bar.is_finished() {
            bar.finish();
        }
    }

    fn clear(&self) {
        // Drawing on a terminal that went away is nothing to fail for.
        let _ = self.all.clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{prefix} {msg:9} [{wide_bar}] {binary_bytes:>11}/{binary_total_bytes:<11} {eta:>4}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
    .progress_chars("=> ")
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(12).collect()
}

const fn word(state: BlobState) -> &'static str {
    match state {
        BlobState::Waiting => "waiting",
        BlobState::Fetching => "fetching",
        BlobState::Cached => "was here",
        BlobState::Fetched => "fetched",
        BlobState::Failed => "FAILED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_s_template_is_well_formed() {
        // `style` falls back silently; a test is where a slip shows.
        let drawn = format!("{:?}", style().get_tick_str(0));
        assert!(!drawn.is_empty());
        assert!(ProgressStyle::with_template("{prefix} {msg:9} [{wide_bar}] {eta:>4}").is_ok());
    }

    #[test]
    fn without_a_terminal_each_change_is_a_line() {
        let digest = Digest::of(crate::oci::Algorithm::Sha256, b"");
        let mut progress = Progress::new(Screen::Plain);
        let mut notes = Vec::new();
        for (have, state) in [
            (0, BlobState::Fetching),
            (5, BlobState::Fetching),
            (10, BlobState::Fetched),
        ] {
            let event = PullEvent::Blob {
                digest,
                size: Some(10),
                have,
                state,
            };
            progress.show(&event, &mut notes).expect("a line");
        }
        let text = String::from_utf8(notes).expect("text");
        assert_eq!(
            text,
            "e3b0c44298fc fetching (10 B)\ne3b0c44298fc fetched (10 B)\n"
        );
    }
}
