//! Any order of operations, with a plan that is carried out piece by piece between them.

use proptest::{prelude::*, test_runner::Config};

use super::{
    shelf::{LAYERS, MANIFESTS, SMALLS},
    world::{TAGS, World},
};

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A part of a layer arrives, and the fill is held; or what is missing, and it is published.
    Arrive(u8),
    Fill(u8),
    Abandon(u8),
    Small(u8),
    Manifest(u8),
    /// A manifest and all that it needs, as a pull does it.
    Pull(u8),
    Tag(u8, u8),
    ForgetTag(u8),
    /// A lease on a layer, which is held.
    Read(u8),
    LetGo,
    Use(u8),
    UseLayer(u8),
    Pin(u8),
    Unpin(u8),
    /// To free bytes, files, or everything.
    Plan(Goal),
    Advance,
    EndPlan,
    Retire(u8),
    /// The condemned files are removed now; or they are forgotten and stay.
    Remove,
    Forget,
    Save,
    /// A copy of the index is begun and held; or it goes on, and takes the index's place.
    Compact,
    Pass,
    Close,
    Crash,
    PowerCut,
    Recover,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    Bytes,
    Files,
    Everything,
}

fn step() -> impl Strategy<Value = Step> {
    let (layer, manifest, tag) = (0..LAYERS, 0..MANIFESTS, 0..TAGS);
    let goal = prop_oneof![Just(Goal::Bytes), Just(Goal::Files), Just(Goal::Everything)];
    prop_oneof![
        3 => layer.clone().prop_map(Step::Arrive),
        2 => layer.clone().prop_map(Step::Fill),
        1 => layer.clone().prop_map(Step::Abandon),
        1 => (0..SMALLS).prop_map(Step::Small),
        3 => manifest.clone().prop_map(Step::Manifest),
        8 => manifest.clone().prop_map(Step::Pull),
        4 => (tag.clone(), manifest.clone()).prop_map(|(tag, manifest)| Step::Tag(tag, manifest)),
        1 => tag.clone().prop_map(Step::ForgetTag),
        2 => layer.clone().prop_map(Step::Read),
        1 => Just(Step::LetGo),
        3 => manifest.clone().prop_map(Step::Use),
        1 => layer.prop_map(Step::UseLayer),
        1 => tag.clone().prop_map(Step::Pin),
        1 => tag.prop_map(Step::Unpin),
        7 => goal.prop_map(Step::Plan),
        12 => Just(Step::Advance),
        1 => Just(Step::EndPlan),
        2 => manifest.prop_map(Step::Retire),
        3 => Just(Step::Remove),
        1 => Just(Step::Forget),
        1 => Just(Step::Save),
        3 => Just(Step::Compact),
        5 => Just(Step::Pass),
        1 => Just(Step::Close),
        1 => Just(Step::Crash),
        1 => Just(Step::PowerCut),
        1 => Just(Step::Recover),
    ]
}

/// As many as the environment says, or as fit into ten seconds.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(120)
}

proptest! {
    #![proptest_config(Config { cases: cases(), max_shrink_iters: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_happens_meanwhile_what_stays_is_whole_and_what_goes_is_gone(
        stocked in any::<bool>(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut world = World::new().await;
            // Every other time there is something to collect from the first.
            let stock = (0..4).map(Step::Pull).chain([Step::Pass, Step::Plan(Goal::Everything)]);
            for step in stock.filter(|_| stocked).chain(steps) {
                world.take(step).await;
            }
            world.end().await;
        });
    }
}
