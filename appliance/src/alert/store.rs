//! Where the book is written down: one transaction per page.
//!
//! | table | what |
//! |---|---|
//! | `alerts` | the head: incidents, silences, who has had what |
//! | `letters` | the letters that wait, by their numbers |
//!
//! Promises: a page is there as a whole or not at all; what cannot be read of an older program's is left out, and told.
//! Must not know: what any of it means.

use std::{collections::BTreeSet, sync::Arc};

use redb::{ReadableTable as _, TableDefinition};

use super::book::Page;
use crate::cache::{CacheError, SmallDatabase};

const ALERTS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("alerts");
const LETTERS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("letters");
const HEAD: &str = "head";

/// Where pages are written to.
pub trait Store: Send + 'static {
    /// What was written last. Blocks.
    fn read(&self) -> Result<Page, CacheError>;

    /// Puts a page in the place of the one before. Blocks.
    fn write(&mut self, page: &Page) -> Result<(), CacheError>;
}

/// In the house's own database.
pub struct Shelf {
    database: SmallDatabase,
    /// The letters that are there, once that is known.
    written: Option<BTreeSet<u64>>,
}

impl Shelf {
    pub fn new(database: SmallDatabase) -> Self {
        Self {
            database,
            written: None,
        }
    }
}

impl Store for Shelf {
    fn read(&self) -> Result<Page, CacheError> {
        self.database.read("read the alerts", |transaction| {
            let mut page = Page::default();
            match transaction.open_table(ALERTS) {
                Ok(alerts) => {
                    if let Some(head) = alerts.get(HEAD)? {
                        page.head = decoded("what was known of incidents", head.value());
                    }
                }
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(page),
                Err(error) => return Err(error.into()),
            }
            for row in transaction.open_table(LETTERS)?.iter()? {
                let (number, letter) = row?;
                if let Some(letter) = decoded("a letter", letter.value()) {
                    page.letters.insert(number.value(), Arc::new(letter));
                }
            }
            // Numbers are never used again.
            let last = page.letters.keys().next_back();
            page.head.next = page.head.next.max(last.map_or(0, |last| last + 1));
            Ok(page)
        })
    }

    fn write(&mut self, page: &Page) -> Result<(), CacheError> {
        let head = encoded(&page.head);
        let known = self.written.take();
        let there: BTreeSet<u64> = page.letters.keys().copied().collect();
        self.database.write("write the alerts down", |transaction| {
            transaction.open_table(ALERTS)?.insert(HEAD, head.as_slice())?;
            let mut letters = transaction.open_table(LETTERS)?;
            let known = match &known {
                Some(known) => known.clone(),
                None => {
                    let keys = letters.iter()?.map(|row| Ok(row?.0.value()));
                    keys.collect::<Result<_, redb::StorageError>>()?
                }
            };
            for old in known.difference(&there) {
                letters.remove(old)?;
            }
            for new in there.difference(&known) {
                letters.insert(new, encoded(&*page.letters[new]).as_slice())?;
            }
            Ok(())
        })?;
        self.written = Some(there);
        Ok(())
    }
}

fn encoded(value: &impl serde::Serialize) -> Vec<u8> {
    // Of our own types, whose keys are texts: there is nothing that could not be written.
    serde_json::to_vec(value).unwrap_or_default()
}

/// What an older or a newer program has written may be unreadable: then it is as if it were not there.
fn decoded<T: serde::de::DeserializeOwned + Default>(what: &str, bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap_or_else(|error| {
        tracing::warn!(what, %error, "it cannot be read, and is left out");
        T::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::{Letter, Notice, Occasion, book::Reached},
        cache::Disk,
        clock::Timestamp,
        rule::builtin,
    };

    fn letter(id: u64) -> Arc<Letter> {
        let rules = builtin().expect("read");
        let mut engine = crate::alert::Engine::default();
        let subject = crate::alert::Subject {
            rule: rules[0].name.clone(),
            of: String::new(),
        };
        let terms = crate::rule::Terms {
            cause: rules[0].cause,
            severity: rules[0].severity,
            pending: std::time::Duration::ZERO,
            keep: std::time::Duration::ZERO,
            worse: rules[0].when.worse(),
            settle: std::time::Duration::ZERO,
            lapse: std::time::Duration::ZERO,
        };
        engine.observe(
            &subject,
            terms,
            crate::alert::Signal::Bad(id as f64),
            Timestamp(id),
        );
        let notice = Notice {
            occasion: Occasion::Fired,
            at: Timestamp(id),
            incident: engine.views(Timestamp(id))[0].incident.clone(),
            flapping: false,
        };
        Arc::new(Letter::new(notice, &rules[0], None))
    }

    #[test]
    fn a_page_takes_the_place_of_the_one_before_and_is_there_for_the_next() {
        let dir = tempfile::tempdir().expect("a folder");
        let open = || Shelf::new(SmallDatabase::new(dir.path().join("state.redb"), Disk::real()));
        let mut page = Page::default();
        {
            let mut shelf = open();
            assert_eq!(shelf.read().expect("read"), page);
            page.letters = (0..5).map(|id| (id, letter(id))).collect();
            page.head.next = 5;
            page.head.reached.insert("people".to_owned(), Reached::default());
            shelf.write(&page).expect("written");
            page.letters.remove(&0);
            page.letters.insert(5, letter(5));
            page.head.next = 6;
            shelf.write(&page).expect("written");
        }
        let mut shelf = open();
        assert_eq!(shelf.read().expect("read"), page);
        // Also what a process before it has left.
        page.letters.remove(&3);
        shelf.write(&page).expect("written");
        assert_eq!(shelf.read().expect("read"), page);
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_no_number_is_used_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let database = SmallDatabase::new(dir.path().join("state.redb"), Disk::real());
        let mut shelf = Shelf::new(database.clone());
        let page = Page {
            letters: (7..9).map(|id| (id, letter(id))).collect(),
            ..Page::default()
        };
        shelf.write(&page).expect("written");
        let spoil = database.write("spoil", |transaction| {
            transaction
                .open_table(ALERTS)?
                .insert(HEAD, b"nonsense".as_slice())?;
            transaction.open_table(LETTERS)?.insert(7, b"{}".as_slice())?;
            Ok(())
        });
        spoil.expect("written");
        let read = shelf.read().expect("read");
        assert_eq!(read.letters.keys().collect::<Vec<_>>(), [&8]);
        assert_eq!(read.head.next, 9);
    }
}
