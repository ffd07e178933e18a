//! May this offer be installed, now, by this means? Pure functions that return a reason.
//!
//! An offer is first read ([`wanted`]): is it ours, and can it be had by means this supervisor has? Then it is weighed against what
//! runs and what is under way ([`weigh`]). The rules:
//!
//! - Another module's offer is left alone, without a word.
//! - The running version offered again is only informed again.
//! - The offer of the job under way is that job; its newer address is taken.
//! - Any other offer during a job is remembered, the newest one only, and weighed again when the job has ended.
//! - A build that used up its tries is refused at once.

#[cfg(test)]
mod tests;

use crate::{
    alink::{
        codec::{Digest, Offer, Scheme, Source},
        version::Version,
    },
    outcome::Outcome,
    policy::Policy,
    record::{Ledger, Wanted, same},
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
    let url = match &offer.source {
        Source::Http { url } => url,
        Source::Mqtt { .. } => {
            return against("it is to be fetched over MQTT, and only https is taken".to_owned());
        }
        Source::Files(files) => {
            return against(format!(
                "it has {} files, and only one is taken",
                files.len()
            ));
        }
    };
    if url.scheme() == Scheme::Http && !policy.allow_http {
        return against("`url` is plain http, and only https is allowed".to_owned());
    }
    Ok(Some(Wanted {
        version: offer.version.clone(),
        size: offer.size,
        url: url.as_str().to_owned(),
        digests: offer.digests.clone(),
    }))
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
    /// Remember it until the job under way has ended.
    Remember,
    /// No, for this reason.
    Refuse(Outcome),
}

/// Weighs an offer against what runs and what is under way.
#[must_use]
pub fn weigh(wanted: &Wanted, ledger: &Ledger, idle: bool, policy: &Policy) -> Verdict {
    if let Some(job) = &ledger.record.job
        && is_same(&job.wanted.version, &job.wanted.digests, wanted)
    {
        return Verdict::SameJob;
    }
    if !idle {
        return Verdict::Remember;
    }
    let running = ledger.record.active.as_ref().map(|slot| &slot.version);
    if running == Some(&wanted.version) {
        return Verdict::Running;
    }
    let starts = ledger.starts(&wanted.digests);
    if starts >= policy.tries {
        return Verdict::Refuse(Outcome::Quarantined { starts });
    }
    Verdict::Install
}

fn is_same(version: &Version, digests: &[Digest], wanted: &Wanted) -> bool {
    *version == wanted.version && same(digests, &wanted.digests)
}
