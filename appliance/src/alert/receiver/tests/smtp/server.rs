//! A mail server for tests.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use data_encoding::BASE64;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What happens, once, instead of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Say(&'static str),
    Hang,
    Reset,
}

/// A mail that was taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Mail {
    pub(super) encrypted: bool,
    pub(super) user: Option<String>,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) data: String,
}

#[derive(Default)]
struct Book {
    taken: Vec<Mail>,
    said: Vec<String>,
    /// By command; `""` is the greeting, `.` the end of a mail.
    troubles: BTreeMap<String, Trouble>,
}

#[derive(Clone)]
struct House {
    tls: TlsAcceptor,
    offers: &'static [&'static str],
    book: Arc<Mutex<Book>>,
}

pub(super) struct Post {
    pub(super) address: SocketAddr,
    book: Arc<Mutex<Book>>,
    _tasks: JoinSet<()>,
}

/// How a server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    FromTheBeginning,
    OnDemand,
}

/// Where in its protection a conversation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    InTheClear,
    Encrypted,
    /// It goes on after `STARTTLS`, without a greeting.
    Anew,
}

/// Why a conversation ends.
enum End {
    Over,
    Encrypt,
}

impl Post {
    pub(super) async fn start(tls: TlsAcceptor, cover: Cover, offers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let book: Arc<Mutex<Book>> = Arc::default();
        let house = House {
            tls,
            offers,
            book: book.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut conversations = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let house = house.clone();
                conversations.spawn(async move {
                    // Whoever drops it without a farewell resets it.
                    let _ = socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO));
                    if cover == Cover::FromTheBeginning {
                        if let Ok(stream) = house.tls.accept(tcp).await {
                            let mut stream = BufReader::new(stream);
                            let _ = house.talk(&mut stream, Stage::Encrypted).await;
                        }
                        return;
                    }
                    let mut stream = BufReader::new(tcp);
                    if let Some(End::Encrypt) = house.talk(&mut stream, Stage::InTheClear).await
                        && let Ok(stream) = house.tls.accept(stream.into_inner()).await
                    {
                        let _ = house.talk(&mut BufReader::new(stream), Stage::Anew).await;
                    }
                });
            }
        });
        Self {
            address,
            book,
            _tasks: tasks,
        }
    }

    pub(super) fn trouble(&self, command: &str, trouble: Trouble) {
        self.book.lock().troubles.insert(command.to_owned(), trouble);
    }

    pub(super) fn taken(&self) -> Vec<Mail> {
        self.book.lock().taken.clone()
    }

    /// All that was said to it.
    pub(super) fn said(&self) -> Vec<String> {
        self.book.lock().said.clone()
    }
}

impl House {
    /// Says what belongs after a command, unless there is trouble.
    async fn answer(&self, stream: &mut (impl AsyncWrite + Unpin), command: &str, usual: &str) -> Option<()> {
        let trouble = self.book.lock().troubles.remove(command);
        let words = match trouble {
            None => usual,
            Some(Trouble::Say(words)) => words,
            Some(Trouble::Hang) => std::future::pending().await,
            Some(Trouble::Reset) => return None,
        };
        stream.write_all(words.as_bytes()).await.ok()?;
        stream.flush().await.ok()
    }

    async fn talk<S>(&self, stream: &mut BufReader<S>, stage: Stage) -> Option<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let encrypted = stage != Stage::InTheClear;
        if stage != Stage::Anew {
            self.answer(stream, "", "220-here is\r\n220 a server\r\n").await?;
        }
        let mut mail = Mail {
            encrypted,
            ..Mail::default()
        };
        loop {
            let line = line(stream).await?;
            self.book.lock().said.push(line.clone());
            let (word, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
            match word {
                "EHLO" => {
                    let mut offers: Vec<&str> = self.offers.to_vec();
                    offers.retain(|offer| !(encrypted && *offer == "STARTTLS"));
                    let lines: String = offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
                    self.answer(stream, word, &format!("250-hello\r\n{lines}250 8BITMIME\r\n"))
                        .await?;
                }
                "STARTTLS" => {
                    self.answer(stream, word, "220 go ahead\r\n").await?;
                    return Some(End::Encrypt);
                }
                "AUTH" => {
                    let mut words = rest.split(' ');
                    let user = match (words.next(), words.next()) {
                        (Some("PLAIN"), Some(first)) => first.to_owned(),
                        _ => {
                            stream.write_all(b"334 VXNlcm5hbWU6\r\n").await.ok()?;
                            let user = self::line(stream).await?;
                            stream.write_all(b"334 UGFzc3dvcmQ6\r\n").await.ok()?;
                            self::line(stream).await?;
                            user
                        }
                    };
                    let user = BASE64.decode(user.as_bytes()).ok()?;
                    mail.user = Some(String::from_utf8(user).ok()?);
                    self.answer(stream, word, "235 welcome\r\n").await?;
                }
                "MAIL" => {
                    mail.from = rest.trim_start_matches("FROM:").split(' ').next()?.to_owned();
                    self.answer(stream, word, "250 ok\r\n").await?;
                }
                "RCPT" => {
                    mail.to.push(rest.trim_start_matches("TO:").to_owned());
                    self.answer(stream, word, "250 ok\r\n").await?;
                }
                "DATA" => {
                    let trouble = self.book.lock().troubles.contains_key(word);
                    self.answer(stream, word, "354 go on\r\n").await?;
                    if trouble {
                        continue;
                    }
                    loop {
                        let line = self::line(stream).await?;
                        if line == "." {
                            break;
                        }
                        mail.data.push_str(&line);
                        mail.data.push_str("\r\n");
                    }
                    let trouble = self.book.lock().troubles.contains_key(".");
                    let taken = std::mem::take(&mut mail);
                    if !trouble {
                        self.book.lock().taken.push(taken);
                    }
                    self.answer(stream, ".", "250 taken\r\n").await?;
                }
                "QUIT" => {
                    self.answer(stream, word, "221 bye\r\n").await?;
                    return Some(End::Over);
                }
                _ => self.answer(stream, word, "500 what?\r\n").await?,
            }
        }
    }
}

async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}
