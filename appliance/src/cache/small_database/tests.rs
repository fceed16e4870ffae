//! A small database on disks of all kinds.

use std::{fs, path::Path};

use redb::TableDefinition;

use super::*;
use crate::cache::{Call, Faults, Resource};

const TABLE: TableDefinition<'static, &str, u64> = TableDefinition::new("table");

fn put(database: &SmallDatabase, value: u64) -> Result<(), CacheError> {
    database.write("put", |transaction| {
        transaction.open_table(TABLE)?.insert("it", value)?;
        Ok(())
    })
}

fn get(database: &SmallDatabase) -> Result<Option<u64>, CacheError> {
    database.read("get", |transaction| match transaction.open_table(TABLE) {
        Ok(table) => Ok(table.get("it")?.map(|value| value.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    })
}

/// Fails every change with an error while there is one.
#[derive(Default)]
struct Refusing(Mutex<Option<Errno>>);

impl Faults for Refusing {
    fn before(&self, call: Call, _: &Path) -> io::Result<()> {
        let changes = !matches!(
            call,
            Call::Open | Call::Read | Call::Stat | Call::List | Call::Space
        );
        match *self.0.lock() {
            Some(error) if changes => Err(error.into()),
            _ => Ok(()),
        }
    }
}

struct Bed {
    faults: Arc<Refusing>,
    dir: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        Self {
            faults: Arc::default(),
            dir: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("state.redb")
    }

    fn open(&self) -> SmallDatabase {
        SmallDatabase::new(self.path(), Disk::with_faults(self.faults.clone()))
    }
}

#[test]
fn what_is_written_is_there_for_the_next() {
    let bed = Bed::new();
    let database = bed.open();
    assert_eq!(get(&database).expect("read"), None);
    put(&database, 7).expect("written");
    drop(database);
    assert_eq!(get(&bed.open()).expect("read"), Some(7));
}

#[test]
fn a_disk_that_refuses_is_read_and_written_again_when_it_takes_it() {
    for (errno, kind) in [
        (Errno::NOSPC, Kind::Full(Resource::Bytes)),
        (Errno::ROFS, Kind::Unwritable),
        (Errno::IO, Kind::Io),
    ] {
        let bed = Bed::new();
        let database = bed.open();
        put(&database, 7).expect("written");
        *bed.faults.0.lock() = Some(errno);
        let refused = put(&database, 8).expect_err("refused");
        assert_eq!(refused.kind(), kind, "{refused}");
        if errno != Errno::IO {
            assert_eq!(get(&database).expect("read"), Some(7));
            assert_eq!(
                get(&bed.open()).expect("read"),
                Some(7),
                "after a restart as well"
            );
            assert_eq!(put(&database, 8).expect_err("still").kind(), Kind::Unwritable);
        }
        *bed.faults.0.lock() = None;
        put(&database, 9).expect("written");
        drop(database);
        assert_eq!(get(&bed.open()).expect("read"), Some(9));
    }
}

#[test]
fn a_damaged_one_is_set_aside_and_an_empty_one_takes_its_place() {
    let bed = Bed::new();
    for content in [vec![7; 100_000], b"no database".to_vec()] {
        fs::write(bed.path(), &content).expect("written");
        let database = bed.open();
        assert_eq!(get(&database).expect("read"), None);
        put(&database, 5).expect("written");
        drop(database);
        assert_eq!(get(&bed.open()).expect("read"), Some(5));
        let aside = bed.dir.path().join("state.redb.damaged");
        assert_eq!(fs::read(aside).expect("kept"), content);
    }
}

#[test]
fn cut_anywhere_it_opens_and_never_panics() {
    let bed = Bed::new();
    put(&bed.open(), 7).expect("written");
    let whole = fs::read(bed.path()).expect("read");
    for length in (0..whole.len()).step_by(whole.len() / 23) {
        fs::write(bed.path(), &whole[..length]).expect("written");
        let database = bed.open();
        let found = get(&database).expect("read");
        assert!(found.is_none() || found == Some(7));
        put(&database, 8).expect("written");
    }
}
