//! Tests of who may begin.

use super::*;
use crate::oci::Algorithm;

const SPACE: Space = Space {
    bytes: 1000,
    free_bytes: 900,
    inodes: 12,
    free_inodes: 7,
};

fn need(whole: u64) -> Need {
    Need {
        whole,
        have: 0,
        file: FileNeed::Create,
    }
}

fn ticket(admission: &Arc<Admission>, name: u8) -> Ticket {
    admission
        .begin(&Digest::of(Algorithm::Sha256, &[name]))
        .expect("nobody else")
}

#[test]
fn what_is_promised_is_used() {
    let admission = Admission::new(None, None, 0.98);
    let first = ticket(&admission, 1);
    first
        .admit(need(600), &admission.glance(|| SPACE), &Sums::default())
        .expect("room");
    let second = ticket(&admission, 2);
    let refused = second.admit(need(300), &admission.glance(|| SPACE), &Sums::default());
    assert_eq!(refused.expect_err("promised").kind(), Kind::Full(Resource::Bytes));
    first.written(500, 500);
    let later = Space {
        free_bytes: 400,
        ..SPACE
    };
    second
        .admit(need(250), &admission.glance(|| later), &Sums::default())
        .expect("room");
    drop(second);
    drop(first);
    assert_eq!(admission.running(), 0);
}

#[test]
fn what_is_written_while_the_filesystem_is_asked_is_not_missed() {
    let admission = Admission::new(None, None, 0.98);
    let first = ticket(&admission, 1);
    first
        .admit(need(600), &admission.glance(|| SPACE), &Sums::default())
        .expect("room");
    let second = ticket(&admission, 2);
    let glance = admission.glance(|| SPACE);
    // The glance does not show it, and it is not promised any more.
    first.created();
    first.written(600, 600);
    let refused = second.admit(need(300), &glance, &Sums::default());
    assert_eq!(refused.expect_err("written").kind(), Kind::Full(Resource::Bytes));
}

#[test]
fn inodes_are_a_limit_only_where_there_is_one() {
    let admission = Admission::new(None, None, 0.98);
    let none_left = Space {
        free_inodes: 1,
        ..SPACE
    };
    let one = ticket(&admission, 1);
    let refused = one.admit(need(1), &admission.glance(|| none_left), &Sums::default());
    assert_eq!(refused.expect_err("none").kind(), Kind::Full(Resource::Inodes));
    let unlimited = Space {
        inodes: 0,
        free_inodes: 0,
        ..SPACE
    };
    one.admit(need(1), &admission.glance(|| unlimited), &Sums::default())
        .expect("no limit");
}

#[test]
fn the_caches_own_limits_hold() {
    let admission = Admission::new(Some(100), Some(2), 1.0);
    let sums = Sums {
        file_bytes: 60,
        files: 1,
        ..Sums::default()
    };
    let one = ticket(&admission, 1);
    let refused = one.admit(need(50), &admission.glance(|| SPACE), &sums);
    assert_eq!(refused.expect_err("bytes").kind(), Kind::Full(Resource::Bytes));
    one.admit(need(10), &admission.glance(|| SPACE), &sums)
        .expect("room");
    let refused = ticket(&admission, 2).admit(need(10), &admission.glance(|| SPACE), &sums);
    assert_eq!(refused.expect_err("files").kind(), Kind::Full(Resource::Inodes));
}

#[test]
fn what_two_doomed_is_filled_when_both_are_done() {
    let admission = Admission::new(None, None, 1.0);
    let digest = Digest::of(Algorithm::Sha256, b"x");
    let one = admission.doom(&digest).expect("nobody fills it");
    let other = admission.doom(&digest).expect("nobody fills it");
    drop(other);
    assert!(
        admission.begin(&digest).is_none(),
        "its file is still to be removed"
    );
    drop(one);
    assert!(admission.begin(&digest).is_some());
}

#[test]
fn one_ticket_per_digest() {
    let admission = Admission::new(None, None, 1.0);
    let one = ticket(&admission, 1);
    assert!(admission.begin(&one.digest).is_none());
    let digest = one.digest;
    assert!(admission.doom(&digest).is_none(), "it is being filled");
    drop(one);
    assert!(admission.begin(&digest).is_some());
}

#[test]
fn what_a_fill_left_is_used_until_it_is_gone_or_goes_on() {
    let admission = Admission::new(Some(100), Some(1), 1.0);
    let one = ticket(&admission, 1);
    one.admit(need(90), &admission.glance(|| SPACE), &Sums::default())
        .expect("room");
    let leftover = Leftover {
        bytes: 40,
        since: crate::clock::Timestamp(1),
    };
    one.leaves(Some(leftover));
    assert_eq!(admission.promised(), Amount::new(90, 1));
    let digest = one.digest;
    drop(one);
    assert_eq!(admission.promised(), Amount::new(40, 1));
    let other = ticket(&admission, 2);
    let refused = other.admit(need(70), &admission.glance(|| SPACE), &Sums::default());
    assert_eq!(refused.expect_err("bytes").kind(), Kind::Full(Resource::Bytes));
    let refused = other.admit(need(60), &admission.glance(|| SPACE), &Sums::default());
    assert_eq!(refused.expect_err("files").kind(), Kind::Full(Resource::Inodes));
    // It goes on, and counts once.
    let again = ticket(&admission, 1);
    assert_eq!(admission.promised(), Amount::new(40, 1));
    let all = Need {
        whole: 100,
        have: 40,
        file: FileNeed::Exists,
    };
    again
        .admit(all, &admission.glance(|| SPACE), &Sums::default())
        .expect("its own room");
    assert_eq!(admission.promised(), Amount::new(100, 1));
    drop(again);
    // Nobody said what became of it.
    assert_eq!(admission.promised(), Amount::new(40, 1));
    assert_eq!(admission.take_doubtful(), [digest]);
    drop(admission.doom(&digest).expect("nobody fills it"));
    assert_eq!(admission.take_doubtful(), [digest]);
    let last = ticket(&admission, 1);
    last.leaves(None);
    drop(last);
    assert_eq!(admission.promised(), Amount::NOTHING);
}

#[test]
fn what_is_doomed_is_not_doomed_by_who_does_not_know() {
    let admission = Admission::new(None, None, 1.0);
    let digest = Digest::of(Algorithm::Sha256, b"1");
    let doom = admission.doom_alone(&digest).expect("nobody else");
    assert!(
        admission.doom_alone(&digest).is_none(),
        "its end would be the first one's"
    );
    assert!(admission.begin(&digest).is_none());
    assert_eq!(admission.doomed(), 1);
    drop(doom);
    assert!(admission.begin(&digest).is_some());
}
