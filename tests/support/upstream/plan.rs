//! From a healthy answer and a fault to what happens on the wire, step by step.

use std::{io::Write, time::Duration};

use bytes::{Bytes, BytesMut};

use super::{
    At, Fault, Gate, Request, Shared,
    answer::{self, Answer},
    auth,
    request::Target,
};

/// One thing done on the wire.
#[derive(Debug)]
pub(super) enum Step {
    /// The head of the answer, which is not counted as sent bytes.
    Head(Bytes),
    Body(Bytes),
    /// Slower than the upstream's own rate.
    Slowly(Bytes, u64),
    /// Bytes of framing.
    Frame(&'static [u8]),
    Wait(Duration),
    Gate(Gate),
    /// Nothing any more, until the other side leaves.
    Stall,
    /// End of the connection, in order.
    Close,
    /// End of the connection, by reset.
    Reset,
    /// As [`Step::Reset`], and the upstream goes down with it.
    Refuse,
}

/// What to do for `request` under `fault`.
pub(super) fn plan(request: &Request, fault: Option<Fault>, shared: &Shared) -> (u16, Vec<Step>) {
    let Some(fault) = fault else {
        let answer = answer::healthy(request, shared);
        return (answer.status, whole(answer));
    };
    let mut answer = disguise(request, &fault, shared);
    let status = answer.status;
    let first = first_offset(&answer);
    let steps = match fault {
        Fault::Refused => return (0, vec![Step::Refuse]),
        Fault::ResetBeforeHeaders => return (0, vec![Step::Reset]),
        Fault::Silence => return (0, vec![Step::Stall]),
        Fault::ResetAfterHeaders => vec![head(&answer), Step::Reset],
        Fault::Late(by) => {
            let mut steps = vec![Step::Wait(by)];
            steps.extend(whole(answer));
            steps
        }
        Fault::StallAt(at) => until(&answer, at, first, Step::Stall),
        Fault::CutAt(at) => until(&answer, at, first, Step::Close),
        Fault::ResetAt(at) => until(&answer, at, first, Step::Reset),
        Fault::Hold(at, gate) => {
            let (before, after) = split(&answer, at, first);
            vec![
                head(&answer),
                Step::Body(before),
                Step::Gate(gate),
                Step::Body(after),
            ]
        }
        Fault::Trickle(rate) => vec![head(&answer), Step::Slowly(answer.body.clone(), rate)],
        Fault::Chunked if !answer.body.is_empty() => {
            let size = format!("{:x}\r\n", answer.body.len());
            let mut start = BytesMut::from(&head_text(&answer, None)[..]);
            start.extend_from_slice(size.as_bytes());
            vec![
                Step::Head(start.freeze()),
                Step::Body(answer.body.clone()),
                Step::Frame(b"\r\n0\r\n\r\n"),
            ]
        }
        Fault::FlipByte(at) => {
            if let Some(place) = inside(&answer, at, first) {
                let mut body = BytesMut::from(&answer.body[..]);
                body[place] ^= 0xff;
                answer.body = body.freeze();
            }
            whole(answer)
        }
        _ => whole(answer),
    };
    (status, steps)
}

/// The answer with its false face on, where a fault is one of words and not of the wire.
fn disguise(request: &Request, fault: &Fault, shared: &Shared) -> Answer {
    let mut lie = match fault {
        Fault::Status(status) => Answer::error(*status, code_of(*status), "as the script wants it"),
        Fault::RetryAfter(status, when) => {
            Answer::error(*status, code_of(*status), "as the script wants it").header("Retry-After", when)
        }
        Fault::Challenge => {
            let auth = shared.settings.auth.clone().unwrap_or_default();
            auth::challenge(request, shared, &auth)
        }
        Fault::Html => Answer::new(
            200,
            "text/html; charset=utf-8",
            "<!doctype html><title>Welcome to the hotel</title>",
        ),
        Fault::RedirectLoop => Answer::new(307, "text/html", "").header("Location", request.path.clone()),
        Fault::RedirectTo(url) => Answer::new(307, "text/html", "").header("Location", url),
        Fault::ExpiredRedirect => match &request.target {
            Target::Blob { repository, digest } => answer::redirect(repository, digest, "expired", shared),
            _ => Answer::error(403, "DENIED", "expired"),
        },
        Fault::IgnoreRange => {
            let mut all = request.clone();
            all.headers = crate::client::Headers::default();
            for name in ["authorization", "accept"] {
                for value in request.headers.all(name) {
                    all.headers.push(name, value);
                }
            }
            answer::healthy(&all, shared)
        }
        _ => answer::healthy(request, shared),
    };
    match fault {
        Fault::WrongDigest => {
            lie.set_header("Docker-Content-Digest", crate::digest::sha256(b"something else"));
        }
        Fault::NoDigest => lie.headers.retain(|(name, _)| name != "Docker-Content-Digest"),
        Fault::WrongContentRange if lie.status == 206 => {
            let length = lie.body.len();
            lie.set_header(
                "Content-Range",
                format!("bytes 0-{}/{length}", length.saturating_sub(1)),
            );
        }
        Fault::ContentEncoding => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&lie.body).expect("packing in memory");
            lie.body = packed.finish().expect("packing in memory").into();
            lie.length = lie.body.len() as u64;
            lie.set_header("Content-Encoding", "gzip");
        }
        Fault::StaleToken if request.target == Target::Token && lie.status == 200 => {
            let mut token: serde_json::Value = serde_json::from_slice(&lie.body).expect("a token is JSON");
            token["issued_at"] = "1970-01-01T00:00:00Z".into();
            token["expires_in"] = 60.into();
            lie = Answer::json(200, &token);
        }
        Fault::Header(name, value) => lie.set_header(name, value),
        _ => {}
    }
    if request.is_head() {
        lie.body = Bytes::new();
    }
    lie
}

fn code_of(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        404 => "NAME_UNKNOWN",
        416 => "RANGE_INVALID",
        429 => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    }
}

fn whole(answer: Answer) -> Vec<Step> {
    vec![head(&answer), Step::Body(answer.body)]
}

fn until(answer: &Answer, at: At, first: u64, end: Step) -> Vec<Step> {
    let (before, after) = split(answer, at, first);
    // A range that begins behind the place is not touched.
    if before.is_empty() && !after.is_empty() && at.offset(total(answer, first)) < first {
        return vec![head(answer), Step::Body(after)];
    }
    vec![head(answer), Step::Body(before), end]
}

/// The body before and after `at`.
fn split(answer: &Answer, at: At, first: u64) -> (Bytes, Bytes) {
    let place = at.offset(total(answer, first)).saturating_sub(first);
    let place = usize::try_from(place)
        .unwrap_or(usize::MAX)
        .min(answer.body.len());
    (answer.body.slice(..place), answer.body.slice(place..))
}

/// The index of `at` in the body, when the body holds it.
fn inside(answer: &Answer, at: At, first: u64) -> Option<usize> {
    let place = at.offset(total(answer, first)).checked_sub(first)?;
    usize::try_from(place)
        .ok()
        .filter(|place| *place < answer.body.len())
}

/// Where in the whole the body begins.
fn first_offset(answer: &Answer) -> u64 {
    content_range(answer)
        .and_then(|range| range.split('-').next()?.parse().ok())
        .unwrap_or(0)
}

/// The length of the whole.
fn total(answer: &Answer, first: u64) -> u64 {
    let told = content_range(answer).and_then(|range| range.rsplit('/').next()?.parse().ok());
    told.unwrap_or(first + answer.body.len() as u64)
}

fn content_range(answer: &Answer) -> Option<&str> {
    let header = answer.headers.iter().find(|(name, _)| name == "Content-Range");
    header.and_then(|(_, value)| value.strip_prefix("bytes "))
}

fn head(answer: &Answer) -> Step {
    Step::Head(head_text(answer, Some(answer.length)).into())
}

fn head_text(answer: &Answer, length: Option<u64>) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match length {
        Some(length) => head.push_str(&format!("Content-Length: {length}\r\n\r\n")),
        None => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
    }
    head.into_bytes()
}
