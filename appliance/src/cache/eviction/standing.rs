//! What a unit is, what it would bring, and where it stands in the order.
//!
//! A member that several units share counts in equal parts for each of them: counted for none, two images with
//! the same layers would protect each other for ever.

use super::{
    amount::{Cost, Exchange, Price},
    catalog::{ImageId, MemberId, number},
    plan::Plan,
    policy::Rank,
    record::Record,
};

/// A unit: an image by its number, or a loose member by its number after the last image's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit(pub(super) u32);

/// How much would go along that is not short: its order of magnitude.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waste(u8);

/// What a unit would bring, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    pub(super) record: Record,
    pub(super) cost: Cost,
    pub(super) rank: Rank,
    pub(super) waste: Waste,
    pub(super) bytes: f64,
    pub(super) inodes: f64,
}

impl Standing {
    pub(super) fn price(&self, exchange: Exchange) -> Price {
        exchange.price_of(self.bytes, self.inodes)
    }
}

impl Plan {
    pub(super) fn image(&self, Unit(unit): Unit) -> Option<ImageId> {
        ((unit as usize) < self.catalog.images()).then_some(ImageId(unit))
    }

    pub(super) fn member(&self, Unit(unit): Unit) -> MemberId {
        MemberId(unit - number(self.catalog.images()))
    }

    pub(super) fn is_candidate(&self, unit: Unit) -> bool {
        !self.gone[unit.0 as usize]
            && match self.image(unit) {
                Some(image) => self.catalog.is_candidate(image),
                None => {
                    let member = self.member(unit).index();
                    self.catalog.units[member] == 0 && self.catalog.holds[member].is_free()
                }
            }
    }

    /// What a unit is known by: the best of its roots and of the members that nobody else has.
    pub(super) fn record(&self, unit: Unit) -> Record {
        let records = &self.catalog.records;
        let Some(image) = self.image(unit) else {
            return records[self.member(unit).index()];
        };
        self.own(image)
            .map(|member| records[member.index()])
            .reduce(Record::join)
            .expect("an image has a root")
    }

    /// An image's roots, and the members that nobody else has. Some come twice.
    pub(super) fn own(&self, image: ImageId) -> impl Iterator<Item = MemberId> {
        let alone = |member: &u32| self.catalog.units[*member as usize] == 1;
        let members = self.catalog.closure(image).iter().filter(move |m| alone(m));
        self.catalog
            .roots(image)
            .chain(members.map(|member| MemberId(*member)))
    }

    pub(super) fn standing(&self, unit: Unit) -> Standing {
        let catalog = &self.catalog;
        let record = self.record(unit);
        let (mut bytes, mut inodes) = (0.0, 0.0);
        let cost = match self.image(unit) {
            None => {
                let member = self.member(unit).index();
                bytes = catalog.bytes[member] as f64;
                inodes = f64::from(catalog.inodes[member]);
                catalog.costs[member]
            }
            Some(image) => {
                for member in catalog.closure(image) {
                    let at = *member as usize;
                    if catalog.holds[at].is_free() {
                        let part = f64::from(catalog.units[at]).recip();
                        bytes += catalog.bytes[at] as f64 * part;
                        inodes += f64::from(catalog.inodes[at]) * part;
                    }
                }
                let costs = catalog.roots(image).map(|root| catalog.costs[root.index()]);
                costs.max().unwrap_or_default()
            }
        };
        let mut standing = Standing {
            record,
            cost,
            rank: Rank::default(),
            waste: Waste::default(),
            bytes,
            inodes,
        };
        let (by_bytes, by_inodes) = self.weights;
        let price = self.exchange.price_of(bytes * by_bytes, inodes * by_inodes);
        if by_bytes == 0.0 {
            standing.waste = Waste((bytes as u64 + 1).ilog2() as u8);
        } else if by_inodes == 0.0 {
            standing.waste = Waste((inodes as u64 + 1).ilog2() as u8);
        }
        standing.rank = self.ranking.rank(&record, price, cost, self.now);
        standing
    }
}
