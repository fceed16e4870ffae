//! Connections to this machine, by names that have addresses of both families.

use std::{
    future::ready,
    net::{Ipv4Addr, Ipv6Addr},
};

use tokio::{net::TcpListener, time::sleep};

use super::*;
use crate::dial::{FamilyHealth, ResolveError, tls};

/// One family's address at once, the other one's when everything else is done.
struct Late;

impl Resolve for Late {
    fn resolve<'a>(&'a self, _: &'a str, _: Family) -> BoxFuture<'a, Result<Found, ResolveError>> {
        let late = async {
            sleep(Duration::from_millis(20)).await;
            vec![IpAddr::V6(Ipv6Addr::LOCALHOST)]
        };
        let found = Found {
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            late: Some(late.boxed()),
        };
        ready(Ok(found)).boxed()
    }
}

/// To `dual.test` on a port.
fn towards(port: u16, families: &Arc<Families>) -> (Connector, Origin) {
    let connector = Connector::new(Wiring {
        resolver: Arc::new(Late),
        families: families.clone(),
        seen: Arc::default(),
        proxy: ProxySettings::default(),
        addresses: AddressPolicy::Any,
        tls: tls::client(tls::common_roots(), &[]).expect("TLS"),
        patience: Duration::from_secs(20),
        progress: Duration::from_secs(20),
        received: Arc::default(),
        opened: Arc::default(),
    });
    let target = Origin {
        scheme: Scheme::Http,
        host: "dual.test".to_owned(),
        port,
    };
    (connector, target)
}

#[tokio::test]
async fn a_family_whose_addresses_come_late_is_tried_again_all_the_same() {
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = four.local_addr().expect("an address").port();
    let Ok(_six) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await else {
        // Without IPv6, or with a port that somebody else has.
        return;
    };
    let families = Arc::<Families>::default();
    // It was broken, long ago.
    let long_ago = Instant::now().checked_sub(Duration::from_secs(1000));
    families.demote(
        "dual.test",
        Family::V6,
        long_ago.expect("a machine that runs for longer"),
    );
    let (connector, target) = towards(port, &families);
    let _stream = connector.open(&target).await.expect("connected");
    let works = async {
        while families.health("dual.test", Family::V6, Instant::now()) != FamilyHealth::Working {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), works)
        .await
        .expect("tried again");
}

#[tokio::test]
async fn who_sends_without_a_connection_gets_the_addresses_that_come_late_too() {
    let (connector, target) = towards(514, &Arc::default());
    let addresses = connector.addresses(&target).await.expect("found");
    let families: Vec<Family> = addresses.iter().map(Family::of).collect();
    assert_eq!(families, [Family::V6, Family::V4]);
}
