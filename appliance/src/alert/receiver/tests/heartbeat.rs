//! The heartbeat, and what makes it stop.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::{
    server::{Act, Server, answer, ok},
    *,
};
use crate::{
    alert::receiver::{Heartbeat, Wellbeing},
    config::HeartbeatConfig,
};

/// A box that is well, or not, and counts how often it was asked.
#[derive(Default)]
struct Patient {
    is_ill_after: Option<usize>,
    asked: AtomicUsize,
    was_asked: Notify,
}

impl Patient {
    fn wellbeing(&self) -> Wellbeing {
        let before = self.asked.fetch_add(1, SeqCst);
        self.was_asked.notify_one();
        match self.is_ill_after {
            Some(most) if before >= most => Wellbeing::Doubtful,
            _ => Wellbeing::Well,
        }
    }

    async fn asked(&self, times: usize) {
        while self.asked.load(SeqCst) < times {
            let asked = self.was_asked.notified();
            tokio::time::timeout(PATIENT, asked).await.expect("asked");
        }
    }
}

fn configured(server: &Server, every: &str) -> HeartbeatConfig {
    let text = format!(
        "[alert]\nheartbeat_url = \"{}/ping/s3cret\"\nheartbeat_every = \"{every}\"\n",
        server.url()
    );
    super::loaded(&text).alert.heartbeat.expect("one")
}

fn beat(server: &Server, every: &str, patient: &Arc<Patient>, deadline: Duration) -> AbortOnDropHandle<()> {
    let heart = Heartbeat::new(&configured(server, every), &line(deadline)).expect("usable");
    let patient = patient.clone();
    AbortOnDropHandle::new(tokio::spawn(heart.run(move || patient.wellbeing())))
}

#[tokio::test]
async fn it_beats_while_the_box_is_well_and_not_any_more_when_it_is_not() {
    let server = Server::start(vec![ok()]).await;
    let patient = Arc::new(Patient {
        is_ill_after: Some(3),
        ..Patient::default()
    });
    let _heart = beat(&server, "20ms", &patient, PATIENT);
    server.until(3).await;
    patient.asked(20).await;
    assert_eq!(server.seen().len(), 3);
    assert_eq!(server.last().line(), "GET /ping/s3cret HTTP/1.1");
    assert_eq!(server.last().header("content-type"), None);
}

#[tokio::test]
async fn one_who_does_not_listen_is_called_again_before_the_next_beat_is_due() {
    let server = Server::start(vec![
        answer("500 Oops", "", ""),
        Act::SayAndReset(String::new()),
        Act::SayAndHang(String::new()),
        ok(),
    ])
    .await;
    let patient = Arc::default();
    let started = tokio::time::Instant::now();
    // Pauses of 0.5, 1 and 2 s at most, and once a deadline: together below one interval.
    let _heart = beat(&server, "4s", &patient, SHORT);
    server.until(4).await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
}
