//! Larder as people run it, its log going to a file.
//!
//! Not by the tests' runner, which reads every line: at tens of thousands of requests a second, reading
//! the log would be measured too.

use std::path::Path;

use tests::{
    larder::{Config, binary},
    measure::free_address,
    process::Program,
};

use super::{LARDER, Server, listens};

pub(super) async fn start(origin: &str, folder: &Path) -> Server {
    let binary = release_binary();
    let address = free_address();
    let config = Config::with_upstream(origin).set("listen.http", &format!("\"{address}\""));
    let file = folder.join("larder.toml");
    std::fs::write(&file, config.to_toml(&folder.join("larder"))).expect("the temporary folder is writable");
    let process = Program::new(LARDER, "sh")
        .args(["-c", "exec \"$0\" serve --config \"$1\" 2> \"$2\""])
        .arg(&binary)
        .arg(&file)
        .arg(folder.join("larder.stderr"))
        .start(folder);
    listens(LARDER, address).await;
    Server::new(LARDER, address, process.id(), process)
}

fn release_binary() -> std::path::PathBuf {
    let binary = binary();
    eprintln!("measuring {}", binary.display());
    if binary.components().any(|part| part.as_os_str() == "debug") {
        tests::loudly("this is a debug build: use `cargo build --release -p appliance`, or set LARDER_BIN");
    }
    binary
}
