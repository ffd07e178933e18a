//! The status as numbers, in the text format of Prometheus (version 0.0.4), for an operator's alarms.
//!
//! Names, units and meanings are a promise, like the exit codes: metrics are only ever added. What each is good for, and which of them
//! to be woken by, stands in the operator's guide.

use std::fmt::Write as _;

use supervisor_core::status::Status;

use crate::drivers::host::Footprint;

/// What a metric is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, from the start of the supervisor on.
    Counter,
}

/// The metrics of one look.
pub(crate) fn text(status: &Status, supervisor: &Footprint) -> String {
    let mut page = Page::default();
    page.metric(
        "supervisor_info",
        Kind::Gauge,
        "Always 1; the version of the supervisor.",
    )
    .value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.metric(
        "supervisor_memory_bytes",
        Kind::Gauge,
        "Resident memory of the supervisor.",
    )
    .may(&[], supervisor.memory_bytes);
    let fallen = "1 while the supervisor runs on the last good configuration, because the given one cannot be used.";
    page.metric("configuration_fallen_back", Kind::Gauge, fallen)
        .value(&[], supervisor.configuration.is_some());
    page.metric("cloud_up", Kind::Gauge, "1 while the cloud link is up.")
        .value(&[], status.cloud_up);
    page.metric(
        "cloud_connections_total",
        Kind::Counter,
        "How often the cloud link came up.",
    )
    .value(&[], status.cloud_connections);
    update(&mut page, status);
    workers(&mut page, status);
    let dropped = "What never reached the cloud, because more waited for it than is kept.";
    page.metric("dropped_total", Kind::Counter, dropped)
        .value(&[("kind", "reports")], status.dropped.reports)
        .value(&[("kind", "events")], status.dropped.events)
        .value(&[("kind", "properties")], status.dropped.properties);
    page.metric(
        "strangers_total",
        Kind::Counter,
        "How many without a token were refused on the worker socket.",
    )
    .value(&[], status.strangers);
    page.text
}

fn update(page: &mut Page, status: &Status) {
    let phase = "Always 1; the phase of the update, `idle` if there is none.";
    page.metric("update_phase", Kind::Gauge, phase)
        .value(&[("phase", &status.phase)], 1);
    let progress = "Percent of the wanted image that is on the disk.";
    page.metric("update_progress_percent", Kind::Gauge, progress)
        .value(&[], status.ota_progress);
    page.metric(
        "updates_paused",
        Kind::Gauge,
        "1 while an operator holds updates.",
    )
    .value(&[], status.paused);
    page.metric(
        "quarantined_versions",
        Kind::Gauge,
        "How many versions are not taken until they are released.",
    )
    .value(&[], status.quarantined.len());
    page.metric(
        "last_switch_gap_seconds",
        Kind::Gauge,
        "How long nobody ran the device in the last switch.",
    )
    .may(&[], status.last_gap_ms.map(|ms| ms as f64 / 1000.0));
    let ended = status.last_outcome.as_ref();
    let version = ended.map_or_else(String::new, |ended| ended.version.to_string());
    page.metric(
        "last_update_succeeded",
        Kind::Gauge,
        "1 if the last update ended well, 0 if not; none before the first.",
    )
    .may(
        &[("version", &version)],
        ended.map(|ended| ended.outcome.is_none()),
    );
    page.metric(
        "last_update_ended_timestamp_seconds",
        Kind::Gauge,
        "When the last update ended, in seconds since 1970.",
    )
    .may(&[], ended.map(|ended| ended.at.0 / 1000));
}

fn workers(page: &mut Page, status: &Status) {
    page.metric(
        "worker_respawns_total",
        Kind::Counter,
        "How often a worker was started again after it had died.",
    )
    .value(&[], status.respawns);
    page.metric(
        "worker_active",
        Kind::Gauge,
        "1 while a worker runs the device, 0 while none does.",
    )
    .value(
        &[],
        status.workers.iter().any(|worker| worker.role == "active"),
    );
    page.metric(
        "worker_well",
        Kind::Gauge,
        "1 if the worker says it is well, 0 if not.",
    );
    for worker in &status.workers {
        let labels = [("role", worker.role.as_str()), ("version", &worker.version)];
        page.value(&labels, worker.health == "well");
    }
    page.metric(
        "worker_memory_bytes",
        Kind::Gauge,
        "Resident memory of the worker.",
    );
    for worker in &status.workers {
        let labels = [("role", worker.role.as_str()), ("version", &worker.version)];
        page.may(&labels, worker.memory_bytes);
    }
}

/// The text as it grows.
#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

/// A number as Prometheus writes it.
trait Number {
    fn written(self) -> String;
}

impl Number for bool {
    fn written(self) -> String {
        u8::from(self).to_string()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            fn written(self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(u8, i32, u64, usize, f64);

impl Page {
    /// Begins a metric.
    fn metric(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        self.name = name;
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // Writing into a text in memory cannot fail.
        let _ = writeln!(
            self.text,
            "# HELP hotplate_{name} {help}\n# TYPE hotplate_{name} {kind}"
        );
        self
    }

    /// Adds a value of the metric that was begun.
    fn value(&mut self, labels: &[(&str, &str)], value: impl Number) -> &mut Self {
        let mut named: Vec<String> = Vec::with_capacity(labels.len());
        for (name, value) in labels {
            named.push(format!("{name}=\"{}\"", escaped(value)));
        }
        let labels = if named.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", named.join(","))
        };
        let _ = writeln!(
            self.text,
            "hotplate_{}{labels} {}",
            self.name,
            value.written()
        );
        self
    }

    /// The same, if it is known.
    fn may(&mut self, labels: &[(&str, &str)], value: Option<impl Number>) -> &mut Self {
        match value {
            Some(value) => self.value(labels, value),
            None => self,
        }
    }
}

/// A label's value between its quotes.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use supervisor_core::status::WorkerStatus;

    use super::*;

    #[test]
    fn every_value_stands_below_its_help_and_its_type() {
        let status = Status {
            phase: "proving".to_owned(),
            cloud_up: true,
            last_gap_ms: Some(4),
            workers: vec![WorkerStatus {
                role: "active".to_owned(),
                version: "1.0.\"7\"".to_owned(),
                health: "unwell: hot".to_owned(),
                memory_bytes: Some(1_500_000),
                ..WorkerStatus::default()
            }],
            ..Status::default()
        };
        let text = text(&status, &Footprint::default());
        let mut named = "";
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                named = help.split(' ').next().unwrap();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                assert_eq!(kind.split(' ').next().unwrap(), named);
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name, named, "{line}");
                let number = line.rsplit(' ').next().unwrap();
                number.parse::<f64>().unwrap();
            }
        }
        for line in [
            "hotplate_update_phase{phase=\"proving\"} 1",
            "hotplate_cloud_up 1",
            "hotplate_last_switch_gap_seconds 0.004",
            "hotplate_worker_active 1",
            "hotplate_worker_well{role=\"active\",version=\"1.0.\\\"7\\\"\"} 0",
            "hotplate_worker_memory_bytes{role=\"active\",version=\"1.0.\\\"7\\\"\"} 1500000",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
        assert!(
            !text.contains("last_update_succeeded{"),
            "there was no update"
        );
    }
}
