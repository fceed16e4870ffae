//! A DNS server that lies on command.
//!
//! Promises: answers A and AAAA for the names it was given and NXDOMAIN for all others; can fall silent,
//! fail, or be slow, also for one of the two. It listens on port 53 of an address of its own, so a daemon whose
//! `/etc/resolv.conf` names that address asks it and nobody else. Needs root, for the port.
//! Must not know: who asks.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::net::UdpSocket;

/// How questions are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Fine,
    Silent,
    /// SERVFAIL.
    Failing,
    Slow(Duration),
    /// Questions of this kind are never answered.
    SilentOn(Kind),
    SlowOn(Kind, Duration),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    A,
    Aaaa,
}

impl Kind {
    const fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
        }
    }
}

/// A running server.
pub struct Dns {
    address: IpAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    names: HashMap<String, Vec<IpAddr>>,
    mood: Mutex<Mood>,
    questions: AtomicU64,
}

impl Dns {
    /// Serves `names`, on a loopback address.
    pub async fn start(names: &[(&str, &[IpAddr])]) -> Self {
        let (socket, address) = bind().await;
        Self::serving(names, socket, address)
    }

    /// Serves `names` on an address of this machine.
    pub async fn start_at(address: IpAddr, names: &[(&str, &[IpAddr])]) -> Self {
        let socket = UdpSocket::bind((address, 53)).await;
        let socket = socket.unwrap_or_else(|e| panic!("listen on port 53 of {address}: {e}"));
        Self::serving(names, socket, address)
    }

    fn serving(names: &[(&str, &[IpAddr])], socket: UdpSocket, address: IpAddr) -> Self {
        let names = names
            .iter()
            .map(|(name, to)| ((*name).to_owned(), to.to_vec()))
            .collect();
        let shared = Arc::new(Shared {
            names,
            mood: Mutex::new(Mood::Fine),
            questions: AtomicU64::new(0),
        });
        let task = tokio::spawn(serve(Arc::new(socket), shared.clone()));
        Self {
            address,
            shared,
            task,
        }
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// How many questions came.
    pub fn questions(&self) -> u64 {
        self.shared.questions.load(SeqCst)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Any of the sixteen million loopback addresses has a port 53 that is most likely free.
async fn bind() -> (UdpSocket, IpAddr) {
    for _ in 0..50 {
        let address = IpAddr::from(Ipv4Addr::new(
            127,
            fastrand::u8(1..),
            fastrand::u8(..),
            fastrand::u8(1..255),
        ));
        match UdpSocket::bind((address, 53)).await {
            Ok(socket) => return (socket, address),
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                panic!("the DNS server of the tests needs root, for port 53: {e}")
            }
            Err(_) => {}
        }
    }
    panic!("no loopback address has port 53 free");
}

async fn serve(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut buffer = [0; 1500];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let question = buffer[..length].to_vec();
        shared.questions.fetch_add(1, SeqCst);
        let (socket, shared) = (socket.clone(), shared.clone());
        tokio::spawn(async move {
            let mood = *shared.mood.lock().unwrap_or_else(PoisonError::into_inner);
            let is_for = |kind: Kind| asked(&question).is_some_and(|(_, asked)| asked == kind.number());
            let mood = match mood {
                Mood::SilentOn(kind) if is_for(kind) => Mood::Silent,
                Mood::SlowOn(kind, by) if is_for(kind) => Mood::Slow(by),
                Mood::SilentOn(_) | Mood::SlowOn(..) => Mood::Fine,
                other => other,
            };
            let answer = match mood {
                Mood::Silent | Mood::SilentOn(_) | Mood::SlowOn(..) => None,
                Mood::Failing => answer(&question, 2, &[]),
                Mood::Fine => shared.answer(&question),
                Mood::Slow(by) => {
                    tokio::time::sleep(by).await;
                    shared.answer(&question)
                }
            };
            if let Some(answer) = answer {
                // Whoever asked may be gone; that is its business.
                let _ = socket.send_to(&answer, from).await;
            }
        });
    }
}

impl Shared {
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, kind) = asked(question)?;
        let Some(all) = self.names.get(&name) else {
            return answer(question, 3, &[]);
        };
        let fitting: Vec<IpAddr> = all
            .iter()
            .copied()
            .filter(|address| {
                (kind == Kind::A.number() && address.is_ipv4())
                    || (kind == Kind::Aaaa.number() && address.is_ipv6())
            })
            .collect();
        answer(question, 0, &fitting)
    }
}

/// The name and type of a message's first question.
fn asked(message: &[u8]) -> Option<(String, u16)> {
    let (name, end) = name(message)?;
    let kind = message.get(end..end + 2)?;
    Some((name, u16::from_be_bytes([kind[0], kind[1]])))
}

/// The name that begins behind the header, in lower case, and where it ends.
fn name(message: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut place = 12;
    loop {
        let length = usize::from(*message.get(place)?);
        place += 1;
        if length == 0 {
            return Some((labels.join("."), place));
        }
        let label = message.get(place..place + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        place += length;
    }
}

/// A message that answers `question` with a code and addresses.
fn answer(question: &[u8], code: u8, addresses: &[IpAddr]) -> Option<Vec<u8>> {
    let (_, end) = name(question)?;
    let asked = question.get(12..end + 4)?;
    let mut message = question.get(..2)?.to_vec();
    // A response, authoritative, recursion as wished and available; one question, no more than answers.
    message.extend([0x85, 0x80 | code, 0, 1]);
    message.extend(u16::try_from(addresses.len()).ok()?.to_be_bytes());
    message.extend([0; 4]);
    message.extend_from_slice(asked);
    for address in addresses {
        let (kind, bytes) = match address {
            IpAddr::V4(v4) => (1u8, v4.octets().to_vec()),
            IpAddr::V6(v6) => (28, v6.octets().to_vec()),
        };
        // The name is the one at offset 12; class IN; known for one second.
        message.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 1]);
        message.extend(u16::try_from(bytes.len()).ok()?.to_be_bytes());
        message.extend(bytes);
    }
    Some(message)
}
