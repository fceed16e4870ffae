//! What a scripted upstream holds: repositories with blobs, manifests and tags.
//!
//! Promises: a repository serves only what was put into it, whatever others hold.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::images::{Blob, Image, media};

/// The content, which may be shared by several upstreams and changed while they run.
#[derive(Default)]
pub struct Content {
    repositories: Mutex<HashMap<String, Repository>>,
}

#[derive(Default)]
struct Repository {
    blobs: HashMap<String, Bytes>,
    manifests: HashMap<String, Blob>,
    tags: BTreeMap<String, String>,
}

impl Content {
    /// Adds an image with all that it needs, under a tag.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) {
        for blob in image.all_blobs() {
            self.push_blob(repository, blob);
        }
        for manifest in image.manifests() {
            self.push_manifest(repository, manifest);
        }
        self.tag(repository, tag, image.digest());
    }

    pub fn push_blob(&self, repository: &str, blob: &Blob) {
        let mut all = self.lock();
        let blobs = &mut all.entry(repository.to_owned()).or_default().blobs;
        blobs.insert(blob.digest.clone(), blob.bytes.clone());
    }

    pub fn push_manifest(&self, repository: &str, manifest: &Blob) {
        let mut all = self.lock();
        let manifests = &mut all.entry(repository.to_owned()).or_default().manifests;
        manifests.insert(manifest.digest.clone(), manifest.clone());
    }

    /// Points a tag at a manifest, there or not.
    pub fn tag(&self, repository: &str, tag: &str, digest: &str) {
        let mut all = self.lock();
        let tags = &mut all.entry(repository.to_owned()).or_default().tags;
        tags.insert(tag.to_owned(), digest.to_owned());
    }

    pub fn untag(&self, repository: &str, tag: &str) {
        if let Some(repository) = self.lock().get_mut(repository) {
            repository.tags.remove(tag);
        }
    }

    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.lock().get(repository)?.blobs.get(digest).cloned()
    }

    /// By tag or by digest.
    pub(super) fn manifest(&self, repository: &str, reference: &str) -> Option<Blob> {
        let all = self.lock();
        let repository = all.get(repository)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        repository.manifests.get(digest).cloned()
    }

    /// All tags in order; nothing when there is no such repository.
    pub(super) fn tags(&self, repository: &str) -> Option<Vec<String>> {
        Some(self.lock().get(repository)?.tags.keys().cloned().collect())
    }

    /// The index of what refers to `digest`.
    pub(super) fn referrers(&self, repository: &str, digest: &str) -> Value {
        let all = self.lock();
        let manifests = all.get(repository).into_iter().flat_map(|r| r.manifests.values());
        let mut referrers: Vec<Value> = manifests.filter_map(|m| refers_to(m, digest)).collect();
        referrers.sort_by_key(|r| r["digest"].as_str().map(str::to_owned));
        json!({ "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": referrers })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Repository>> {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The descriptor of `manifest` for a referrers list, if its subject is `digest`.
fn refers_to(manifest: &Blob, digest: &str) -> Option<Value> {
    let document: Value = serde_json::from_slice(&manifest.bytes).ok()?;
    if document["subject"]["digest"] != digest {
        return None;
    }
    let mut descriptor = manifest.descriptor();
    let kind = document
        .get("artifactType")
        .unwrap_or(&document["config"]["mediaType"]);
    descriptor["artifactType"] = kind.clone();
    Some(descriptor)
}
