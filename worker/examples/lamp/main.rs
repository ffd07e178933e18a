//! A lamp that remembers its brightness through crashes and upgrades: a whole device in forty lines.

use serde::{Deserialize, Serialize};
use worker_sdk::{Device, Fault, Kind, Model, Property, Refusal, Reporter, Resume, Value};

#[derive(Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Light {
    brightness: i64,
}

#[derive(Default)]
struct Lamp {
    light: Light,
    report: Option<Reporter>,
}

impl Device for Lamp {
    type Snapshot = Light;

    fn model(&self) -> Model {
        let brightness = Property::writable("brightness", "Brightness", Kind::int(0..=100, "%"));
        Model::new("Lamp", env!("CARGO_PKG_VERSION")).with(brightness)
    }

    async fn activate(
        &mut self,
        report: Reporter,
        from: Option<Resume<Light>>,
    ) -> Result<(), Fault> {
        self.light = from.map(|it| it.state).unwrap_or_default();
        report.set("brightness", self.light.brightness);
        self.report = Some(report);
        Ok(())
    }

    async fn set(&mut self, name: &str, value: Value) -> Result<(), Refusal> {
        if let (Value::Int(percent), Some(report)) = (value, &self.report) {
            self.light.brightness = percent; // Already known to lie between 0 and 100.
            report.set(name, percent);
        }
        Ok(())
    }

    fn snapshot(&self) -> Light {
        self.light.clone()
    }
}

fn main() -> std::process::ExitCode {
    worker_sdk::run(Lamp::default)
}

#[cfg(test)]
mod tests;
