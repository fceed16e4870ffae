//! Whether what was freed is free.

use crate::cache::{Pressure, eviction::Amount};

/// Whether more than half of what was freed is not free: what is on the disk and is not the cache's has grown by
/// as much.
pub(super) fn is_vain(freed: Amount, before: &Pressure, after: &Pressure) -> bool {
    let grown = after.others().less(before.others());
    freed == Amount::NOTHING
        || freed.bytes > 0 && grown.bytes > freed.bytes / 2
        || freed.inodes > 0 && grown.inodes > freed.inodes / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Level;

    fn pressure(own: u64, disk: u64) -> Pressure {
        let level = |used| Level { used, limit: 1000 };
        Pressure {
            own_bytes: level(own),
            disk_bytes: level(disk),
            ..Pressure::default()
        }
    }

    #[test]
    fn what_clients_fill_meanwhile_is_not_what_was_in_vain() {
        let freed = Amount::new(100, 0);
        let before = pressure(500, 900);
        assert!(!is_vain(freed, &before, &pressure(400, 800)), "as it should be");
        assert!(!is_vain(freed, &before, &pressure(480, 880)), "80 came meanwhile");
        assert!(is_vain(freed, &before, &pressure(400, 900)), "nothing is free");
        assert!(is_vain(Amount::NOTHING, &before, &before), "nothing was done");
    }
}
