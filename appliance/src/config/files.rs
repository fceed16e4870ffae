//! Values that are kept in files of their own: secrets, and what must be there to start.

use std::path::{Path, PathBuf};

use super::{Secret, reader::Section};

/// A secret that is given by `key`, or by the file that `file_key` names, or not at all.
///
/// A newline at the file's end belongs to the editor that wrote it, not to the secret.
pub(super) fn secret(
    section: &Section<'_>,
    key: &'static str,
    file_key: &'static str,
) -> Option<Option<Secret>> {
    let direct = section.optional::<Option<Secret>>(key).map(Option::flatten);
    let file = section.optional::<Option<PathBuf>>(file_key).map(Option::flatten);
    match (direct?, file?) {
        (Some(_), Some(_)) => {
            section.refuse(
                file_key,
                &format!("`{key}` is set as well"),
                Some(format!("one of `{key}` and `{file_key}`")),
                "leave one of them out",
            );
            None
        }
        (direct, None) => Some(direct),
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => Some(Some(Secret::new(text.trim_end_matches(['\r', '\n'])))),
            Err(e) => {
                refuse_file(section, file_key, &path, &e);
                None
            }
        },
    }
}

/// The path `key`, if it is set; a file must be there and readable.
pub(super) fn readable(section: &Section<'_>, key: &'static str) -> Option<Option<PathBuf>> {
    let path = section.read::<Option<PathBuf>>(key)?;
    there(section, key, path)
}

/// The same, where the key has no default.
pub(super) fn readable_if_set(section: &Section<'_>, key: &'static str) -> Option<Option<PathBuf>> {
    let path = section.optional::<Option<PathBuf>>(key)?;
    there(section, key, path.flatten())
}

fn there(section: &Section<'_>, key: &'static str, path: Option<PathBuf>) -> Option<Option<PathBuf>> {
    if let Some(path) = &path
        && let Err(e) = std::fs::File::open(path).and_then(|file| match file.metadata()?.is_dir() {
            true => Err(std::io::ErrorKind::IsADirectory.into()),
            false => Ok(()),
        })
    {
        refuse_file(section, key, path, &e);
        return None;
    }
    Some(path)
}

fn refuse_file(section: &Section<'_>, key: &str, path: &Path, error: &std::io::Error) {
    section.refuse(
        key,
        &format!("the file {} cannot be read: {error}", path.display()),
        Some("a file that this user may read; a relative path starts at the working directory".into()),
        "check the path and its permissions",
    );
}
