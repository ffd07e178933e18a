//! Downloads: from a URL to a verified slot, or to one plain fault.
//!
//! Each download runs in a task of its own. Bytes go through one bounded buffer to the disk; size and digests are checked as they
//! pass, so that nothing unverified ever has a slot's name. Redirects are followed by hand, because where an image may come
//! from is a matter of safety: never from `https:` to `http:`, never to another kind of address, and at most five times.

mod sink;
#[cfg(test)]
mod tests;
mod verify;

use std::{collections::HashMap, time::Duration};

use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use supervisor_core::{
    event::{Event, FetchFault, FetchOrder, JobId},
    record::Slot,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use self::sink::Sink;
use super::{
    Events, chain,
    store::{birth::remove_if_there, layout::Layout},
    tls,
};
use crate::config::Fetching;

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;

/// Bytes of an image in memory at a time; the network's own buffers come on top.
const BUFFER: usize = 64 * 1024;

/// Progress is told, and the buffer emptied, at least this often while bytes come.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// All downloads under way; the brain asks for one at a time.
#[derive(Debug)]
pub(crate) struct Fetch {
    settings: Fetching,
    layout: Layout,
    events: Events,
    under_way: HashMap<JobId, oneshot::Sender<()>>,
}

impl Fetch {
    pub(crate) fn new(settings: Fetching, layout: Layout, events: Events) -> Self {
        Self {
            settings,
            layout,
            events,
            under_way: HashMap::new(),
        }
    }

    /// Answered by `FetchProgress` any number of times, then `Fetched` or `FetchFailed`.
    pub(crate) fn start(&mut self, order: FetchOrder) {
        let (leave, left) = oneshot::channel();
        self.under_way.retain(|_, leave| !leave.is_closed());
        // A job's former try has ended or ends now: its sender is dropped.
        self.under_way.insert(order.job, leave);
        let errand = Errand {
            settings: self.settings.clone(),
            layout: self.layout.clone(),
            events: self.events.clone(),
            order,
        };
        tokio::spawn(errand.run(left));
    }

    /// Stops a download; what is there of it is removed.
    pub(crate) fn abandon(&mut self, job: JobId) {
        // Dropping the sender is what the errand waits for.
        self.under_way.remove(&job);
    }
}

/// One download.
struct Errand {
    settings: Fetching,
    layout: Layout,
    events: Events,
    order: FetchOrder,
}

impl Errand {
    async fn run(self, mut left: oneshot::Receiver<()>) {
        let job = self.order.job;
        let ended = tokio::select! {
            biased;
            _ = &mut left => None,
            ended = self.to_verified_part() => Some(ended),
        };
        let event = match ended {
            None => {
                self.remove_part().await;
                return;
            }
            Some(Err(fault)) => {
                self.remove_part().await;
                Event::FetchFailed { job, fault }
            }
            Some(Ok(sha256)) => match self.to_slot(sha256).await {
                Ok(slot) => {
                    if left.try_recv() == Err(oneshot::error::TryRecvError::Closed) {
                        let folder = self.layout.slot(&slot);
                        // One that stays is found at the next start, and removed then.
                        let _ = tokio::task::spawn_blocking(move || remove_if_there(&folder)).await;
                        return;
                    }
                    Event::Fetched { job, slot }
                }
                Err(fault) => Event::FetchFailed { job, fault },
            },
        };
        // Fails only when the spine has ended.
        let _ = self.events.send(event).await;
    }

    async fn to_verified_part(&self) -> Result<String, FetchFault> {
        let promised = self.order.size;
        let mut response = self.follow().await?;
        if let Some(announced) = response.content_length() {
            fits(announced, promised)?;
        }
        let mut sink = Sink::create(self.part(), &self.order.digests, BUFFER).await?;
        let mut told = (0, Instant::now());
        loop {
            let chunk = self.patiently(response.chunk()).await;
            let chunk = chunk.map_err(|fault| match fault {
                // The answer had begun, so that the server can be reached: what counts is how far it came.
                FetchFault::Connection(_) => FetchFault::Short {
                    got: sink.taken(),
                    promised,
                },
                other => other,
            })?;
            let Some(chunk) = chunk else { break };
            if sink.taken() + chunk.len() as u64 > promised {
                return Err(FetchFault::Long { promised });
            }
            sink.take(&chunk).await?;
            if told.1.elapsed() >= PROGRESS_EVERY {
                sink.flush().await?;
            }
            let written = sink.written();
            let due = told.1.elapsed() >= PROGRESS_EVERY || (written - told.0) * 100 >= promised;
            // The whole is told only once it has been verified.
            if due && written > told.0 && written < promised {
                told = (written, Instant::now());
                self.tell(written).await;
            }
        }
        if sink.taken() < promised {
            let got = sink.taken();
            return Err(FetchFault::Short { got, promised });
        }
        let sha256 = sink.finish().await?;
        self.tell(promised).await;
        Ok(sha256)
    }

    /// Asks for the image, following redirects by our own rules.
    async fn follow(&self) -> Result<Response, FetchFault> {
        let mut url = Url::parse(&self.order.url)
            .map_err(|why| FetchFault::Connection(format!("the address cannot be read: {why}")))?;
        for _ in 0..=MOST_REDIRECTS {
            let client = self.client(&url)?;
            let request = client
                .get(url.clone())
                .header(header::ACCEPT_ENCODING, "identity");
            let response = self.patiently(request.send()).await?;
            let status = response.status();
            if status == StatusCode::OK {
                return Ok(response);
            }
            let location = response.headers().get(header::LOCATION);
            let Some(location) = location.filter(|_| is_redirect(status)) else {
                return Err(FetchFault::Status(status.as_u16()));
            };
            let location = String::from_utf8_lossy(location.as_bytes());
            let refused = || FetchFault::Redirected {
                to: location.chars().take(64).collect(),
            };
            let next = url.join(&location).map_err(|_| refused())?;
            if !may_lead(&url, &next) {
                return Err(refused());
            }
            url = next;
        }
        Err(FetchFault::Redirected {
            to: url.as_str().chars().take(64).collect(),
        })
    }

    /// A client for one hop. It is made when needed and gone afterwards, so that an idle supervisor keeps none of it.
    fn client(&self, url: &Url) -> Result<Client, FetchFault> {
        let trust = match url.scheme() {
            "https" => tls::client(&self.settings.trust),
            _ => tls::nobody(),
        };
        let tls = trust.map_err(|why| FetchFault::Connection(chain(&why)))?;
        Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(self.settings.connect_limit)
            .pool_max_idle_per_host(0)
            .tcp_nodelay(true)
            .user_agent(concat!("hotplate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|why| FetchFault::Connection(chain(&why)))
    }

    async fn patiently<T>(
        &self,
        step: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, FetchFault> {
        let limit = self.settings.stall_limit;
        match timeout(limit, step).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(why)) => Err(FetchFault::Connection(chain(&why.without_url()))),
            Err(_) => Err(FetchFault::Stalled {
                seconds: limit.as_secs_f64().ceil() as u64,
            }),
        }
    }

    async fn to_slot(&self, sha256: String) -> Result<Slot, FetchFault> {
        let slot = Slot {
            id: self.order.slot,
            version: self.order.version.clone(),
            sha256,
            size: self.order.size,
        };
        let (layout, part) = (self.layout.clone(), self.part());
        sink::on_disk(move || {
            super::store::birth::birth(&layout, &part, &slot)?;
            Ok(slot)
        })
        .await
    }

    async fn tell(&self, on_disk: u64) {
        let job = self.order.job;
        // Fails only when the spine has ended.
        let _ = self
            .events
            .send(Event::FetchProgress { job, on_disk })
            .await;
    }

    /// An offer has at least one digest; were there none, the job's number would still be a name of its own.
    fn part(&self) -> std::path::PathBuf {
        match self.order.digests.first() {
            Some(digest) => self.layout.part(digest),
            None => self
                .layout
                .parts()
                .join(format!("job-{}.part", self.order.job.0)),
        }
    }

    async fn remove_part(&self) {
        let part = self.part();
        // One that stays is removed at the next start.
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_file(part)).await;
    }
}

fn fits(announced: u64, promised: u64) -> Result<(), FetchFault> {
    match announced.cmp(&promised) {
        std::cmp::Ordering::Less => Err(FetchFault::Short {
            got: announced,
            promised,
        }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(FetchFault::Long { promised }),
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The same scheme, or to the safer one.
fn may_lead(from: &Url, to: &Url) -> bool {
    matches!(
        (from.scheme(), to.scheme()),
        ("https" | "http", "https") | ("http", "http")
    )
}
