//! A browser without a window, driven by its own driver program, with a profile that goes away.
//!
//! Everything is asked for over the W3C's WebDriver; only sizes and pictures need a word of Chromium's own. Waiting is done inside of
//! the page, which looks again when a little time has passed and answers as soon as the condition holds.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use thirtyfour::{
    By, ChromiumLikeCapabilities, DesiredCapabilities, Key, LoggingPrefsLogLevel,
    TimeoutConfiguration, WebDriver, WebElement,
};
use tokio::runtime::Runtime;

use crate::needs::{self, Need};
use crate::run;

pub(super) const NEEDS: [Need; 2] = [
    Need {
        package: "chromium",
        met: || needs::program("chromium"),
    },
    Need {
        package: "chromium-driver",
        met: || needs::program("chromedriver"),
    },
];

/// As root a sandbox cannot be had, and nothing is shown but our own page; the rest keeps it off the network and quiet.
const ARGUMENTS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
];

/// A name that somebody else has pointed at this machine.
pub(super) const STRANGER: &str = "stranger.example";

/// How long anything on the page may take to show.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// The browser did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrowserError {
    /// A folder for its profile could not be made, or its driver not be started.
    #[error("start `{what}`")]
    Start {
        /// The program or folder.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The driver did not say where it listens.
    #[error("find the port of `chromedriver`, which printed: {0}")]
    Port(String),
    /// The driver refused, or lost its browser.
    #[error("{what}")]
    Driver {
        /// What was asked.
        what: String,
        /// What it said.
        source: Box<thirtyfour::error::WebDriverError>,
    },
    /// The page never became what was waited for.
    #[error("see {what} within {} s; the page shows: {last}", LIMIT.as_secs())]
    Unseen {
        /// What.
        what: String,
        /// A piece of the page.
        last: String,
    },
    /// A picture could not be kept.
    #[error("keep the picture `{what}`")]
    Picture {
        /// Its file.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A browser and its driver; both end with it.
pub(super) struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    program: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts them. The driver chooses its port itself.
    ///
    /// # Errors
    /// When one of them does not start.
    pub(super) fn start() -> Result<Self, BrowserError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source| BrowserError::Start { what, source }
        };
        let profile = tempfile::tempdir().map_err(failed("a folder for the profile"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed("a runtime"))?;
        let program = |name: &str| run::which(name).unwrap_or_else(|| name.into());
        let mut child = run::command(program("chromedriver"), ["--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed("chromedriver"))?;
        let port = match port_of(&mut child) {
            Ok(port) => port,
            Err(error) => {
                // It has said nothing of use; what it may still say is of no interest.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let mut browser = Self {
            runtime,
            driver: None,
            program: child,
            _profile: profile,
        };
        let capabilities = capabilities(&program("chromium"), browser._profile.path());
        let session = async {
            let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities?).await?;
            let mut limits = TimeoutConfiguration::default();
            limits.set_script(Some(LIMIT + Duration::from_secs(10)));
            driver.update_timeouts(limits).await?;
            Ok(driver)
        };
        let driver = browser.runtime.block_on(session);
        browser.driver = Some(driver.map_err(driven("open a page in Chromium"))?);
        Ok(browser)
    }

    fn driver(&self) -> &WebDriver {
        self.driver
            .as_ref()
            .expect("it is there from the start to the end")
    }

    /// Goes to an address.
    pub(super) fn go(&self, address: &str) -> Result<(), BrowserError> {
        let gone = self.runtime.block_on(self.driver().goto(address));
        gone.map_err(driven(&format!("open {address}")))
    }

    /// The value of an expression in the page.
    pub(super) fn ask(&self, expression: &str) -> Result<Value, BrowserError> {
        let script = format!("return ({expression});");
        let asked = async {
            let answer = self.driver().execute(script, Vec::new()).await?;
            Ok(answer.json().clone())
        };
        self.runtime.block_on(asked).map_err(driven(expression))
    }

    /// Waits until an expression in the page is true, whose value is returned. `what` names it for the error.
    pub(super) fn until(&self, what: &str, expression: &str) -> Result<Value, BrowserError> {
        let script = format!(
            "const done = arguments[0];
            const end = performance.now() + {limit};
            const look = () => {{
                let seen = null;
                try {{ seen = ({expression}); }} catch (error) {{ if (performance.now() > end) return done(null); }}
                if (seen || performance.now() > end) done(seen || null);
                else setTimeout(look, 30);
            }};
            look();",
            limit = LIMIT.as_millis(),
        );
        let waited = async {
            let answer = self.driver().execute_async(script, Vec::new()).await?;
            Ok(answer.json().clone())
        };
        let seen = self
            .runtime
            .block_on(waited)
            .map_err(driven(&format!("wait for {what}")))?;
        if seen.is_null() {
            let last = self.ask(
                "[...document.querySelectorAll('#link, .lost:not([hidden]), .reply, .device, .doing, .task, .fault, .flag text')]\
                 .map(node => node.textContent.trim()).filter(Boolean).join(' | ').slice(0, 1000)",
            )?;
            return Err(BrowserError::Unseen {
                what: what.to_owned(),
                last: last.as_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(seen)
    }

    /// Presses what a CSS selector finds, as a person would with a mouse.
    pub(super) fn press(&self, css: &str) -> Result<(), BrowserError> {
        self.with(css, "press", async |element| element.click().await)
    }

    /// Writes into a field in place of what stood there; a path into a field for files.
    pub(super) fn write(&self, css: &str, text: &str) -> Result<(), BrowserError> {
        self.with(css, "write into", async |element| {
            if element.attr("type").await?.as_deref() != Some("file") {
                element.clear().await?;
            }
            element.send_keys(text).await
        })
    }

    /// Chooses the first option whose words have this part.
    pub(super) fn choose(&self, css: &str, part: &str) -> Result<(), BrowserError> {
        self.with(css, "choose from", async |list| {
            let option = format!(".//option[contains(., {part:?})]");
            list.find(By::XPath(option)).await?.click().await
        })
    }

    /// Presses a key on whatever has the focus.
    pub(super) fn key(&self, key: Key) -> Result<(), BrowserError> {
        let pressed = async {
            let chain = self.driver().action_chain();
            chain
                .send_keys(String::from(char::from(key)))
                .perform()
                .await
        };
        self.runtime
            .block_on(pressed)
            .map_err(driven("press a key"))
    }

    fn with(
        &self,
        css: &str,
        what: &str,
        act: impl AsyncFnOnce(WebElement) -> thirtyfour::error::WebDriverResult<()>,
    ) -> Result<(), BrowserError> {
        let acted = async { act(self.driver().find(By::Css(css)).await?).await };
        self.runtime
            .block_on(acted)
            .map_err(driven(&format!("{what} `{css}`")))
    }

    /// Says something in Chromium's own language.
    pub(super) fn chromium(&self, method: &str, parameters: Value) -> Result<Value, BrowserError> {
        let said = async { self.driver().cdp().send_raw(method, parameters).await };
        self.runtime.block_on(said).map_err(driven(method))
    }

    /// Errors that the page's own code, or the browser on its behalf, has told of since this was asked last. That a request was refused
    /// or a server is gone belongs to what is tried here, and is not among them.
    pub(super) fn errors(&self) -> Result<Vec<String>, BrowserError> {
        let asked = self.runtime.block_on(self.driver().browser_log());
        let log = asked.map_err(driven("read the page's log"))?;
        Ok(log
            .into_iter()
            .filter(|entry| entry.level == "SEVERE" && entry.source.as_deref() != Some("network"))
            .map(|entry| entry.message)
            .collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // A browser that is gone already needs no end.
            let _ = self.runtime.block_on(driver.quit());
        }
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn driven(what: &str) -> impl FnOnce(thirtyfour::error::WebDriverError) -> BrowserError {
    let what = what.to_owned();
    move |source| BrowserError::Driver {
        what,
        source: Box::new(source),
    }
}

fn capabilities(
    program: &Path,
    profile: &Path,
) -> thirtyfour::error::WebDriverResult<thirtyfour::ChromeCapabilities> {
    let mut wanted = DesiredCapabilities::chrome();
    wanted.set_binary(&program.to_string_lossy())?;
    for argument in ARGUMENTS {
        wanted.add_arg(argument)?;
    }
    wanted.add_arg(&format!("--host-resolver-rules=MAP {STRANGER} 127.0.0.1"))?;
    wanted.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    wanted.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(wanted)
}

/// The port that the driver says it listens on. What it prints afterwards is read and dropped, so that it never waits for a reader.
fn port_of(child: &mut Child) -> Result<u16, BrowserError> {
    let Some(output) = child.stdout.take() else {
        return Err(BrowserError::Port("nothing".to_owned()));
    };
    let (teller, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens any more once the port is known.
            let _ = teller.send(line);
        }
    });
    let end = Instant::now() + LIMIT;
    let mut printed = Vec::new();
    while let Ok(line) = told.recv_timeout(end.saturating_duration_since(Instant::now())) {
        let port = line
            .split_once("started successfully on port ")
            .and_then(|(_, rest)| rest.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return Ok(port);
        }
        printed.push(line);
    }
    Err(BrowserError::Port(printed.join(" | ")))
}
