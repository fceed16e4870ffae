//! `kill -9` at any time: every incident is told, and a message twice at the most for each kill.
//!
//! `LARDER_SEED` repeats the times, `LARDER_KILLS` sets how many.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tests::{full, hook::Hook, larder::Larder};

use super::told::{Asking, config, of_rule, until};

fn number(variable: &str, usual: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(usual, |text| {
        text.parse().unwrap_or_else(|e| panic!("{variable}: {e}"))
    })
}

#[tokio::test]
async fn heavy_killed_at_any_time_it_tells_every_incident() {
    let kills = number("LARDER_KILLS", if full() { 1000 } else { 20 });
    let seed = number("LARDER_SEED", 20_261_122);
    let mut random = fastrand::Rng::with_seed(seed);
    let hook = Hook::start().await;
    let mut larder = Larder::start(config(&hook)).await;
    let mut asking = None;
    for _ in 0..kills {
        // It is asked for some lives, and left alone for some: incidents begin and end in between.
        if random.u8(..) < 150 {
            asking = match asking {
                Some(_) => None,
                None => Some(Asking::of(larder.address())),
            };
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..2500))).await;
        larder.kill().await;
        larder.resume().await;
        // It may have another port now.
        asking = asking.map(|_| Asking::of(larder.address()));
    }
    drop(asking);
    let state = until(&larder, "all to be over and told", |state| {
        of_rule(&state["incidents"]).is_empty() && state["receivers"][0]["waiting"] == 0
    })
    .await;
    let arrived = hook.arrived();
    let mut keys = BTreeSet::new();
    let mut again = 0;
    let mut told: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for message in &arrived {
        if !keys.insert(message["key"].to_string()) {
            again += 1;
            continue;
        }
        for about in message["about"].as_array().expect("what it is about") {
            if about["subject"]["rule"] != "asked-much" {
                continue;
            }
            let incident = about["incident"].as_u64().expect("a number");
            let occasion = about["occasion"].as_str().expect("a word");
            told.entry(incident).or_default().push(occasion.to_owned());
        }
    }
    println!(
        "{kills} kills: {} incidents, {} messages, {again} of them again",
        told.len(),
        arrived.len()
    );
    assert!(
        told.len() as u64 >= kills / 20,
        "there was something to tell: {told:?}"
    );
    for (incident, occasions) in &told {
        assert_eq!(
            occasions,
            &["fired", "resolved"],
            "incident {incident} (seed {seed})"
        );
    }
    for past in of_rule(&state["past"]) {
        let id = past["id"].as_u64().expect("a number");
        assert!(
            past["told"] == false || told.contains_key(&id),
            "{past} (seed {seed})"
        );
    }
    assert!(again <= kills, "{again}");
}
