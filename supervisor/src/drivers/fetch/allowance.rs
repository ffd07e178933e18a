//! How many bytes may still come from the network: for this update, and today.
//!
//! The promise is hard: what servers send as bodies never adds up to more than the operator allows, whatever breaks and whenever the
//! process is killed. Therefore bytes are spent before they are asked for: they are on the disk as spent when the request goes out,
//! and no request asks for more than that. Given back is only what certainly never comes:
//!
//! | the answer | what of its bytes stays spent |
//! |---|---|
//! | came whole, or its connection was closed in order | what came |
//! | was none: nobody was reached | nothing |
//! | was an error or a redirect | the length of its body, unread |
//! | fell silent, was reset, or came from a process that was killed | all that was asked for: it may be under way |
//!
//! Counted are bodies; the heads of about a kilobyte for each request, TLS and TCP come on top. A server that sends what nobody asked for is left at
//! its first word and not asked again for this update, but what it had pushed into the network by then cannot be refused.
//!
//! The day is UTC's by the wall clock. Bytes asked for before midnight may come after it, and then count on both days. A clock that went
//! back brings no new day until a whole one has passed on it, so that one which wakes up in 1970 buys nothing. An account
//! that cannot be read means that everything is spent, of the day and of the update.
//!
//! An update is the fetching of one build until it is a slot. A platform that offers it again because it failed, or does not know yet that it
//! did, offers no further bytes with it.

mod books;

use sha2::{Digest as _, Sha256};
use supervisor_core::alink::hex;
use supervisor_core::event::{FetchFault, FetchOrder};

pub(crate) use self::books::{Account, Ask};
use self::books::{Act, Step};
use super::sink::on_disk;
use crate::config::Limits;

/// No request asks for more than this, or than a share of the file ([`SHARES`]) if that is more. A killed process loses no more of
/// its budget; smaller ones would cost more requests and more writes.
const SEGMENT: u64 = 256 * 1024;

/// The requests for a large file, about.
const SHARES: u64 = 64;

/// What one try of a download may take from the network.
#[derive(Debug)]
pub(crate) struct Allowance {
    account: Account,
    limits: Limits,
    /// What is fetched: known by its bytes, as an offer that comes again is no other update.
    build: String,
    /// Bytes spent that may still come.
    open: u64,
    /// Bytes spent that never come.
    back: u64,
}

impl Allowance {
    pub(crate) fn new(account: Account, limits: Limits, order: &FetchOrder) -> Self {
        let mut build = Sha256::new();
        for digest in order.files.iter().filter_map(|file| file.digests.first()) {
            build.update(digest.to_string());
        }
        let build = build.finalize();
        Self {
            account,
            limits,
            build: hex::encode(&build),
            open: 0,
            back: 0,
        }
    }

    /// Is there any budget? Without one everything is allowed, and nothing written down.
    pub(crate) fn is_metered(&self) -> bool {
        self.limits.budget.is_some() || self.limits.budget_per_day.is_some()
    }

    /// How much of a file of this size is best asked for in one request.
    pub(crate) fn segment(&self, size: u64) -> u64 {
        if self.is_metered() {
            SEGMENT.max(size / SHARES)
        } else {
            size
        }
    }

    /// Spends what is asked for, as far as there is so much, and answers how many bytes may be asked for now: at least one.
    ///
    /// # Errors
    /// So many are not left of the day or for the update, or the disk does not take it.
    pub(crate) async fn spend(&mut self, ask: Ask) -> Result<u64, FetchFault> {
        if !self.is_metered() {
            return Ok(ask.most());
        }
        let allowed = self.step(Act::Spend(ask)).await?;
        self.open += allowed;
        Ok(allowed)
    }

    /// So many bytes came; `false` if they were not asked for.
    #[must_use]
    pub(crate) fn came(&mut self, bytes: u64) -> bool {
        if !self.is_metered() {
            return true;
        }
        let asked_for = bytes <= self.open;
        self.open = self.open.saturating_sub(bytes);
        asked_for
    }

    /// Nothing more comes of what was asked for, except so many bytes at most that nobody will read.
    pub(crate) fn settle(&mut self, unread: u64) {
        self.back += self.open.saturating_sub(unread);
        self.open = 0;
    }

    /// The try is over: what is known to be left is written down.
    pub(crate) async fn rest(&mut self) {
        if self.is_metered() {
            // A disk that does not take it keeps the larger sum as spent.
            let _ = self.step(Act::Rest).await;
        }
    }

    /// What was fetched is a slot: whoever wants the same later wants another update.
    pub(crate) async fn close(&mut self) {
        if self.is_metered() {
            let _ = self.step(Act::Close).await;
        }
    }

    async fn step(&mut self, act: Act) -> Result<u64, FetchFault> {
        let account = self.account.clone();
        let step = Step {
            build: self.build.clone(),
            limits: self.limits,
            open: self.open,
            back: std::mem::take(&mut self.back),
            act,
        };
        on_disk(move || account.carry_out(&step)).await?
    }
}
