//! Load of large bodies, thrown away by the kernel: the reader costs next to nothing, so that the server is
//! what is measured.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::net::RecvFlags;

use crate::Done;

/// How much is thrown away at a time.
const GULP: usize = 1 << 20;

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads `path` over and over on each connection for a time.
pub(crate) fn load(server: SocketAddr, path: &str, connections: u32, time: Duration) -> Done {
    let started = Instant::now();
    let until = started + time;
    let bytes: u64 = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| drain(server, path, u64::MAX, until)))
            .collect();
        readers
            .into_iter()
            .map(|reader| reader.join().expect("a reader ends by itself"))
            .sum()
    });
    Done {
        units: bytes as f64 / f64::from(1 << 30),
        took: started.elapsed(),
    }
}

/// Reads at most `most` bytes, and none after `until`.
pub(crate) fn drain(server: SocketAddr, path: &str, most: u64, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(server).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a positive time");
    let mut scratch = vec![0; GULP];
    let mut total = 0;
    while total < most && Instant::now() < until {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let (length, mut got) = head(&stream);
        total += got;
        while got < length && total < most && Instant::now() < until {
            // In range: a gulp at most.
            let gulp = (length - got).min(GULP as u64) as usize;
            let (_, read) = rustix::net::recv(&stream, &mut scratch[..gulp], RecvFlags::TRUNC)
                .unwrap_or_else(|e| panic!("{server}{path} after {got} bytes: {e}"));
            assert!(read > 0, "{server}{path} ended after {got} of {length} bytes");
            got += read as u64;
            total += read as u64;
        }
    }
    total
}

/// Reads an answer's head; gives the body's length and how much of it came along.
fn head(stream: &TcpStream) -> (u64, u64) {
    let mut reader = BufReader::with_capacity(4096, stream);
    let mut length = None;
    let mut line = String::new();
    let mut first = true;
    loop {
        line.clear();
        let read = reader.read_line(&mut line).expect("an answer's head is text");
        assert!(read > 0, "the server closed instead of answering");
        assert!(!first || line.contains(" 200 "), "not served: {line}");
        first = false;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok();
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    (
        length.expect("an answer with a length"),
        reader.buffer().len() as u64,
    )
}
