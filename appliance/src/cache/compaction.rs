//! Whether a smaller file in the index's place is worth its making, and making it.
//!
//! redb uses the pages of rows that went for rows that come, and gives the end of its file back when nothing lies
//! there. What is in between stays taken: after many evictions the index can be many times what it says. How much of
//! it is in use is estimated from the numbers of rows and their bytes, because counting would mean reading all of it;
//! each compaction shows how far off the estimate was, and the next one reckons with that.
//!
//! Promises: what it needs while it is made is there, or it is not begun. Must not know: when others are to be left in
//! peace.

use super::{
    cache::{Cache, Inner},
    error::{CacheError, Kind, Resource},
    index::{BALLAST, Command, Compacted, Sums},
};

const OPERATION: &str = "compact the index";
/// What it must give back at least, in bytes: 1/64 of the filesystem, within these bounds.
const WORTH: (u64, u64) = (1 << 20, 64 << 20);
/// An empty index, in bytes, as redb lays it out.
const EMPTY: u64 = 512 << 10;
/// The file's length compared with the estimate, in thousandths: exact, and what is assumed of an index that was never
/// compacted. Within the bounds of what can be believed: pages are half full at worst, and redb's file grows by half of
/// its final length.
const EXACT: u64 = 1000;
const DENSITY: (u64, u64) = (1500, 4000);

/// How much of the index is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// The file's length in bytes.
    pub length: u64,
    /// Of which hold something, by the estimate.
    pub live: u64,
    /// Whether compacting it is worth it.
    pub is_worth_it: bool,
}

/// Why it is done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactWhen {
    /// There is nothing else to do: the copy may not bring the cache above its high mark.
    Idle,
    /// Room is short, and this makes some: the copy may bring it up to where storing stops.
    RoomIsShort,
}

/// What packed pages hold, in bytes: keys and values with what redb adds to each.
fn estimate(sums: &Sums) -> u64 {
    let rows = sums.blobs * 64
        + sums.shown * 48
        + sums.manifests * 48
        + sums.inline * 48
        + sums.tags * 96
        + sums.fills * 80
        + sums.referrers * 512;
    // Values of more than half a page leave the rest of it empty.
    EMPTY + rows + sums.inline_bytes + sums.inline_bytes / 4
}

impl Inner {
    fn index_occupancy(&self) -> Result<Occupancy, CacheError> {
        let sums = self.index.sums()?;
        let length = self.index.file_length();
        let density = sums.density.clamp(DENSITY.0, DENSITY.1);
        let live = estimate(&sums).saturating_mul(density) / EXACT;
        let disk = self.disk.space(&self.layout.dir).map_or(0, |space| space.bytes);
        let slack = length.saturating_sub(live);
        Ok(Occupancy {
            length,
            live,
            is_worth_it: slack >= (disk / 64).clamp(WORTH.0, WORTH.1) && slack >= length / 2,
        })
    }

    /// Whether the copy has room beside the index.
    fn admit_copy(&self, index: Occupancy, when: CompactWhen) -> Result<(), CacheError> {
        let most = match when {
            CompactWhen::Idle => self.high,
            CompactWhen::RoomIsShort => self.admission.stop(),
        };
        let mut pressure = self.pressure()?;
        pressure.disk_bytes.used += index.live + BALLAST.1;
        pressure.disk_inodes.used += 1;
        if pressure.disk_bytes.part() <= most && pressure.disk_inodes.part() <= most {
            return Ok(());
        }
        Err(CacheError::refused(
            OPERATION,
            &self.layout.index.display(),
            Kind::Full(Resource::Bytes),
            "there is no room for a copy of it",
        ))
    }
}

impl Cache {
    /// How much of the index's file is in use, and whether it should be compacted.
    pub fn index_occupancy(&self) -> Result<Occupancy, CacheError> {
        self.inner.index_occupancy()
    }

    /// Puts a smaller file in the index's place. Nobody who reads waits for it; whoever writes waits for a moment at
    /// its end. Refused when there is no room for a second file.
    pub async fn compact_index(&self, when: CompactWhen) -> Result<Compacted, CacheError> {
        let before = self.inner.index_occupancy()?;
        self.inner.admit_copy(before, when)?;
        let compacted = self.inner.index.compact().await?;
        let sums = self.inner.index.sums()?;
        let density = compacted.after.saturating_mul(EXACT) / estimate(&sums).max(1);
        // It will be found out again if this is lost.
        self.inner.index.tell(Command::Density { thousandths: density });
        Ok(compacted)
    }
}
