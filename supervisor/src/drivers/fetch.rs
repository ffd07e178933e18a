//! Downloads: from a URL to a verified slot, or to one plain fault.
//!
//! Each try runs in a task of its own. Bytes go through one bounded buffer to the disk; size and digests are checked as they
//! pass, so that nothing unverified ever has a slot's name. Redirects are followed by hand, because where an image may come
//! from is a matter of safety: never from `https:` to `http:`, never to another kind of address, and at most five times.
//!
//! What an interrupted try leaves is a part (see [`part`]), and the next try asks for the rest only. What the server answers then:
//!
//! | answer | what follows |
//! |---|---|
//! | 206 with the range asked for | the part grows |
//! | 200 | started over with this body |
//! | 206 with another range or of another content, 416 | started over with a further request |
//! | whatever leads to another digest of the whole | started over with a further request |
//!
//! An image is started over once; what would be a second time is a fault. A part stays when its try may be worth repeating and when the
//! supervisor ends, and goes with its job. One interruption wastes at most what the buffer holds and the network had under way.

mod answer;
mod part;
mod sink;
#[cfg(test)]
mod tests;
mod verify;

use std::{path::PathBuf, time::Duration};

use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use supervisor_core::{
    event::{Event, FetchFault, FetchOrder, JobId},
    record::Slot,
};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

use self::{
    answer::{Body, from_the_start, judge, mark_of},
    part::Part,
};
use super::{
    Events, chain,
    store::{
        birth::remove_if_there,
        layout::{Layout, note_of},
    },
    tls,
};
use crate::config::Fetching;

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;

/// Bytes of an image in memory at a time; the network's own buffers come on top.
const BUFFER: usize = 64 * 1024;

/// Progress is told, and the buffer emptied, at least this often while bytes come.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// The download under way; the brain asks for one at a time.
#[derive(Debug)]
pub(crate) struct Fetch {
    settings: Fetching,
    layout: Layout,
    events: Events,
    /// The newest try, which may have ended.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    job: JobId,
    part: PathBuf,
    /// A word on it means that the part is to go as well.
    leave: oneshot::Sender<()>,
    /// The part, if it can be gone on with as it is.
    ended: JoinHandle<Option<Part>>,
}

impl Fetch {
    pub(crate) fn new(settings: Fetching, layout: Layout, events: Events) -> Self {
        Self {
            settings,
            layout,
            events,
            current: None,
        }
    }

    /// Answered by `FetchProgress` any number of times, then `Fetched` or `FetchFailed`.
    pub(crate) fn start(&mut self, order: FetchOrder) {
        let (leave, left) = oneshot::channel();
        let part = self.layout.part_of(&order.digests);
        let job = order.job;
        let errand = Errand {
            settings: self.settings.clone(),
            layout: self.layout.clone(),
            events: self.events.clone(),
            place: part.clone(),
            order,
        };
        // A former try has ended or ends now: its sender is dropped.
        let former = self.current.take().map(|former| former.ended);
        let ended = tokio::spawn(errand.run(left, former));
        self.current = Some(Current {
            job,
            part,
            leave,
            ended,
        });
    }

    /// Stops a download; what is there of it is removed.
    pub(crate) fn abandon(&mut self, job: JobId) {
        let Some(current) = self.current.take_if(|current| current.job == job) else {
            return;
        };
        let Current {
            part, leave, ended, ..
        } = current;
        // Fails only when the try has ended.
        let _ = leave.send(());
        let place = part.clone();
        let ended = tokio::spawn(async move {
            // Closed before it is removed, as some systems want it.
            drop(ended.await);
            // Fails only when the runtime is ending; what stays is removed at the next start.
            let _ = tokio::task::spawn_blocking(move || part::remove(&place)).await;
            None
        });
        // The next download waits for the end of this one, as it may use the same file.
        self.current = Some(Current {
            job,
            part,
            leave: oneshot::channel().0,
            ended,
        });
    }
}

/// One try of a download.
struct Errand {
    settings: Fetching,
    layout: Layout,
    events: Events,
    order: FetchOrder,
    place: PathBuf,
}

impl Errand {
    async fn run(
        self,
        mut left: oneshot::Receiver<()>,
        former: Option<JoinHandle<Option<Part>>>,
    ) -> Option<Part> {
        let job = self.order.job;
        let kept = match former {
            Some(former) => former.await.ok().flatten(),
            None => None,
        };
        let mut part = kept.filter(|part| part.fits(&self.place, self.order.size));
        let ended = tokio::select! {
            biased;
            _ = &mut left => return None,
            ended = self.to_verified_part(&mut part) => ended,
        };
        let event = match ended {
            Err(fault) => {
                let stays = fault.may_pass() || matches!(fault, FetchFault::Status(_));
                part = part.filter(|part| stays && part.sink_is_whole());
                if !stays {
                    let place = self.place.clone();
                    // One that stays is removed at the next start.
                    let _ = tokio::task::spawn_blocking(move || part::remove(&place)).await;
                } else if let Some(part) = &mut part {
                    self.put_down(part).await;
                }
                Event::FetchFailed { job, fault }
            }
            Ok(sha256) => match self.to_slot(sha256).await {
                Ok(slot) => {
                    if left.try_recv() != Err(oneshot::error::TryRecvError::Empty) {
                        let folder = self.layout.slot(&slot);
                        // One that stays is found at the next start, and removed then.
                        let _ = tokio::task::spawn_blocking(move || remove_if_there(&folder)).await;
                        return None;
                    }
                    Event::Fetched { job, slot }
                }
                Err(fault) => Event::FetchFailed { job, fault },
            },
        };
        if left.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            // Fails only when the spine has ended.
            let _ = self.events.send(event).await;
        }
        part.filter(Part::sink_is_whole)
    }

    /// Brings what was had to the disk, so that the next try need not fetch it again.
    async fn put_down(&self, part: &mut Part) {
        let told = part.written();
        // A disk that does not take it is met again by the next try, and told then.
        let put = part.sink().flush().await;
        if put.is_ok() && part.save().await.is_ok() && part.written() > told {
            // The whole is told only once it has been verified.
            let most = self.order.size.saturating_sub(1);
            self.tell(part.written().min(most)).await;
        }
    }

    /// Fetches what is missing of the part and verifies the whole.
    async fn to_verified_part(&self, kept: &mut Option<Part>) -> Result<String, FetchFault> {
        let FetchOrder {
            digests, size, job, ..
        } = &self.order;
        let promised = *size;
        let part = match kept {
            Some(part) => part,
            None => {
                let opened = Part::open(self.place.clone(), promised, digests, BUFFER);
                kept.insert(opened.await?)
            }
        };
        loop {
            let reused = part.taken();
            if reused > 0 {
                self.tell(reused.min(promised.saturating_sub(1))).await;
            }
            let begun = part.received();
            if reused < promised {
                let response = self.ask(part).await?;
                self.receive(response, part).await?;
            }
            match part.sink().finish().await {
                Ok(sha256) => {
                    let (network, all) = (part.received() - begun, part.received());
                    let twice = all.saturating_sub(promised);
                    tracing::info!(
                        job = job.0,
                        "the image is complete: {network} bytes came from the network in this try and {reused} were there; \
                         {twice} were fetched twice"
                    );
                    let note = note_of(&self.place);
                    // One that stays is removed at the next start.
                    let _ = tokio::task::spawn_blocking(move || std::fs::remove_file(note)).await;
                    self.tell(promised).await;
                    return Ok(sha256);
                }
                // Perhaps the part was bad and not what came after it.
                Err(fault @ FetchFault::OtherDigest { .. }) if reused > 0 => {
                    self.start_over(part, fault).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Asks for what is missing; the answer's body goes on where the part ends.
    async fn ask(&self, part: &mut Part) -> Result<Response, FetchFault> {
        let source = self.order.url.split(['?', '#']).next().unwrap_or_default();
        let promised = self.order.size;
        loop {
            let from = part.taken();
            let mark = part.mark(source).map(str::to_owned);
            let response = self.follow(from, mark.as_deref()).await?;
            match judge(&response, from, promised, mark.as_deref())? {
                Body::Rest => return Ok(response),
                Body::Whole => {
                    if from > 0 {
                        self.start_over(part, from_the_start(from)).await?;
                    }
                    part.begin(source, mark_of(response.headers())).await?;
                    return Ok(response);
                }
                // Ends, because that is done once.
                Body::Useless(why) => self.start_over(part, why).await?,
            }
        }
    }

    async fn start_over(&self, part: &mut Part, why: FetchFault) -> Result<(), FetchFault> {
        let words = why.to_string();
        part.start_over(why).await?;
        tracing::warn!(
            job = self.order.job.0,
            "the download is started over: {words}"
        );
        // What is told never runs ahead of the disk.
        self.tell(0).await;
        Ok(())
    }

    /// Takes a body up to its end, which must be the image's.
    async fn receive(&self, mut response: Response, part: &mut Part) -> Result<(), FetchFault> {
        let promised = self.order.size;
        let mut told = (part.written(), Instant::now());
        loop {
            let chunk = self.patiently(response.chunk()).await;
            let chunk = chunk.map_err(|fault| match fault {
                // The answer had begun, so that the server can be reached: what counts is how far it came.
                FetchFault::Connection(_) => FetchFault::Short {
                    got: part.taken(),
                    promised,
                },
                other => other,
            })?;
            let Some(chunk) = chunk else { break };
            if part.taken() + chunk.len() as u64 > promised {
                return Err(FetchFault::Long { promised });
            }
            part.count(chunk.len());
            let sink = part.sink();
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
        let got = part.taken();
        if got < promised {
            return Err(FetchFault::Short { got, promised });
        }
        Ok(())
    }

    /// Asks for the image from this byte on, following redirects by our own rules.
    async fn follow(&self, from: u64, mark: Option<&str>) -> Result<Response, FetchFault> {
        let mut url = Url::parse(&self.order.url)
            .map_err(|why| FetchFault::Connection(format!("the address cannot be read: {why}")))?;
        for _ in 0..=MOST_REDIRECTS {
            let client = self.client(&url)?;
            let mut request = client
                .get(url.clone())
                .header(header::ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
                if let Some(mark) = mark {
                    request = request.header(header::IF_RANGE, mark);
                }
            }
            let response = self.patiently(request.send()).await?;
            let status = response.status();
            let of_a_range = status == StatusCode::PARTIAL_CONTENT
                || status == StatusCode::RANGE_NOT_SATISFIABLE;
            if status == StatusCode::OK || (from > 0 && of_a_range) {
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
        let (layout, part) = (self.layout.clone(), self.place.clone());
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
