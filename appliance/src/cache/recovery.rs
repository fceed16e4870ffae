//! Bringing files and index together after a crash, a power cut or somebody's hands.
//!
//! Runs once after opening, in the background, on a thread that may block, while the cache serves.
//!
//! | found | done |
//! |---|---|
//! | a file under `blobs/` without a row, with a fill's row (a crash within publishing) | hashed, then listed and shown to the fill's repository |
//! | the same without a fill's row (the index was lost, or an eviction was cut) | hashed, then listed as hidden: the digest proves the content, nothing proves who may see it; the WAN is saved, as the upstream is only asked whether it has it |
//! | a file that does not hash to its name | removed |
//! | a row whose file is missing or of another length | both removed |
//! | a fill's row without a file, or of a blob that is listed | removed, with its partial |
//! | a partial without a row; a name that is no digest's under `fill/` | removed |
//! | a file that an inspection could not read | left alone: reading it can take for ever |
//! | anything else | left alone and reported |
//!
//! Promises: a blob that is being filled or published is left alone; an index in memory, which knows
//! nothing, is no reason to remove anything. Must not know: what is worth keeping.

use std::{fs::Metadata, path::Path, sync::atomic::Ordering::SeqCst};

use crate::{
    oci::{Digest, Hasher, Repository},
    source::chain,
};

use super::{
    ballast,
    cache::Inner,
    error::CacheError,
    index::{Command, Place},
    layout::SET_ASIDE,
};

/// What the rest of the house keeps beside the cache: the commands' socket, the certificate, what was collected and
/// inspected.
const HOUSEMATES: [&str; 5] = [
    "larder.sock",
    "tls",
    "collections.log",
    "collections.new",
    "inspection.json",
];
/// Changes sent to the writer at once: one transaction for all of them.
const BATCH: usize = 64;
/// The most names of unknown files that are reported.
const NAMES: usize = 20;
/// How much is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// What was found and done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Blob files that were whole and are listed now, shown to the repository that had filled them.
    pub listed: u64,
    /// Blob files that were whole and are listed now, hidden from every repository.
    pub hidden: u64,
    /// Blob files that were not what their name says, and are gone.
    pub damaged: u64,
    /// Rows whose file was missing or of another length, and are gone.
    pub lost: u64,
    /// Partials that were removed.
    pub partials: u64,
    /// Fill rows that were removed.
    pub fills: u64,
    /// Files that are not the cache's, left alone; at most the first 20.
    pub unknown: Vec<String>,
    /// Things that could not be looked at or changed. They will be met again at the next start.
    pub errors: u64,
}

/// Does all of the above. Blocks.
pub(super) fn recover(inner: &Inner) -> Recovery {
    let mut run = Run {
        inner,
        found: Recovery::default(),
        pending: Vec::new(),
        unreadable: 0,
    };
    let Some(standing) = inner.index.standing() else {
        return run.found;
    };
    let steps = [Step::BlobFiles, Step::BlobRows, Step::Partials, Step::Folder];
    for step in steps {
        let done = match step {
            Step::BlobFiles => run.blob_files(),
            Step::BlobRows => run.blob_rows(),
            Step::Partials => run.partials(),
            Step::Folder => run.folder(),
        };
        if let Err(error) = done {
            run.error(&error);
        }
        run.send();
        // From here on a file without a row is one that nobody wants.
        if matches!(step, Step::BlobFiles) && run.found.errors == run.unreadable {
            inner.adopted.store(standing.losses, SeqCst);
        }
    }
    if run.found != Recovery::default() {
        tracing::info!(found = ?run.found, "the cache was brought in order");
    }
    run.found
}

/// What is looked at, in this order; an error in one keeps the next from nothing.
enum Step {
    BlobFiles,
    BlobRows,
    Partials,
    Folder,
}

struct Run<'a> {
    inner: &'a Inner,
    found: Recovery,
    pending: Vec<Command>,
    /// Of the errors, files that could not be read.
    unreadable: u64,
}

impl Run<'_> {
    fn error(&mut self, error: &CacheError) {
        tracing::warn!(cause = %chain(error), "bringing the cache in order met an error");
        self.found.errors += 1;
    }

    fn change(&mut self, command: Command) {
        self.pending.push(command);
        if self.pending.len() >= BATCH {
            self.send();
        }
    }

    fn send(&mut self) {
        let commands = std::mem::take(&mut self.pending);
        if commands.is_empty() {
            return;
        }
        for result in self.inner.index.ask_all_blocking(commands) {
            if let Err(error) = result {
                self.error(&error);
            }
        }
    }

    fn unlink(&mut self, path: &Path) -> bool {
        match self.inner.disk.unlink(path) {
            Ok(()) => true,
            Err(error) => {
                self.error(&CacheError::io("remove", &path.display(), error));
                false
            }
        }
    }

    /// Visits the plain files of a folder.
    fn each_file(
        &mut self,
        folder: &Path,
        mut visit: impl FnMut(&mut Self, &Path, &str, &Metadata) -> Result<(), CacheError>,
    ) -> Result<(), CacheError> {
        let list = self.inner.disk.list(folder);
        let list = list.map_err(|error| CacheError::io("list", &folder.display(), error))?;
        for entry in list {
            let entry = entry.map_err(|error| CacheError::io("list", &folder.display(), error))?;
            let path = entry.path();
            // Files come and go while this runs.
            let Ok(metadata) = entry.metadata() else { continue };
            let name = entry.file_name();
            let visited = match name.to_str() {
                Some(name) if metadata.is_file() => visit(self, &path, name, &metadata),
                _ => {
                    self.unknown(&path);
                    Ok(())
                }
            };
            if let Err(error) = visited {
                self.error(&error);
            }
        }
        Ok(())
    }

    fn unknown(&mut self, path: &Path) {
        if self.found.unknown.len() < NAMES {
            self.found.unknown.push(path.display().to_string());
        }
    }

    /// Files under `blobs/` that no row knows.
    fn blob_files(&mut self) -> Result<(), CacheError> {
        let folder = self.inner.layout.blobs.clone();
        self.each_file(&folder, |run, path, name, metadata| {
            let Some(digest) = Digest::from_file_name(name) else {
                run.unknown(path);
                return Ok(());
            };
            // Looked at before the row: publishing holds its ticket until the row is there.
            let running = run.inner.admission.is_running(&digest);
            if running
                || run.inner.distrusted.contains(&digest)
                || run.inner.index.blob_row(&digest)?.is_some()
            {
                return Ok(());
            }
            run.adopt(path, digest, metadata.len())
        })
    }

    /// Lists a file if it is what its name says.
    fn adopt(&mut self, path: &Path, digest: Digest, size: u64) -> Result<(), CacheError> {
        let inner = self.inner;
        let right = self
            .hashes_to(path, &digest)
            .inspect_err(|_| self.unreadable += 1)?;
        // A client may have asked for it meanwhile: its fill takes the file over, and the row with it.
        let Some(_ticket) = inner.admission.begin(&digest) else {
            return Ok(());
        };
        if inner.index.blob_row(&digest)?.is_some() || !path.exists() {
            return Ok(());
        }
        if !right {
            if self.unlink(path) {
                tracing::warn!(%digest, "a file that was not listed is not what its name says: it is removed");
                self.found.damaged += 1;
            }
            return Ok(());
        }
        // Its bytes and its name can have been on their way to the disk when the power went.
        let synced = inner
            .disk
            .open(path)
            .and_then(|file| inner.disk.sync(&file, path))
            .and_then(|()| inner.disk.sync_folder(&inner.layout.blobs));
        synced.map_err(|error| CacheError::io("sync the blob", &digest, error))?;
        let shown_to: Option<Repository> = inner.index.fill(&digest)?.map(|fill| fill.repository);
        match shown_to {
            Some(_) => self.found.listed += 1,
            None => self.found.hidden += 1,
        }
        self.change(Command::Publish {
            digest,
            size,
            shown_to,
        });
        // While the ticket is held: nobody may move the file before it is listed.
        self.send();
        Ok(())
    }

    fn hashes_to(&self, path: &Path, digest: &Digest) -> Result<bool, CacheError> {
        let disk = &self.inner.disk;
        let failed = |error| CacheError::io("read the blob", digest, error);
        let file = disk.open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut hasher = Hasher::new(digest.algorithm());
        let mut chunk = vec![0; CHUNK];
        let mut at = 0;
        while at < length {
            let count = (length - at).min(CHUNK as u64) as usize;
            disk.read_at(&file, path, &mut chunk[..count], at)
                .map_err(failed)?;
            hasher.update(&chunk[..count]);
            at += count as u64;
        }
        Ok(hasher.finish() == *digest)
    }

    /// Rows whose file is not there, or not as long.
    fn blob_rows(&mut self) -> Result<(), CacheError> {
        let mut after = None;
        loop {
            let piece = self.inner.index.blobs_after(after.as_ref())?;
            let Some((last, _)) = piece.last() else {
                return Ok(());
            };
            after = Some(*last);
            for (digest, row) in piece.into_iter().filter(|(_, row)| row.place == Place::File) {
                let metadata = std::fs::metadata(self.inner.layout.blob(&digest));
                let found = metadata.map(|metadata| metadata.len()).ok();
                if found != Some(row.size) {
                    tracing::warn!(%digest, ?found, size = row.size, "a listed blob is not what it was: it is taken off the list");
                    self.found.lost += 1;
                    self.change(Command::Lost { digest, found });
                }
            }
        }
    }

    /// Fill rows, and files under `fill/`.
    fn partials(&mut self) -> Result<(), CacheError> {
        let inner = self.inner;
        for fill in inner.index.fills()? {
            let digest = fill.digest;
            let Some(_ticket) = inner.admission.begin(&digest) else {
                continue;
            };
            let path = inner.layout.fill(&digest);
            let listed = inner.index.blob_row(&digest)?.is_some();
            if listed && path.exists() && self.unlink(&path) {
                self.found.partials += 1;
            }
            if listed || !path.exists() {
                self.found.fills += 1;
                self.change(Command::FillEnded { digest });
                self.send();
            }
        }
        // A partial without a row is worth nothing: nothing says how much of it can be trusted, so that a fill
        // would begin at its first byte anyway.
        let folder = inner.layout.fills.clone();
        self.each_file(&folder, |run, path, name, _| {
            let ticket = match Digest::from_file_name(name) {
                Some(digest) => match run.inner.admission.begin(&digest) {
                    Some(ticket) if run.inner.index.fill(&digest)?.is_none() => Some(ticket),
                    _ => return Ok(()),
                },
                None => None,
            };
            if path.exists() && run.unlink(path) {
                run.found.partials += 1;
            }
            drop(ticket);
            Ok(())
        })
    }

    /// What else lies in the cache's own folder.
    fn folder(&mut self) -> Result<(), CacheError> {
        let layout = self.inner.layout.clone();
        // A kill can leave the log of uses half written anew: it is written over.
        let uses_anew = layout.uses.with_extension("new");
        let ours = [
            &uses_anew,
            &layout.lock,
            &layout.index,
            &layout.fills,
            &layout.blobs,
            &layout.uses,
        ];
        let housemates = HOUSEMATES.map(|name| layout.dir.join(name));
        let list = self.inner.disk.list(&layout.dir);
        let list = list.map_err(|error| CacheError::io("list", &layout.dir.display(), error))?;
        for entry in list.flatten() {
            let path = entry.path();
            let aside = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(SET_ASIDE) || name.starts_with(ballast::NAME));
            if !aside && !ours.contains(&&path) && !housemates.contains(&path) {
                self.unknown(&path);
            }
        }
        Ok(())
    }
}
