//! The console's page: one document, its styles and a handful of modules, all of them inside the program.
//!
//! It needs no build step and no network. Everything it shows comes from `/api`, everything it does goes there; so it can do
//! nothing that a program could not. What it may load is told to the browser once more, in the content security policy.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{Api, Failed};

/// Only what this server itself serves, in no frame of anybody; text never becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal $kind:ident)*) => {
        [$(($name, $kind, include_str!(concat!("../console/", $name)))),*]
    };
}

/// Name, kind and text of every file.
const FILES: [(&str, &str, &str); 23] = files! {
    "index.html" HTML
    "icon.svg" SVG
    "base.css" CSS
    "layout.css" CSS
    "instruments.css" CSS
    "lists.css" CSS
    "main.js" JS
    "api.js" JS
    "axis.js" JS
    "chart.js" JS
    "controls.js" JS
    "devices.js" JS
    "dom.js" JS
    "faults.js" JS
    "history.js" JS
    "journal.js" JS
    "lanes.js" JS
    "oven.js" JS
    "packages.js" JS
    "spans.js" JS
    "state.js" JS
    "stream.js" JS
    "updates.js" JS
};

/// The page at the root, the rest below `/console`.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(|| async { file("index.html") }))
        .route(
            "/console/{file}",
            get(|Path(name): Path<String>| async move { file(&name) }),
        )
}

fn file(name: &str) -> Response {
    let Some((_, kind, text)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return Failed::missing("file of the console").into_response();
    };
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // A page of yesterday's program must not speak to today's.
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::OK, headers, *text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_console_is_served_and_names_only_files_that_are() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        let mut served: Vec<&str> = FILES.iter().map(|(name, ..)| *name).collect();
        served.sort_unstable();
        assert_eq!(served, there);
        for (name, kind, text) in FILES {
            for module in text
                .split("from \"./")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
            {
                assert!(served.contains(&module), "{name} imports {module}");
            }
            for outside in ["http://", "https://", "@import", "innerHTML", "eval("] {
                let found = text
                    .split(outside)
                    .skip(1)
                    .any(|rest| !rest.starts_with("www.w3.org/"));
                assert!(!found, "{name} has `{outside}`");
            }
            assert!(
                text.lines().count() <= 500,
                "{name} ({kind}) is too long a file"
            );
        }
    }
}
