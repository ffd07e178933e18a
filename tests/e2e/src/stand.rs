//! The stand: a cloud, a folder, a configuration, and short words for what tests do with them.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use cloud_emulator::{
    Claims, DeviceId, Emulator, Firmware, Options, Package, Rollout, SigningKey, What,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Ended, Image, Programs, Settings, Supervisor, programs::finish};

/// The device's secret.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How many entries of the cloud's journal a failing test shows.
const SHOWN_ENTRIES: usize = 60;

/// An emulated cloud, and a folder for a supervisor.
#[derive(Debug)]
pub struct Stand {
    /// The cloud.
    pub cloud: Emulator,
    /// The device in it.
    pub device: DeviceId,
    /// Whose images the device takes.
    pub publisher: SigningKey,
    /// Goes away with the stand.
    _folder: TempDir,
    /// Where everything lies, in it.
    place: PathBuf,
    settings: Settings,
    images: AtomicU32,
    /// Who runs the supervisor and asks it, if not whoever runs the test.
    #[cfg(unix)]
    user: Option<u32>,
}

impl Default for Stand {
    fn default() -> Self {
        Self::new()
    }
}

impl Stand {
    /// A stand with plain connections, where all that takes time takes little.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Options::default(), Path::new(""))
    }

    /// The same in a folder of this name, which may be several names deep.
    #[must_use]
    pub fn within(name: &Path) -> Self {
        Self::with(Options::default(), name)
    }

    /// A stand where everything goes over TLS, with the cloud's own certificate authority in `ca.pem`.
    #[must_use]
    pub fn with_tls() -> Self {
        let mut stand = Self::with(Options::with_tls(), Path::new(""));
        let ca = stand.cloud.ca_pem().expect("TLS was asked for");
        fs::write(stand.path("ca.pem"), ca).expect("a stand's folder can be written");
        let port = stand
            .cloud
            .mqtts_address()
            .expect("TLS was asked for")
            .port();
        stand.set("cloud.port", port);
        stand.set("cloud.tls", "{ ca = \"ca.pem\" }");
        stand.set("update.allow_http", false);
        stand
    }

    fn with(options: Options, name: &Path) -> Self {
        // Built before anything is timed.
        let _ = Programs::under_test();
        let cloud = Emulator::start(options).expect("loopback has free ports");
        let device = DeviceId::new("a1Sample001", "oven001");
        cloud.add_device(&device, SECRET);
        let folder = tempfile::Builder::new()
            .prefix("hotplate-")
            .tempdir()
            .expect("the system has a temporary folder");
        let place = folder.path().join(name);
        fs::create_dir_all(&place).expect("a private folder can be written");
        let mut stand = Self {
            device,
            publisher: SigningKey::generate(),
            _folder: folder,
            place,
            settings: Settings::default(),
            images: AtomicU32::new(0),
            #[cfg(unix)]
            user: None,
            cloud,
        };
        write_private(&stand.path("device.secret"), SECRET);
        let settings = &mut stand.settings;
        settings.text("cloud.product_key", &stand.device.product_key);
        settings.text("cloud.device_name", &stand.device.device_name);
        settings.text("cloud.device_secret_file", "device.secret");
        settings.text("cloud.host", "127.0.0.1");
        settings.set("cloud.port", stand.cloud.mqtt_address().port());
        settings.text("cloud.tls", "off");
        settings.set("cloud.reconnect_wait_s", 0.05);
        settings.set("cloud.reconnect_longest_wait_s", 0.2);
        settings.set("update.keys", format!("[{:?}]", stand.publisher.public()));
        settings.set("update.allow_http", true);
        settings.set("update.query_after_connect_s", 0.05);
        settings.set("update.proving_s", 0.3);
        settings.set("update.fetch_retries", 2);
        settings.set("update.fetch_wait_s", 0.02);
        settings.set("update.fetch_longest_wait_s", 0.05);
        settings.set("worker.respawn_wait_s", 0.05);
        settings.set("worker.respawn_longest_wait_s", 0.2);
        settings.set("worker.heartbeat_s", 0.2);
        settings.text("log.level", "debug");
        stand.write();
        stand
    }

    /// Changes the configuration for the next program that reads it.
    pub fn set(&mut self, name: &'static str, value: impl Display) {
        self.settings.set(name, value);
        self.write();
    }

    /// The same for a text.
    pub fn set_text(&mut self, name: &'static str, value: &str) {
        self.settings.text(name, value);
        self.write();
    }

    /// Leaves a setting at its default for the next program that reads it.
    pub fn unset(&mut self, name: &'static str) {
        self.settings.unset(name);
        self.write();
    }

    /// The configuration as it stands, to be changed freely.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    fn write(&self) {
        fs::write(self.config(), self.settings.toml()).expect("a stand's folder can be written");
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("hotplate.toml")
    }

    /// A path in the stand's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// A command line of the supervisor, on this stand's configuration.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let programs = Programs::under_test();
        let mut command = programs.supervisor();
        command
            .arg("--config")
            .arg(programs.see(&self.config()))
            .args(arguments);
        #[cfg(unix)]
        if let Some(user) = self.user {
            use std::os::unix::process::CommandExt as _;
            command.uid(user).gid(user);
        }
        command
    }

    /// From now on the supervisor is another user's, as is everything in the stand's folder. Only root may do that.
    ///
    /// # Panics
    /// When that cannot be given away.
    #[cfg(unix)]
    pub fn belongs_to(&mut self, user: u32) {
        let given = Command::new("chown")
            .args(["-R", &format!("{user}:{user}")])
            .arg(&self.place)
            .status()
            .expect("`chown` is on every Unix");
        assert!(
            given.success(),
            "{} cannot be given away",
            self.place.display()
        );
        self.user = Some(user);
    }

    /// Runs a command line of the supervisor to its end.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Ended {
        finish(&mut self.command(arguments))
    }

    /// Installs an image as an operator does.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn install(&self, image: &Image) {
        let file = Programs::under_test().see(&image.path);
        let ended = self.cli(&["install", &file, "--version", &image.version]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    /// Starts the supervisor.
    #[must_use]
    pub fn run(&self) -> Supervisor<'_> {
        Supervisor::start(self)
    }

    /// Starts the supervisor with a command that was changed: its environment, its standard error.
    #[must_use]
    pub fn run_as(&self, dress: impl FnOnce(&mut Command)) -> Supervisor<'_> {
        Supervisor::start_as(self, dress)
    }

    /// Installs an image, starts the supervisor and waits until the worker is active, the cloud link up and, in this stand's own cloud,
    /// everything subscribed.
    #[track_caller]
    pub fn run_with(&self, image: &Image) -> Supervisor<'_> {
        self.install(image);
        let mark = self.cloud.journal_position();
        let supervisor = self.run();
        supervisor.await_rest(&image.version);
        if self
            .cloud
            .device_state(&self.device)
            .is_some_and(|device| device.online)
        {
            let upgrade = self.upgrade_topic();
            self.await_entry(mark, "the subscriptions", |entry| {
                matches!(&entry.what, What::Subscribe { filter, granted: true } if *filter == upgrade)
            });
        }
        supervisor
    }

    /// A misfit with these orders.
    #[must_use]
    pub fn misfit(&self, orders: &Value) -> Image {
        Image::misfit(&self.place, &self.name(), orders)
    }

    /// A misfit that behaves, in this version.
    #[must_use]
    pub fn good(&self, version: &str) -> Image {
        self.misfit(&serde_json::json!({ "version": version }))
    }

    /// The same, at least so many bytes long.
    #[must_use]
    pub fn padded(&self, version: &str, size: usize) -> Image {
        let orders = serde_json::json!({ "version": version });
        Image::padded_misfit(&self.place, &self.name(), &orders, size)
    }

    /// Any bytes as an image.
    #[must_use]
    pub fn image(&self, version: &str, bytes: &[u8]) -> Image {
        Image::of_bytes(&self.place, &self.name(), version, bytes)
    }

    fn name(&self) -> String {
        format!("image-{}", self.images.fetch_add(1, Ordering::Relaxed))
    }

    /// Gives the cloud an image, without offering it to anybody.
    ///
    /// # Panics
    /// When the cloud does not take it.
    #[track_caller]
    pub fn upload(&self, image: &Image) -> Firmware {
        self.upload_as(self.package(image))
    }

    /// An image as a package for the cloud, signed by the publisher.
    #[must_use]
    pub fn package(&self, image: &Image) -> Package {
        let target = Programs::under_test().target();
        Package::from_path(&image.version, &image.path).signed(&self.publisher, target)
    }

    /// The same, with a signature that says something else about one thing.
    #[must_use]
    pub fn claiming(&self, image: &Image, word: &str, value: impl Display) -> Package {
        let claims = Claims::of(Programs::under_test().target()).saying(word, value);
        Package::from_path(&image.version, &image.path).claimed(&self.publisher, claims)
    }

    /// Gives the cloud a package, without offering it to anybody.
    ///
    /// # Panics
    /// When the cloud does not take it.
    #[track_caller]
    pub fn upload_as(&self, package: Package) -> Firmware {
        let added = self.cloud.add_firmware(package);
        added.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Gives the cloud an image and pushes it to the device. Returns the job's number.
    ///
    /// # Panics
    /// When the cloud does not start the job.
    #[track_caller]
    pub fn offer(&self, image: &Image) -> u64 {
        let firmware = self.upload(image);
        self.start(Rollout::new(firmware.id, &self.device))
    }

    /// Starts a job.
    ///
    /// # Panics
    /// When the cloud does not.
    #[track_caller]
    pub fn start(&self, rollout: Rollout) -> u64 {
        self.cloud
            .start_job(rollout)
            .unwrap_or_else(|why| panic!("{why}"))
    }

    /// What a misfit's journal in this file has so far: one JSON object per line.
    #[must_use]
    pub fn misfit_journal(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits until a misfit's journal in this file has an event so many times.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn await_misfit(&self, name: &str, event: &str, times: usize) {
        crate::until(&format!("`{event}` {times} times"), || {
            let lives = self.misfit_journal(name);
            let count = lives.iter().filter(|line| line["event"] == event).count();
            if count >= times {
                Ok(())
            } else {
                Err(format!("{lives:?}"))
            }
        });
    }

    /// The path of such a file, for a misfit's orders.
    #[must_use]
    pub fn misfit_journal_path(&self, name: &str) -> String {
        Programs::under_test().see(&self.path(name))
    }
}

/// A file that only its owner may read, where the system knows such a thing.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a stand's folder can be written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .expect("an owner may change the mode");
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let journal = self.cloud.journal();
            eprintln!("--- the end of the cloud's journal ---");
            for entry in journal
                .iter()
                .skip(journal.len().saturating_sub(SHOWN_ENTRIES))
            {
                eprintln!("{}", serde_json::to_string(entry).unwrap_or_default());
            }
        }
    }
}
