//! Several letters in one message.
//!
//! Promises: each incident is one line, with what became of it in the end. Must not know: who receives it, and when.

use std::fmt::Write as _;

use super::{About, Letter, Message, Told, Voice, clock, duration, end};
use crate::{
    alert::{Occasion, incident::lasted},
    clock::Timestamp,
    rule::Severity,
};

/// What became of an incident, over all letters of it.
struct Course<'l> {
    /// The last letter.
    letter: &'l Letter,
    began_here: bool,
}

pub(super) fn digest(letters: &[Letter], key: String, voice: &Voice, now: Timestamp) -> Message {
    let mut courses: Vec<Course<'_>> = Vec::new();
    for letter in letters {
        let id = letter.notice.incident.id;
        let began_here = letter.notice.occasion == Occasion::Fired;
        match courses
            .iter_mut()
            .find(|course| course.letter.notice.incident.id == id)
        {
            Some(course) => course.letter = letter,
            None => courses.push(Course { letter, began_here }),
        }
    }
    let is_over = |course: &Course<'_>| course.letter.notice.occasion == Occasion::Resolved;
    let over = courses.iter().filter(|course| is_over(course)).count();
    let lasting = courses.len() - over;
    let title = match (&courses[..], lasting, over) {
        ([course], _, 1) => {
            let (word, _) = end(course.letter.notice.incident.ending);
            format!("[{word}] {}: {}", voice.host, course.letter.subject())
        }
        ([course], ..) => format!("[still] {}: {}", voice.host, course.letter.subject()),
        (_, 0, over) => format!("[over] {}: {over} incidents", voice.host),
        (_, lasting, 0) => format!("[{lasting} incidents] {}", voice.host),
        (_, lasting, over) => format!("[{lasting} incidents, {over} over] {}", voice.host),
    };
    let mut text = String::new();
    for course in &courses {
        let incident = &course.letter.notice.incident;
        let since = incident.fired().unwrap_or(incident.seen);
        let severity = incident.terms.severity.word();
        let subject = course.letter.subject();
        let _ = if is_over(course) {
            let until = course.letter.notice.at;
            let lasted = duration(lasted(since, until).as_secs());
            let from = clock(since, voice);
            let (word, note) = end(incident.ending);
            writeln!(
                text,
                "{word:<9} {severity}: {subject}; from {from} to {}, {lasted}{}{note}",
                clock(until, voice),
                if note.is_empty() { "" } else { "; " },
            )
        } else {
            let word = if course.began_here { "new  " } else { "still" };
            let (value, from) = (&course.letter.value, clock(since, voice));
            writeln!(
                text,
                "{word}     {severity}: {subject}; since {from}, now {value}; you can: {}",
                course.letter.advice
            )
        };
    }
    let lasting_severity = courses.iter().filter(|course| !is_over(course));
    let severity = lasting_severity
        .map(|course| course.letter.notice.incident.terms.severity)
        .max();
    let incident = match &courses[..] {
        [course] => Some(course.letter.notice.incident.id),
        _ => None,
    };
    Message {
        title,
        text,
        severity: severity.unwrap_or(Severity::Info),
        occasion: match (incident, over) {
            (Some(_), 1) => Told::Resolved,
            _ => Told::Digest,
        },
        incident,
        about: letters.iter().map(About::of).collect(),
        key,
        at: now,
    }
}
