//! Removing: what goes, what stays, and that it goes before everything else.

use super::*;

#[test]
fn what_is_removed_from_one_folder_stays_in_the_other() {
    let rig = Rig::new();
    let blobs = rig.blobs(3);
    let partial = rig.path(Folder::Fills, &blobs[1].file_name());
    fs::write(&partial, "a part").expect("written");
    let order = Order::Unlink {
        folder: Folder::Fills,
        names: blobs.iter().map(Name::from).collect(),
    };
    let told = rig.job(1, order, SMALL);
    let last = told.steps.last().expect("steps");
    assert_eq!((last.files, last.bytes, last.missing), (1, 6, 2));
    assert_eq!(last.cursor.folder(), Folder::Fills);
    assert!(!partial.exists());
    assert!(
        blobs
            .iter()
            .all(|blob| rig.path(Folder::Blobs, &blob.file_name()).exists())
    );
}

#[test]
fn removing_twice_is_removing_once() {
    let rig = Rig::new();
    let mut blobs = rig.blobs(10);
    blobs.sort();
    let keeps = rig.path(Folder::Blobs, &blobs[4].file_name());
    let fails = keeps.clone();
    rig.fail(move |call, path| (call == Call::Unlink && path == fails).then_some(Errno::IO));
    let told = rig.job(1, unlink(&blobs), SMALL);
    let last = told.steps.last().expect("steps").clone();
    assert_eq!(
        (told.end, last.files, last.bytes, last.missing),
        (End::Finished, 9, 9, 0)
    );
    match &told.findings[..] {
        [Finding::Kept { name, why }] => {
            assert_eq!(name.digest(), Some(blobs[4]));
            assert_eq!(why.errno, Some(Errno::IO.raw_os_error()));
        }
        other => panic!("{other:?}"),
    }
    assert!(keeps.exists());

    rig.fail(|_, _| None);
    let told = rig.job(2, unlink(&blobs), SMALL);
    let last = told.steps.last().expect("steps");
    assert_eq!((last.files, last.missing), (1, 9));
    assert!(told.findings.is_empty());
    assert!(!keeps.exists());
    let index = rig.path(Folder::Blobs, "index.redb");
    fs::write(&index, "precious").expect("written");
    let names = vec!["index.redb".parse().expect("a name")];
    let folder = Folder::Blobs;
    let told = rig.job(3, Order::Unlink { folder, names }, SMALL);
    assert!(
        matches!(told.findings[..], [Finding::Kept { .. }]),
        "{:?}",
        told.findings
    );
    assert!(index.exists(), "only blobs are removed");
}

#[test]
fn removing_goes_before_everything_else() {
    let rig = Rig::new();
    let blobs = rig.blobs(6);
    let forever = Pace {
        files: 3,
        time: Duration::from_secs(5),
        rest: Duration::from_secs(3600),
    };
    rig.begin(1, scan(Cursor::START), forever);
    assert!(matches!(rig.hear(), FromWorker::Step { job: 1, .. }));
    // While it waits for its step to be taken.
    assert_eq!(rig.job(2, unlink(&blobs[..1]), SMALL).end, End::Finished);
    rig.say(&ToWorker::Taken { job: 1 });
    // While it rests for an hour.
    assert_eq!(rig.job(3, unlink(&blobs[1..2]), SMALL).end, End::Finished);
    assert!(!rig.path(Folder::Blobs, &blobs[1].file_name()).exists());
    rig.say(&ToWorker::Cancel { job: 1 });
    assert!(matches!(
        rig.hear(),
        FromWorker::Ended {
            job: 1,
            end: End::Cancelled
        }
    ));
}
