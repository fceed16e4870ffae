//! Landlock: the files that the worker can reach.
//!
//! Whatever goes wrong in the worker, it can remove nothing but what lies in the folders of blobs, and write
//! nowhere: not even the index beside them. Must not know: what the folders are.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};

use super::Outcome;

/// The newest rules that this was written for. An older kernel takes what it knows of them.
const KNOWN: ABI = ABI::V5;

#[derive(Debug, thiserror::Error)]
enum Open {
    #[error(transparent)]
    Path(#[from] landlock::PathFdError),
    #[error(transparent)]
    Rules(#[from] RulesetError),
}

/// Lets this thread, and those that it starts, read and remove below these folders, learn the names below another, and
/// do nothing else to files. What is open already stays open.
pub(super) fn around(folders: &[&Path], listed: &Path) -> Outcome {
    let status = restrict(folders, listed).map_err(|error| crate::source::chain(&error))?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok("reads and removes blobs, creates nothing".into()),
        RulesetStatus::PartiallyEnforced => Ok("as far as this kernel can".into()),
        RulesetStatus::NotEnforced => Err("not in this kernel".into()),
    }
}

fn restrict(folders: &[&Path], listed: &Path) -> Result<RestrictionStatus, Open> {
    let allowed: BitFlags<AccessFs> = AccessFs::ReadDir | AccessFs::ReadFile | AccessFs::RemoveFile;
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .create()?;
    for folder in folders {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(folder)?, allowed))?;
    }
    rules = rules.add_rule(PathBeneath::new(PathFd::new(listed)?, AccessFs::ReadDir))?;
    Ok(rules.restrict_self()?)
}
