//! Mail through Debian's `aiosmtpd`, which puts it into a maildir.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::{super::server::certificate_files, header, *};

/// A mail server, until it is dropped.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
    _child: Child,
}

impl Server {
    /// Begins to listen; `tls` are the names of its options for a certificate and its key.
    async fn start(tls: Option<[&str; 2]>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            free.local_addr().expect("an address").port()
        };
        let (certificate, key) = certificate_files(folder.path());
        let mut command = Command::new("aiosmtpd");
        command.args(["-n", "-l", &format!("127.0.0.1:{port}")]);
        if let Some([for_certificate, for_key]) = tls {
            command
                .arg(for_certificate)
                .arg(&certificate)
                .arg(for_key)
                .arg(&key);
        }
        let child = command
            .args(["-c", "aiosmtpd.handlers.Mailbox"])
            .arg(folder.path().join("mail"))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("`tests/run` installs aiosmtpd");
        // It says nothing when it listens.
        let listens = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENT, listens).await.expect("it listens");
        Self {
            folder,
            port,
            _child: child,
        }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// What it has, as it was said, in the order in which it came.
    fn mails(&self) -> Vec<String> {
        let read = |path: &Path| std::fs::read_to_string(path).expect("a mail");
        let new = std::fs::read_dir(self.folder.path().join("mail/new")).expect("a maildir");
        let mut files: Vec<_> = new
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let came = path.metadata().and_then(|data| data.modified()).expect("a time");
                (came, path)
            })
            .collect();
        files.sort();
        files
            .iter()
            .map(|(_, path)| read(path).replace('\n', "\r\n"))
            .collect()
    }
}

#[tokio::test]
async fn a_server_of_the_systems_takes_it_in_each_way() {
    let with_certificate = [
        ("smtp", Some(["--tlscert", "--tlskey"]), ""),
        ("smtps", Some(["--smtpscert", "--smtpskey"]), ""),
        ("smtp", None, "insecure = true\n"),
    ];
    for (scheme, tls, more) in with_certificate {
        let server = Server::start(tls).await;
        let ca = if tls.is_some() {
            format!("ca_file = {:?}\n", server.certificate())
        } else {
            String::new()
        };
        let mail = receiver(
            "smtp",
            &format!(
                "url = \"{scheme}://localhost:{}\"\n{ca}{more}from = \"Larder <larder@example.org>\"\n\
                 to = [\"ada@example.org\", \"Grace <grace@example.org>\"]\n",
                server.port
            ),
            PATIENT,
        );
        let over = Message {
            title: "[over] attic: the disk is full – 4 °C".to_owned(),
            key: "larder-attic-13".to_owned(),
            ..message(Told::Resolved, Severity::Critical)
        };
        for message in [fired(), over] {
            send(&*mail, &message).await.expect("delivered");
        }
        let mails = server.mails();
        let [first, second] = &mails[..] else {
            panic!("{scheme}: {mails:#?}")
        };
        let root = header(first, "Message-ID");
        assert_eq!(
            root.as_deref(),
            Some("<larder-attic-incident-7@attic>"),
            "{scheme}"
        );
        assert_eq!(header(second, "References"), root, "{scheme}");
        let to = header(first, "X-RcptTo").expect("whom it was for");
        assert!(
            to.contains("ada@example.org") && to.contains("grace@example.org"),
            "{to}"
        );
        assert_eq!(header(first, "X-MailFrom").as_deref(), Some("larder@example.org"));
        assert!(first.contains("you can: & so on"), "{first}");
    }
}
