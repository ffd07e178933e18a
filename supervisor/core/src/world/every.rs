//! Every interleaving of faults: power cuts, failing saves, starts and downloads, workers that die, hang or lose their link,
//! the cloud going away, operators' wishes, other offers, damage; at every place of an update, and again at every place of what follows.
//!
//! The size that always runs has every one fault for every kind of version, every two for a good and a bad one, and every three of which two
//! are power cuts. `WORLD=nightly` has every two for every kind of version, and every two at every single moment. Each part prints its
//! histories and states, and with `WORLD_COUNTS=<file>` adds a line of JSON to that file.

use std::{fs::File, io::Write as _, path::PathBuf, time::Instant};

use super::{
    Behaviour,
    likeness::Clocks,
    places::{BETTER, WORSE},
    recorded::Scene,
    search::{
        Alphabet::{self, All, Cuts},
        Count, Search,
    },
};

fn nightly() -> bool {
    std::env::var("WORLD").is_ok_and(|size| size == "nightly")
}

/// A device that runs 1.0.0 and was offered 1.0.7; a better and a worse one may follow.
fn scene(behaviour: Behaviour, standby: bool) -> Scene {
    let mut scene = Scene::offered(behaviour, standby);
    for (version, behaviour) in [(BETTER, Behaviour::Good), (WORSE, Behaviour::DieProving)] {
        scene.behaviours.insert(version.to_owned(), behaviour);
    }
    scene
}

/// A part of all that is looked at.
struct Part<'a> {
    name: &'a str,
    begun: Instant,
    count: Count,
    /// Where its line of JSON goes: opened first, because a wrong path is not to be found out after half an hour.
    counts: Option<File>,
}

impl<'a> Part<'a> {
    fn begin(name: &'a str) -> Self {
        let path = std::env::var_os("WORLD_COUNTS").map(PathBuf::from);
        let counts = path.map(|path| {
            let file = File::options().append(true).create(true).open(&path);
            file.unwrap_or_else(|why| panic!("WORLD_COUNTS, `{}`: {why}", path.display()))
        });
        Self {
            name,
            begun: Instant::now(),
            count: Count::default(),
            counts,
        }
    }

    fn search(&mut self, scene: &Scene, clocks: Clocks, plan: &[Alphabet]) {
        self.count += Search::run(scene, clocks, plan);
    }

    /// Says what it amounts to, which is no less than that.
    #[track_caller]
    fn end(self, least: u64) {
        let (name, seconds) = (self.name, self.begun.elapsed().as_secs_f64());
        let Count { states, histories } = self.count;
        println!("{name}: {histories} histories through {states} states in {seconds:.1} s");
        if let Some(mut counts) = self.counts {
            let line = serde_json::json!({
                "part": name, "states": states, "histories": histories, "seconds": seconds,
            });
            // In one piece, because several parts may end at once.
            counts.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        assert!(histories >= least, "only {histories} histories");
    }
}

/// Every kind of version, with a standby and without, and an old one that keeps its state to itself or puts the switch off.
fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for standby in [true, false] {
        for behaviour in Behaviour::all().filter(|it| *it != Behaviour::DieLater) {
            scenes.push(scene(behaviour, standby));
        }
        for behaviour in [Behaviour::Good, Behaviour::HangLate] {
            let mut keeps = scene(behaviour, standby);
            let old = "1.0.0".to_owned();
            keeps.behaviours.insert(old, Behaviour::KeepHandover);
            scenes.push(keeps);
            let mut later = scene(behaviour, standby);
            later.later = 1;
            scenes.push(later);
        }
    }
    scenes
}

#[test]
fn one_fault_at_every_place_of_every_kind_of_update() {
    let (plan, least): (&[_], _) = if nightly() {
        (&[All, All], 1_000_000)
    } else {
        (&[All], 30_000)
    };
    let mut part = Part::begin("every kind of version");
    for scene in scenes() {
        part.search(&scene, Clocks::Aside, plan);
    }
    part.end(least);
}

#[test]
fn one_fault_at_every_single_moment_of_a_good_and_a_bad_update() {
    let plan: &[_] = if nightly() { &[All, All] } else { &[All] };
    let mut part = Part::begin("every single moment");
    for behaviour in [Behaviour::Good, Behaviour::DieProving] {
        for standby in [true, false] {
            part.search(&scene(behaviour, standby), Clocks::Exact, plan);
        }
    }
    part.end(3_000);
}

/// Two faults at every two places, or by night three at every three: a part's name, its plan and the least of its histories.
fn more_than_one(version: &str) -> (String, &'static [Alphabet], u64) {
    if nightly() {
        (
            format!("three faults, {version}"),
            &[All, All, All],
            5_000_000,
        )
    } else {
        (format!("two faults, {version}"), &[All, All], 50_000)
    }
}

#[test]
fn two_faults_at_every_two_places_of_a_good_update() {
    let (name, plan, least) = more_than_one("good version");
    let mut part = Part::begin(&name);
    part.search(&scene(Behaviour::Good, true), Clocks::Aside, plan);
    part.end(least);
}

#[test]
fn two_faults_at_every_two_places_of_a_bad_update() {
    let (name, plan, least) = more_than_one("bad version");
    let mut part = Part::begin(&name);
    let scene = scene(Behaviour::DieProving, false);
    part.search(&scene, Clocks::Aside, plan);
    part.end(least);
}

#[test]
fn one_fault_before_and_after_two_power_cuts_at_every_place() {
    let mut part = Part::begin("one fault and two power cuts");
    for behaviour in [
        Behaviour::Good,
        Behaviour::DieProving,
        Behaviour::DownActivating,
    ] {
        for standby in [true, false] {
            let scene = scene(behaviour, standby);
            part.search(&scene, Clocks::Aside, &[All, Cuts, Cuts]);
            part.search(&scene, Clocks::Aside, &[Cuts, Cuts, All]);
        }
    }
    part.end(20_000);
}
