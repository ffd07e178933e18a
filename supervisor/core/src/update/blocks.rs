//! An image in blocks: which one is awaited, and what is done about one that does not come.
//!
//! The download says which block it goes on with, and waits for it without an opinion. One block is asked for at a time. What follows:
//!
//! | what comes | what follows |
//! |---|---|
//! | the block | the download gets it |
//! | nothing in time, a block that is torn or another one, a code that may pass | it is asked for again at once, three times in a row; after that the try was in vain, like any other try of a download |
//! | a code that refuses it, a block of a file of another length | the platform is asked for another address, as when one is too old |
//! | the end of the link | nothing is counted; it is asked for again once the link is up |
//! | an answer to no request of ours for this block, or a bad one to any but the last | it is left alone |
//!
//! The download is not begun again for any of it: it keeps what it has and waits, until it gets the block or is given up. Only where
//! bytes are counted it pays for a block before it says that it wants it, once for one request; there it is begun again before every further
//! request, and goes on where it stood.

use super::{
    Hands, Phase, Update,
    awaited::{Awaited, Unfit},
    fetching::current,
    phase::Fetching,
};
use crate::{
    alink::codec::{Id, block_request_of, parse_block},
    event::{BlockOrder, Command, JobId},
    outcome::FetchFault,
    time::Ticks,
};

/// How often in a row a block is asked for again at once.
const ASKED_AT_ONCE: u32 = 3;

/// An answer may come late: to so many of the last requests.
const MOST_REQUESTS: usize = 4;

impl Update {
    /// The download goes on with this block.
    pub fn block_wanted(&mut self, job: JobId, block: BlockOrder, hands: &mut Hands<'_, '_>) {
        if current(hands.ledger, job).is_some()
            && self.paused_at.is_none()
            && let Phase::Fetching(fetching) = &mut self.phase
        {
            let mut awaited = Awaited {
                block,
                requests: Vec::new(),
                until: None,
                failures: 0,
                once: hands.scene.policy.is_metered(),
                asked: false,
            };
            // What failed before it was paid for again counts on, and what was asked for then may still come.
            let former = fetching.unpaid.take();
            if let Some(former) = former.filter(|it| it.place() == awaited.place()) {
                (awaited.requests, awaited.failures) = (former.requests, former.failures);
            }
            fetching.block = Some(awaited);
        }
    }

    /// The block to be asked for as soon as the link is up.
    #[must_use]
    pub fn block_due(&self) -> Option<BlockOrder> {
        match &self.phase {
            Phase::Fetching(Fetching {
                block: Some(awaited),
                retry: None,
                stale: None,
                ..
            }) if awaited.until.is_none() && !awaited.is_used_up() => Some(awaited.block),
            _ => None,
        }
    }

    /// It was asked for by this request, and is waited for until then.
    pub fn block_asked(&mut self, request: Id, until: Ticks) {
        if let Some(awaited) = self.awaited_block() {
            if awaited.requests.len() == MOST_REQUESTS {
                awaited.requests.remove(0);
            }
            awaited.requests.push(request);
            awaited.until = Some(until);
            awaited.asked = true;
        }
    }

    /// The link is gone, and with it what was asked for.
    pub fn link_lost(&mut self) {
        if let Phase::Fetching(fetching) = &mut self.phase
            && let Some(awaited) = &mut fetching.block
        {
            awaited.requests.clear();
            awaited.until = None;
            // No other address can come either: the one at hand is tried once more when the link is up.
            fetching.stale = None;
        }
    }

    /// An answer to a request for a block. Was it awaited?
    pub fn block_came(&mut self, payload: &[u8], hands: &mut Hands<'_, '_>) -> bool {
        let Some(awaited) = self.awaited_block() else {
            return false;
        };
        let request = block_request_of(payload);
        // One that does not say which request it answers is taken for an answer to the last.
        let known = |request: &Id| awaited.requests.contains(request);
        if awaited.requests.is_empty() || !request.as_ref().is_none_or(known) {
            return false;
        }
        let is_last = request.is_none() || request.as_ref() == awaited.requests.last();
        match awaited.judge(parse_block(payload)) {
            Ok(bytes) => {
                let offset = awaited.block.offset;
                self.hand_over(offset, bytes.to_vec(), hands);
            }
            Err(_) if !is_last || awaited.until.is_none() => return false,
            Err(Unfit::Passing(why)) => self.block_failed(why, hands),
            Err(Unfit::Lasting(why)) => {
                awaited.until = None;
                self.ask_again(FetchFault::BadBlocks { why }, hands);
            }
        }
        true
    }

    /// Time has passed while a block is awaited.
    pub(super) fn tick_block(&mut self, hands: &mut Hands<'_, '_>) {
        if let Phase::Fetching(fetching) = &mut self.phase
            && (fetching.retry, fetching.stale) == (None, None)
            && let Some(used_up) = fetching.block.take_if(|it| it.is_used_up())
        {
            fetching.unpaid = Some(used_up);
            hands.order_fetch();
            return;
        }
        let now = hands.scene.now.ticks;
        let until = self.awaited_block().and_then(|awaited| awaited.until);
        if until.is_some_and(|until| now >= until) {
            let seconds = hands.scene.policy.block_wait.as_secs_f64();
            self.block_failed(format!("no answer came within {seconds} s"), hands);
        }
    }

    fn hand_over(&mut self, offset: u64, bytes: Vec<u8>, hands: &mut Hands<'_, '_>) {
        if let (Phase::Fetching(fetching), Some(job)) = (&mut self.phase, &hands.ledger.record.job)
        {
            // One that came late is as good as the next try, and as another address.
            (fetching.block, fetching.retry, fetching.stale) = (None, None, None);
            let job = job.id;
            hands.scene.out.push(Command::Block { job, offset, bytes });
        }
    }

    fn block_failed(&mut self, why: String, hands: &mut Hands<'_, '_>) {
        let Some(awaited) = self.awaited_block() else {
            return;
        };
        awaited.until = None;
        awaited.failures += 1;
        let (failures, offset) = (awaited.failures, awaited.block.offset);
        if failures <= ASKED_AT_ONCE {
            hands.trouble(format!(
                "{why}; the block of {offset} is asked for again, time {failures} of {ASKED_AT_ONCE}"
            ));
            return;
        }
        awaited.failures = 0;
        if let Some(job) = hands.ledger.record.job.as_ref().map(|job| job.id) {
            self.try_failed(job, FetchFault::BadBlocks { why }, hands);
        }
    }

    fn awaited_block(&mut self) -> Option<&mut Awaited> {
        match &mut self.phase {
            Phase::Fetching(fetching) => fetching.block.as_mut(),
            _ => None,
        }
    }
}
