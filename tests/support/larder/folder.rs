//! What lies in the daemon's folder, as far as DESIGN.md tells: fills lie in `fill/`, the index is redb's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Larder;

/// One file in the folder.
#[derive(Clone, Debug)]
pub struct Found {
    /// Relative to the data folder.
    pub path: PathBuf,
    pub size: u64,
}

impl Larder {
    /// Every regular file of the data folder.
    pub fn files(&self) -> Vec<Found> {
        let mut found = Vec::new();
        walk(self.data(), self.data(), &mut found);
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// The fills that are not finished.
    pub fn fills(&self) -> Vec<Found> {
        self.files()
            .into_iter()
            .filter(|f| f.path.components().any(|c| c.as_os_str() == "fill"))
            .collect()
    }

    /// The files whose name holds the hexadecimal part of `digest`.
    pub fn files_of(&self, digest: &str) -> Vec<Found> {
        let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
        let named = |f: &Found| {
            f.path
                .file_name()
                .is_some_and(|n| n.to_string_lossy().contains(hex))
        };
        self.files().into_iter().filter(named).collect()
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Found>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        // Files come and go while the daemon runs.
        let Ok(meta) = entry.metadata() else { continue };
        let path = entry.path();
        if meta.is_dir() {
            walk(root, &path, found);
        } else if meta.is_file() {
            let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
            found.push(Found {
                path,
                size: meta.len(),
            });
        }
    }
}
