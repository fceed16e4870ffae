//! `[cache]`: how much is kept, and what goes first.

use super::{Fraction, Limit, Size, images::Naming, reader::Section, setting::words};
use crate::oci::Image;

/// What the cache may take of the disk. `low < high < stop`.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheConfig {
    pub max_bytes: Limit<Size>,
    pub max_inodes: Limit<u64>,
    /// Eviction starts above this part of either limit.
    pub high: Fraction,
    /// Eviction stops below this part.
    pub low: Fraction,
    /// Above this part content passes through without being stored.
    pub stop: Fraction,
    /// Smaller blobs live in the index and cost no inode.
    pub inline_below: Size,
    pub policy: Policy,
    /// Never evicted, always kept fresh.
    pub pins: Vec<Image>,
}

/// Which images go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Gdsf,
    Lru,
    S3Fifo,
}

words!(Policy { "gdsf" => Gdsf, "lru" => Lru, "s3-fifo" => S3Fifo });

/// A blob in the index is read and written whole, in memory.
const INLINE_MOST: Size = Size::new(1 << 20);

pub(super) fn read(s: &Section<'_>, naming: &Naming<'_>) -> Option<CacheConfig> {
    let max_bytes = s.read("max_bytes");
    let max_inodes = s.read("max_inodes");
    let high = s.read::<Fraction>("high");
    let low = s.read::<Fraction>("low");
    let stop = s.read::<Fraction>("stop");
    let inline_below = s.read::<Size>("inline_below");
    let policy = s.read("policy");
    let pins = naming.read(s, "pins");

    let order = Some("low < high < stop, as 0.88 < 0.93 < 0.98".to_owned());
    if let (Some(low), Some(high)) = (low, high)
        && low >= high
    {
        let reason = format!(
            "it is {} and `high` is {}: eviction would never end",
            low.get(),
            high.get()
        );
        s.refuse("low", &reason, order, "lower it, or raise `high`");
        return None;
    }
    if let (Some(high), Some(stop)) = (high, stop)
        && high >= stop
    {
        let reason = format!(
            "it is {} and `stop` is {}: eviction would never begin",
            high.get(),
            stop.get()
        );
        s.refuse("high", &reason, order, "lower it, or raise `stop`");
        return None;
    }
    if inline_below.is_some_and(|size| size > INLINE_MOST) {
        s.refuse(
            "inline_below",
            "the index would hold more than it can serve fast",
            Some(format!("at most {INLINE_MOST}")),
            "lower it",
        );
        return None;
    }
    Some(CacheConfig {
        max_bytes: max_bytes?,
        max_inodes: max_inodes?,
        high: high?,
        low: low?,
        stop: stop?,
        inline_below: inline_below?,
        policy: policy?,
        pins: pins?,
    })
}
