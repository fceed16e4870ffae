//! `larder pin`, `unpin`, `evict` and `collect`: what is kept, and making room.

use super::{
    Failure, Surroundings,
    client::{ClientError, Server},
    pull::Form,
    words::bytes,
};
use crate::{
    api::{CollectEvent, CollectRequest, Collection, ImageRequest, Kept},
    source::chain,
};

/// What is done with images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    /// As in the error when it fails: "pin".
    pub(super) word: &'static str,
    pub(super) path: &'static str,
}

/// Does it to one image after the other. All are tried; it fails if one did.
pub(super) async fn images(
    server: &Server,
    deed: Deed,
    references: &[String],
    form: Form,
    around: &mut Surroundings<'_>,
) -> Result<(), Failure> {
    let mut failed = 0;
    for reference in references {
        let request = ImageRequest {
            reference: reference.clone(),
        };
        match server.change::<Kept>(deed.path, &request).await {
            Ok(kept) => match form {
                Form::People => writeln!(around.output, "{}: {}", kept.reference, kept.outcome),
                Form::Json => writeln!(around.output, "{}", serde_json::json!(kept)),
            },
            // The next one will not fare better when nobody answers.
            Err(error) if !matches!(error, ClientError::Refused { .. }) => return Err(error.into()),
            Err(error) => {
                failed += 1;
                writeln!(
                    around.notes,
                    "error: {} {reference}: {}",
                    deed.word,
                    chain(&error)
                )
            }
        }
        .map_err(Failure::Output)?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Images {
            word: deed.word,
            failed,
            all: references.len(),
        }),
    }
}

/// Makes room, and says what came of it.
pub(super) async fn collect(
    server: &Server,
    path: &str,
    request: CollectRequest,
    form: Form,
    around: &mut Surroundings<'_>,
) -> Result<(), Failure> {
    let mut lines = server.post(path, &request).await?;
    loop {
        match lines.next().await? {
            Some(CollectEvent::Working) => {}
            Some(CollectEvent::Done { collection }) => {
                let text = match form {
                    Form::People => words(&collection),
                    Form::Json => serde_json::json!(collection).to_string(),
                };
                writeln!(around.output, "{text}").map_err(Failure::Output)?;
                return match collection.ending.as_str() {
                    "done" | "rehearsed" => Ok(()),
                    _ => Err(Failure::Collection(collection.reason.unwrap_or_default())),
                };
            }
            Some(CollectEvent::Failed { reason }) => return Err(Failure::Collection(reason)),
            None => return Err(Failure::Collection("the box broke off without a result".into())),
        }
    }
}

fn words(collection: &Collection) -> String {
    let full = |part: f64| format!("{:.1} %", part * 100.0);
    let what = format!(
        "{} images and loose blobs: {} in {} pieces",
        collection.units,
        bytes(collection.bytes),
        collection.pieces
    );
    match collection.ending.as_str() {
        _ if collection.goal_bytes == 0 && collection.goal_inodes == 0 => {
            format!("there is room: {} full", full(collection.full_after))
        }
        "rehearsed" => format!("would remove {what}, {} files", collection.files),
        _ => format!(
            "removed {what}, {} files, in {} ms; {} full, {} before",
            collection.files,
            collection.took_milliseconds,
            full(collection.full_after),
            full(collection.full_before)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_in_words() {
        let mut collection = Collection {
            seconds_ago: Some(1),
            took_milliseconds: 12,
            why: "asked".into(),
            goal_bytes: 5,
            goal_inodes: 0,
            units: 3,
            spared: 0,
            pieces: 9,
            bytes: 3 << 20,
            files: 6,
            full_before: 0.951,
            full_after: 0.88,
            ending: "done".into(),
            reason: None,
        };
        assert_eq!(
            words(&collection),
            "removed 3 images and loose blobs: 3.0 MiB in 9 pieces, 6 files, in 12 ms; 88.0 % full, 95.1 % before"
        );
        collection.ending = "rehearsed".into();
        assert_eq!(
            words(&collection),
            "would remove 3 images and loose blobs: 3.0 MiB in 9 pieces, 6 files"
        );
        collection.goal_bytes = 0;
        assert_eq!(words(&collection), "there is room: 88.0 % full");
    }
}
