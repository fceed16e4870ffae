//! `larder inspect`: whether disk and list agree.

use super::{
    Failure, Surroundings,
    client::Server,
    pull::Form,
    words::{bytes, duration},
};
use crate::api::{InspectEvent, InspectRequest, Inspection, path};

/// Inspects, and says what was found.
pub(super) async fn run(
    server: &Server,
    request: InspectRequest,
    form: Form,
    around: &mut Surroundings<'_>,
) -> Result<(), Failure> {
    let mut lines = server.post(path::INSPECT, &request).await?;
    loop {
        match lines.next().await? {
            Some(InspectEvent::Working) => {}
            Some(InspectEvent::Done { inspections }) => {
                for one in &inspections {
                    let text = match form {
                        Form::People => words(one),
                        Form::Json => serde_json::json!(one).to_string() + "\n",
                    };
                    around
                        .output
                        .write_all(text.as_bytes())
                        .map_err(Failure::Output)?;
                }
                let failed = inspections.into_iter().find(|one| one.ending != "done");
                return match failed {
                    Some(one) => Err(Failure::Inspection(one.reason.unwrap_or(one.ending))),
                    None => Ok(()),
                };
            }
            Some(InspectEvent::Failed { reason }) => return Err(Failure::Inspection(reason)),
            None => return Err(Failure::Inspection("the box broke off without a result".into())),
        }
    }
}

/// A line for the pass, and one for each thing that was not as it should be.
fn words(one: &Inspection) -> String {
    let read = match one.bytes_read {
        0 => String::new(),
        read => format!(", {} read", bytes(read)),
    };
    let mut text = format!(
        "{}: {} files{read}, in {}",
        one.what,
        one.files,
        duration(one.took_milliseconds)
    );
    let orphans = format!("files that nobody listed, {}: removed", bytes(one.orphan_bytes));
    let foreign = format!("names that are not ours: {}", one.foreign_names.join(", "));
    let found = [
        (one.shown, "whole files that were not listed: listed"),
        (
            one.hidden,
            "whole files that were not listed: listed, shown to who proves to have them",
        ),
        (one.orphans, orphans.as_str()),
        (one.left, "files that nobody lists: left alone for now"),
        (one.partials, "partials that nobody fills: removed"),
        (one.fills, "fills without a file: forgotten"),
        (
            one.lost,
            "blobs without their file: off the list, fetched again when asked for",
        ),
        (
            one.mismatched,
            "blobs with wrong bytes: removed, fetched again when asked for",
        ),
        (one.unreadable, "files that cannot be read: is the disk dying?"),
        (one.foreign, foreign.as_str()),
        (one.restarts, "workers that had to be replaced"),
    ];
    if found.iter().all(|(count, _)| *count == 0) {
        text.push_str(if one.ending == "done" {
            "; all is well\n"
        } else {
            "\n"
        });
        return text;
    }
    text.push('\n');
    for (count, what) in found {
        if count > 0 {
            text.push_str(&format!("  {count} {what}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspection_in_words() {
        let mut one = Inspection {
            what: "scan".into(),
            files: 12,
            took_milliseconds: 40,
            ending: "done".into(),
            ..Inspection::default()
        };
        assert_eq!(words(&one), "scan: 12 files, in 40 ms; all is well\n");
        one.orphans = 2;
        one.orphan_bytes = 3 << 20;
        one.foreign = 1;
        one.foreign_names = vec!["blobs/notes.txt".into()];
        one.bytes_read = 1 << 30;
        one.took_milliseconds = 61_000;
        assert_eq!(
            words(&one),
            "scan: 12 files, 1.0 GiB read, in 1m\n  2 files that nobody listed, 3.0 MiB: removed\n  \
             1 names that are not ours: blobs/notes.txt\n"
        );
    }
}
