//! `larder check`: the configuration in effect.

use super::{Failure, Surroundings};
use crate::config::Loaded;

pub(super) fn run(loaded: &Loaded, around: &mut Surroundings<'_>) -> Result<(), Failure> {
    let file = match &loaded.file {
        Some(path) => format!("file {}", path.display()),
        None => "no configuration file: defaults and environment only".into(),
    };
    write!(around.output, "# {file}\n\n{}", loaded.effective()).map_err(Failure::Output)?;
    writeln!(around.notes, "The configuration is good.").map_err(Failure::Output)
}
