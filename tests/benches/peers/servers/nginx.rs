//! nginx: with files, as the limit of what a server can do here; and as a caching proxy.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tests::{images::media, measure::free_address, process::Program};

use super::{NGINX_CACHE, NGINX_STATIC, Server, listens};
use crate::content::{Fixture, Wanted};

/// The same paths as a registry's, as files.
pub(super) async fn serve_files(fixture: &Fixture, folder: &Path) -> Server {
    let folder = fresh(folder, "nginx-static");
    let root = folder.join("root");
    for wanted in Wanted::ALL {
        let path = root.join(fixture.path(wanted).trim_start_matches('/'));
        let parent = path.parent().expect("a path in a folder");
        fs::create_dir_all(parent).expect("the temporary folder is writable");
        fs::write(&path, &fixture.blob(wanted).bytes).expect("the temporary folder is writable");
    }
    let site = format!(
        "root {}; default_type application/octet-stream;\n\
         location ~ /manifests/ {{ default_type {}; }}",
        root.display(),
        media::OCI_MANIFEST
    );
    start(NGINX_STATIC, &folder, "", &site).await
}

/// In front of `origin`.
pub(super) async fn cache(origin: &str, folder: &Path) -> Server {
    let folder = fresh(folder, "nginx-cache");
    let zone = format!(
        "proxy_cache_path {}/cache levels=1:2 keys_zone=blobs:10m max_size=16g inactive=1d use_temp_path=off;",
        folder.display()
    );
    let site = format!(
        "location / {{ proxy_pass {origin}; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_cache blobs; proxy_cache_valid 200 1d; proxy_cache_lock on; proxy_cache_lock_timeout 5m; }}"
    );
    start(NGINX_CACHE, &folder, &zone, &site).await
}

async fn start(name: &'static str, folder: &Path, http: &str, site: &str) -> Server {
    let address = free_address();
    let config = folder.join("nginx.conf");
    fs::write(&config, text(folder, address, http, site)).expect("the temporary folder is writable");
    // Contained, since workers outlive a master that is killed.
    let process = Program::contained(name, "nginx")
        .args(["-e", "stderr", "-c"])
        .arg(&config)
        .start(folder);
    listens(name, address).await;
    Server::new(name, address, process.id(), process)
}

fn text(folder: &Path, address: SocketAddr, http: &str, site: &str) -> String {
    let folder = folder.display();
    format!(
        "daemon off; user root; worker_processes 2; pid {folder}/pid; error_log stderr warn;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
         access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n\
         client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/proxied;\n\
         {http}\n\
         server {{ listen {address};\n{site}\n}}\n\
         }}\n"
    )
}

fn fresh(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join(name);
    fs::create_dir(&folder).expect("the temporary folder is writable");
    folder
}
