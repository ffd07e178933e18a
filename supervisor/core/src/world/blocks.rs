//! The platform handing images out in blocks, the download that waits for them, and their stories from the push to rest.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value as Json, json};

use super::{Behaviour, Durable, Happening, Task, World, disk::SIZE, stories::until_phase};
use crate::{
    event::{BlockOrder, CloudLoss, Event, FetchFault, JobId},
    policy::Policy,
    record::Source,
};

/// The number of the image in its stream.
pub(crate) const FILE: u64 = 1;

/// How many bytes a download asks for at a time: four blocks are an image.
const BLOCK: u64 = 300;

/// How a request for a block is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As it should be.
    Well,
    /// Not at all.
    Lost,
    /// After so many milliseconds.
    Late(u64),
    /// Twice.
    Twice,
    /// With a wrong checksum.
    Torn,
    /// With a wrong checksum, twice.
    TornTwice,
    /// With a byte too few behind the header.
    Cut,
    /// With the bytes of another place.
    Elsewhere,
    /// With a block that is said to be of a file of another length.
    Longer,
    /// With this code and no block.
    Refused(i64),
}

/// Every answer after which another request is worth it.
pub(crate) const WRONG: [Answer; 6] = [
    Answer::Lost,
    Answer::Torn,
    Answer::TornTwice,
    Answer::Cut,
    Answer::Elsewhere,
    Answer::Refused(500),
];

/// The platform's part.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    /// Which version each stream holds, by its number.
    streams: Vec<String>,
    /// Streams with a smaller number are gone.
    pub(crate) oldest: usize,
    /// How the next requests are answered.
    pub(crate) answers: VecDeque<Answer>,
    /// How all after them are; well, if nothing is said.
    pub(crate) always: Option<Answer>,
    /// What was asked for: streams and offsets, in order.
    pub(crate) asked: Vec<(usize, u64)>,
}

impl Blocks {
    /// Another stream holds this version from now on.
    pub(crate) fn hand_out(&mut self, version: &str) {
        self.streams.push(version.to_owned());
    }

    /// The newest stream that holds it.
    pub(crate) fn stream_of(&self, version: &str) -> usize {
        let holds = |stream: &String| stream == version;
        self.streams.iter().rposition(holds).unwrap()
    }

    /// Equal keys have equal futures.
    pub(crate) fn key(&self) -> String {
        let Self {
            streams,
            oldest,
            answers,
            always,
            asked: _,
        } = self;
        format!("{streams:?}{oldest}{answers:?}{always:?}")
    }
}

/// The bytes of a version's image.
fn image(version: &str) -> Vec<u8> {
    let seed = version.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    (0..SIZE)
        .map(|at| (seed.wrapping_mul(at + 1) >> 11) as u8)
        .collect()
}

/// A frame as the platform's document has it.
fn frame(header: &Json, bytes: &[u8], sum: u16) -> Vec<u8> {
    let header = header.to_string();
    let length = u16::try_from(header.len()).unwrap().to_be_bytes();
    [&length[..], header.as_bytes(), bytes, &sum.to_le_bytes()].concat()
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xA001
            } else {
                sum >> 1
            }
        })
    })
}

impl World {
    /// The platform answers a request for a block. Law `paid_for`: where bytes are counted, each request was paid for.
    pub(crate) fn answer_block(&mut self, payload: &[u8]) {
        if self.policy.is_metered() {
            let paid = self.fetches.paid.checked_sub(1);
            self.fetches.paid = paid.expect("paid_for: a block is asked for that nobody paid for");
        }
        let request: Json = serde_json::from_slice(payload).unwrap();
        let number = |name: &str, member: &str| request["params"][name][member].as_u64().unwrap();
        let stream = usize::try_from(number("fileInfo", "streamId")).unwrap();
        let (offset, size) = (number("fileBlock", "offset"), number("fileBlock", "size"));
        assert_eq!(number("fileInfo", "fileId"), FILE);
        let fits = (256..=131_072).contains(&size) || offset + size == SIZE;
        assert!(offset < SIZE && fits, "no such block: {request}");
        let blocks = self.durable.cloud.blocks.as_mut().unwrap();
        blocks.asked.push((stream, offset));
        let there = blocks.streams.get(stream).cloned();
        let there = there.filter(|_| stream >= blocks.oldest);
        let next = blocks.answers.pop_front().or(blocks.always);
        let answer = next.unwrap_or(Answer::Well);
        let id = &request["id"];
        let (Some(version), true) = (there, !matches!(answer, Answer::Refused(_))) else {
            let code = match answer {
                Answer::Refused(code) => code,
                _ => 460,
            };
            let header = json!({"code": code, "id": id, "message": "no such file"});
            self.arrives_later(20, frame(&header, &[], 0));
            return;
        };
        let from = usize::try_from(offset).unwrap();
        let length = usize::try_from(size.min(SIZE - offset)).unwrap();
        let mut bytes = image(&version)[from..from + length].to_vec();
        let (mut place, mut file, mut sum) = (offset, SIZE, crc16(&bytes));
        let (mut delay, mut copies) = (20, 1);
        match answer {
            Answer::Well | Answer::Refused(_) => {}
            Answer::Lost => copies = 0,
            Answer::Late(span) => delay = span,
            Answer::Twice => copies = 2,
            Answer::Torn => sum = !sum,
            Answer::TornTwice => (sum, copies) = (!sum, 2),
            Answer::Cut => drop(bytes.pop()),
            Answer::Elsewhere => place = if offset == 0 { 1 } else { 0 },
            Answer::Longer => file += 1,
        }
        let data = json!({"bOffset": place, "fileLength": file, "bSize": length});
        let header = json!({"code": 200, "data": data, "id": id, "message": "success"});
        for copy in 0..copies {
            self.arrives_later(delay + copy, frame(&header, &bytes, sum));
        }
    }

    fn arrives_later(&mut self, delay: u64, payload: Vec<u8>) {
        let topic = "/sys/pk/dn/thing/file/download_reply".to_owned();
        self.tell_later(delay, Event::Arrived { topic, payload });
    }

    /// A download in blocks goes on.
    pub(crate) fn block_step(&mut self, job: JobId) {
        let Some((order, fault)) = self.fetches.under_way.get(&job).cloned() else {
            return;
        };
        let there = self.durable.disk.parts[&job.0];
        if let Some(fault) = fault {
            self.fetches.under_way.remove(&job);
            self.tell(Event::FetchFailed { job, fault });
        } else if there == SIZE {
            self.fetch_ends(&order);
        } else if let Source::Blocks { stream_id, file_id } = order.files[0].source {
            let block = BlockOrder {
                stream_id,
                file_id,
                offset: there,
                size: u32::try_from(BLOCK.min(SIZE - there)).unwrap(),
                file_length: SIZE,
            };
            self.fetches.waiting.insert(job, block);
            self.fetches.paid += 1;
            self.tell(Event::BlockWanted { job, block });
        }
    }

    /// Law `only_awaited_blocks`: a download gets the block it waits for, whole and unharmed, and no other.
    pub(crate) fn take_block(&mut self, job: JobId, offset: u64, bytes: &[u8]) {
        let awaited = self.fetches.waiting.remove(&job);
        let awaited = awaited.expect("only_awaited_blocks: nobody waits");
        let (order, _) = &self.fetches.under_way[&job];
        let from = usize::try_from(awaited.offset).unwrap();
        let size = usize::try_from(awaited.size).unwrap();
        let right = &image(order.version.as_str())[from..from + size];
        assert!(
            offset == awaited.offset && bytes == right,
            "only_awaited_blocks: another one at {offset} for {awaited:?}"
        );
        let part = self.durable.disk.parts.get_mut(&job.0).unwrap();
        *part += bytes.len() as u64;
        let on_disk = *part;
        self.tell_later(1, Event::FetchProgress { job, on_disk });
        self.later(2, Happening::BlockStep(job));
    }
}

/// A device that was offered a good version in blocks.
pub(super) fn offered() -> Durable {
    let mut durable = World::offered(Behaviour::Good);
    durable.cloud.blocks = Some(Blocks::default());
    durable.cloud.offer("1.0.7");
    durable
}

/// The same, where the first requests are answered so.
pub(super) fn answered(answers: impl IntoIterator<Item = Answer>) -> Durable {
    let mut durable = offered();
    blocks(&mut durable).answers.extend(answers);
    durable
}

/// The same, where all requests are.
pub(super) fn always(answer: Answer) -> Durable {
    let mut durable = offered();
    blocks(&mut durable).always = Some(answer);
    durable
}

pub(super) fn blocks(durable: &mut Durable) -> &mut Blocks {
    durable.cloud.blocks.as_mut().unwrap()
}

/// The offsets that were asked for.
pub(super) fn asked(world: &World) -> Vec<u64> {
    let blocks = world.durable.cloud.blocks.as_ref().unwrap();
    blocks.asked.iter().map(|(_, offset)| *offset).collect()
}

/// Lets time pass until so many requests were made.
pub(super) fn until_asked(world: &mut World, count: usize) {
    while asked(world).len() < count {
        world.step(u64::MAX);
    }
}

/// What the platform was told of the failed download.
pub(super) fn failure(world: &World) -> &str {
    match &world.durable.cloud.task {
        Task::Failed(_, -2, text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_image_in_blocks_is_asked_for_block_by_block() {
    let mut world = World::boot(offered(), &Policy::default());
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 300, 600, 900]);
    assert!(world.durable.cloud.steps.is_sorted());
    assert!(world.durable.cloud.steps.contains(&100));
}

#[test]
fn a_block_that_does_not_come_right_is_asked_for_again() {
    for wrong in WRONG {
        let mut world = World::boot(answered([Answer::Well, wrong]), &Policy::default());
        until_phase(&mut world, "fetching");
        let began = world.now;
        until_asked(&mut world, 5);
        let took = world.now - began;
        if wrong == Answer::Lost {
            assert!((10_000..11_000).contains(&took), "{took}");
        } else {
            assert!(took < 1_000, "{wrong:?} at once, and not after {took} ms");
        }
        world.rest(&["1.0.7"]);
        assert_eq!(asked(&world), [0, 300, 300, 600, 900], "{wrong:?}");
    }
}

#[test]
fn three_failures_in_a_row_at_each_block_are_no_failed_try() {
    let policy = Policy {
        fetch_retries: 0,
        ..Policy::default()
    };
    for wrong in WRONG {
        let each = [wrong, wrong, wrong, Answer::Well];
        let mut world = World::boot(answered(each.repeat(4)), &policy);
        world.rest(&["1.0.7"]);
        assert_eq!(asked(&world).len(), 16, "{wrong:?}");
    }
}

#[test]
fn blocks_that_never_come_right_end_with_step_2_after_as_many_tries_as_any_download() {
    for wrong in WRONG {
        let mut world = World::boot(always(wrong), &Policy::default());
        world.rest(&["1.0.0"]);
        let text = failure(&world);
        assert!(text.starts_with("the platform's blocks"), "{text}");
        assert_eq!(
            asked(&world),
            [0; 4 * 9],
            "four requests, and eight tries after the first"
        );
        assert!(!world.durable.cloud.steps.contains(&100));
    }
}

#[test]
fn a_good_block_makes_the_failures_before_it_forgotten() {
    // Each block costs three tries of the eight that follow the first, and all four together more than there are.
    let bad = [Answer::Torn; 3 * 4];
    let each = bad.into_iter().chain([Answer::Well]);
    let each: Vec<_> = each.collect();
    let mut world = World::boot(answered(each.repeat(4)), &Policy::default());
    world.rest(&["1.0.7"]);
}

#[test]
fn an_answer_that_comes_twice_or_late_is_taken_once() {
    for answer in [Answer::Twice, Answer::Late(10_010), Answer::Late(12_000)] {
        let mut world = World::boot(always(answer), &Policy::default());
        world.rest(&["1.0.7"]);
        let mut different = asked(&world);
        different.dedup();
        assert_eq!(different, [0, 300, 600, 900]);
        let late = matches!(answer, Answer::Late(_));
        assert_eq!(asked(&world).len(), if late { 8 } else { 4 }, "{answer:?}");
    }
}

#[test]
fn an_answer_nobody_waits_for_changes_nothing() {
    let mut world = World::boot(World::idle(), &Policy::default());
    world.rest(&["1.0.0"]);
    world.arrives_later(1, b"\0\x02{}".to_vec());
    world.run(1_000);
    let mut world = World::boot(answered([Answer::Lost]), &Policy::default());
    until_asked(&mut world, 1);
    let data = json!({"bOffset": 0, "fileLength": SIZE, "bSize": BLOCK});
    let header = json!({"code": 200, "data": data, "id": "another"});
    let other = vec![0; usize::try_from(BLOCK).unwrap()];
    world.arrives_later(1, frame(&header, &other, crc16(&other)));
    let header = json!({"code": 460, "id": "another"});
    world.arrives_later(2, frame(&header, &[], 0));
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 0, 300, 600, 900]);
}

#[test]
fn while_the_link_is_down_nothing_is_counted_and_after_that_the_block_is_asked_for_again() {
    let policy = Policy {
        fetch_retries: 0,
        ..Policy::default()
    };
    let mut world = World::boot(always(Answer::Lost), &policy);
    for count in 1..=20 {
        until_asked(&mut world, count);
        world.cloud_is(false, CloudLoss::Closed);
        world.run(60_000);
        assert_eq!(asked(&world).len(), count, "asked into the void");
        world.cloud_is(true, CloudLoss::Closed);
    }
    blocks(&mut world.durable).always = None;
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world)[..20], [0; 20]);
}

#[test]
fn a_supervisor_that_was_kept_from_running_does_not_count_that_as_silence() {
    let policy = Policy {
        fetch_retries: 0,
        ..Policy::default()
    };
    let mut world = World::boot(always(Answer::Late(50)), &policy);
    for count in 1..=4 {
        until_asked(&mut world, count);
        world.freeze(60_000);
    }
    world.rest(&["1.0.7"]);
    assert_eq!(asked(&world), [0, 300, 600, 900]);
}

#[test]
fn a_stream_that_is_gone_is_asked_for_anew_and_goes_on_where_it_stood() {
    let mut durable = offered();
    durable.cloud.answers_queries = true;
    let mut world = World::boot(durable, &Policy::default());
    until_asked(&mut world, 2);
    let oldest = blocks(&mut world.durable).streams.len();
    blocks(&mut world.durable).oldest = oldest;
    world.rest(&["1.0.7"]);
    let asked = &blocks(&mut world.durable).asked;
    let offsets: Vec<_> = asked.iter().map(|(_, offset)| *offset).collect();
    assert_eq!(offsets, [0, 300, 600, 600, 900]);
    assert!(asked[..3].iter().all(|(stream, _)| *stream < oldest));
    assert!(asked[3..].iter().all(|(stream, _)| *stream >= oldest));
}

#[test]
fn a_file_that_is_not_there_ends_with_step_2_after_three_questions() {
    for (answer, word) in [
        (Answer::Refused(460), "460"),
        (Answer::Longer, "1001 bytes"),
    ] {
        let mut durable = always(answer);
        durable.cloud.answers_queries = true;
        let mut world = World::boot(durable, &Policy::default());
        world.rest(&["1.0.0"]);
        let text = failure(&world);
        assert!(text.contains(word), "{text}");
        // A query that follows every connection may bring one more address in between.
        assert_eq!(asked(&world)[..4], [0; 4]);
        assert!(asked(&world).len() <= 5, "{:?}", asked(&world));
        assert!(world.now < 120_000, "{}", world.now);
    }
}

#[test]
fn a_platform_that_knows_no_other_stream_is_told_of_the_failure() {
    let mut world = World::boot(always(Answer::Refused(460)), &Policy::default());
    world.rest(&["1.0.0"]);
    assert!(failure(&world).contains("460"));
    assert_eq!(asked(&world), [0]);
    assert!(world.now < 180_000, "{}", world.now);
}

#[test]
fn blocks_that_never_come_are_given_up_when_the_time_of_the_download_is_over() {
    let policy = Policy {
        fetch_retries: u32::MAX,
        fetch_time: Duration::from_secs(7200),
        ..Policy::default()
    };
    let mut world = World::boot(always(Answer::Lost), &policy);
    world.rest(&["1.0.0"]);
    assert!(failure(&world).contains("within 7200 s"));
    assert!((7_200_000..7_300_000).contains(&world.now), "{}", world.now);
    assert!(world.fetches.waiting.is_empty(), "nobody waits any more");
}

#[test]
fn an_address_on_a_server_takes_the_place_of_blocks_that_do_not_come() {
    let long = Duration::from_secs(3600);
    let policy = Policy {
        fetch_backoff: (long, long),
        ..Policy::default()
    };
    let mut world = World::boot(always(Answer::Torn), &policy);
    until_asked(&mut world, 4);
    world.run(1_000);
    world.durable.cloud.blocks = None;
    let (topic, payload) = world.durable.cloud.push_of("1.0.7");
    world.tell(Event::Arrived { topic, payload });
    world.rest(&["1.0.7"]);
    assert_eq!(world.fetches.addresses.len(), 1);
}

#[test]
fn a_download_that_ended_waits_for_no_block() {
    let mut durable = offered();
    durable.disk.downloads = [FetchFault::Disk("no room".to_owned())].into();
    let mut world = World::boot(durable, &Policy::default());
    world.rest(&["1.0.0"]);
    assert!(asked(&world).is_empty());
}

#[test]
fn a_power_cut_anywhere_costs_one_block_at_most() {
    let mut whole = World::boot_recording(offered(), &Policy::default());
    whole.rest(&["1.0.7"]);
    let places = whole.cuts.take().unwrap();
    assert!(places.len() > 50, "only {} places to cut", places.len());
    for place in places {
        let mut world = World::boot(place, &Policy::default());
        world.rest(&["1.0.7"]);
        let asked = asked(&world);
        assert!((4..=5).contains(&asked.len()), "{asked:?}");
        assert!(asked.is_sorted(), "{asked:?}");
    }
}
