//! Files that nobody lists and that are to be read: which, in which order, and which of them kills its readers.
//!
//! Promises: each comes up until it was read, or is known to be the one at which workers die; bounded by what is put
//! in. Must not know: who reads them, what follows.

use std::collections::VecDeque;

use crate::{
    cache::Era,
    janitor::{Name, Walk},
    oci::Digest,
};

/// How many files may wait to be read before more are looked for. As many as a worker holds of a folder: looking
/// further costs no listing that would not be made anyway.
const MOST: usize = 32 << 10;

/// What a recovery has found and not read yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    /// What it compares with. In another era it begins anew.
    pub(super) era: Option<Era>,
    queue: VecDeque<Digest>,
    /// Those that could not be read, for a reason that may pass, and the reason.
    unread: Vec<Digest>,
    why: Option<String>,
    /// At which workers died, until another was read after it.
    suspect: Option<Digest>,
}

impl Search {
    pub(super) const fn of(era: Era) -> Self {
        Self {
            era: Some(era),
            queue: VecDeque::new(),
            unread: Vec::new(),
            why: None,
            suspect: None,
        }
    }

    pub(super) fn found(&mut self, digests: impl IntoIterator<Item = Digest>) {
        self.queue.extend(digests);
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= MOST
    }

    /// What is to be read next, in order. Empty: everything was.
    pub(super) fn next(&mut self) -> Vec<Name> {
        if self.queue.is_empty() {
            // Nothing else can show whether it was the file or the worker.
            self.queue.extend(self.suspect);
        }
        let ascending = self
            .queue
            .iter()
            .zip(self.queue.iter().skip(1))
            .take_while(|(one, other)| one < other);
        let count = (ascending.count() + 1).min(Walk::MOST_NAMES);
        self.queue.iter().take(count).map(Name::from).collect()
    }

    /// The first so many of what is next were read: they do not come up again. At which file workers died, if this has
    /// shown that it was the file.
    pub(super) fn read(&mut self, count: usize) -> Option<Digest> {
        let mut read = self.queue.drain(..count.min(self.queue.len())).peekable();
        read.peek()?;
        let suspect = self.suspect.take();
        let was_read = read.any(|digest| suspect == Some(digest));
        suspect.filter(|_| !was_read)
    }

    /// One that was looked at cannot be read for now.
    pub(super) fn put_off(&mut self, digests: impl IntoIterator<Item = Digest>, why: &str) {
        let before = self.unread.len();
        self.unread.extend(digests);
        if self.unread.len() > before {
            self.why.get_or_insert_with(|| why.to_owned());
        }
    }

    /// What could not be read is to be tried again: how many, and why the first could not.
    pub(super) fn try_again(&mut self) -> Option<(usize, String)> {
        let why = self.why.take()?;
        let count = self.unread.len();
        self.unread.sort_unstable();
        self.queue.extend(self.unread.drain(..));
        Some((count, why))
    }

    /// Workers died at a file: others go before it. If it is the same again and nothing else was left to be read, then
    /// it was the file.
    pub(super) fn blame(&mut self, digest: Digest) -> Option<Digest> {
        let before = self.suspect.replace(digest);
        self.queue.retain(|waiting| *waiting != digest);
        match before {
            Some(before) if before == digest => self.suspect.take(),
            before => {
                self.queue.extend(before);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;

    fn digests(count: u8) -> Vec<Digest> {
        let mut all: Vec<_> = (0..count)
            .map(|seed| Digest::of(Algorithm::Sha256, &[seed]))
            .collect();
        all.sort_unstable();
        all
    }

    fn names(of: &[Digest]) -> Vec<Name> {
        of.iter().map(Name::from).collect()
    }

    #[test]
    fn what_comes_next_is_in_order_and_fits_into_a_message() {
        let mut all: Vec<_> = (0..3000_u32)
            .map(|seed| Digest::of(Algorithm::Sha256, &seed.to_be_bytes()))
            .collect();
        all.sort_unstable();
        let mut search = Search::default();
        search.found(all.iter().copied());
        search.found([all[0]]);
        let mut read = 0;
        for most in [1024, 1024, 952, 1] {
            let next = search.next();
            assert_eq!(next.len(), most);
            assert!(next.is_sorted());
            read += next.len();
            assert_eq!(search.read(next.len()), None);
        }
        assert_eq!((read, search.next()), (3001, Vec::new()));
        assert_eq!(search.read(5), None, "there is nothing");
    }

    #[test]
    fn a_file_is_to_blame_when_another_was_read_after_it() {
        let all = digests(3);
        let mut search = Search::default();
        search.found(all.iter().copied());
        assert_eq!(search.blame(all[0]), None);
        assert_eq!(search.next(), names(&all[1..]));
        assert_eq!(search.read(1), Some(all[0]));
        assert_eq!(search.read(1), None);
        assert_eq!(search.next(), []);
    }

    #[test]
    fn a_worker_that_always_dies_blames_nothing_while_there_is_more() {
        let all = digests(3);
        let mut search = Search::default();
        search.found(all.iter().copied());
        for turn in 0..30 {
            let next = search.next();
            let first = next[0].digest().expect("a digest");
            assert_eq!(search.blame(first), None, "turn {turn}");
        }
        // It was the worker: all but the last suspect, which is blamed, are read in the end.
        let mut read = 0;
        while let left = search.next().len()
            && left > 0
        {
            search.read(left);
            read += left;
        }
        assert_eq!(read, 2);
    }

    #[test]
    fn the_last_one_is_tried_twice() {
        let all = digests(1);
        let mut search = Search::default();
        search.found(all.iter().copied());
        assert_eq!(search.blame(all[0]), None);
        assert_eq!(search.next(), names(&all), "it may have been the worker");
        assert_eq!(search.blame(all[0]), Some(all[0]));
        assert_eq!(search.next(), []);

        search.found(all.iter().copied());
        assert_eq!(search.blame(all[0]), None);
        assert_eq!(search.next(), names(&all));
        assert_eq!(search.read(1), None, "it was the worker");
        assert_eq!(search.next(), []);
    }

    #[test]
    fn what_was_put_off_comes_up_again() {
        let all = digests(2);
        let mut search = Search::default();
        assert_eq!(search.try_again(), None);
        search.put_off([all[1]], "no memory");
        search.put_off([all[0]], "no descriptors");
        assert_eq!(search.try_again(), Some((2, "no memory".to_owned())));
        assert_eq!((search.next(), search.try_again()), (names(&all), None));
    }
}
