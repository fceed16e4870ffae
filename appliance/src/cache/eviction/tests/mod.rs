//! The room as a whole: rules that hold for every catalog and goal, and a trace replayed.

mod plans;
mod policies;
mod rules;
mod simulated;

use super::{Amount, Builder, Capacity, Catalog, Cost, Exchange, Hold, Kind, Member, MemberId, Plan, Policy};
use super::{Fingerprint, Record};
use crate::clock::Timestamp;

const KINDS: [Kind; 3] = [Kind::Gdsf, Kind::Lru, Kind::S3Fifo];

/// Capacity of which an inode is worth 16 KiB.
const EXCHANGE: Capacity = Capacity(Amount::new(16 << 30, 1 << 20));

const NOW: Timestamp = Timestamp(1_800_000_000);

fn at(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 - 1_000_000 + seconds)
}

/// Admitted at one second and used so often in the seconds after.
fn used(policy: &mut Policy, second: u64, uses: u64) -> Record {
    let mut record = policy.admit(Fingerprint(second), at(second));
    for use_ in 1..=uses {
        policy.touch(&mut record, at(second + use_));
    }
    record
}

fn file(bytes: u64, record: Record) -> Member {
    Member {
        amount: Amount::new(bytes, 1),
        record,
        hold: Hold::FREE,
        cost: Cost::ORDINARY,
    }
}

fn plan(catalog: Catalog, policy: &Policy, goal: Amount) -> Plan {
    Plan::new(catalog, policy.ranking(), Exchange::of(EXCHANGE), goal, NOW)
}

/// What each step frees, by the members' places.
fn freed(plan: Plan) -> Vec<Vec<usize>> {
    plan.map(|step| step.freed.into_iter().map(MemberId::index).collect())
        .collect()
}
