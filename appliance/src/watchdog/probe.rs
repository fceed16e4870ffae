//! Knocking at the box's own door, as a client would: a part of a blob, and all of it, over plain HTTP.
//!
//! Promises: each knock ends within [`PATIENCE`]; what keeps the knock itself from being made is no fault of the house.
//! Must not know: who answers, how often it is knocked.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// For one request and its answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// More than this is no answer of ours.
const MOST: u64 = 64 << 10;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Knock {
    pub path: String,
    /// What is there: each byte of it is compared.
    pub content: &'static [u8],
    /// How the house knows its own knock (`User-Agent`).
    pub mark: String,
}

/// How it went.
#[derive(Debug)]
pub enum Answer {
    Right,
    /// It could not be knocked: no descriptor, no such address.
    Unknown(io::Error),
    Wrong(String),
}

/// The addresses at which a bound one is reached from this machine: of both families, where it takes both.
pub fn doors(bound: SocketAddr) -> Vec<SocketAddr> {
    let at = |ip: IpAddr| SocketAddr::new(ip, bound.port());
    let (four, six) = (at(Ipv4Addr::LOCALHOST.into()), at(Ipv6Addr::LOCALHOST.into()));
    match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![four],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![four, six],
        _ => vec![bound],
    }
}

impl Knock {
    /// Asks for a part, and for all.
    pub async fn at(&self, door: SocketAddr) -> Answer {
        let part = (self.content.len() / 3, self.content.len() / 2);
        for part in [Some(part), None] {
            let answer = match timeout(PATIENCE, self.ask(door, part)).await {
                Ok(answer) => answer,
                Err(_) => Answer::Wrong(format!("{door} has not answered for {PATIENCE:?}")),
            };
            if !matches!(answer, Answer::Right) {
                return answer;
            }
        }
        Answer::Right
    }

    async fn ask(&self, door: SocketAddr, part: Option<(usize, usize)>) -> Answer {
        let mut stream = match TcpStream::connect(door).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Answer::Wrong(format!("{door} refuses connections"));
            }
            Err(error) => return Answer::Unknown(error),
        };
        let (status, expected, range) = match part {
            None => ("200", self.content, String::new()),
            Some((start, end)) => {
                let range = format!("Range: bytes={start}-{}\r\n", end - 1);
                ("206", &self.content[start..end], range)
            }
        };
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {door}\r\nUser-Agent: {}\r\nConnection: close\r\n{range}\r\n",
            self.path, self.mark
        );
        let mut answer = Vec::new();
        let talk = async {
            stream.write_all(request.as_bytes()).await?;
            stream.take(MOST).read_to_end(&mut answer).await
        };
        if let Err(error) = talk.await {
            return Answer::Wrong(format!("{door} broke off: {error}"));
        }
        let head = format!("HTTP/1.1 {status} ");
        if !answer.starts_with(head.as_bytes()) {
            let line: Vec<u8> = answer.into_iter().take_while(|byte| *byte != b'\r').collect();
            let line = String::from_utf8_lossy(&line).into_owned();
            return Answer::Wrong(format!("{door} answered {line:?}"));
        }
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if body.is_some_and(|at| answer[at + 4..] == *expected) {
            Answer::Right
        } else {
            Answer::Wrong(format!("{door} sent other bytes"))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const CONTENT: &[u8] = b"0123456789abcdef";

    fn knock() -> Knock {
        Knock {
            path: "/v2/up.test/larder/blobs/sha256:0".to_owned(),
            content: CONTENT,
            mark: "knock".to_owned(),
        }
    }

    /// Answers like this, time after time; with nothing, says nothing.
    async fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for (nth, answer) in answers.iter().enumerate() {
                let (mut stream, _) = listener.accept().await.expect("accepted");
                let mut request = [0; 1000];
                let length = stream.read(&mut request).await.expect("a request");
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                // First a part, then all.
                let wants = ["Range: bytes=5-7", "User-Agent: knock"][nth];
                assert!(request.contains(wants), "{request}");
                stream.write_all(answer.as_bytes()).await.expect("sent");
                if answer.is_empty() {
                    kept.push(stream);
                }
            }
            std::future::pending::<()>().await;
        });
        address
    }

    const PART: &str = "HTTP/1.1 206 Partial Content\r\ncontent-length: 3\r\n\r\n567";
    const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789abcdef";

    #[tokio::test]
    async fn the_right_bytes_are_right_and_nothing_else_is() {
        let right = server(&[PART, WHOLE]).await;
        assert!(matches!(knock().at(right).await, Answer::Right));
        for (answers, says) in [
            (&[WHOLE, WHOLE], "200 OK"),
            (&[PART, PART], "206 Partial"),
            (&[PART, "HTTP/1.1 404 Not Found\r\n\r\n"], "404"),
            (&["HTTP/1.1 206 Partial Content\r\n\r\n568", WHOLE], "other bytes"),
            (
                &["HTTP/1.1 206 Partial Content\r\n\r\n5678", WHOLE],
                "other bytes",
            ),
            (&[PART, "HTTP/1.1 200 OK\r\n\r\n0123456789abcde"], "other bytes"),
        ] {
            let answer = knock().at(server(answers).await).await;
            assert!(
                matches!(&answer, Answer::Wrong(why) if why.contains(says)),
                "{answer:?}"
            );
        }
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
            listener.local_addr().expect("bound")
        };
        let answer = knock().at(gone).await;
        assert!(
            matches!(&answer, Answer::Wrong(why) if why.contains("refuses")),
            "{answer:?}"
        );
        // No machine has it: it says nothing about the house.
        let nowhere = "[2001:db8::1]:9".parse().expect("an address");
        let answer = timeout(Duration::from_secs(2), knock().at(nowhere)).await;
        assert!(
            !matches!(answer, Ok(Answer::Right | Answer::Wrong(_))),
            "{answer:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_no_answer() {
        // The kernel accepts for a house that does not.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        for silent in [address, server(&[""]).await] {
            let answer = knock().at(silent).await;
            assert!(
                matches!(&answer, Answer::Wrong(why) if why.contains("not answered")),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn both_families_are_tried_where_both_are_taken() {
        for (bound, expected) in [
            ("0.0.0.0:5000", &["127.0.0.1:5000"][..]),
            ("[::]:5000", &["127.0.0.1:5000", "[::1]:5000"]),
            ("192.0.2.7:80", &["192.0.2.7:80"]),
            ("[::1]:80", &["[::1]:80"]),
        ] {
            let doors = doors(bound.parse().expect("an address"));
            let doors: Vec<_> = doors.iter().map(ToString::to_string).collect();
            assert_eq!(doors, expected);
        }
    }
}
