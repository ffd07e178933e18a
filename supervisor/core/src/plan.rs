//! May this offer be installed, now, by this means? Pure functions that return a reason.
//!
//! An offer is first read ([`wanted`]): is it ours, and can it be had by means this supervisor has? Then it is weighed against what
//! runs and what is under way ([`weigh`]). The rules:
//!
//! - Another module's offer is left alone, without a word.
//! - The running version offered again is only informed again.
//! - A version older than the running one (`Version::is_older_than`) is refused, unless the configuration allows it, or the operator
//!   who wants it.
//! - The offer of the job under way is that job; its newer address is taken. What a job is known by stands in `update::replaced`.
//! - An offer of the platform for the version whose failure it has not been told for certain yet is the offer of that job: it was sent
//!   before, and to take it up again would give one job two outcomes.
//! - Any other offer during a job is remembered, the newest one only, and weighed again when the job has ended. One of the platform's
//!   puts another job in the place of its own.
//! - The running version offered during a job is no job: the platform begins none for a version the device says it runs.
//! - A build that used up its tries is refused at once, and so is a version that an operator does not want, unless an operator brings it.
//! - What would be installed is remembered while an operator holds updates, the newest one only.

#[cfg(test)]
mod tests;

use crate::{
    alink::{
        codec::{FileOffer, LONGEST_BLOCK_FILE, Offer, Scheme, Source, Url},
        version::Version,
    },
    outcome::Outcome,
    policy::Policy,
    record::{FileName, Ledger, NameFault, Origin, Record, Source as Place, Wanted, WantedFile},
};

/// What an offer wants, if it is ours (`None` if not) and can be had.
///
/// # Errors
/// The outcome to be reported: the offer is for us and cannot be taken.
pub fn wanted(offer: &Offer, policy: &Policy) -> Result<Option<Wanted>, Outcome> {
    if offer.module != policy.module {
        return Ok(None);
    }
    let against = |why: String| Err(Outcome::AgainstPolicy { why });
    if offer.is_diff {
        return against("it is a delta package, and only whole images are taken".to_owned());
    }
    if offer.size > policy.largest_image {
        return against(format!(
            "`size` is {}, and at most {} bytes are allowed",
            offer.size, policy.largest_image
        ));
    }
    if let Some(budget) = policy.budget
        && offer.size > budget
    {
        return against(format!(
            "`size` is {}, and an update may fetch at most {budget} bytes",
            offer.size
        ));
    }
    let files = match &offer.source {
        Source::Http { url } => vec![image(offer, had_from(url, policy)?)],
        Source::Mqtt { stream_id, file_id } => {
            if offer.size > LONGEST_BLOCK_FILE {
                return against(format!(
                    "`size` is {}, and over MQTT at most {LONGEST_BLOCK_FILE} bytes can be asked for",
                    offer.size
                ));
            }
            let (stream_id, file_id) = (*stream_id, *file_id);
            vec![image(offer, Place::Blocks { stream_id, file_id })]
        }
        Source::Files(files) => package(files, policy)?,
    };
    Ok(Some(Wanted {
        version: offer.version.clone(),
        files,
        by: Origin::Cloud,
        brought: false,
    }))
}

/// The one image of an ordinary offer.
fn image(offer: &Offer, source: Place) -> WantedFile {
    WantedFile {
        name: None,
        size: offer.size,
        source,
        digests: offer.digests.clone(),
        digest_sign: offer.digest_sign.clone(),
        seal: offer.package_udi.as_deref().and_then(seal_in),
    }
}

/// The publisher's signature in a package's own text: the text itself, or `minisig` of the JSON object it is.
fn seal_in(text: &str) -> Option<String> {
    if text.trim_start().starts_with("untrusted comment:") {
        return Some(text.to_owned());
    }
    let object: serde_json::Value = serde_json::from_str(text).ok()?;
    object.get("minisig")?.as_str().map(str::to_owned)
}

fn had_from(url: &Url, policy: &Policy) -> Result<Place, Outcome> {
    if url.scheme() == Scheme::Http && !policy.allow_http {
        let why = "`url` is plain http, and only https is allowed".to_owned();
        return Err(Outcome::AgainstPolicy { why });
    }
    Ok(Place::Url(url.as_str().to_owned()))
}

/// The files of a package, which all go into one slot.
fn package(files: &[FileOffer], policy: &Policy) -> Result<Vec<WantedFile>, Outcome> {
    let Some(entry) = &policy.entry else {
        let why = format!(
            "it has {} files, and `update.entry` does not say which is the program",
            files.len()
        );
        return Err(Outcome::AgainstPolicy { why });
    };
    let bad = |why: String| Outcome::BadOffer { why };
    let mut wanted: Vec<WantedFile> = Vec::new();
    for file in files {
        let name: FileName = file
            .name
            .parse()
            .map_err(|fault: NameFault| bad(fault.to_string()))?;
        let met = |other: &WantedFile| other.name.as_ref().is_some_and(|it| it.meets(&name));
        if wanted.iter().any(met) {
            return Err(bad(format!("two files are named `{name}`")));
        }
        wanted.push(WantedFile {
            name: Some(name),
            size: file.size,
            source: had_from(&file.url, policy)?,
            digests: file.digests.clone(),
            digest_sign: file.digest_sign.clone(),
            seal: None,
        });
    }
    if !wanted.iter().any(|file| file.name.as_ref() == Some(entry)) {
        return Err(bad(format!(
            "no file is named `{entry}`, as `update.entry` wants it"
        )));
    }
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(wanted)
}

/// What to do about an offer that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Begin.
    Install,
    /// It runs already: inform again.
    Running,
    /// It is the job under way.
    SameJob,
    /// It is a job that has ended, and the platform is about to be told how.
    Ended,
    /// Remember it until the job under way has ended, and an operator's pause.
    Remember,
    /// No, for this reason.
    Refuse(Outcome),
}

/// What is under way when an offer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// Nothing.
    Idle,
    /// An update.
    Job,
    /// The way back from the version that is still called the running one.
    Leaving,
}

/// Weighs an offer against what runs and what is under way.
#[must_use]
pub fn weigh(wanted: &Wanted, ledger: &Ledger, busy: Busy, policy: &Policy) -> Verdict {
    if let Some(job) = &ledger.record.job
        && job.wanted.is_same(wanted)
    {
        return Verdict::SameJob;
    }
    let by_cloud = wanted.by == Origin::Cloud;
    if by_cloud && is_last_owed(&wanted.version, &ledger.record) {
        return Verdict::Ended;
    }
    let running = ledger.running().map(|slot| &slot.version);
    let runs = running == Some(&wanted.version);
    match busy {
        Busy::Idle if runs => return Verdict::Running,
        Busy::Job if runs && by_cloud => return Verdict::Running,
        Busy::Job | Busy::Leaving => return Verdict::Remember,
        Busy::Idle => {}
    }
    let starts = ledger.starts(&wanted.digests());
    if starts >= policy.tries {
        return Verdict::Refuse(Outcome::Quarantined { starts });
    }
    if let Some(by) = ledger.hold_on(&wanted.version)
        && by_cloud
    {
        return Verdict::Refuse(Outcome::Held { by });
    }
    let by_hand = Origin::Operator {
        allow_downgrade: true,
    };
    let allowed = policy.allow_downgrade || wanted.by == by_hand;
    if let Some(running) = running.filter(|it| !allowed && wanted.version.is_older_than(it)) {
        let why = format!("{} is older than {running}, which runs", wanted.version);
        return Verdict::Refuse(Outcome::AgainstPolicy { why });
    }
    if ledger.record.paused {
        return Verdict::Remember;
    }
    Verdict::Install
}

/// Is the last outcome that is owed to the platform that of this version's update?
fn is_last_owed(version: &Version, record: &Record) -> bool {
    let Some(owed) = record.owed.last() else {
        return false;
    };
    if owed.version.is_some() {
        return owed.version.as_ref() == Some(version);
    }
    // An older record does not say which version it was.
    let ended = record.last_outcome.as_ref();
    ended.is_some_and(|it| it.outcome.is_some() && it.version == *version)
}
