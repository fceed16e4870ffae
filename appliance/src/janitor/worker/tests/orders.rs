//! Orders that cannot be understood.

use super::*;

#[test]
fn what_cannot_be_understood_ends_the_worker_with_a_reason() {
    let said = |rig: Rig| chain(&rig.end().expect_err("refused"));
    let rig = Rig::new();
    std::io::Write::write_all(&mut &rig.pipe, b"\0\0\0\x05hello").expect("said");
    assert!(said(rig).contains("`hello`"));

    let rig = Rig::new();
    for job in [1, 2] {
        rig.begin(job, scan(Cursor::START), SMALL);
    }
    let why = said(rig);
    assert!(
        why.contains("job 2 was ordered before job 1") || why.is_empty(),
        "{why}"
    );

    let rig = Rig::bare();
    rig.say(&ToWorker::Cancel { job: 1 });
    assert!(said(rig).contains("not a greeting"));

    let rig = Rig::bare();
    rig.say(&ToWorker::Hello {
        version: VERSION + 1,
        folder: "/".into(),
        memory: 1,
    });
    assert!(said(rig).contains("not the same program"));
    Rig::bare().end().expect("nobody wanted anything");
}
