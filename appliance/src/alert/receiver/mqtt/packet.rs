//! The packets of MQTT 3.1.1, as far as they are needed.
//!
//! Promises: a packet that is too long or makes no sense is an error, and never a guess. Must not know: connections, what
//! is published.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest packet that is read.
const LONGEST: usize = 64 << 10;

/// What is published. The broker keeps the last of each topic, and tells it to those who come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// How a client presents itself.
pub(super) struct Connect<'a> {
    pub(super) client: &'a str,
    pub(super) keep_alive: u16,
    /// What the broker publishes when the client is gone.
    pub(super) will: &'a Publish,
    pub(super) credentials: Option<(&'a str, &'a str)>,
}

/// What a broker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// With a code; 0 is yes.
    ConnAck(u8),
    Publish {
        topic: String,
        payload: Vec<u8>,
    },
    PubAck(u16),
    /// With a code; 0x80 is no.
    SubAck(u8),
    PingResp,
    /// Nothing that matters here.
    Other,
}

pub(super) const PING: [u8; 2] = [0xc0, 0];

impl Connect<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        text(&mut body, b"MQTT");
        body.push(4);
        // A clean session, and a will that is acknowledged and kept.
        let mut flags = 0b0010_1110;
        if self.credentials.is_some() {
            flags |= 0b1100_0000;
        }
        body.push(flags);
        body.extend_from_slice(&self.keep_alive.to_be_bytes());
        text(&mut body, self.client.as_bytes());
        text(&mut body, self.will.topic.as_bytes());
        text(&mut body, &self.will.payload);
        if let Some((username, password)) = self.credentials {
            text(&mut body, username.as_bytes());
            text(&mut body, password.as_bytes());
        }
        packet(0x10, &body)
    }
}

impl Publish {
    /// With a number by which it is acknowledged.
    pub(super) fn bytes(&self, number: u16) -> Vec<u8> {
        let mut body = Vec::new();
        text(&mut body, self.topic.as_bytes());
        body.extend_from_slice(&number.to_be_bytes());
        body.extend_from_slice(&self.payload);
        packet(0x33, &body)
    }
}

pub(super) fn subscribe(number: u16, topics: &str) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    text(&mut body, topics.as_bytes());
    body.push(0);
    packet(0x82, &body)
}

/// Texts have at most 65,535 bytes; what is longer is cut, which only a text of the configuration could be.
fn text(body: &mut Vec<u8>, text: &[u8]) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(&text[..usize::from(length)]);
}

fn packet(head: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![head];
    let mut left = body.len();
    loop {
        let digit = (left & 0x7f) as u8;
        left >>= 7;
        if left == 0 {
            packet.push(digit);
            break;
        }
        packet.push(digit | 0x80);
    }
    packet.extend_from_slice(body);
    packet
}

/// Reads the next packet.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Packet> {
    let head = stream.read_u8().await?;
    let mut length = 0;
    for place in 0..4 {
        let digit = stream.read_u8().await?;
        length |= usize::from(digit & 0x7f) << (7 * place);
        if digit & 0x80 == 0 {
            break;
        }
        if place == 3 {
            return Err(nonsense());
        }
    }
    if length > LONGEST {
        return Err(nonsense());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    understand(head, &body).ok_or_else(nonsense)
}

fn understand(head: u8, body: &[u8]) -> Option<Packet> {
    let number = || Some(u16::from_be_bytes(*body.first_chunk()?));
    Some(match head >> 4 {
        2 => Packet::ConnAck(*body.get(1)?),
        3 => {
            let length = usize::from(number()?);
            let topic = String::from_utf8(body.get(2..2 + length)?.to_vec()).ok()?;
            let is_numbered = head & 0b110 != 0;
            let start = 2 + length + if is_numbered { 2 } else { 0 };
            let payload = body.get(start..)?.to_vec();
            Packet::Publish { topic, payload }
        }
        4 => Packet::PubAck(number()?),
        9 => Packet::SubAck(*body.get(2)?),
        13 => Packet::PingResp,
        5..=7 | 11 => Packet::Other,
        _ => return None,
    })
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it says is not MQTT")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken(bytes: &[u8]) -> io::Result<Packet> {
        let mut rest = bytes;
        read(&mut rest).await
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_an_error() {
        assert_eq!(
            taken(&[0x20, 2, 0, 5]).await.expect("a packet"),
            Packet::ConnAck(5)
        );
        assert_eq!(
            taken(&[0x40, 2, 1, 2]).await.expect("a packet"),
            Packet::PubAck(258)
        );
        let publish = Packet::Publish {
            topic: "a".to_owned(),
            payload: b"b".to_vec(),
        };
        assert_eq!(
            taken(&[0x30, 4, 0, 1, b'a', b'b']).await.expect("a packet"),
            publish
        );
        assert_eq!(
            taken(&[0x32, 6, 0, 1, b'a', 0, 9, b'b']).await.expect("a packet"),
            publish
        );
        for bytes in [
            &[][..],
            &[0x20],
            &[0x20, 2, 0],
            &[0x20, 1, 0],
            &[0x40, 1, 0],
            &[0x30, 3, 0, 9, b'a'],
            &[0x32, 3, 0, 1, b'a'],
            &[0x30, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x30, 0xff, 0xff, 0xff, 0x7f],
            b"HTTP/1.1 400",
        ] {
            assert!(taken(bytes).await.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_has_as_many_bytes_as_it_needs() {
        for (length, head) in [(0, 2), (127, 2), (128, 3), (16_383, 3), (16_384, 4)] {
            assert_eq!(packet(0x30, &vec![0; length]).len(), length + head);
        }
    }
}
