//! Builds a [`Catalog`]: numbers the members, merges what goes together, and finds who has what.

use super::{
    amount::Cost,
    catalog::{Catalog, Hold, ImageId, Member, MemberId, Owners, number},
    record::Record,
};

/// Collects what is here. See [`Catalog`].
#[derive(Debug, Default)]
pub struct Builder {
    bytes: Vec<u64>,
    inodes: Vec<u8>,
    records: Vec<Record>,
    holds: Vec<Hold>,
    costs: Vec<Cost>,
    roots: Vec<MemberId>,
    /// Where each image's links begin; they end where the next one's begin.
    starts: Vec<u32>,
    links: Vec<u32>,
    subjects: Vec<(ImageId, ImageId)>,
}

impl Builder {
    /// With room for so much, so that nothing grows by doubling.
    pub fn with_capacity(members: usize, images: usize, links: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(members),
            inodes: Vec::with_capacity(members),
            records: Vec::with_capacity(members),
            holds: Vec::with_capacity(members),
            costs: Vec::with_capacity(members),
            roots: Vec::with_capacity(images),
            starts: Vec::with_capacity(images + 1),
            links: Vec::with_capacity(links),
            subjects: Vec::new(),
        }
    }

    /// Adds a member. Members are numbered from 0 in the order in which they come.
    pub fn member(&mut self, member: Member) -> MemberId {
        let id = MemberId(number(self.bytes.len()));
        self.bytes.push(member.amount.bytes);
        self.inodes
            .push(u8::try_from(member.amount.inodes).unwrap_or(u8::MAX));
        self.records.push(member.record);
        self.holds.push(member.hold);
        self.costs.push(member.cost);
        id
    }

    /// Adds an image: a root and all that it needs and is here, of the members that were added. What is named
    /// twice counts once.
    ///
    /// # Panics
    /// If the root is a number of another catalog.
    pub fn image(&mut self, root: MemberId, closure: impl IntoIterator<Item = MemberId>) -> ImageId {
        let id = ImageId(number(self.roots.len()));
        let from = self.links.len();
        assert!(root.index() < self.bytes.len(), "a root is a member");
        self.roots.push(root);
        self.starts.push(number(from));
        let here = self.bytes.len();
        self.links.extend(
            std::iter::once(root)
                .chain(closure)
                .filter(|member| member.index() < here)
                .map(|member| member.0),
        );
        id
    }

    /// Another reason why a member has to stay. To be said before it is a part of what is built.
    pub fn also_hold(&mut self, member: MemberId, hold: Hold) {
        if let Some(known) = self.holds.get_mut(member.index()) {
            *known = *known | hold;
        }
    }

    /// Why a member has to stay, as far as it was said.
    pub fn hold(&self, member: MemberId) -> Hold {
        self.holds.get(member.index()).copied().unwrap_or_default()
    }

    /// How dear a member is to fetch again.
    pub fn price(&mut self, member: MemberId, cost: Cost) {
        if let Some(known) = self.costs.get_mut(member.index()) {
            *known = cost;
        }
    }

    /// Says that an image is about another, as a signature is.
    pub fn about(&mut self, referrer: ImageId, subject: ImageId) {
        self.subjects.push((referrer, subject));
    }

    pub fn build(mut self) -> Catalog {
        self.starts.push(number(self.links.len()));
        let leaders = self.leaders();
        let (starts, links) = self.merged(&leaders);
        let held = self.held(&leaders);
        self.hold_what_they_need(&held, &starts, &links);
        let mut units = vec![0u32; self.bytes.len()];
        for member in &links {
            units[*member as usize] += 1;
        }
        let owners = Owners::of(&starts, &links, &units);
        let mut followers: Vec<_> = (0..number(leaders.len()))
            .map(|image| (leaders[image as usize], image))
            .filter(|(leader, image)| leader != image)
            .collect();
        followers.sort_unstable();
        Catalog {
            bytes: self.bytes,
            inodes: self.inodes,
            records: self.records,
            holds: self.holds,
            costs: self.costs,
            roots: self.roots,
            followers,
            held,
            starts,
            links,
            units,
            owners,
        }
    }

    /// For each image the one that it goes with: itself, or what it is about in the end.
    fn leaders(&self) -> Vec<u32> {
        let images = self.roots.len();
        let mut about: Vec<u32> = (0..number(images)).collect();
        for (referrer, subject) in &self.subjects {
            let (referrer, subject) = (referrer.0 as usize, subject.0 as usize);
            if referrer < images && subject < images {
                about[referrer] = subject as u32;
            }
        }
        (0..images)
            .map(|image| {
                let mut at = image;
                // Digests cannot go round in a circle, but numbers can: so many steps and no more.
                for _ in 0..8 {
                    at = about[at] as usize;
                }
                // Whoever leads must lead itself.
                if about[at] as usize == at {
                    at as u32
                } else {
                    image as u32
                }
            })
            .collect()
    }

    /// Why each unit has to stay: for the sake of any of its roots.
    fn held(&self, leaders: &[u32]) -> Vec<Option<Hold>> {
        let mut held = vec![None; leaders.len()];
        for (image, leader) in leaders.iter().enumerate() {
            let unit: &mut Option<Hold> = &mut held[*leader as usize];
            *unit = Some(unit.unwrap_or_default() | self.holds[self.roots[image].index()]);
        }
        held
    }

    /// What a unit that stays needs, stays.
    fn hold_what_they_need(&mut self, held: &[Option<Hold>], starts: &[u32], links: &[u32]) {
        for (unit, hold) in held.iter().enumerate() {
            let Some(hold) = hold.filter(|hold| !hold.is_free()) else {
                continue;
            };
            for member in &links[starts[unit] as usize..starts[unit + 1] as usize] {
                let held = &mut self.holds[*member as usize];
                *held = *held | hold;
            }
        }
    }

    /// The links of each leader's images together, each named once.
    fn merged(&self, leaders: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let mut order: Vec<u32> = (0..number(leaders.len())).collect();
        order.sort_unstable_by_key(|image| (leaders[*image as usize], *image));
        let mut starts = Vec::with_capacity(leaders.len() + 1);
        let mut links = Vec::with_capacity(self.links.len());
        let mut members = Vec::new();
        let mut images = order.into_iter().peekable();
        for leader in 0..number(leaders.len()) {
            starts.push(number(links.len()));
            members.clear();
            while let Some(image) = images.next_if(|image| leaders[*image as usize] == leader) {
                let image = image as usize;
                members.extend_from_slice(
                    &self.links[self.starts[image] as usize..self.starts[image + 1] as usize],
                );
            }
            members.sort_unstable();
            members.dedup();
            links.extend_from_slice(&members);
        }
        starts.push(number(links.len()));
        (starts, links)
    }
}
