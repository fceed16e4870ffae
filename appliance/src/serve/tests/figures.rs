//! What the house says of itself to the monitor.

use tokio::net::TcpListener;

use super::{super::figures::Figured, *};
use crate::monitor::figures::{Figures, House as _, Room, Shown, Storing};

impl Bed {
    fn figured(&self) -> Figured {
        Figured::new(self.service.facts.clone())
    }
}

async fn until(figured: &Figured, mut holds: impl FnMut(&Figures) -> bool) -> Figures {
    for _ in 0..6000 {
        let figures = figured.figures();
        if holds(&figures) {
            return figures;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", figured.figures());
}

#[tokio::test]
async fn an_upstream_that_refuses_is_out_and_so_is_the_wan() {
    let bed = Bed::new().await;
    let figured = bed.figured();
    let before = figured.figures();
    assert_eq!(before.cache.storing, Storing::Kept);
    assert_eq!(before.collector.room, Some(Room::Enough));
    assert_eq!(before.collector.lag, Some(Duration::ZERO));
    assert_eq!(before.line.wan, Shown::Nothing, "nobody has asked");
    assert_eq!(before.upstreams[0].shown, Shown::Nothing);
    assert!(before.buffers.capacity > 0 && before.buffers.in_use == 0);

    let (status, _) = bed.get("/v2/up.test/a/manifests/latest").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // It is counted when the answer's last byte has gone.
    let after = until(&figured, |figures| {
        figures.traffic.answering == 0 && figures.traffic.requests == 1
    })
    .await;
    assert_eq!(after.traffic.failures, 1);
    assert_eq!(after.line.wan, Shown::Fails);
    assert_eq!(after.upstreams[0].name, "up.test");
    assert_eq!(after.upstreams[0].shown, Shown::Fails);
    assert!(after.upstreams[0].faults > 0);

    // What is not there is no failure.
    let (status, _) = bed.get("/v2/a/manifests/latest?ns=elsewhere.test").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let later = until(&figured, |figures| figures.traffic.requests == 2).await;
    assert_eq!(later.traffic.failures, 1);
}

#[tokio::test]
async fn a_request_is_under_way_until_it_is_answered_or_nobody_wants_the_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let more = format!("[[upstream]]\nname = \"silent.test\"\nendpoints = [\"http://{address}\"]\n");
    let bed = Bed::with(&more).await;
    let figured = bed.figured();
    let mut client = TcpStream::connect(bed.address).await.expect("connected");
    let request = b"GET /v2/silent.test/a/manifests/latest HTTP/1.1\r\nHost: box\r\n\r\n";
    client.write_all(request).await.expect("sent");
    // It waits for its upstream.
    let (_held, _) = silent.accept().await.expect("asked");
    assert_eq!(figured.figures().traffic.answering, 1);
    drop(client);
    until(&figured, |figures| figures.traffic.answering == 0).await;
}
