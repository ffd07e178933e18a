//! A file in blocks: asked for one after the other, waited for without an opinion, gone on with after anything.

use supervisor_core::event::BlockOrder;

use super::*;

const BLOCK: usize = 64 * 1024;

fn in_blocks(image: &[u8]) -> WantedFile {
    let (stream_id, file_id) = (25_914, 1);
    WantedFile {
        source: Source::Blocks { stream_id, file_id },
        ..wanted(String::new(), image)
    }
}

impl Case {
    pub(super) fn order_blocks(&mut self, image: &[u8]) {
        self.order_file(in_blocks(image));
    }

    /// The supervisor ends and another one begins, with the same folder.
    fn restart(&mut self) {
        let (events, happened) = mpsc::channel(4);
        let settings = self.fetch.settings.clone();
        self.fetch = Fetch::new(settings, self.layout.clone(), events);
        self.happened = happened;
    }

    /// Which block is wanted next, after any progress.
    pub(super) async fn wants(&mut self) -> BlockOrder {
        loop {
            match self.happened.recv().await.unwrap() {
                Event::FetchProgress { job: JOB, .. } => {}
                Event::BlockWanted { job: JOB, block } => return block,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Gives what is wanted.
    pub(super) fn give(&self, image: &[u8], block: &BlockOrder) {
        let from = usize::try_from(block.offset).unwrap();
        let bytes = image[from..from + block.size as usize].to_vec();
        self.fetch.block(JOB, block.offset, bytes);
    }

    /// Gives all that is wanted until the image is there; the offsets that were asked for.
    async fn give_all(&mut self, image: &[u8]) -> Vec<usize> {
        let mut asked = Vec::new();
        loop {
            match self.happened.recv().await.unwrap() {
                Event::FetchProgress { job: JOB, .. } => {}
                Event::BlockWanted { job: JOB, block } => {
                    asked.push(usize::try_from(block.offset).unwrap());
                    self.give(image, &block);
                }
                Event::Fetched { slot, .. } => {
                    assert_eq!(fs::read(self.layout.image(&slot)).unwrap(), image);
                    assert_eq!(self.left(), ["2-1.0.7"]);
                    return asked;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_file_is_asked_for_block_by_block_and_the_last_one_is_what_is_left() {
    let image = image();
    let mut case = case();
    case.order_blocks(&image);
    let mut from = 0;
    while from < image.len() {
        let block = case.wants().await;
        let size = BLOCK.min(image.len() - from);
        let expected = BlockOrder {
            stream_id: 25_914,
            file_id: 1,
            offset: from as u64,
            size: u32::try_from(size).unwrap(),
            file_length: image.len() as u64,
        };
        assert_eq!(block, expected);
        case.give(&image, &block);
        from += size;
    }
    let (ended, progress) = case.end().await;
    assert_eq!(fs::read(case.layout.image(&ended.unwrap())).unwrap(), image);
    assert_eq!(progress.last(), Some(&(image.len() as u64)));
}

#[tokio::test]
async fn a_block_that_is_not_the_awaited_one_is_dropped() {
    let image = image();
    let mut case = case();
    case.order_blocks(&image);
    let block = case.wants().await;
    let wrong = [
        (block.offset + 1, vec![1; BLOCK]),
        (block.offset, vec![2; BLOCK + 1]),
        (block.offset, Vec::new()),
    ];
    for (offset, bytes) in wrong {
        case.fetch.block(JOB, offset, bytes);
        // There is room for one: it is taken before the next is given.
        while !case.fetch.current.as_ref().unwrap().outlet.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    case.fetch.block(JobId(4), block.offset, vec![3; BLOCK]);
    case.give(&image, &block);
    // Nobody waits for it any more, or for another one yet.
    case.give(&image, &block);
    let mut asked = case.give_all(&image).await;
    asked.insert(0, 0);
    assert_eq!(asked, (0..image.len()).step_by(BLOCK).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_shorter_block_than_asked_for_is_taken_and_gone_on_behind() {
    let image = image();
    let mut case = case();
    case.order_blocks(&image);
    let block = case.wants().await;
    case.fetch.block(JOB, block.offset, image[..1000].to_vec());
    assert_eq!(case.give_all(&image).await[0], 1000);
}

#[tokio::test]
async fn a_supervisor_that_was_killed_goes_on_with_the_next_block() {
    let image = image();
    let mut case = case();
    for wanted in (0..image.len()).step_by(BLOCK).take(3) {
        case.order_blocks(&image);
        let block = case.wants().await;
        assert_eq!(block.offset, wanted as u64);
        case.give(&image, &block);
        case.wants().await;
        case.restart();
    }
    case.order_blocks(&image);
    assert_eq!(case.give_all(&image).await, [3 * BLOCK, 4 * BLOCK]);
}

#[tokio::test]
async fn a_download_that_begins_anew_while_it_waits_goes_on_where_it_stood() {
    let image = image();
    let mut case = case();
    case.order_blocks(&image);
    let block = case.wants().await;
    case.give(&image, &block);
    case.wants().await;
    case.order_blocks(&image);
    assert_eq!(case.give_all(&image).await[0], BLOCK);
}

#[tokio::test]
async fn a_file_with_one_bit_flipped_is_another_digest() {
    let image = image();
    let mut case = case();
    case.order_blocks(&image);
    let mut flipped = image.clone();
    flipped[150_000] ^= 1;
    for _ in (0..image.len()).step_by(BLOCK) {
        let block = case.wants().await;
        case.give(&flipped, &block);
    }
    let fault = case.end().await.0.unwrap_err();
    assert!(matches!(fault, FetchFault::OtherDigest { .. }), "{fault:?}");
    assert_eq!(case.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_download_that_is_abandoned_while_it_waits_ends_and_leaves_nothing() {
    let image = image();
    let mut case = case();
    case.order_blocks(&image);
    let block = case.wants().await;
    case.give(&image, &block);
    let block = case.wants().await;
    case.fetch.abandon(JOB);
    while case.fetch.events.strong_count() > 1 || !case.left().is_empty() {
        tokio::task::yield_now().await;
    }
    case.give(&image, &block);
    assert_eq!(case.happened.try_recv().ok(), None);
    case.order_blocks(&image);
    assert_eq!(case.give_all(&image).await[0], 0);
}
