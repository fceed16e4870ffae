//! Bytes that carry the room they take.

use bytes::{Buf, Bytes, BytesMut};

use super::permit::Permit;

/// What a released buffer is overwritten with in debug builds.
const POISON: u8 = 0xDD;

/// Bytes that carry their permit. The permit is returned when the buffer is dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Bytes,
    permit: Option<Permit>,
}

impl Buffer {
    pub(super) fn new(bytes: Bytes, permit: Permit) -> Self {
        Self {
            bytes,
            permit: Some(permit),
        }
    }

    /// Bytes that need no permit of the buffer's own: they carry one ([`Permit::share`]), or are not in memory
    /// on their own account (a mapped file, a constant).
    pub fn borrowed(bytes: Bytes) -> Self {
        Self { bytes, permit: None }
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The first `length` bytes of it, under the whole permit.
    #[must_use]
    pub fn truncated(mut self, length: usize) -> Self {
        self.bytes.truncate(length);
        self
    }
}

impl Buf for Buffer {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Memory is overwritten *before* its permit goes back, so that a release that comes too early shows
        // as nonsense in a test and not as another request's data in production.
        if cfg!(debug_assertions) && self.permit.is_some() {
            poison(std::mem::take(&mut self.bytes));
        }
    }
}

/// Overwrites memory that nobody else holds, and gives it back.
fn poison(bytes: Bytes) -> Option<BytesMut> {
    let mut memory = bytes.try_into_mut().ok()?;
    memory.fill(POISON);
    Some(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_memory_is_poisoned_unless_somebody_holds_it() {
        let poisoned = poison(Bytes::from(vec![7; 16])).expect("nobody else holds it");
        assert_eq!(poisoned[..], [POISON; 16]);
        let held = Bytes::from(vec![7; 16]);
        assert!(poison(held.clone()).is_none());
        assert_eq!(held[..], [7; 16]);
    }
}
