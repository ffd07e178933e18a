//! Power cuts at every place after a wish: what was said to be on the disk holds.

use super::*;

/// Cuts the power at every place after an answer, once or twice, and answers how many histories there were. What was said to be on the
/// disk holds in all of them.
fn cut_after(mut world: World, policy: &Policy, request: &Request, ends: &[&'static str]) -> u64 {
    let undone: Vec<&'static str> = vec!["1.0.0", "1.0.5", "1.0.7"];
    world.cuts = Some(Vec::new());
    let (effect, on_disk) = world.wish(request);
    assert!(on_disk, "{request:?}: {effect:?}");
    let before = world.cuts.replace(Vec::new()).unwrap();
    world.rest(ends);
    let after = world.cuts.take().unwrap();
    let mut either = Search::new(policy, &undone);
    let mut kept = Search::new(policy, ends);
    let unkept: u64 = before.iter().map(|place| either.explore(place, 1)).sum();
    unkept
        + after
            .iter()
            .map(|place| kept.explore(place, 1))
            .sum::<u64>()
}

/// What power cuts could have left since that is recorded, each once.
fn different(world: &mut World) -> Vec<Durable> {
    let places = world.cuts.take().unwrap();
    let by_key = places.into_iter().map(|place| (place.key(), place));
    by_key.collect::<BTreeMap<_, _>>().into_values().collect()
}

#[test]
fn a_cancel_and_a_rollback_come_through_two_power_cuts_at_any_two_places() {
    let mut all = 0;
    for request in [Request::Cancel, Request::Rollback] {
        for (phase, behaviour, policy) in phases() {
            let world = in_phase(phase, behaviour, &policy);
            let ends = match (phase, &request) {
                ("committing", _) => "1.0.7",
                _ => "1.0.0",
            };
            all += cut_after(world, &policy, &request, &[ends]);
        }
    }
    let mut world = World::boot(upgraded(), &Policy::default());
    world.run(5_000);
    all += cut_after(world, &Policy::default(), &Request::Rollback, &["1.0.0"]);
    println!("{all} histories");
    assert!(all > 5_000, "only {all} histories");
}

#[test]
fn a_pause_comes_through_a_power_cut_at_any_place_and_so_does_its_end() {
    let mut places = 0;
    for (phase, behaviour, policy) in phases() {
        let mut world = in_phase(phase, behaviour, &policy);
        assert!(world.wish(&Request::Pause).1);
        world.cuts = Some(Vec::new());
        world.run(MINUTE);
        for place in different(&mut world) {
            let mut world = World::boot(place, &policy);
            world.run(MINUTE);
            let shown = status(&world);
            assert!(shown.paused, "{phase}: {shown:?}");
            let holds = ["fetching", "waiting", "idle"].contains(&shown.phase.as_str());
            assert!(holds, "{phase}: {shown:?}");
            world.wish(&Request::Resume);
            rest(&mut world, &["1.0.0", "1.0.7"]);
            places += 1;
        }
        world.cuts = Some(Vec::new());
        assert!(world.wish(&Request::Resume).1);
        rest(&mut world, &["1.0.0", "1.0.7"]);
        for place in different(&mut world) {
            let mut world = World::boot(place, &policy);
            if status(&world).paused {
                world.wish(&Request::Resume);
            }
            rest(&mut world, &["1.0.0", "1.0.7"]);
            places += 1;
        }
    }
    println!("{places} places");
    assert!(places > 50, "only {places} places");
}
