//! What of the platform is kept in a state folder, and when it is written there: whatever changed in one act, at its end and
//! before a device's message is acknowledged.
//!
//! Not kept are connections and sessions, the answers somebody waits for, faults, counters and the lists of events and progress:
//! what a platform has them for ends with the connection, or is told by the journal.

use serde::Serialize;

use super::{Device, Job, Product, World};
use crate::firmware::{Firmware, UrlKey};
use crate::journal::What;
use crate::kept::{Kept, StateError, Things};
use crate::login::DeviceId;
use crate::platform::Millis;

const NUMBERS: &str = "numbers";
const URL_KEY: &str = "url-key";
const PRODUCT: &str = "product";
const DEVICE: &str = "device";
const FIRMWARE: &str = "firmware";
const JOB: &str = "job";

/// So many numbers are set apart at once. After a restart the rest of them is left out, so that none is given twice.
const NUMBERS_AT_ONCE: u64 = 1000;

/// A thing that has changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Changed {
    Product(String),
    Device(DeviceId),
    Firmware(u64),
    Job(u64),
}

impl World {
    /// Goes on where the former emulator on this state folder was ended, and keeps what changes from now on.
    ///
    /// # Errors
    /// When a thing in the folder has another shape.
    pub(crate) fn take_up(&mut self, mut kept: Kept, things: &Things) -> Result<(), StateError> {
        self.products = things.all::<String, Product>(PRODUCT)?;
        self.devices = things.all::<DeviceId, Device>(DEVICE)?;
        self.firmware = things.all::<u64, Firmware>(FIRMWARE)?;
        self.jobs = things.all::<u64, Job>(JOB)?;
        self.numbers = things.one(NUMBERS)?.unwrap_or(0);
        self.numbers_kept = self.numbers;
        match things.one(URL_KEY)? {
            Some(key) => self.url_key = UrlKey(key),
            None => kept.put(URL_KEY, &(), &self.url_key.0),
        }
        self.kept = Some(kept);
        Ok(())
    }

    /// A number not used before, for anything that needs one.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        if let Some(kept) = &mut self.kept
            && self.numbers > self.numbers_kept
        {
            self.numbers_kept = self.numbers + NUMBERS_AT_ONCE;
            kept.put(NUMBERS, &(), &self.numbers_kept);
        }
        self.numbers
    }

    /// This has changed, and is written at the end of the act.
    pub(crate) fn keep(&mut self, changed: Changed) {
        if self.kept.is_some() {
            self.changed.insert(changed);
        }
    }

    /// Writes down all that has changed.
    pub(crate) fn write_changes(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        for changed in std::mem::take(&mut self.changed) {
            match changed {
                Changed::Product(key) => put(kept, PRODUCT, &key, self.products.get(&key)),
                Changed::Device(id) => put(kept, DEVICE, &id, self.devices.get(&id)),
                Changed::Firmware(id) => put(kept, FIRMWARE, &id, self.firmware.get(&id)),
                Changed::Job(number) => put(kept, JOB, &number, self.jobs.get(&number)),
            }
        }
    }

    /// Leaves the state folder to whoever takes it up next; nothing is written there any more.
    pub(crate) fn let_go(&mut self) {
        self.write_changes();
        self.kept = None;
        self.journal.let_go();
    }

    /// The end of an act: the journal tells which faults struck, and what changed is written down.
    pub(crate) fn settle(&mut self, now: Millis) {
        for fault in self.faults.fresh_strikes() {
            self.journal.write(now, None, What::Strike { fault });
        }
        self.write_changes();
    }
}

/// Tasks by their devices: a list, because JSON's objects are named by texts alone.
pub(super) mod by_device {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::DeviceId;
    use crate::platform::task::Task;

    pub(in crate::platform) fn serialize<S: Serializer>(
        tasks: &BTreeMap<DeviceId, Task>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(tasks)
    }

    pub(in crate::platform) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<DeviceId, Task>, D::Error> {
        let pairs = Vec::<(DeviceId, Task)>::deserialize(from)?;
        Ok(pairs.into_iter().collect())
    }
}

/// Nothing here is ever taken away, so whatever has changed is there.
fn put(kept: &mut Kept, kind: &str, key: &impl Serialize, thing: Option<&impl Serialize>) {
    if let Some(thing) = thing {
        kept.put(kind, key, thing);
    }
}
