//! The console as a person sees it: what is where, and what it says.

use serde_json::Value;
use thirtyfour::Key;

use super::browser::{Browser, BrowserError};
use crate::stage::Stage;

/// The open page.
pub(super) struct Page {
    browser: Browser,
    address: String,
}

type Done<T = ()> = Result<T, BrowserError>;

impl Page {
    /// Opens the console of this stage and waits until it is live.
    ///
    /// # Errors
    /// When it does not become so.
    pub(super) fn open(browser: Browser, stage: &Stage) -> Done<Self> {
        let address = format!("http://{}/", stage.emulator().http_address());
        let page = Self { browser, address };
        page.home()?;
        page.until(
            "the oven on line",
            "document.querySelector('.device[aria-pressed=true]').dataset.online === 'true'",
        )?;
        page.until("the oven drawn", "!document.getElementById('oven').hidden")?;
        Ok(page)
    }

    /// Goes (back) to that console.
    pub(super) fn home(&self) -> Done {
        self.visit(&self.address)
    }

    /// Goes to a console and waits until it is live.
    pub(super) fn visit(&self, address: &str) -> Done {
        self.browser.go(address)?;
        self.until("a live page", "document.body.dataset.link === 'live'")?;
        Ok(())
    }

    /// Goes to a page that is no console.
    pub(super) fn elsewhere(&self, address: &str) -> Done {
        self.browser.go(address)
    }

    pub(super) fn until(&self, what: &str, expression: &str) -> Done<Value> {
        self.browser.until(what, expression)
    }

    pub(super) fn ask(&self, expression: &str) -> Done<Value> {
        self.browser.ask(expression)
    }

    pub(super) fn press(&self, css: &str) -> Done {
        self.browser.press(css)
    }

    pub(super) fn write(&self, css: &str, text: &str) -> Done {
        self.browser.write(css, text)
    }

    pub(super) fn choose(&self, css: &str, part: &str) -> Done {
        self.browser.choose(css, part)
    }

    pub(super) fn key(&self, key: Key) -> Done {
        self.browser.key(key)
    }

    pub(super) fn chromium(&self, method: &str, parameters: Value) -> Done<Value> {
        self.browser.chromium(method, parameters)
    }

    pub(super) fn errors(&self) -> Done<Vec<String>> {
        self.browser.errors()
    }

    /// Waits until the words beside a control tell that it was done, or was refused, and returns them.
    pub(super) fn reply(&self, css: &str, kind: &str) -> Done<String> {
        let what = format!("a reply that is {kind}");
        let kept = format!(
            "(reply => reply.dataset.kind === {kind:?} && reply.textContent)(document.querySelector({css:?}))"
        );
        let words = self.until(&what, &kept)?;
        Ok(words.as_str().unwrap_or_default().to_owned())
    }

    /// Opens what is folded up, unless it is open.
    pub(super) fn unfold(&self, css: &str) -> Done {
        if self.ask(&format!("document.querySelector({css:?}).open"))? == Value::Bool(false) {
            self.press(&format!("{css} > summary"))?;
        }
        Ok(())
    }
}
