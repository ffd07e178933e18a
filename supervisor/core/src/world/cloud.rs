//! The cloud: what it was told, and how it sees the one task it has for this device.

use serde_json::{Value as Json, json};

use super::{Blocks, Disk, Laws, blocks::FILE, disk::SIZE};

/// How the platform sees its task (platform documents 147496 and 302377).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    None,
    Queued(String),
    Updating(String),
    Succeeded(String),
    Failed(String, i8, String),
}

/// The cloud. It keeps what it was told.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    pub(crate) up: bool,
    pub(crate) connected: bool,
    /// Does it take messages and never acknowledge them?
    pub(crate) withholds: bool,
    /// The same until the connection ends?
    pub(crate) silent: bool,
    pub(crate) task: Task,
    /// How many tries to connect are in vain before it is there again.
    pub(crate) refusals: u32,
    /// What the device said it ran when the task began. Another version than this and the one wanted ends the task.
    source: Option<String>,
    /// Versions informed, without repetitions in a row.
    pub(crate) informed: Vec<String>,
    /// Steps told, in order, without repetitions in a row.
    pub(crate) steps: Vec<i8>,
    /// Is the next message the first of its connection?
    pub(crate) first: bool,
    /// Answers to requests.
    pub(crate) answers: Vec<Json>,
    pub(crate) posts: u64,
    /// The version of the task as the brain was told of it, since it was born.
    pub(crate) named: Option<String>,
    /// Did the task begin on this connection, and was not told to the brain yet?
    pub(crate) is_fresh: bool,
    /// Is a query for an update answered with the offer of the task that is not over?
    pub(crate) answers_queries: bool,
    /// When it was asked for an update while a task was not over.
    pub(crate) queries: u64,
    /// Does it hand images out in blocks?
    pub(crate) blocks: Option<Blocks>,
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            up: true,
            connected: false,
            withholds: false,
            silent: false,
            refusals: 0,
            task: Task::None,
            source: None,
            informed: Vec::new(),
            steps: Vec::new(),
            first: true,
            answers: Vec::new(),
            posts: 0,
            named: None,
            is_fresh: false,
            answers_queries: false,
            queries: 0,
            blocks: None,
        }
    }
}

impl Cloud {
    /// The platform wants this version from now on.
    pub(crate) fn offer(&mut self, version: &str) {
        self.task = Task::Queued(version.to_owned());
        self.is_fresh = self.connected;
        if let Some(blocks) = &mut self.blocks {
            blocks.hand_out(version);
        }
    }

    /// The platform wants this version from now on, if it may: it begins no task for the one that the device says it runs. Answers
    /// whether it pushes it all the same; never while it has a task for another.
    pub(crate) fn may_offer(&mut self, version: &str) -> bool {
        let runs = self.informed.last().map(String::as_str) == Some(version);
        if !runs {
            self.offer(version);
        } else if self.task_is_over()
            && let Some(blocks) = &mut self.blocks
        {
            blocks.hand_out(version);
        }
        !runs || self.task_is_over()
    }

    /// What the platform pushes to a device that connects.
    pub(crate) fn push(&self) -> Option<(String, Vec<u8>)> {
        let Task::Queued(version) = &self.task else {
            return None;
        };
        Some(self.push_of(version))
    }

    /// What the platform answers to a query for an update, as a push with a fresh address.
    pub(crate) fn queried(&mut self) -> Option<(String, Vec<u8>)> {
        let (Task::Queued(version) | Task::Updating(version)) = &self.task else {
            return None;
        };
        self.queries += 1;
        if let Some(blocks) = self.blocks.as_mut().filter(|_| self.answers_queries) {
            blocks.hand_out(version);
        }
        let place = self.place(version, &format!("?fresh={}", self.queries));
        self.answers_queries.then(|| push_with(version, &place))
    }

    /// A push of a version, as the platform writes it.
    pub(crate) fn push_of(&self, version: &str) -> (String, Vec<u8>) {
        push_with(version, &self.place(version, ""))
    }

    /// Where the image is, in the words of an offer.
    fn place(&self, version: &str, query: &str) -> Json {
        match &self.blocks {
            Some(blocks) => {
                let stream = blocks.stream_of(version);
                json!({"dProtocol": "mqtt", "streamId": stream, "streamFileId": FILE})
            }
            None => json!({"url": format!("https://firmware.example/{version}{query}")}),
        }
    }

    /// The connection is gone.
    pub(crate) fn power_cut(&mut self) {
        self.connected = false;
        self.silent = false;
        self.is_fresh = false;
        self.first = true;
    }

    /// For telling one durable state from another.
    pub(crate) fn key(&self) -> String {
        let blocks = self.blocks.as_ref().map(Blocks::key);
        let told = (&self.source, self.informed.last());
        format!("{:?}{}{told:?}{blocks:?}", self.task, self.refusals)
    }

    /// Is this the version of the task?
    pub(crate) fn wants(&self, version: &str) -> bool {
        match &self.task {
            Task::None => false,
            Task::Queued(it) | Task::Updating(it) | Task::Succeeded(it) | Task::Failed(it, ..) => {
                it == version
            }
        }
    }

    pub(crate) fn task_is_over(&self) -> bool {
        matches!(
            self.task,
            Task::None | Task::Succeeded(_) | Task::Failed(..)
        )
    }

    pub(crate) fn receive(&mut self, topic: &str, payload: &[u8], disk: &Disk, laws: &mut Laws) {
        let inform = topic == "/ota/device/inform/pk/dn";
        assert!(
            inform || !std::mem::take(&mut self.first),
            "inform_first: `{topic}` came before"
        );
        self.first = false;
        if topic.ends_with("/post") {
            self.posts += 1;
            return;
        }
        let json: Json = serde_json::from_slice(payload).unwrap();
        if inform {
            let version = json["params"]["version"].as_str().unwrap().to_owned();
            laws.informed(&version, disk);
            self.task = match std::mem::replace(&mut self.task, Task::None) {
                Task::Queued(wanted) | Task::Updating(wanted) if wanted == version => {
                    Task::Succeeded(wanted)
                }
                Task::Updating(wanted) if self.source.as_ref().is_some_and(|it| *it != version) => {
                    let why = format!("the device says it runs {version}");
                    Task::Failed(wanted, 0, why)
                }
                other => other,
            };
            if self.informed.last() != Some(&version) {
                self.informed.push(version);
            }
        } else if topic == "/ota/device/progress/pk/dn" {
            let step: i8 = json["params"]["step"].as_str().unwrap().parse().unwrap();
            let text = json["params"]["desc"].as_str().unwrap().to_owned();
            if step < 0 {
                laws.told(step, &text, disk);
            } else {
                laws.progressed(disk);
            }
            self.task = match std::mem::replace(&mut self.task, Task::None) {
                Task::Queued(wanted) | Task::Updating(wanted) if step < 0 => {
                    Task::Failed(wanted, step, text)
                }
                Task::Queued(wanted) => {
                    self.source = self.informed.last().cloned();
                    Task::Updating(wanted)
                }
                other => other,
            };
            if self.steps.last() != Some(&step) {
                self.steps.push(step);
            }
        } else if topic.ends_with("_reply") || topic.contains("/rrpc/") {
            self.answers.push(json);
        } else {
            self.posts += 1;
        }
    }
}

fn push_with(version: &str, place: &Json) -> (String, Vec<u8>) {
    let sign = digest_of(version);
    let mut data = json!({"size": SIZE, "version": version, "sign": sign, "signMethod": "SHA256"});
    for (name, value) in place.as_object().unwrap() {
        data[name] = value.clone();
    }
    let payload = json!({"code": "1000", "id": 1_507_707_025, "message": "success", "data": data});
    (
        "/ota/device/upgrade/pk/dn".to_owned(),
        payload.to_string().into_bytes(),
    )
}

fn digest_of(version: &str) -> String {
    let mut bytes = version.bytes().cycle();
    (0..32)
        .map(|_| format!("{:02x}", bytes.next().unwrap()))
        .collect()
}
