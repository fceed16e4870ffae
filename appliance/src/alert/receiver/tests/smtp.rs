//! Mail, through a server that speaks SMTP and has one weakness at a time.

mod real;
mod server;

use self::server::{Cover, Post, Trouble};
use super::{server::certificate, *};

/// A mail server, and what a receiver that trusts it is configured with.
struct Site {
    post: Post,
    lines: String,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn new(scheme: &str, offers: &'static [&'static str]) -> Self {
        let (pem, tls) = certificate();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, pem).expect("a file");
        let cover = match scheme {
            "smtps" => Cover::FromTheBeginning,
            _ => Cover::OnDemand,
        };
        let post = Post::start(tls, cover, offers).await;
        let lines = format!(
            "url = \"{scheme}://localhost:{}\"\nca_file = {path:?}\nfrom = \"Larder <larder@example.org>\"\n\
             to = [\"ada@example.org\", \"Grace <grace@example.org>\"]\n",
            post.address.port()
        );
        Self {
            post,
            lines,
            _folder: folder,
        }
    }

    fn receiver(&self, more: &str, deadline: Duration) -> Box<dyn Receiver> {
        receiver("smtp", &format!("{}{more}", self.lines), deadline)
    }
}

const LOGIN: &str = "username = \"larder\"\npassword = \"s3cret\"\n";

/// A header of a mail, unfolded.
fn header(mail: &str, name: &str) -> Option<String> {
    let head = mail
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .replace("\r\n ", " ");
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(": ")?;
        (known == name).then(|| value.to_owned())
    })
}

#[tokio::test]
async fn mail_arrives_encrypted_and_one_incident_is_one_thread() {
    let site = Site::new("smtp", &["STARTTLS", "AUTH PLAIN LOGIN"]).await;
    let mail = site.receiver(LOGIN, PATIENT);
    let plain = Message {
        title: "[critical] attic: full".to_owned(),
        ..fired()
    };
    let reminder = Message {
        key: "larder-attic-13".to_owned(),
        ..message(Told::Reminder, Severity::Critical)
    };
    let digest = Message {
        incident: None,
        key: "larder-attic-14".to_owned(),
        ..message(Told::Digest, Severity::Info)
    };
    for message in [&plain, &plain, &reminder, &digest] {
        send(&*mail, message).await.expect("delivered");
    }
    let taken = site.post.taken();
    let first = &taken[0];
    assert!(first.encrypted && first.user.as_deref() == Some("\0larder\0s3cret"));
    assert_eq!(first.from, "<larder@example.org>");
    assert_eq!(first.to, ["<ada@example.org>", "<grace@example.org>"]);
    assert_eq!(
        header(&first.data, "Subject").as_deref(),
        Some("[critical] attic: full")
    );
    assert_eq!(
        header(&first.data, "Date").as_deref(),
        Some("Fri, 15 Jan 2027 08:00:00 +0000")
    );
    assert_eq!(
        header(&first.data, "Auto-Submitted").as_deref(),
        Some("auto-generated")
    );
    assert!(
        first
            .data
            .contains("\r\n\r\nwhat: the disk is full\r\nyou can: & so on\r\n")
    );
    let root = header(&first.data, "Message-ID");
    assert_eq!(root.as_deref(), Some("<larder-attic-incident-7@attic>"));
    assert_eq!(taken[1].data, first.data, "sent again, it is the same mail");
    let second = &taken[2].data;
    assert_eq!(
        header(second, "Message-ID").as_deref(),
        Some("<larder-attic-13@attic>")
    );
    assert_eq!(
        (header(second, "References"), header(second, "In-Reply-To")),
        (root.clone(), root)
    );
    let alone = &taken[3].data;
    assert_eq!(
        (header(alone, "References"), header(alone, "In-Reply-To")),
        (None, None)
    );
    assert_eq!(
        header(alone, "Message-ID").as_deref(),
        Some("<larder-attic-14@attic>")
    );
    let said = site.post.said();
    let before_tls: Vec<_> = said.iter().take_while(|line| *line != "STARTTLS").collect();
    assert_eq!(before_tls, ["EHLO attic"], "nothing else is said in the clear");
}

#[tokio::test]
async fn mail_goes_over_tls_from_the_beginning() {
    let site = Site::new("smtps", &["AUTH LOGIN"]).await;
    send(&*site.receiver(LOGIN, PATIENT), &fired())
        .await
        .expect("delivered");
    let taken = site.post.taken();
    assert!(taken[0].encrypted && taken[0].user.is_some());
    let wary = site
        .lines
        .lines()
        .filter(|line| !line.starts_with("ca_file"))
        .collect::<Vec<_>>()
        .join("\n");
    let error = send(&*receiver("smtp", &wary, PATIENT), &fired())
        .await
        .expect_err("unknown");
    assert_eq!(error.fault, Fault::Untrusted, "{error}");
}

#[tokio::test]
async fn without_encryption_nothing_goes_that_was_not_waived() {
    let site = Site::new("smtp", &["AUTH PLAIN"]).await;
    let error = send(&*site.receiver(LOGIN, PATIENT), &fired())
        .await
        .expect_err("no STARTTLS");
    assert_eq!(error.fault, Fault::Misconfigured);
    assert!(error.cause.contains("insecure = true"), "{error}");
    assert_eq!(site.post.said(), ["EHLO attic"]);
    let insecure = site.receiver(&format!("{LOGIN}insecure = true\n"), PATIENT);
    send(&*insecure, &fired()).await.expect("delivered");
    assert!(!site.post.taken()[0].encrypted);
}

#[tokio::test]
async fn what_is_said_before_the_encryption_is_not_taken_for_what_comes_after() {
    let site = Site::new("smtp", &["STARTTLS"]).await;
    site.post
        .trouble("STARTTLS", Trouble::Say("220 go\r\n250 injected\r\n"));
    let error = send(&*site.receiver("", PATIENT), &fired())
        .await
        .expect_err("injected");
    assert!(matches!(error.fault, Fault::Broken(None)), "{error}");
    assert!(site.post.taken().is_empty());
    send(&*site.receiver("", PATIENT), &fired())
        .await
        .expect("delivered");
}

#[tokio::test]
async fn a_no_says_whose_fault_it_is() {
    for (command, says, fault) in [
        ("", "421 busy\r\n", Fault::Broken(None)),
        ("", "554 go away\r\n", Fault::Misconfigured),
        ("EHLO", "502 what?\r\n", Fault::Misconfigured),
        ("STARTTLS", "454 not now\r\n", Fault::Broken(None)),
        ("AUTH", "535 wrong\r\n", Fault::Misconfigured),
        ("MAIL", "451 later\r\n", Fault::Broken(None)),
        ("RCPT", "550 nobody of this name\r\n", Fault::Misconfigured),
        ("RCPT", "450 greylisted\r\n", Fault::Broken(None)),
        ("DATA", "552 full\r\n", Fault::Misconfigured),
        (".", "554 spam\r\n", Fault::Misconfigured),
        (".", "not SMTP\r\n", Fault::Broken(None)),
    ] {
        let site = Site::new("smtp", &["STARTTLS", "AUTH PLAIN"]).await;
        site.post.trouble(command, Trouble::Say(says));
        let mail = site.receiver(LOGIN, PATIENT);
        let error = send(&*mail, &fired()).await.expect_err(command);
        assert_eq!(error.fault, fault, "{command} {says}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(site.post.taken().is_empty());
        send(&*mail, &fired()).await.expect("it has come back");
    }
}

#[tokio::test]
async fn one_who_hangs_or_breaks_off_has_perhaps_not_got_it() {
    for command in ["", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "."] {
        let site = Site::new("smtp", &["STARTTLS", "AUTH PLAIN"]).await;
        site.post.trouble(command, Trouble::Hang);
        let error = send(&*site.receiver(LOGIN, SHORT), &fired())
            .await
            .expect_err(command);
        assert_eq!(error.fault, Fault::Silent, "{command}: {error}");
        site.post.trouble(command, Trouble::Reset);
        let mail = site.receiver(LOGIN, PATIENT);
        let error = send(&*mail, &fired()).await.expect_err(command);
        assert_eq!(error.fault, Fault::Broken(None), "{command}: {error}");
        send(&*mail, &fired()).await.expect("it has come back");
        assert_eq!(site.post.taken().len(), 1);
    }
    let Site { post, lines, _folder } = Site::new("smtp", &[]).await;
    drop(post);
    let error = send(&*receiver("smtp", &lines, PATIENT), &fired())
        .await
        .expect_err("nobody");
    assert_eq!(error.fault, Fault::Unreachable, "{error}");
}

#[tokio::test]
async fn what_cannot_have_been_meant_is_refused_before_a_word_is_said() {
    let site = Site::new("smtp", &["STARTTLS"]).await;
    let error = send(&*site.receiver(LOGIN, PATIENT), &fired())
        .await
        .expect_err("no way to log in");
    assert_eq!(error.fault, Fault::Misconfigured, "{error}");
    // A title never adds headers.
    let sly = Message {
        title: "full\r\nBcc: eve@example.org\r\n\r\nhello".to_owned(),
        ..fired()
    };
    send(&*site.receiver("", PATIENT), &sly).await.expect("delivered");
    let taken = site.post.taken();
    assert_eq!(header(&taken[0].data, "Bcc"), None, "{}", taken[0].data);
    assert_eq!(taken[0].to.len(), 2);
}
