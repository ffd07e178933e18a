//! The platform handing images out in blocks, and the download that waits for them.

mod stories;

use std::collections::VecDeque;

use serde_json::{Value as Json, json};

use super::{Behaviour, Durable, Happening, Task, World, disk::SIZE};
use crate::{
    event::{BlockOrder, Event, JobId},
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
        self.is_wanted(job);
        let there = self.durable.disk.parts[&job.0];
        if let Some(fault) = fault {
            self.fetches.under_way.remove(&job);
            self.deliver(Event::FetchFailed { job, fault });
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
            self.deliver(Event::BlockWanted { job, block });
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
    for _ in 0..100_000 {
        if asked(world).len() >= count {
            return;
        }
        world.step(u64::MAX);
    }
    panic!("never {count} requests: {:?}", asked(world));
}

/// What the platform was told of the failed download.
pub(super) fn failure(world: &World) -> &str {
    match &world.durable.cloud.task {
        Task::Failed(_, -2, text) => text,
        other => panic!("{other:?}"),
    }
}
