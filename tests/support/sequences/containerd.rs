//! containerd: HEAD the tag, GET by digest, blobs at once, `ns` on everything; since version 2 large blobs in
//! several open-ended ranges that are closed early.

use std::net::SocketAddr;

use futures_util::future::try_join_all;

use super::{
    ACCEPT, Failure,
    image::{Part, ask, parts, platform, verify},
};
use crate::{
    client::{Request, Response},
    digest,
};

/// Version 1.6, pulling `ns`'s `repository:tag`.
pub async fn containerd(
    server: SocketAddr,
    ns: &str,
    repository: &str,
    tag: &str,
) -> Result<String, Failure> {
    let pull = Pull {
        server,
        ns: ns.replace(':', "%3A"),
        repository: repository.to_owned(),
    };
    let (digest, parts) = pull.manifests(tag).await?;
    try_join_all(parts.iter().map(|part| pull.blob(part))).await?;
    Ok(digest)
}

/// Version 2 with `concurrent_layer_fetch`: as [`containerd`], in pieces of `piece` bytes.
pub async fn containerd2(
    server: SocketAddr,
    ns: &str,
    repository: &str,
    tag: &str,
    piece: u64,
) -> Result<String, Failure> {
    let pull = Pull {
        server,
        ns: ns.replace(':', "%3A"),
        repository: repository.to_owned(),
    };
    let (digest, parts) = pull.manifests(tag).await?;
    try_join_all(parts.iter().map(|part| pull.blob_in_pieces(part, piece))).await?;
    Ok(digest)
}

struct Pull {
    server: SocketAddr,
    ns: String,
    repository: String,
}

impl Pull {
    fn manifest(&self, method: &str, reference: &str) -> Request {
        let path = format!("/v2/{}/manifests/{reference}?ns={}", self.repository, self.ns);
        Request::new(method, path).header("Accept", ACCEPT.join(", ") + ", */*")
    }

    fn blob_request(&self, part: &Part) -> Request {
        Request::get(format!(
            "/v2/{}/blobs/{}?ns={}",
            self.repository, part.digest, self.ns
        ))
    }

    async fn manifests(&self, tag: &str) -> Result<(String, Vec<Part>), Failure> {
        let resolved = ask(self.manifest("HEAD", tag), self.server, 200).await?;
        let digest = resolved.headers.text("docker-content-digest").to_owned();
        if digest.is_empty() || resolved.headers.length().is_none() {
            return Err("the HEAD has no digest or no length".to_owned());
        }
        let manifest = ask(self.manifest("GET", &digest), self.server, 200).await?;
        verify(&manifest, &digest)?;
        let document = match platform(&manifest.json()) {
            None => manifest.json(),
            Some(digest) => {
                let manifest = ask(self.manifest("GET", &digest), self.server, 200).await?;
                verify(&manifest, &digest)?;
                manifest.json()
            }
        };
        Ok((digest, parts(&document)))
    }

    async fn blob(&self, part: &Part) -> Result<(), Failure> {
        let answer = ask(self.blob_request(part), self.server, 200).await?;
        verify(&answer, &part.digest)
    }

    /// All ranges are asked for at once, each to the blob's end, and left when their piece is there.
    async fn blob_in_pieces(&self, part: &Part, piece: u64) -> Result<(), Failure> {
        let starts = (0..part.size).step_by(usize::try_from(piece).expect("a piece fits in memory"));
        let pieces = starts.map(|start| self.piece(part, start, piece.min(part.size - start)));
        let mut hasher = digest::Hasher::like(&part.digest);
        for bytes in try_join_all(pieces).await? {
            hasher.update(&bytes);
        }
        let got = hasher.finish();
        if got == part.digest {
            Ok(())
        } else {
            Err(format!("{got} instead of {}", part.digest))
        }
    }

    async fn piece(&self, part: &Part, start: u64, length: u64) -> Result<bytes::Bytes, Failure> {
        let request = self.blob_request(part).range(format!("bytes={start}-"));
        let mut answer = request.send(self.server).await.map_err(|e| e.to_string())?;
        expect_part(&answer, start, part.size)?;
        answer.body.take(length).await.map_err(|e| e.to_string())
    }
}

fn expect_part(answer: &Response, start: u64, size: u64) -> Result<(), Failure> {
    let wanted = format!("bytes {start}-{}/{size}", size - 1);
    let got = answer.headers.text("content-range");
    if answer.status == 206 && got == wanted {
        return Ok(());
    }
    Err(format!(
        "{} with Content-Range `{got}` instead of 206 with `{wanted}`",
        answer.status
    ))
}
