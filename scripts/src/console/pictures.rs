//! Pictures of the page: wide and narrow, light and dark; and those that the README shows.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::browser::BrowserError;
use super::failed;
use super::page::Page;
use crate::step::{Failure, Held, Outcome};
use crate::workspace::Workspace;

/// Widths in CSS pixels: a desk, a small one, and a phone.
pub(super) const WIDE: u32 = 1440;
const MEDIUM: u32 = 1000;
pub(super) const NARROW: u32 = 390;
/// The README's pictures: how wide the page is, and how many pixels each CSS pixel has. They end where the updates end.
const KEPT: u32 = 1360;
const KEPT_SCALE: f64 = 1.5;
const KEPT_QUALITY: u32 = 82;
/// The largest of them, in bytes.
const LARGEST: usize = 200_000;

/// Where they go.
pub(super) struct Pictures {
    folder: PathBuf,
    /// Where the README's lie, if they are to be made anew.
    kept: Option<PathBuf>,
}

impl Pictures {
    /// Pictures in an empty folder.
    ///
    /// # Errors
    /// When there cannot be one.
    pub(super) fn into(workspace: &Workspace, keep: bool) -> Result<Self, BrowserError> {
        let folder = workspace.target.join("console");
        // Those of a former run must not be taken for this one's. A folder that is not there needs no removing.
        let _ = std::fs::remove_dir_all(&folder);
        let what = folder.display().to_string();
        std::fs::create_dir_all(&folder)
            .map_err(|source| BrowserError::Picture { what, source })?;
        let kept = keep.then(|| workspace.root.join(".github/pictures"));
        Ok(Self { folder, kept })
    }

    /// One of the page as it is.
    pub(super) fn now(&self, page: &Page, name: &str) -> Result<(), BrowserError> {
        let height = page.ask("Math.ceil(document.documentElement.scrollHeight)")?;
        let width = page.ask("innerWidth")?;
        self.whole(page, name, &width, &height)
    }

    /// Every size in every theme.
    pub(super) fn all(&self, page: &Page) -> Outcome {
        let mut made = Vec::new();
        page.ask("document.activeElement.blur()").map_err(failed)?;
        for theme in ["light", "dark"] {
            self.theme(page, theme).map_err(failed)?;
            for (size, width) in [("wide", WIDE), ("medium", MEDIUM), ("narrow", NARROW)] {
                let name = format!("{theme}-{size}");
                self.sized(page, width).map_err(failed)?;
                self.now(page, &name).map_err(failed)?;
                let over = page
                    .ask("document.documentElement.scrollWidth > innerWidth")
                    .map_err(failed)?;
                if over == Value::Bool(true) {
                    let output = format!("{name}: the page is wider than the window");
                    return Err(Failure::new(output, super::NEXT));
                }
                made.push(name);
            }
        }
        self.sized(page, WIDE).map_err(failed)?;
        self.theme(page, "system").map_err(failed)?;
        let folder = self.folder.display();
        Ok(Held::with(format!("{} in {folder}", made.join(", "))))
    }

    /// Presses the page's own switch until it shows this theme.
    pub(super) fn theme(&self, page: &Page, theme: &str) -> Result<(), BrowserError> {
        let wanted = format!("document.documentElement.dataset.theme === {theme:?}");
        while page.ask(&wanted)? != Value::Bool(true) {
            page.press("#theme")?;
        }
        Ok(())
    }

    /// One of the README's pictures, if they are to be made anew.
    pub(super) fn keep(&self, page: &Page, name: &str) -> Result<(), BrowserError> {
        let Some(folder) = &self.kept else {
            return Ok(());
        };
        let sized = |height: Value| {
            let metrics = json!({"width": KEPT, "height": height, "deviceScaleFactor": KEPT_SCALE, "mobile": false});
            page.chromium("Emulation.setDeviceMetricsOverride", metrics)
        };
        sized(json!(1000))?;
        page.ask("(scrollTo(0, 0), document.activeElement.blur())")?;
        settled(page)?;
        let end = "Math.ceil(document.getElementById('updates-panel').getBoundingClientRect().bottom) + 14";
        sized(page.ask(end)?)?;
        let asked = json!({"format": "webp", "quality": KEPT_QUALITY, "optimizeForSpeed": false});
        let answer = page.chromium("Page.captureScreenshot", asked)?;
        let bytes = decoded(&answer);
        let path = folder.join(format!("{name}.webp"));
        let written = match bytes.len() {
            size if size > LARGEST => Err(std::io::Error::other(format!(
                "it has {size} bytes, more than {LARGEST}"
            ))),
            _ => std::fs::write(&path, bytes),
        };
        self.sized(page, WIDE)?;
        written.map_err(|source| BrowserError::Picture {
            what: path.display().to_string(),
            source,
        })
    }

    /// Gives the page this width.
    pub(super) fn sized(&self, page: &Page, width: u32) -> Result<(), BrowserError> {
        let metrics =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        page.chromium("Emulation.setDeviceMetricsOverride", metrics)?;
        settled(page)
    }

    fn whole(
        &self,
        page: &Page,
        name: &str,
        width: &Value,
        height: &Value,
    ) -> Result<(), BrowserError> {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let asked = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let answer = page.chromium("Page.captureScreenshot", asked)?;
        let path = self.folder.join(format!("{name}.png"));
        std::fs::write(&path, decoded(&answer)).map_err(|source| BrowserError::Picture {
            what: path.display().to_string(),
            source,
        })
    }
}

/// Waits until the page has drawn itself in its new size.
fn settled(page: &Page) -> Result<(), BrowserError> {
    page.until(
        "the curves in the new width",
        "Math.abs(document.getElementById('chart').clientWidth - document.getElementById('chart-picture').viewBox.baseVal.width) < 2",
    )
    .map(drop)
}

fn decoded(answer: &Value) -> Vec<u8> {
    use ct_codecs::{Base64, Decoder};
    let text = answer["data"].as_str().unwrap_or_default();
    Base64::decode_to_vec(text, None).unwrap_or_default()
}
