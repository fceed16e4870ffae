//! A disk that refuses, by every call that the worker makes and at every file: what could not be done is told, all
//! else is done, and the worker stays well.

use super::*;

const REASONS: [Errno; 4] = [Errno::IO, Errno::NOSPC, Errno::ACCESS, Errno::MFILE];
const FILES: u32 = 5;

/// From which time on a call is refused, and for how long.
#[derive(Clone, Copy, Debug)]
enum Lasts {
    Once(usize),
    ForGood,
}

/// Refuses a call, and counts how often it was made.
fn refuse(rig: &Rig, call: Call, errno: Errno, lasts: Lasts) -> Arc<Mutex<usize>> {
    let made = Arc::<Mutex<usize>>::default();
    let count = made.clone();
    rig.fail(move |this, _| {
        if this != call {
            return None;
        }
        let mut made = count.lock();
        *made += 1;
        let refused = match lasts {
            Lasts::Once(at) => *made == at,
            Lasts::ForGood => true,
        };
        refused.then_some(errno)
    });
    made
}

/// The names of which a job has told something, and of those it has told what was refused, and why.
fn told(found: &Told) -> (BTreeSet<Name>, Vec<Option<i32>>) {
    let mut refused = Vec::new();
    let names = found.findings.iter().map(|finding| match finding {
        Finding::Unreadable { name, why, .. } | Finding::Kept { name, why } => {
            refused.push(why.errno);
            name.clone()
        }
        Finding::File { name, .. } | Finding::Verified { name, .. } => name.clone(),
        other => panic!("{other:?}"),
    });
    (names.collect(), refused)
}

#[test]
fn whatever_call_the_disk_refuses_the_rest_is_done_and_the_next_try_works() {
    let jobs: [(&str, &[Call]); 3] = [
        ("scan", &[Call::List, Call::Stat]),
        ("scrub", &[Call::List, Call::Open, Call::Read]),
        ("unlink", &[Call::Stat, Call::Unlink]),
    ];
    for (task, calls) in jobs {
        for call in calls {
            for errno in REASONS {
                let once = (1..=FILES as usize).map(Lasts::Once);
                for lasts in once.chain([Lasts::ForGood]) {
                    play(task, *call, errno, lasts);
                }
            }
        }
    }
}

fn play(task: &str, call: Call, errno: Errno, lasts: Lasts) {
    let what = format!("{task}: {call:?} refused with {errno}, {lasts:?}");
    let rig = Rig::new();
    let blobs = rig.blobs(FILES);
    let names: BTreeSet<Name> = blobs.iter().map(Name::from).collect();
    let order = || match task {
        "scan" => scan(Cursor::START),
        "scrub" => scrub(Cursor::START),
        _ => unlink(&blobs),
    };
    let made = refuse(&rig, call, errno, lasts);
    let first = rig.job(1, order(), SMALL);
    let (seen, refused) = told(&first);
    assert!(
        refused.iter().all(|why| *why == Some(errno.raw_os_error())),
        "{what}"
    );
    let met = match lasts {
        Lasts::Once(at) => usize::from(*made.lock() >= at),
        Lasts::ForGood => *made.lock(),
    };
    assert!(met > 0 || call == Call::List, "{what}: it was met");
    match first.end {
        // That a folder cannot be listed must not look like an empty one.
        End::Refused { why, .. } => {
            assert_eq!(
                (call, why.errno),
                (Call::List, Some(errno.raw_os_error())),
                "{what}"
            );
        }
        End::Finished => {
            // What lies beside the blobs is only told of: that it cannot be listed is of no weight.
            let untold = usize::from((task, call) == ("scan", Call::List));
            assert_eq!(refused.len(), met.saturating_sub(untold), "{what}");
            if task != "unlink" {
                assert_eq!(seen, names, "{what}");
            }
        }
        End::Cancelled => panic!("{what}: nobody cancelled it"),
    }
    let left = || {
        fs::read_dir(rig.dir.path().join("blobs"))
            .expect("listed")
            .count()
    };
    if task == "unlink" {
        assert_eq!(left(), refused.len(), "{what}");
    }

    rig.fail(|_, _| None);
    let again = rig.job(2, order(), SMALL);
    let (seen, refused) = told(&again);
    assert_eq!(
        (again.end, refused.len()),
        (End::Finished, 0),
        "{what}: the next try"
    );
    match task {
        "unlink" => assert_eq!(left(), 0, "{what}"),
        _ => assert_eq!(seen, names, "{what}"),
    }
    rig.end().expect("the worker is well");
}
