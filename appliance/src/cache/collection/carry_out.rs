//! Units off the list, each whole or not at all, and whose files are nobody's then.

use std::collections::HashMap;

use super::{Condemned, OPERATION, Taken};
use crate::cache::{
    admission::Doom,
    cache::Inner,
    error::CacheError,
    index::{Command, Done, Guard, Place, Unit},
};

/// Takes units off the list. Also the numbers of those that were spared.
pub(in crate::cache) async fn carry_out(
    inner: &Inner,
    units: Vec<Unit>,
    guard: Guard,
) -> Result<(Taken, Vec<usize>), CacheError> {
    // Before they are off the list: a fill that began in between would lose its file.
    let mut dooms = HashMap::new();
    for digest in units.iter().flat_map(|unit| &unit.freed) {
        if !dooms.contains_key(digest)
            && let Some(doom) = inner.admission.doom(digest)
        {
            dooms.insert(*digest, doom);
        }
    }
    let count = units.len();
    let mut spared = Vec::new();
    let mut going = Vec::new();
    for (number, unit) in units.into_iter().enumerate() {
        let doomed = unit.freed.iter().all(|digest| dooms.contains_key(digest));
        if doomed && !unit.after.iter().any(|before| spared.contains(before)) {
            going.push(unit);
        } else {
            spared.push(number);
            going.push(Unit::default());
        }
    }
    let command = Command::Retire { units: going, guard };
    let asked = inner.index.ask(command).await;
    if asked.is_err() {
        inner.adrift.lock().extend(dooms.keys());
    }
    let Done::Retired(retired) = asked.map_err(|error| error.during(OPERATION, &""))? else {
        return Ok((Taken::default(), spared));
    };
    spared.extend(retired.spared);
    let mut taken = Taken {
        units: (count - spared.len()) as u64,
        spared: spared.len() as u64,
        pieces: retired.pieces,
        bytes: retired.bytes,
        files: retired
            .files
            .into_iter()
            .filter_map(|(digest, size)| {
                let doom = dooms.remove(&digest)?;
                Some(Condemned::new(doom, size))
            })
            .collect(),
    };
    let absent = retired
        .absent
        .into_iter()
        .filter_map(|digest| dooms.remove(&digest));
    taken.add(absent.filter_map(|doom| unlisted(inner, doom).ok().flatten()));
    taken.add(adrift(inner));
    Ok((taken, spared))
}

/// Files of what was being taken off the list when the index failed, as far as that had reached the disk.
pub(super) fn adrift(inner: &Inner) -> Vec<Condemned> {
    if !inner.index.is_writable() {
        return Vec::new();
    }
    let mut adrift = std::mem::take(&mut *inner.adrift.lock());
    adrift.extend(inner.index.take_unreadable());
    let mut files = Vec::new();
    for digest in adrift {
        let Some(doom) = inner.admission.doom(&digest) else {
            continue;
        };
        match unlisted(inner, doom) {
            Ok(condemned) => files.extend(condemned),
            // Its row cannot be read, and is about to go.
            Err(error) => {
                tracing::debug!(cause = %crate::source::chain(&error), "whether a file is listed is not known yet");
                inner.adrift.lock().insert(digest);
            }
        }
    }
    files
}

/// The file that is about to be removed, if nobody lists it: a transaction that seemed to fail took it off the
/// list. An index in memory, which knows nothing, is no reason to remove anything.
fn unlisted(inner: &Inner, doom: Doom) -> Result<Option<Condemned>, CacheError> {
    let before = inner.index.is_writable();
    let row = inner.index.blob_row(doom.digest())?;
    let needed = row.is_some_and(|row| row.place == Place::File);
    let sure = before && inner.index.is_writable() && !needed && doom.is_only();
    let file = std::fs::metadata(inner.layout.blob(doom.digest()));
    let file = file.ok().filter(|_| sure);
    Ok(file.map(|file| Condemned::new(doom, file.len())))
}
