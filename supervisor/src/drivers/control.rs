//! The control socket: one question, one answer, as lines of JSON.
//!
//! It listens under a fresh name in the private state folder and writes that name into a file there, so that `status` finds it on
//! every system by the state folder alone. Whoever may read that folder may ask; nothing asked here changes anything without
//! the brain. A socket that cannot be made is tried again for as long as the supervisor runs: the worker does not need it.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fs, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use supervisor_core::{
    event::{Answered, Asker, Effect, Event, Reply, Request},
    status::Status,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};
use worker_link::endpoint::{Endpoint, Pipe};

use super::{
    Events,
    host::{Footprint, Host},
    store::{
        disk::{Disk as _, Real},
        layout::Layout,
    },
    word,
};

/// No question is longer, in bytes; one with a path of the longest kind fits.
const LONGEST_QUESTION: u64 = 16 * 1024;

/// No address is longer, in bytes.
const LONGEST_ADDRESS: u64 = 4096;

/// No answer is longer, in bytes.
const LONGEST_ANSWER: u64 = 256 * 1024;

/// How many may ask at once; further ones wait in the system's own queue.
const MOST_ASKERS: usize = 4;

/// How long asking, deciding and answering may take, each.
const LIMIT: Duration = Duration::from_secs(1);

/// The pause after the system failed to accept, so that a lasting failure does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The first and the longest pause between two tries to make the socket.
const LISTEN_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// A line of answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// How the supervisor is.
    Status {
        /// What the brain knows.
        status: Box<Status>,
        /// What the system knows of the supervisor itself.
        supervisor: Footprint,
    },
    /// What becomes of an image.
    Update {
        /// What.
        update: Answered,
    },
    /// What becomes of a wish.
    Wish {
        /// What.
        effect: Effect,
        /// Is it on the disk?
        on_disk: bool,
    },
    /// The question could not be answered.
    Refused {
        /// Why.
        why: String,
    },
}

/// The listening side.
#[derive(Debug)]
pub(crate) struct Control {
    desk: Desk,
    layout: Layout,
}

/// Where questions are put to the brain.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    shared: Arc<Mutex<Shared>>,
    events: Events,
}

#[derive(Debug)]
struct Shared {
    host: Host,
    /// Why the supervisor does not run on the configuration it was given.
    fallen_back: Option<String>,
    next: u64,
    asked: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Control {
    /// Listens, and leaves word where. `fallen_back` says why the supervisor does not run on the configuration it was given.
    pub(crate) fn listen(layout: &Layout, fallen_back: Option<String>, events: Events) -> Self {
        let desk = Desk {
            shared: Arc::new(Mutex::new(Shared {
                host: Host::new(),
                fallen_back,
                next: 0,
                asked: HashMap::new(),
            })),
            events,
        };
        tokio::spawn(desk.clone().attend(open(layout), layout.clone()));
        Self {
            desk,
            layout: layout.clone(),
        }
    }

    /// Where others in this process may ask.
    pub(crate) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Answers somebody; one who no longer waits is forgotten.
    pub(crate) fn answer(&self, asker: Asker, reply: Reply) {
        let mut shared = self.desk.shared();
        let Some(waiting) = shared.asked.remove(&asker.0) else {
            return;
        };
        let answer = match reply {
            Reply::Status(mut status) => {
                let mut supervisor = shared.host.look(&mut status);
                supervisor.configuration.clone_from(&shared.fallen_back);
                Answer::Status { status, supervisor }
            }
            Reply::Update(update) => Answer::Update { update },
            Reply::Wish { effect, on_disk } => Answer::Wish { effect, on_disk },
        };
        // Fails only when the asker has just given up.
        let _ = waiting.send(answer);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A word that stays behind leads nowhere, which the asking side takes as an answer too.
        let _ = fs::remove_file(self.layout.control_address());
    }
}

fn open(layout: &Layout) -> io::Result<Endpoint> {
    let endpoint = Endpoint::listen(&layout.control())?;
    word::leave(&layout.control_address(), endpoint.address())?;
    Ok(endpoint)
}

impl Desk {
    async fn attend(self, mut opened: io::Result<Endpoint>, layout: Layout) {
        let [mut pause, longest] = LISTEN_PAUSES;
        loop {
            match opened {
                Ok(endpoint) => return self.receive(endpoint).await,
                Err(why) => tracing::error!(
                    "nobody can ask this supervisor anything: `{}`: {why}; it is tried again in {pause:?}",
                    layout.control().display()
                ),
            }
            tokio::time::sleep(pause).await;
            pause = longest.min(pause * 2);
            opened = open(&layout);
        }
    }

    async fn receive(self, endpoint: Endpoint) {
        let places = Arc::new(Semaphore::new(MOST_ASKERS));
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match endpoint.accept().await {
                Ok(pipe) => {
                    tokio::spawn(self.clone().serve(pipe, place));
                }
                Err(why) => {
                    tracing::debug!("nobody could be let in to the control socket: {why}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self, mut pipe: Pipe, _place: OwnedSemaphorePermit) {
        let question = timeout(LIMIT, read_line(&mut pipe, LONGEST_QUESTION)).await;
        let answer = match question {
            Ok(Ok(line)) => match serde_json::from_str(&line) {
                Ok(request) => self.ask(request).await,
                Err(why) => refused(format!("the question cannot be read: {why}")),
            },
            Ok(Err(why)) => refused(format!("the question cannot be read: {why}")),
            Err(_) => refused(format!("no question came within {LIMIT:?}")),
        };
        let mut line = serde_json::to_string(&answer).expect("an answer has only text keys");
        line.push('\n');
        // An asker who is gone or does not read is none of our business.
        let _ = timeout(LIMIT, async {
            pipe.write_all(line.as_bytes()).await?;
            pipe.shutdown().await
        })
        .await;
    }

    /// Puts a question, and waits for the answer for at most a second.
    pub(crate) async fn ask(&self, request: Request) -> Answer {
        let (waiting, answer) = oneshot::channel();
        let asker = {
            let mut shared = self.shared();
            shared.next += 1;
            let number = shared.next;
            shared.asked.insert(number, waiting);
            Asker(number)
        };
        let asked = async {
            // Fails only when the spine has ended, and then no answer comes either.
            let _ = self.events.send(Event::Asked { asker, request }).await;
            answer.await
        };
        let answer = timeout(LIMIT, asked).await;
        self.shared().asked.remove(&asker.0);
        match answer {
            Ok(Ok(answer)) => answer,
            _ => refused(format!("no answer came within {LIMIT:?}")),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(why: String) -> Answer {
    Answer::Refused { why }
}

/// Why the supervisor could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody listens.
    #[error("no supervisor runs on the state folder `{0}`; start one with `supervisor run`")]
    Nobody(String),
    /// Whether somebody listens cannot be seen.
    #[error("`{0}` cannot be reached; ask as the user the supervisor runs as")]
    Barred(String, #[source] io::Error),
    /// Somebody listens and does not answer as it should.
    #[error("the supervisor gave no answer")]
    NoAnswer(#[source] io::Error),
    /// It answers something else than was asked.
    #[error("the supervisor answers something else; is it of another version than this program?")]
    Unfit,
    /// It answers that it cannot.
    #[error("the supervisor says: {0}")]
    Refused(String),
}

/// Asks the supervisor that runs on this state folder.
pub(crate) async fn ask(layout: &Layout, request: &Request) -> Result<Answer, AskError> {
    let unreached = |why: io::Error| match why.kind() {
        io::ErrorKind::PermissionDenied => {
            AskError::Barred(layout.control_address().display().to_string(), why)
        }
        _ => AskError::Nobody(layout.root().display().to_string()),
    };
    // A pipe in its place is not waited for.
    let address = Real.read(&layout.control_address(), LONGEST_ADDRESS);
    let address = String::from_utf8(address.map_err(unreached)?);
    let address = address.map_err(|why| unreached(io::Error::other(why)))?;
    let mut pipe = Pipe::connect(address.trim()).await.map_err(unreached)?;
    let mut line = serde_json::to_string(request).expect("a request has only text keys");
    line.push('\n');
    let spoken = async {
        pipe.write_all(line.as_bytes()).await?;
        read_line(&mut pipe, LONGEST_ANSWER).await
    };
    // The supervisor may take its time for each of three steps.
    let line = match timeout(LIMIT * 3, spoken).await {
        Ok(line) => line.map_err(AskError::NoAnswer)?,
        Err(_) => return Err(AskError::NoAnswer(io::ErrorKind::TimedOut.into())),
    };
    match serde_json::from_str(&line) {
        Ok(Answer::Refused { why }) => Err(AskError::Refused(why)),
        Ok(answer) => Ok(answer),
        Err(why) => Err(AskError::NoAnswer(why.into())),
    }
}

async fn read_line(pipe: &mut (impl AsyncRead + Unpin), most: u64) -> io::Result<String> {
    let mut pipe = pipe.take(most);
    let mut line = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let count = pipe.read(&mut piece).await?;
        line.extend_from_slice(&piece[..count]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return String::from_utf8(line)
                .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if count == 0 {
            let why = format!("it has no line end within {most} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
}
