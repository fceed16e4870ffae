use std::io::Write;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[tokio::test]
async fn localhost_is_not_asked_for() {
    let names = SystemNames::reading("/nowhere/resolv.conf".into(), "/nowhere/hosts".into());
    assert!(
        names
            .resolve("localhost", Family::V6)
            .await
            .is_ok_and(|found| found.addresses.len() == 2)
    );
    let error = names
        .resolve("ghcr.io", Family::V6)
        .await
        .err()
        .expect("no configuration");
    assert_eq!(error.to_string(), "read /nowhere/resolv.conf");
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_comes_or_changes_later_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("resolv.conf");
    let names = SystemNames::reading(path.clone(), folder.path().join("hosts"));
    assert!(names.current().is_err());

    let write = |server: &str, age: u64| {
        let mut file = fs::File::create(&path).expect("a file");
        writeln!(file, "nameserver {server}").expect("written");
        let then = SystemTime::now() - Duration::from_secs(age);
        file.set_modified(then).expect("a time");
    };
    write("127.0.0.1", 60);
    let first = names.current().expect("noticed at once");
    write("127.0.0.2", 30);
    assert!(
        Arc::ptr_eq(&first, &names.current().expect("kept")),
        "looked at seldom"
    );
    tokio::time::advance(CHECK).await;
    let second = names.current().expect("noticed");
    assert!(!Arc::ptr_eq(&first, &second));
    tokio::time::advance(CHECK).await;
    assert!(
        Arc::ptr_eq(&second, &names.current().expect("kept")),
        "it did not change"
    );
    fs::remove_file(&path).expect("removed");
    tokio::time::advance(CHECK).await;
    assert!(names.current().is_err());
}

#[tokio::test]
async fn the_hosts_file_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let (conf, hosts) = (folder.path().join("resolv.conf"), folder.path().join("hosts"));
    // Nobody listens there.
    fs::write(&conf, "nameserver 127.0.0.1").expect("written");
    fs::write(
        &hosts,
        "192.0.2.7 registry.lan registry # a comment\n2001:db8::7 registry.lan\n",
    )
    .expect("written");
    let names = SystemNames::reading(conf, hosts);
    let Ok(Found { mut addresses, late }) = names.resolve("registry.lan", Family::V6).await else {
        panic!("not found")
    };
    if let Some(late) = late {
        addresses.extend(late.await);
    }
    assert_eq!(addresses, [address("2001:db8::7"), address("192.0.2.7")]);
    let one = names.resolve("registry", Family::V6).await.expect("found");
    assert_eq!(one.addresses, [address("192.0.2.7")]);
}

#[test]
fn only_names_of_one_word_are_searched_for() {
    assert_eq!(qualified("ghcr.io"), "ghcr.io.");
    assert_eq!(qualified("ghcr.io."), "ghcr.io.");
    assert_eq!(qualified("registry"), "registry");
}

#[test]
fn a_server_that_says_that_there_is_no_such_name_has_answered() {
    use hickory_resolver::{net::NoRecords, proto::op::Query};
    let none = |code| NetError::Dns(DnsError::NoRecordsFound(NoRecords::new(Query::default(), code)));
    let is_answer = |error| ResolveError::NoAddress(Some(Answered(error))).is_answer();
    assert!(is_answer(none(ResponseCode::NXDomain)) && is_answer(none(ResponseCode::NoError)));
    assert!(ResolveError::NoAddress(None).is_answer());
    assert!(!is_answer(none(ResponseCode::ServFail)));
    assert!(!is_answer(NetError::Timeout) && !is_answer(NetError::Message("no")));
    assert!(!ResolveError::Silent.is_answer());
}
