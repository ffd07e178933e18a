//! What happens, as it happens: the journal and the state beside it as server-sent events, for the console and for programs.
//!
//! | event | data | when |
//! |---|---|---|
//! | `hello` | `{run, now, resumed, journal: {oldest, last, capacity}}` | first |
//! | `entries` | up to 256 entries of the journal, oldest first; its id is `{run}.{seq of the last}` | as they are written |
//! | `missed` | `{entries}`: how many the journal's ring forgot before they could be told | instead of them |
//! | `device` | one device's state, without events and progress, with its newest 16 tasks | all at first, then what changed |
//! | `firmware`, `faults` | the whole list | at first, then when it changed |
//! | `beat` | `{now}` | when nothing else was told for 5 s |
//!
//! A follower begins with the newest `?last=` entries (none if absent), or goes on after the id in `Last-Event-ID` or
//! `?after=`, unless that is of another run of the emulator: then it begins anew, and `resumed` is false.
//!
//! Nothing is queued for a follower: what there is to tell is looked up when it can take more. So a slow one skips states, and
//! loses entries only when the journal itself has forgotten them.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Api, Failed};
use crate::login::DeviceId;
use crate::platform::World;
use crate::shared::{MOST_FOLLOWERS, Shared};
use crate::state::DeviceState;

/// Entries in one event.
const BATCH: usize = 256;
/// Tasks told of one device.
const TASKS: usize = 16;
/// How long after a change the next look is taken, so that a burst is told in one piece.
const BREATH: Duration = Duration::from_millis(80);
/// Silence is broken after this, so that both sides find out about a dead connection.
const BEAT: Duration = Duration::from_secs(5);

/// Where a follower begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    /// How many of the kept entries are told to one who begins anew.
    #[serde(default)]
    last: u64,
    /// As `Last-Event-ID`, for those who cannot send headers.
    #[serde(default)]
    after: Option<String>,
}

pub(super) async fn follow(
    State(api): State<Api>,
    Query(begin): Query<Begin>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failed> {
    let full = || {
        let why =
            format!("{MOST_FOLLOWERS} followers are served already; close a page of the console");
        Failed(StatusCode::SERVICE_UNAVAILABLE, why, None)
    };
    let place = api.shared.follow().ok_or_else(full)?;
    let id = headers.get("last-event-id").map(|id| id.to_str());
    let id = id.and_then(Result::ok).or(begin.after.as_deref());
    let after = id
        .and_then(|id| id.split_once('.'))
        .filter(|(run, _)| *run == api.run)
        .and_then(|(_, seq)| seq.parse().ok());
    let feed = Feed::begin(api, after, begin.last, place);
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await;
        Some((Ok::<_, Infallible>(event), feed))
    });
    Ok(Sse::new(events))
}

/// What one follower has been told.
struct Feed {
    shared: Arc<Shared>,
    run: String,
    changes: watch::Receiver<()>,
    /// The number of the last entry told, or passed over.
    seen: u64,
    devices: BTreeMap<DeviceId, String>,
    firmware: String,
    faults: String,
    /// What the last look found: at most one event for each thing there is.
    ready: VecDeque<Event>,
    /// When the next beat is due.
    quiet_until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    fn begin(api: Api, after: Option<u64>, last: u64, place: OwnedSemaphorePermit) -> Self {
        let changes = api.shared.changes();
        let (oldest, newest, capacity) = api.shared.look(|world| {
            let journal = &world.journal;
            (
                journal.oldest(),
                journal.last(),
                world.options.journal_capacity,
            )
        });
        let kept = newest.saturating_sub(last).max(oldest.saturating_sub(1));
        let hello = json!({
            "run": api.run, "now": crate::shared::now(), "resumed": after.is_some(),
            "journal": {"oldest": oldest, "last": newest, "capacity": capacity},
        });
        Self {
            shared: api.shared,
            run: api.run,
            changes,
            seen: after.unwrap_or(kept).min(newest),
            devices: BTreeMap::new(),
            firmware: String::new(),
            faults: String::new(),
            ready: VecDeque::from([event("hello", &hello)]),
            quiet_until: Instant::now() + BEAT,
            _place: place,
        }
    }

    /// The next event; waits until there is one.
    async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.quiet_until = Instant::now() + BEAT;
                return event;
            }
            // Marked as seen before the look, so that a change during it is looked at again.
            self.changes.borrow_and_update();
            let shared = self.shared.clone();
            shared.look(|world| self.look(world));
            if !self.ready.is_empty() {
                continue;
            }
            match timeout_at(self.quiet_until, self.changes.changed()).await {
                Ok(Ok(())) => sleep(BREATH).await,
                // The sender lives in `shared`, so this never happens.
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => self
                    .ready
                    .push_back(event("beat", &json!({"now": crate::shared::now()}))),
            }
        }
    }

    fn look(&mut self, world: &World) {
        let forgotten = world.journal.oldest().saturating_sub(self.seen + 1);
        if forgotten > 0 {
            self.ready
                .push_back(event("missed", &json!({"entries": forgotten})));
            self.seen += forgotten;
        }
        let entries: Vec<_> = world.journal.after(self.seen).take(BATCH).collect();
        if let Some(last) = entries.last() {
            self.seen = last.seq;
            let id = format!("{}.{}", self.run, self.seen);
            self.ready.push_back(event("entries", &entries).id(id));
        }
        if entries.len() == BATCH {
            // What went before is told before what came of it.
            return;
        }
        for id in world.devices.keys() {
            let Some(state) = world.device_state(id).map(brief) else {
                continue;
            };
            let text = text(&state);
            if self.devices.get(id) != Some(&text) {
                self.ready.push_back(named("device", &text));
                self.devices.insert(id.clone(), text);
            }
        }
        let firmware = text(&world.firmware.values().collect::<Vec<_>>());
        tell(&mut self.ready, "firmware", &mut self.firmware, firmware);
        tell(
            &mut self.ready,
            "faults",
            &mut self.faults,
            text(&world.faults.states()),
        );
    }
}

/// A device's state without what the journal tells as well.
fn brief(mut state: DeviceState) -> DeviceState {
    state.events.clear();
    state.progress.clear();
    state.tasks.drain(..state.tasks.len().saturating_sub(TASKS));
    state
}

/// Tells a list if it is another one than was told last.
fn tell(ready: &mut VecDeque<Event>, name: &str, told: &mut String, now: String) {
    if *told != now {
        ready.push_back(named(name, &now));
        *told = now;
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    named(name, &text(data))
}

/// JSON on one line has no line break that could end the event early.
fn named(name: &str, json: &str) -> Event {
    Event::default().event(name).data(json)
}

fn text(data: &impl Serialize) -> String {
    serde_json::to_string(data)
        .unwrap_or_else(|error| json!({"error": error.to_string()}).to_string())
}
